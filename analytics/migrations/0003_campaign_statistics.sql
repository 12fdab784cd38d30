-- Counts of one campaign: its lifetime, and windows of five minutes by event
-- time and by send time. Fine windows, so that the days of every time zone are
-- exact sums. version = generation * 2^48 + Kafka offset.
CREATE TABLE IF NOT EXISTS campaign_statistics
(
    tenant          LowCardinality(String),
    campaign_id     LowCardinality(String),
    campaign_name   LowCardinality(String),
    basis           LowCardinality(String),
    window_start    DateTime('UTC'),
    window_seconds  UInt32,
    messages        Int64,
    queued          Int64,
    deferred        Int64,
    delivered       Int64,
    rejected        Int64,
    failed          Int64,
    hard_bounced    Int64,
    soft_bounced    Int64,
    opened          Int64,
    human_opened    Int64,
    opens           Int64,
    human_opens     Int64,
    clicked         Int64,
    human_clicked   Int64,
    clicks          Int64,
    human_clicks    Int64,
    unsubscribed    Int64,
    unsubscribes    Int64,
    complained      Int64,
    complaints      Int64,
    late_bounces    Int64,
    open_delay_ms   Int64,
    open_delays     Int64,
    click_delay_ms  Int64,
    click_delays    Int64,
    first_event_at  DateTime64(6, 'UTC'),
    last_event_at   DateTime64(6, 'UTC'),
    updated_at      DateTime64(6, 'UTC'),
    version         UInt64,
    kafka_partition Int32,
    kafka_offset    Int64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (tenant, campaign_id, basis, window_start)
SETTINGS non_replicated_deduplication_window = 10000;

-- One row a campaign: its lifetime as last known.
CREATE VIEW IF NOT EXISTS campaigns AS
SELECT * EXCEPT (basis, window_start, window_seconds, version, kafka_partition, kafka_offset)
FROM campaign_statistics FINAL
WHERE basis = 'lifetime';
