-- What could not be read, and why. The raw webhook stays in Kafka.
CREATE TABLE IF NOT EXISTS rejections
(
    tenant            LowCardinality(String),
    account           LowCardinality(String),
    source            LowCardinality(String),
    provider          LowCardinality(String),
    webhook_id        UUID CODEC(NONE),
    webhook_partition Int32,
    webhook_offset    Int64,
    webhook_index     Int32,
    reason            LowCardinality(String),
    field             LowCardinality(String),
    detail            String CODEC(ZSTD(1)),
    received_at       DateTime64(6, 'UTC'),
    arrived_at        DateTime64(6, 'UTC'),
    mapper_version    UInt16,
    kafka_partition   Int32,
    kafka_offset      Int64
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(received_at)
ORDER BY (tenant, source, received_at)
TTL toDateTime(received_at) + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;
