-- Views for analysts: what the tables hold, summed up and by the names that people
-- use. They read the public names, and so the live generation. Filter them by
-- tenant and campaign_id, which narrows what is read.
--
-- A rate is null where its denominator is 0; a time, a day or a number is null
-- where it is not known.

-- Which mailbox provider serves a domain, each domain once.
CREATE VIEW IF NOT EXISTS {{view "domain_providers"}} AS
SELECT domain, provider, told_by, looked_up_at
FROM mailbox_providers FINAL
COMMENT 'Mailbox provider of each domain that is known; of others it is other.';

CREATE VIEW IF NOT EXISTS {{view "campaigns"}} AS
SELECT * EXCEPT (basis, window_start, window_seconds, version, kafka_partition, kafka_offset),
    if(messages = 0, NULL, delivered / messages) AS delivered_rate,
    if(messages = 0, NULL, (hard_bounced + soft_bounced) / messages) AS bounced_rate,
    if(delivered = 0, NULL, opened / delivered) AS opened_rate,
    if(delivered = 0, NULL, human_opened / delivered) AS human_opened_rate,
    if(delivered = 0, NULL, clicked / delivered) AS clicked_rate,
    if(delivered = 0, NULL, human_clicked / delivered) AS human_clicked_rate,
    if(delivered = 0, NULL, unsubscribed / delivered) AS unsubscribed_rate,
    if(delivered = 0, NULL, complained / delivered) AS complained_rate
FROM campaign_statistics FINAL
WHERE basis = 'lifetime'
COMMENT 'One row a campaign: its lifetime as last known. Rates of opens, clicks, unsubscribes and complaints are shares of delivered, the others of messages.';

CREATE VIEW IF NOT EXISTS {{view "campaign_series"}} AS
SELECT * EXCEPT (version, kafka_partition, kafka_offset, first_event_at, last_event_at)
FROM campaign_statistics FINAL
WHERE basis IN ('event_time', 'send_time')
COMMENT 'Counts of campaigns in windows of five minutes, by event time or by send time: choose one basis. Windows may be added up.';

CREATE VIEW IF NOT EXISTS {{view "campaign_links"}} AS
SELECT tenant, campaign_id, value AS url, toUInt16OrNull(detail) AS position,
    {{sums "clicks human_clicks clicked human_clicked"}}
FROM breakdowns AS b
WHERE dimension = 'link'
GROUP BY tenant, campaign_id, value, detail
COMMENT 'Clicks of each link of a campaign, without what is personal in it; clicked are messages in which that link was clicked. An empty url: clicks of messages with very many events.';

CREATE VIEW IF NOT EXISTS {{view "campaign_countries"}} AS
SELECT tenant, campaign_id, value AS country,
    {{sums "opens human_opens opened human_opened clicks human_clicks clicked human_clicked"}}
FROM breakdowns AS b
WHERE dimension = 'country'
GROUP BY tenant, campaign_id, value
COMMENT 'Opens and clicks of a campaign by country (ISO 3166); empty: unknown. opened and clicked are messages with one from there.';

CREATE VIEW IF NOT EXISTS {{view "campaign_clients"}} AS
SELECT tenant, campaign_id, dimension AS kind, value,
    {{sums "opens human_opens opened human_opened clicks human_clicks clicked human_clicked"}}
FROM breakdowns AS b
WHERE dimension IN ('client', 'os', 'device')
GROUP BY tenant, campaign_id, dimension, value
COMMENT 'Opens and clicks of a campaign by mail client, operating system and device: choose one kind (client, os, device). An empty value: unknown.';

CREATE VIEW IF NOT EXISTS {{view "campaign_machines"}} AS
SELECT tenant, campaign_id, value AS machine,
    {{sums "opens opened clicks clicked"}}
FROM breakdowns AS b
WHERE dimension = 'machine'
GROUP BY tenant, campaign_id, value
COMMENT 'Opens and clicks of a campaign by who made them, as judged by all of a message: human, proxy (a person behind an image proxy), machine or unknown.';

CREATE VIEW IF NOT EXISTS {{view "campaign_domains"}} AS
SELECT c.*, if(c.domain = '', 'unknown', if(p.provider = '', 'other', p.provider)) AS provider
FROM
(
    SELECT tenant, campaign_id, value AS domain,
        {{sums "messages queued deferred delivered rejected failed hard_bounced soft_bounced late_bounces opened human_opened opens human_opens clicked human_clicked clicks human_clicks unsubscribed complained"}}
    FROM breakdowns AS b
    WHERE dimension = 'domain' AND campaign_id != ''
    GROUP BY tenant, campaign_id, value
) AS c
LEFT JOIN domain_providers AS p ON p.domain = c.domain
COMMENT 'Outcomes and engagement of a campaign by domain of the recipients, with the mailbox provider that serves it.';

