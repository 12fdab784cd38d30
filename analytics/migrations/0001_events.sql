-- Facts: each event once, never revised. No addresses: recipients are told
-- apart by recipient_id, ip addresses are left out, links are redacted.
--
-- Partitions and expiry follow received_at, since event time can be anything:
-- one block of late events would touch a hundred months. The ids are hashes,
-- which no codec makes smaller.
CREATE TABLE IF NOT EXISTS events
(
    tenant              LowCardinality(String),
    account             LowCardinality(String),
    source              LowCardinality(String),
    provider            LowCardinality(String),
    campaign_id         LowCardinality(String),
    campaign_name       LowCardinality(String),
    type                LowCardinality(String),
    provider_type       LowCardinality(String),
    occurred_at         DateTime64(6, 'UTC') CODEC(Delta, LZ4),
    received_at         DateTime64(6, 'UTC') CODEC(Delta, LZ4),
    arrived_at          DateTime64(6, 'UTC') CODEC(Delta, LZ4),
    time_suspect        Bool,
    event_id            UUID CODEC(NONE),
    provider_event_id   String,
    message_id          String,
    message_uuid        String,
    rfc_message_id      String,
    recipient_id        UUID CODEC(NONE),
    recipient_domain    LowCardinality(String),
    recipient_ambiguous Bool,
    contact_id          String,
    list_id             LowCardinality(String),
    custom_id           String,
    tags                Array(LowCardinality(String)),
    metadata            Map(LowCardinality(String), String),
    url                 String,
    link_index          UInt16,
    user_agent          LowCardinality(String),
    country             LowCardinality(String),
    region              LowCardinality(String),
    city                LowCardinality(String),
    client_name         LowCardinality(String),
    client_os           LowCardinality(String),
    device_type         LowCardinality(String),
    machine             LowCardinality(String),
    machine_reasons     Array(LowCardinality(String)),
    first               Bool,
    bounce_class        LowCardinality(String),
    reject_reason       LowCardinality(String),
    smtp_code           UInt16,
    smtp_enhanced       LowCardinality(String),
    description         String,
    complaint_source    LowCardinality(String),
    attempt             UInt16,
    webhook_id          UUID,
    webhook_index       Int32,
    mapper_version      UInt16,
    kafka_partition     Int32,
    kafka_offset        Int64 CODEC(Delta, LZ4),
    INDEX occurred occurred_at TYPE minmax GRANULARITY 1,
    INDEX recipient recipient_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(received_at)
ORDER BY (tenant, campaign_id, type, occurred_at)
TTL toDateTime(received_at) + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;
