-- Rules that fired, each once, and who would be or was called.
CREATE TABLE IF NOT EXISTS triggers
(
    tenant          LowCardinality(String),
    rule            LowCardinality(String),
    rule_version    LowCardinality(String),
    kind            LowCardinality(String),
    status          LowCardinality(String),
    once_per        LowCardinality(String),
    trigger_id      UUID CODEC(NONE),
    account         LowCardinality(String),
    recipient_id    UUID CODEC(NONE),
    campaign_id     LowCardinality(String),
    campaign_name   LowCardinality(String),
    message_id      String,
    custom_id       String,
    anchor_at       Nullable(DateTime64(6, 'UTC')),
    occurred_at     DateTime64(6, 'UTC'),
    arrived_at      DateTime64(6, 'UTC'),
    evidence_ids    Array(UUID),
    evidence_types  Array(LowCardinality(String)),
    endpoint        LowCardinality(String),
    kafka_partition Int32,
    kafka_offset    Int64,
    INDEX recipient recipient_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(arrived_at)
ORDER BY (tenant, rule, arrived_at)
TTL toDateTime(arrived_at) + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

-- Attempts to call an endpoint for a trigger, and their outcome.
CREATE TABLE IF NOT EXISTS deliveries
(
    tenant          LowCardinality(String),
    rule            LowCardinality(String),
    endpoint        LowCardinality(String),
    url             String,
    trigger_id      UUID CODEC(NONE),
    attempt         UInt16,
    attempted_at    DateTime64(6, 'UTC'),
    duration_ms     Int64,
    status          LowCardinality(String),
    status_code     UInt16,
    error           String,
    response        String CODEC(ZSTD(1)),
    next_attempt_at Nullable(DateTime64(6, 'UTC')),
    kafka_partition Int32,
    kafka_offset    Int64,
    INDEX trigger trigger_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(attempted_at)
ORDER BY (tenant, endpoint, attempted_at)
TTL toDateTime(attempted_at) + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;
