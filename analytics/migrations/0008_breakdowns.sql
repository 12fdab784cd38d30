-- Sums of the signed changes in posthorn.breakdown-deltas. What a dimension, its
-- value and its detail are, and which counters it has: see the schema
-- BreakdownDelta. Sum them up by value: rows of one key stand beside each other
-- until they are merged.
CREATE TABLE IF NOT EXISTS breakdowns
(
    tenant         LowCardinality(String),
    dimension      LowCardinality(String),
    campaign_id    LowCardinality(String),
    value          String,
    detail         String,
    basis          LowCardinality(String),
    window_start   DateTime('UTC'),
    messages       Int64,
    queued         Int64,
    deferred       Int64,
    delivered      Int64,
    rejected       Int64,
    failed         Int64,
    hard_bounced   Int64,
    soft_bounced   Int64,
    opened         Int64,
    human_opened   Int64,
    opens          Int64,
    human_opens    Int64,
    clicked        Int64,
    human_clicked  Int64,
    clicks         Int64,
    human_clicks   Int64,
    unsubscribed   Int64,
    unsubscribes   Int64,
    complained     Int64,
    complaints     Int64,
    late_bounces   Int64,
    open_delay_ms  Int64,
    open_delays    Int64,
    click_delay_ms Int64,
    click_delays   Int64
)
ENGINE = SummingMergeTree
ORDER BY (tenant, dimension, campaign_id, value, detail, basis, window_start)
SETTINGS non_replicated_deduplication_window = 10000;

-- What a recipient was sent and did, over all campaigns; of the same topic.
CREATE TABLE IF NOT EXISTS recipients
(
    tenant           LowCardinality(String),
    recipient_id     UUID CODEC(NONE),
    recipient_domain SimpleAggregateFunction(max, String),
    messages         SimpleAggregateFunction(sum, Int64),
    delivered        SimpleAggregateFunction(sum, Int64),
    rejected         SimpleAggregateFunction(sum, Int64),
    hard_bounced     SimpleAggregateFunction(sum, Int64),
    soft_bounced     SimpleAggregateFunction(sum, Int64),
    opened           SimpleAggregateFunction(sum, Int64),
    human_opened     SimpleAggregateFunction(sum, Int64),
    opens            SimpleAggregateFunction(sum, Int64),
    human_opens      SimpleAggregateFunction(sum, Int64),
    clicked          SimpleAggregateFunction(sum, Int64),
    human_clicked    SimpleAggregateFunction(sum, Int64),
    clicks           SimpleAggregateFunction(sum, Int64),
    human_clicks     SimpleAggregateFunction(sum, Int64),
    unsubscribed     SimpleAggregateFunction(sum, Int64),
    complained       SimpleAggregateFunction(sum, Int64),
    first_event_at   SimpleAggregateFunction(min, DateTime('UTC')),
    last_event_at    SimpleAggregateFunction(max, DateTime('UTC')),
    last_sent_at     SimpleAggregateFunction(max, DateTime('UTC')),
    last_opened_at   SimpleAggregateFunction(max, DateTime('UTC')),
    last_clicked_at  SimpleAggregateFunction(max, DateTime('UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY (tenant, recipient_id)
SETTINGS non_replicated_deduplication_window = 10000;

-- Which mailbox provider serves a domain: by the table that Posthorn brings
-- ('table'), or by whom the domain's mail exchangers are ('mx').
CREATE TABLE IF NOT EXISTS mailbox_providers
(
    domain       String,
    provider     LowCardinality(String),
    told_by      LowCardinality(String),
    looked_up_at DateTime('UTC')
)
ENGINE = ReplacingMergeTree(looked_up_at)
ORDER BY domain;
