-- Attempts to call an endpoint for a trigger, and their outcome. All generations
-- share it.
CREATE TABLE IF NOT EXISTS {{table "deliveries"}}
(
    tenant           LowCardinality(String) COMMENT 'Tenant.',
    rule             LowCardinality(String) COMMENT 'Rule.',
    endpoint         LowCardinality(String) COMMENT 'Endpoint.',
    action           LowCardinality(String) COMMENT 'What was done: callback, mailjet_send or mailjet_list.',
    url              String COMMENT 'URL called, without userinfo and query.' CODEC(ZSTD(1)),
    trigger_id       UUID COMMENT 'Trigger; the webhook-id of every attempt.' CODEC(NONE),
    recipient_id     UUID COMMENT 'Whom the trigger is about; zeros: nobody in particular.' CODEC(NONE),
    campaign_id      LowCardinality(String) COMMENT 'The trigger''s campaign.',
    attempt          UInt16 COMMENT 'From 1.' CODEC(ZSTD(1)),
    attempted_at     DateTime64(6, 'UTC') COMMENT 'When the call began. Partitions and expiry go by it.' CODEC(Delta, ZSTD(1)),
    duration_ms      Int64 COMMENT 'Until the response was read or the attempt failed, in ms.' CODEC(ZSTD(1)),
    status           LowCardinality(String) COMMENT 'How it ended.',
    status_code      UInt16 COMMENT 'HTTP status; 0: no response.' CODEC(ZSTD(1)),
    error            String COMMENT 'What went wrong.' CODEC(ZSTD(1)),
    response         String COMMENT 'First 1 KiB of the response.' CODEC(ZSTD(1)),
    next_attempt_at  Nullable(DateTime64(6, 'UTC')) COMMENT 'When it is tried again; null: never.' CODEC(ZSTD(1)),
    request_method   LowCardinality(String) COMMENT 'Method of the request.',
    request_headers  Map(LowCardinality(String), String) COMMENT 'Headers sent; what is secret in them is replaced by ***.' CODEC(ZSTD(1)),
    request_body     String COMMENT 'Body sent, cut at 16 KiB.' CODEC(ZSTD(1)),
    response_headers Map(LowCardinality(String), String) COMMENT 'Headers of the response, of each the first value.' CODEC(ZSTD(1)),
    manual           Bool COMMENT 'A person asked for it.' CODEC(ZSTD(1)),
    kafka_partition  Int32 COMMENT 'Partition of the record in its topic.' CODEC(ZSTD(1)),
    kafka_offset     Int64 COMMENT 'Offset of the record in its partition.' CODEC(Delta, ZSTD(1)),
    INDEX trigger trigger_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = {{engine ""}}
PARTITION BY toYYYYMM(attempted_at)
ORDER BY (tenant, endpoint, attempted_at)
TTL toDateTime(attempted_at) + INTERVAL 400 DAY
SETTINGS {{once}}, ttl_only_drop_parts = 1
COMMENT 'Attempts to call an endpoint for a trigger.';

{{distributed "deliveries"}}