CREATE VIEW IF NOT EXISTS {{view "domain_days"}} AS
SELECT c.*, if(c.domain = '', 'unknown', if(p.provider = '', 'other', p.provider)) AS provider
FROM
(
    SELECT tenant, if(toDate(window_start) = toDate(0), NULL, toDate(window_start)) AS day, value AS domain,
        {{sums "messages queued deferred delivered rejected failed hard_bounced soft_bounced late_bounces opened human_opened opens human_opens clicked human_clicked clicks human_clicks unsubscribed complained"}}
    FROM breakdowns AS b
    WHERE dimension = 'domain' AND campaign_id = ''
    GROUP BY tenant, window_start, value
) AS c
LEFT JOIN domain_providers AS p ON p.domain = c.domain
COMMENT 'Deliverability over all campaigns: outcomes and engagement by domain and by day (UTC) of the send.';

CREATE VIEW IF NOT EXISTS {{view "campaign_bounces"}} AS
SELECT c.*, if(c.domain = '', 'unknown', if(p.provider = '', 'other', p.provider)) AS provider
FROM
(
    SELECT tenant, campaign_id, value AS domain, splitByChar('/', detail)[1] AS outcome, splitByChar('/', detail)[2] AS bounce_class,
        splitByChar('/', detail)[3] AS reject_reason, {{sums "messages late_bounces"}}
    FROM breakdowns AS b
    WHERE dimension = 'reason'
    GROUP BY tenant, campaign_id, value, detail
) AS c
LEFT JOIN domain_providers AS p ON p.domain = c.domain
COMMENT 'Messages of a campaign that bounced, were rejected or failed, by domain, outcome, class of the bounce and reason.';

CREATE VIEW IF NOT EXISTS {{view "campaign_delays"}} AS
SELECT tenant, campaign_id, if(dimension = 'open_delay', 'open', 'click') AS kind, toInt64OrZero(value) AS from_ms,
    from_ms + if(from_ms < 64, 1, bitShiftLeft(toInt64(1), toUInt8(floor(log2(from_ms))) - 5)) AS to_ms,
    sum(if(b.dimension = 'open_delay', b.opened, b.clicked)) AS messages,
    sum(if(b.dimension = 'open_delay', b.human_opened, b.human_clicked)) AS human_messages
FROM breakdowns AS b
WHERE dimension IN ('open_delay', 'click_delay')
GROUP BY tenant, campaign_id, dimension, value
COMMENT 'Messages of a campaign by delay: open is delivery to first open, click is first open to first click; from_ms <= delay < to_ms, at most 3.2 % apart.';

CREATE VIEW IF NOT EXISTS {{view "campaign_ages"}} AS
SELECT tenant, campaign_id, toInt64OrNull(value) AS from_hours,
    {{sums "messages delivered opens human_opens opened human_opened clicks human_clicks clicked human_clicked unsubscribes unsubscribed complaints complained"}}
FROM breakdowns AS b
WHERE dimension = 'age'
GROUP BY tenant, campaign_id, value
COMMENT 'When after its send a campaign was opened and clicked, in hours; from_hours null: the messages sent themselves. opened, clicked, ... count each message at its first.';

CREATE VIEW IF NOT EXISTS {{view "campaign_paths"}} AS
SELECT tenant, campaign_id, splitByChar('+', value) AS steps, {{sums "messages"}}
FROM breakdowns AS b
WHERE dimension = 'path'
GROUP BY tenant, campaign_id, value
COMMENT 'Messages of a campaign by all that became of them: delivered, opened, human_opened, clicked, human_clicked, unsubscribed, complained, or none.';

CREATE VIEW IF NOT EXISTS {{view "recipients_engagement"}} AS
SELECT c.*, if(c.domain = '', 'unknown', if(p.provider = '', 'other', p.provider)) AS provider
FROM
(
    SELECT tenant, recipient_id, max(b.recipient_domain) AS domain,
        {{sums "messages delivered rejected hard_bounced soft_bounced opened human_opened opens human_opens clicked human_clicked clicks human_clicks unsubscribed complained"}},
        nullIf(min(b.first_event_at), toDateTime(4294967295, 'UTC')) AS first_event_at,
        nullIf(max(b.last_event_at), toDateTime(0, 'UTC')) AS last_event_at,
        nullIf(max(b.last_sent_at), toDateTime(0, 'UTC')) AS last_sent_at,
        nullIf(max(b.last_opened_at), toDateTime(0, 'UTC')) AS last_opened_at,
        nullIf(max(b.last_clicked_at), toDateTime(0, 'UTC')) AS last_clicked_at
    FROM recipients AS b
    GROUP BY tenant, recipient_id
) AS c
LEFT JOIN domain_providers AS p ON p.domain = c.domain
COMMENT 'One row a recipient: what it was sent and did, over all campaigns.';

CREATE VIEW IF NOT EXISTS {{view "messages_latest"}} AS
SELECT * EXCEPT (kafka_partition, kafka_offset)
FROM messages FINAL
COMMENT 'One row a message, as last known. Narrow it by tenant, account and message_id where you can.';

CREATE VIEW IF NOT EXISTS {{view "suppressions_active"}} AS
SELECT tenant, recipient_id, scope, recipient, reason, since, event_id, account, campaign_id
FROM suppressions FINAL
WHERE active
COMMENT 'Who must not be mailed now, with the address where it is known.';
