-- What a recipient was sent and did, over all campaigns; sums of the changes in
-- posthorn.breakdown-deltas. An unknown time is what changes nothing: the latest
-- there is where the earliest is kept, else the earliest.
CREATE TABLE IF NOT EXISTS {{table "recipients"}}
(
    tenant           LowCardinality(String) COMMENT 'Tenant.',
    recipient_id     UUID COMMENT 'Recipient, as in events.' CODEC(NONE),
    recipient_domain SimpleAggregateFunction(max, String) COMMENT 'Domain of the address; empty: unknown.' CODEC(ZSTD(1)),
    messages         SimpleAggregateFunction(sum, Int64) COMMENT 'Messages processed: what Mailjet calls Total.' CODEC(ZSTD(1)),
    delivered        SimpleAggregateFunction(sum, Int64) COMMENT 'Messages whose outcome is delivered.' CODEC(ZSTD(1)),
    rejected         SimpleAggregateFunction(sum, Int64) COMMENT 'Messages whose outcome is rejected: never sent.' CODEC(ZSTD(1)),
    hard_bounced     SimpleAggregateFunction(sum, Int64) COMMENT 'Messages whose outcome is a hard bounce.' CODEC(ZSTD(1)),
    soft_bounced     SimpleAggregateFunction(sum, Int64) COMMENT 'Messages whose outcome is a soft bounce or a block.' CODEC(ZSTD(1)),
    opened           SimpleAggregateFunction(sum, Int64) COMMENT 'Messages opened at least once, by anyone.' CODEC(ZSTD(1)),
    human_opened     SimpleAggregateFunction(sum, Int64) COMMENT 'Messages opened by other than machines.' CODEC(ZSTD(1)),
    opens            SimpleAggregateFunction(sum, Int64) COMMENT 'All opens.' CODEC(ZSTD(1)),
    human_opens      SimpleAggregateFunction(sum, Int64) COMMENT 'Opens not by machines.' CODEC(ZSTD(1)),
    clicked          SimpleAggregateFunction(sum, Int64) COMMENT 'Messages clicked at least once, by anyone.' CODEC(ZSTD(1)),
    human_clicked    SimpleAggregateFunction(sum, Int64) COMMENT 'Messages clicked by other than machines.' CODEC(ZSTD(1)),
    clicks           SimpleAggregateFunction(sum, Int64) COMMENT 'All clicks.' CODEC(ZSTD(1)),
    human_clicks     SimpleAggregateFunction(sum, Int64) COMMENT 'Clicks not by machines.' CODEC(ZSTD(1)),
    unsubscribed     SimpleAggregateFunction(sum, Int64) COMMENT 'Messages with an unsubscribe.' CODEC(ZSTD(1)),
    complained       SimpleAggregateFunction(sum, Int64) COMMENT 'Messages with a complaint.' CODEC(ZSTD(1)),
    first_event_at   SimpleAggregateFunction(min, DateTime('UTC')) COMMENT 'Earliest event time; 2106-02-07 06:28:15: unknown.' CODEC(ZSTD(1)),
    last_event_at    SimpleAggregateFunction(max, DateTime('UTC')) COMMENT 'Latest event time; 1970-01-01 00:00:00: unknown.' CODEC(ZSTD(1)),
    last_sent_at     SimpleAggregateFunction(max, DateTime('UTC')) COMMENT 'Latest send; 1970-01-01 00:00:00: none known.' CODEC(ZSTD(1)),
    last_opened_at   SimpleAggregateFunction(max, DateTime('UTC')) COMMENT 'Latest open, by anyone; 1970-01-01 00:00:00: never.' CODEC(ZSTD(1)),
    last_clicked_at  SimpleAggregateFunction(max, DateTime('UTC')) COMMENT 'Latest click, by anyone; 1970-01-01 00:00:00: never.' CODEC(ZSTD(1))
)
ENGINE = {{engine "Aggregating"}}
ORDER BY (tenant, recipient_id)
SETTINGS {{once}}
COMMENT 'What a recipient was sent and did: sum(), min() and max() them GROUP BY tenant, recipient_id.';

{{distributed "recipients"}}
