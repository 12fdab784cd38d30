-- What could not be read, and why. The raw webhook stays in Kafka.
CREATE TABLE IF NOT EXISTS {{table "rejections"}}
(
    tenant            LowCardinality(String) COMMENT 'Tenant.',
    account           LowCardinality(String) COMMENT 'Account at the provider.',
    source            LowCardinality(String) COMMENT 'Source whose URL received it.',
    provider          LowCardinality(String) COMMENT 'Mail provider.',
    webhook_id        UUID COMMENT 'The webhook.' CODEC(NONE),
    webhook_partition Int32 COMMENT 'Its partition in posthorn.webhooks, where the raw body stays.' CODEC(ZSTD(1)),
    webhook_offset    Int64 COMMENT 'Its offset there.' CODEC(ZSTD(1)),
    webhook_index     Int32 COMMENT 'Position of the event in the body, from 0; -1: the whole body.' CODEC(ZSTD(1)),
    reason            LowCardinality(String) COMMENT 'Short code: bad_json, not_an_event, missing_field, bad_field, unknown_provider, ...',
    field             LowCardinality(String) COMMENT 'Field concerned.',
    detail            String COMMENT 'What was wrong, for a person.' CODEC(ZSTD(1)),
    received_at       DateTime64(6, 'UTC') COMMENT 'When the gateway received it. Partitions and expiry go by it.' CODEC(Delta, ZSTD(1)),
    arrived_at        DateTime64(6, 'UTC') COMMENT 'When Kafka stored it.' CODEC(Delta, ZSTD(1)),
    mapper_version    UInt16 COMMENT 'Version of the decoder that refused it.' CODEC(ZSTD(1)),
    kafka_partition   Int32 COMMENT 'Partition of the record in its topic.' CODEC(ZSTD(1)),
    kafka_offset      Int64 COMMENT 'Offset of the record in its partition.' CODEC(Delta, ZSTD(1))
)
ENGINE = {{engine ""}}
PARTITION BY toYYYYMM(received_at)
ORDER BY (tenant, source, received_at)
TTL toDateTime(received_at) + INTERVAL 400 DAY
SETTINGS {{once}}, ttl_only_drop_parts = 1
COMMENT 'What could not be read of webhooks, and why.';

{{distributed "rejections"}}
