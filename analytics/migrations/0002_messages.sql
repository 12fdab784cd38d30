-- What is known of one message to one recipient. The sort key holds nothing
-- that can change, and there are no partitions: a later revision must meet the
-- earlier one to replace it. The later one is that behind in the topic, where all
-- of a message lie in one partition: a message that was forgotten begins again at
-- revision 1. Read it FINAL with a narrow filter, or by argMax of kafka_offset.
CREATE TABLE IF NOT EXISTS {{table "messages"}}
(
    tenant                 LowCardinality(String) COMMENT 'Tenant.',
    account                LowCardinality(String) COMMENT 'Account at the provider.',
    provider               LowCardinality(String) COMMENT 'Mail provider.',
    message_id             String COMMENT 'The provider''s message id; where events have none, ~ and the campaign.' CODEC(ZSTD(1)),
    message_uuid           String COMMENT 'Mailjet''s Message_GUID.' CODEC(ZSTD(1)),
    recipient_id           UUID COMMENT 'Recipient, as in events.' CODEC(NONE),
    recipient_domain       LowCardinality(String) COMMENT 'Domain of the address, lower case; empty: unknown.',
    campaign_id            LowCardinality(String) COMMENT 'Campaign, learned from any of the message''s events; empty: none.',
    campaign_name          LowCardinality(String) COMMENT 'Its name.',
    custom_id              String COMMENT 'The sender''s own id of the message.' CODEC(ZSTD(1)),
    contact_id             String COMMENT 'The provider''s id of the contact.' CODEC(ZSTD(1)),
    sent_at                Nullable(DateTime64(6, 'UTC')) COMMENT 'Send: the earliest of queued, sent and delivered; null while none is known.' CODEC(ZSTD(1)),
    send_basis             LowCardinality(String) COMMENT 'Which of them: queued, sent or delivered.',
    delivered_at           Nullable(DateTime64(6, 'UTC')) COMMENT 'First delivered; null: not known.' CODEC(ZSTD(1)),
    first_opened_at        Nullable(DateTime64(6, 'UTC')) COMMENT 'First open, by anyone.' CODEC(ZSTD(1)),
    first_human_opened_at  Nullable(DateTime64(6, 'UTC')) COMMENT 'First open not by a machine.' CODEC(ZSTD(1)),
    first_clicked_at       Nullable(DateTime64(6, 'UTC')) COMMENT 'First click, by anyone.' CODEC(ZSTD(1)),
    first_human_clicked_at Nullable(DateTime64(6, 'UTC')) COMMENT 'First click not by a machine.' CODEC(ZSTD(1)),
    bounced_at             Nullable(DateTime64(6, 'UTC')) COMMENT 'First bounce.' CODEC(ZSTD(1)),
    complained_at          Nullable(DateTime64(6, 'UTC')) COMMENT 'First complaint.' CODEC(ZSTD(1)),
    unsubscribed_at        Nullable(DateTime64(6, 'UTC')) COMMENT 'First unsubscribe.' CODEC(ZSTD(1)),
    opens                  Int64 COMMENT 'All opens.' CODEC(ZSTD(1)),
    human_opens            Int64 COMMENT 'Opens not by machines.' CODEC(ZSTD(1)),
    clicks                 Int64 COMMENT 'All clicks.' CODEC(ZSTD(1)),
    human_clicks           Int64 COMMENT 'Clicks not by machines.' CODEC(ZSTD(1)),
    machine_reasons        LowCardinality(String) COMMENT 'Why opens or clicks that look human by themselves count as a machine''s: before_delivery, fast_click, link_burst.',
    deferrals              Int64 COMMENT 'Temporary failures.' CODEC(ZSTD(1)),
    complaints             Int64 COMMENT 'Complaints.' CODEC(ZSTD(1)),
    unsubscribes           Int64 COMMENT 'Unsubscribes.' CODEC(ZSTD(1)),
    open_delay_ms          Nullable(Int64) COMMENT 'Delivery to first open, in ms, never negative; null while either is unknown.' CODEC(ZSTD(1)),
    click_delay_ms         Nullable(Int64) COMMENT 'First open to first click, in ms, never negative; null while either is unknown.' CODEC(ZSTD(1)),
    outcome                LowCardinality(String) COMMENT 'queued, deferred, delivered, rejected, failed or bounced; a bounce after delivery wins.',
    outcome_at             Nullable(DateTime64(6, 'UTC')) COMMENT 'Event time of the event that decided the outcome.' CODEC(ZSTD(1)),
    late_bounce            Bool COMMENT 'Bounced after it had been delivered.' CODEC(ZSTD(1)),
    bounce_class           LowCardinality(String) COMMENT 'hard, soft or block, of the bounce.',
    reject_reason          LowCardinality(String) COMMENT 'Of the bounce or rejection.',
    time_suspect           Bool COMMENT 'An event of it has a suspect time.' CODEC(ZSTD(1)),
    first_event_at         DateTime64(6, 'UTC') COMMENT 'Earliest event time.' CODEC(ZSTD(1)),
    last_event_at          DateTime64(6, 'UTC') COMMENT 'Latest event time.' CODEC(ZSTD(1)),
    last_arrived_at        DateTime64(6, 'UTC') COMMENT 'Latest arrival time.' CODEC(ZSTD(1)),
    revision               Int64 COMMENT 'Number of distinct events that it was derived from: grows with every change.' CODEC(ZSTD(1)),
    kafka_partition        Int32 COMMENT 'Partition of the record in its topic.' CODEC(ZSTD(1)),
    kafka_offset           Int64 COMMENT 'Offset of the record in its partition.' CODEC(Delta, ZSTD(1)),
    INDEX campaign campaign_id TYPE set(64) GRANULARITY 4,
    INDEX recipient recipient_id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = {{engine "Replacing" "kafka_offset"}}
ORDER BY (tenant, account, message_id, recipient_id)
SETTINGS {{once}}
COMMENT 'What is known of one message to one recipient; the row with the highest kafka_offset counts (FINAL).';

{{distributed "messages"}}
