-- Sums of the signed changes in posthorn.breakdown-deltas. What a dimension, its
-- value and its detail are, and which counters it has: see the schema
-- BreakdownDelta. Sum them up by value: rows of one key stand beside each other
-- until they are merged.
CREATE TABLE IF NOT EXISTS {{table "breakdowns"}}
(
    tenant         LowCardinality(String) COMMENT 'Tenant.',
    dimension      LowCardinality(String) COMMENT 'By what is broken down: tenant, account, source, list, domain, reason, link, country, client, os, device, machine, open_delay, click_delay, age or path.',
    campaign_id    LowCardinality(String) COMMENT 'Campaign; - for messages without one; empty: of what is above campaigns.',
    value          String COMMENT 'Value of the dimension: the domain, the link, the country, ...; empty: unknown.' CODEC(ZSTD(1)),
    detail         String COMMENT 'More of it: of reason outcome/bounce class/reject reason, of link its position; else empty.' CODEC(ZSTD(1)),
    basis          LowCardinality(String) COMMENT 'Of tenant, account, source and list as in campaign_statistics; else send_time.',
    window_start   DateTime('UTC') COMMENT 'Of tenant, account, source and list as in campaign_statistics; else the day of the send in UTC, 1970-01-01: unknown.' CODEC(ZSTD(1)),
    messages       Int64 COMMENT 'Messages processed: what Mailjet calls Total.' CODEC(ZSTD(1)),
    queued         Int64 COMMENT 'Messages whose outcome is queued.' CODEC(ZSTD(1)),
    deferred       Int64 COMMENT 'Messages whose outcome is deferred.' CODEC(ZSTD(1)),
    delivered      Int64 COMMENT 'Messages whose outcome is delivered.' CODEC(ZSTD(1)),
    rejected       Int64 COMMENT 'Messages whose outcome is rejected: never sent.' CODEC(ZSTD(1)),
    failed         Int64 COMMENT 'Messages whose outcome is failed.' CODEC(ZSTD(1)),
    hard_bounced   Int64 COMMENT 'Messages whose outcome is a hard bounce.' CODEC(ZSTD(1)),
    soft_bounced   Int64 COMMENT 'Messages whose outcome is a soft bounce or a block.' CODEC(ZSTD(1)),
    opened         Int64 COMMENT 'Messages opened at least once, by anyone.' CODEC(ZSTD(1)),
    human_opened   Int64 COMMENT 'Messages opened by other than machines.' CODEC(ZSTD(1)),
    opens          Int64 COMMENT 'All opens.' CODEC(ZSTD(1)),
    human_opens    Int64 COMMENT 'Opens not by machines.' CODEC(ZSTD(1)),
    clicked        Int64 COMMENT 'Messages clicked at least once, by anyone.' CODEC(ZSTD(1)),
    human_clicked  Int64 COMMENT 'Messages clicked by other than machines.' CODEC(ZSTD(1)),
    clicks         Int64 COMMENT 'All clicks.' CODEC(ZSTD(1)),
    human_clicks   Int64 COMMENT 'Clicks not by machines.' CODEC(ZSTD(1)),
    unsubscribed   Int64 COMMENT 'Messages with an unsubscribe.' CODEC(ZSTD(1)),
    unsubscribes   Int64 COMMENT 'All unsubscribes.' CODEC(ZSTD(1)),
    complained     Int64 COMMENT 'Messages with a complaint.' CODEC(ZSTD(1)),
    complaints     Int64 COMMENT 'All complaints.' CODEC(ZSTD(1)),
    late_bounces   Int64 COMMENT 'Messages that bounced after they had been delivered.' CODEC(ZSTD(1)),
    open_delay_ms  Int64 COMMENT 'Sum of delivery to first open, in ms, of the messages in open_delays.' CODEC(ZSTD(1)),
    open_delays    Int64 COMMENT 'Messages of which that delay is known.' CODEC(ZSTD(1)),
    click_delay_ms Int64 COMMENT 'Sum of first open to first click, in ms, of the messages in click_delays.' CODEC(ZSTD(1)),
    click_delays   Int64 COMMENT 'Messages of which that delay is known.' CODEC(ZSTD(1))
)
ENGINE = {{engine "Summing"}}
ORDER BY (tenant, dimension, campaign_id, value, detail, basis, window_start)
SETTINGS {{once}}, index_granularity = 1024
COMMENT 'Exact counts by link, domain, country, client, ...: always sum() them GROUP BY value.';

{{distributed "breakdowns"}}
