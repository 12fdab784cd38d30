-- Counts of one campaign: its lifetime, and windows of five minutes by event
-- time and by send time. Fine windows, so that the days of every time zone are
-- exact sums. The basis comes before the campaign: what is asked of all campaigns
-- is of one basis. version = generation * 2^48 + Kafka offset.
--
-- A page reads one campaign and basis, a few hundred rows, of every part, and FINAL
-- merges all that is read: with granules of 8192 rows most of it were others'.
CREATE TABLE IF NOT EXISTS {{table "campaign_statistics"}}
(
    tenant          LowCardinality(String) COMMENT 'Tenant.',
    campaign_id     LowCardinality(String) COMMENT 'Campaign; - for messages without one.',
    campaign_name   LowCardinality(String) COMMENT 'Its name.',
    basis           LowCardinality(String) COMMENT 'How counts are put into windows: lifetime (one total), event_time, send_time; event_time_late and send_time_late are totals of what came after its window was closed.',
    window_start    DateTime('UTC') COMMENT 'Start of the window of five minutes; 1970-01-01 where there is none.' CODEC(Delta, ZSTD(1)),
    window_seconds  Int32 COMMENT 'Length of the window; 0 where there is none.' CODEC(ZSTD(1)),
    messages        Int64 COMMENT 'Messages processed: what Mailjet calls Total.' CODEC(ZSTD(1)),
    queued          Int64 COMMENT 'Messages whose outcome is queued.' CODEC(ZSTD(1)),
    deferred        Int64 COMMENT 'Messages whose outcome is deferred.' CODEC(ZSTD(1)),
    delivered       Int64 COMMENT 'Messages whose outcome is delivered.' CODEC(ZSTD(1)),
    rejected        Int64 COMMENT 'Messages whose outcome is rejected: never sent.' CODEC(ZSTD(1)),
    failed          Int64 COMMENT 'Messages whose outcome is failed.' CODEC(ZSTD(1)),
    hard_bounced    Int64 COMMENT 'Messages whose outcome is a hard bounce.' CODEC(ZSTD(1)),
    soft_bounced    Int64 COMMENT 'Messages whose outcome is a soft bounce or a block.' CODEC(ZSTD(1)),
    opened          Int64 COMMENT 'Messages opened at least once, by anyone.' CODEC(ZSTD(1)),
    human_opened    Int64 COMMENT 'Messages opened by other than machines.' CODEC(ZSTD(1)),
    opens           Int64 COMMENT 'All opens.' CODEC(ZSTD(1)),
    human_opens     Int64 COMMENT 'Opens not by machines.' CODEC(ZSTD(1)),
    clicked         Int64 COMMENT 'Messages clicked at least once, by anyone.' CODEC(ZSTD(1)),
    human_clicked   Int64 COMMENT 'Messages clicked by other than machines.' CODEC(ZSTD(1)),
    clicks          Int64 COMMENT 'All clicks.' CODEC(ZSTD(1)),
    human_clicks    Int64 COMMENT 'Clicks not by machines.' CODEC(ZSTD(1)),
    unsubscribed    Int64 COMMENT 'Messages with an unsubscribe.' CODEC(ZSTD(1)),
    unsubscribes    Int64 COMMENT 'All unsubscribes.' CODEC(ZSTD(1)),
    complained      Int64 COMMENT 'Messages with a complaint.' CODEC(ZSTD(1)),
    complaints      Int64 COMMENT 'All complaints.' CODEC(ZSTD(1)),
    late_bounces    Int64 COMMENT 'Messages that bounced after they had been delivered.' CODEC(ZSTD(1)),
    open_delay_ms   Int64 COMMENT 'Sum of delivery to first open, in ms, of the messages in open_delays.' CODEC(ZSTD(1)),
    open_delays     Int64 COMMENT 'Messages of which that delay is known.' CODEC(ZSTD(1)),
    click_delay_ms  Int64 COMMENT 'Sum of first open to first click, in ms, of the messages in click_delays.' CODEC(ZSTD(1)),
    click_delays    Int64 COMMENT 'Messages of which that delay is known.' CODEC(ZSTD(1)),
    first_event_at  DateTime64(6, 'UTC') COMMENT 'Earliest event time of the campaign; lifetime only.' CODEC(ZSTD(1)),
    last_event_at   DateTime64(6, 'UTC') COMMENT 'Latest event time of the campaign; lifetime only.' CODEC(ZSTD(1)),
    updated_at      DateTime64(6, 'UTC') COMMENT 'How far the arrival of webhooks had come when it was counted.' CODEC(ZSTD(1)),
    version         UInt64 COMMENT 'Generation * 2^48 + Kafka offset: the highest one counts.' CODEC(ZSTD(1)),
    kafka_partition Int32 COMMENT 'Partition of the record in its topic.' CODEC(ZSTD(1)),
    kafka_offset    Int64 COMMENT 'Offset of the record in its partition.' CODEC(ZSTD(1))
)
ENGINE = {{engine "Replacing" "version"}}
ORDER BY (tenant, basis, campaign_id, window_start)
SETTINGS {{once}}, index_granularity = 1024
COMMENT 'Counts of campaigns: lifetimes and windows of five minutes; the row with the highest version counts (FINAL).';

{{distributed "campaign_statistics"}}
