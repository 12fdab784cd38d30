-- What is known of one message to one recipient. The sort key holds nothing
-- that can change, and there are no partitions: a later revision must meet the
-- earlier one to replace it. Read it FINAL with a narrow filter, or by argMax.
CREATE TABLE IF NOT EXISTS messages
(
    tenant                 LowCardinality(String),
    account                LowCardinality(String),
    provider               LowCardinality(String),
    message_id             String,
    message_uuid           String,
    recipient_id           UUID CODEC(NONE),
    recipient_domain       LowCardinality(String),
    campaign_id            LowCardinality(String),
    campaign_name          LowCardinality(String),
    custom_id              String,
    contact_id             String,
    sent_at                Nullable(DateTime64(6, 'UTC')),
    send_basis             LowCardinality(String),
    delivered_at           Nullable(DateTime64(6, 'UTC')),
    first_opened_at        Nullable(DateTime64(6, 'UTC')),
    first_human_opened_at  Nullable(DateTime64(6, 'UTC')),
    first_clicked_at       Nullable(DateTime64(6, 'UTC')),
    first_human_clicked_at Nullable(DateTime64(6, 'UTC')),
    bounced_at             Nullable(DateTime64(6, 'UTC')),
    complained_at          Nullable(DateTime64(6, 'UTC')),
    unsubscribed_at        Nullable(DateTime64(6, 'UTC')),
    opens                  Int64,
    human_opens            Int64,
    clicks                 Int64,
    human_clicks           Int64,
    deferrals              Int64,
    complaints             Int64,
    unsubscribes           Int64,
    open_delay_ms          Nullable(Int64),
    click_delay_ms         Nullable(Int64),
    outcome                LowCardinality(String),
    outcome_at             Nullable(DateTime64(6, 'UTC')),
    late_bounce            Bool,
    bounce_class           LowCardinality(String),
    reject_reason          LowCardinality(String),
    time_suspect           Bool,
    first_event_at         DateTime64(6, 'UTC'),
    last_event_at          DateTime64(6, 'UTC'),
    last_arrived_at        DateTime64(6, 'UTC'),
    revision               Int64,
    kafka_partition        Int32,
    kafka_offset           Int64 CODEC(Delta, LZ4),
    INDEX campaign campaign_id TYPE set(64) GRANULARITY 4
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY (tenant, account, message_id, recipient_id)
SETTINGS non_replicated_deduplication_window = 10000;
