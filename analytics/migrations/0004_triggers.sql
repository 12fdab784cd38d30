-- Rules that fired, each once, and who would be or was called.
CREATE TABLE IF NOT EXISTS {{table "triggers"}}
(
    tenant          LowCardinality(String) COMMENT 'Tenant.',
    rule            LowCardinality(String) COMMENT 'Name of the rule.',
    rule_version    LowCardinality(String) COMMENT 'Hash of the rule''s text when it fired.',
    kind            LowCardinality(String) COMMENT 'Kind of the rule: within, absence, ...',
    status          LowCardinality(String) COMMENT 'fired, expired (the evidence was too old when it arrived, nobody is called) or shadow (the rule only watches).',
    once_per        LowCardinality(String) COMMENT 'Fires once per recipient, message or campaign.',
    trigger_id      UUID COMMENT 'Id of the firing; the webhook-id of its calls.' CODEC(NONE),
    account         LowCardinality(String) COMMENT 'Account at the provider.',
    recipient_id    UUID COMMENT 'Recipient, as in events; zeros: nobody in particular.' CODEC(NONE),
    campaign_id     LowCardinality(String) COMMENT 'Campaign.',
    campaign_name   LowCardinality(String) COMMENT 'Its name.',
    message_id      String COMMENT 'Message of the evidence.' CODEC(ZSTD(1)),
    custom_id       String COMMENT 'The sender''s own id of it.' CODEC(ZSTD(1)),
    anchor_at       Nullable(DateTime64(6, 'UTC')) COMMENT 'Event time of the first of two events; null where the rule has one.' CODEC(ZSTD(1)),
    occurred_at     DateTime64(6, 'UTC') COMMENT 'Event time of the evidence that completed it.' CODEC(ZSTD(1)),
    arrived_at      DateTime64(6, 'UTC') COMMENT 'When what completed it became known. Partitions and expiry go by it.' CODEC(Delta, ZSTD(1)),
    evidence_ids    Array(UUID) COMMENT 'Events that it rests on, in the rule''s order.' CODEC(ZSTD(1)),
    evidence_types  Array(LowCardinality(String)) COMMENT 'Their types.' CODEC(ZSTD(1)),
    endpoint        LowCardinality(String) COMMENT 'Endpoint to call; empty: none.',
    occurrence      String COMMENT 'Which of the firings of its key it is: once, or the start of its cooldown or step.' CODEC(ZSTD(1)),
    not_before      Nullable(DateTime64(6, 'UTC')) COMMENT 'Nobody is called before: the rule''s active hours; null: at once.' CODEC(ZSTD(1)),
    state           LowCardinality(String) COMMENT 'raised or cleared, of a campaign''s rule with an all-clear; else empty.',
    window_start    Nullable(DateTime64(6, 'UTC')) COMMENT 'Start of the window of a counting rule; null: of other rules.' CODEC(ZSTD(1)),
    window_end      Nullable(DateTime64(6, 'UTC')) COMMENT 'Its end.' CODEC(ZSTD(1)),
    hits            Int64 COMMENT 'Events counted in that window.' CODEC(ZSTD(1)),
    base            Int64 COMMENT 'Of a rate: the events that they are a share of.' CODEC(ZSTD(1)),
    kafka_partition Int32 COMMENT 'Partition of the record in its topic.' CODEC(ZSTD(1)),
    kafka_offset    Int64 COMMENT 'Offset of the record in its partition.' CODEC(Delta, ZSTD(1)),
    INDEX recipient recipient_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = {{engine ""}}
PARTITION BY toYYYYMM(arrived_at)
ORDER BY (tenant, rule, arrived_at)
TTL toDateTime(arrived_at) + INTERVAL 400 DAY
SETTINGS {{once}}, ttl_only_drop_parts = 1
COMMENT 'Rules that fired, each firing once.';

{{distributed "triggers"}}
