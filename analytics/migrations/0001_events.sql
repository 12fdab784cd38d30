-- Facts: each event once, never revised. No addresses: recipients are told
-- apart by recipient_id, ip addresses are left out, links are redacted.
--
-- Partitions and expiry follow received_at, since event time can be anything:
-- one block of late events would touch a hundred months. The ids are hashes,
-- which no codec makes smaller; times of a webhook repeat, so that ZSTD alone does
-- better with them than Delta before it. What is of the message and not of the
-- event, such as its UUID, is in messages.
--
-- A recipient's rows lie far apart: the index tells each granule by itself, so
-- that reading one of them reads no others.
-- What is a fact of the message (its GUID, the contact) is in messages.
CREATE TABLE IF NOT EXISTS {{table "events"}}
(
    tenant              LowCardinality(String) COMMENT 'Tenant.',
    account             LowCardinality(String) COMMENT 'Account at the provider.',
    source              LowCardinality(String) COMMENT 'Source whose URL received it.',
    provider            LowCardinality(String) COMMENT 'Mail provider: mailjet, sendgrid, ...',
    campaign_id         LowCardinality(String) COMMENT 'Campaign as the event names it; empty where it names none: messages knows it from the other events.',
    campaign_name       LowCardinality(String) COMMENT 'Name of the campaign as the event gives it.',
    type                LowCardinality(String) COMMENT 'What happened: queued, sent, delivered, deferred, bounced, rejected, failed, opened, clicked, complained, unsubscribed, subscribed, autoresponded or unsuppressed.',
    provider_type       LowCardinality(String) COMMENT 'The provider''s own name of it.' CODEC(ZSTD(1)),
    occurred_at         DateTime64(6, 'UTC') COMMENT 'Event time: the provider''s, or received_at where time_suspect.' CODEC(Delta, ZSTD(1)),
    received_at         DateTime64(6, 'UTC') COMMENT 'When the gateway received the webhook. Partitions and expiry go by it.' CODEC(ZSTD(1)),
    arrived_at          DateTime64(6, 'UTC') COMMENT 'When Kafka stored the webhook: the order in which things became known.' CODEC(ZSTD(1)),
    time_suspect        Bool COMMENT 'The provider''s time is missing, or outside of 400 days before to one hour after received_at.' CODEC(ZSTD(1)),
    event_id            UUID COMMENT 'Id of the occurrence: the same one reported twice has the same id, and is here once.' CODEC(NONE),
    provider_event_id   String COMMENT 'The provider''s own event id, where it has one.' CODEC(ZSTD(1)),
    message_id          String COMMENT 'The provider''s message id; empty where the event has none.' CODEC(ZSTD(1)),
    rfc_message_id      String COMMENT 'Message-ID header, where the provider gives it.' CODEC(ZSTD(1)),
    recipient_id        UUID COMMENT 'Recipient: first 128 bits of the HMAC-SHA256 of the lower case address under the tenant''s secret.' CODEC(NONE),
    recipient_domain    LowCardinality(String) COMMENT 'Domain of the address, lower case; empty: unknown.' CODEC(ZSTD(1)),
    recipient_ambiguous Bool COMMENT 'The event may concern another recipient of the same message.' CODEC(ZSTD(1)),
    list_id             LowCardinality(String) COMMENT 'The provider''s id of the list.' CODEC(ZSTD(1)),
    custom_id           String COMMENT 'The sender''s own id of the message: Mailjet''s CustomID.' CODEC(ZSTD(3)),
    tags                Array(LowCardinality(String)) COMMENT 'The sender''s tags or categories.' CODEC(ZSTD(1)),
    metadata            Map(LowCardinality(String), String) COMMENT 'The sender''s own data: Mailjet''s Payload where it is a JSON object, else under the key payload.' CODEC(ZSTD(1)),
    url                 String COMMENT 'Link clicked, without what is personal in it.' CODEC(ZSTD(1)),
    link_index          UInt16 COMMENT 'Position of the link in the message, from 1; 0: unknown.' CODEC(ZSTD(1)),
    user_agent          LowCardinality(String) COMMENT 'User agent as sent.' CODEC(ZSTD(1)),
    country             LowCardinality(String) COMMENT 'ISO 3166 alpha-2 code, upper case; empty: unknown.' CODEC(ZSTD(1)),
    region              LowCardinality(String) COMMENT 'Region; empty: unknown.' CODEC(ZSTD(1)),
    city                LowCardinality(String) COMMENT 'City; empty: unknown.' CODEC(ZSTD(1)),
    client_name         LowCardinality(String) COMMENT 'Mail client or browser: Apple Mail, Outlook, Gmail image proxy, Chrome, ...; empty: unknown.' CODEC(ZSTD(1)),
    client_os           LowCardinality(String) COMMENT 'Family of the operating system: Windows, macOS, iOS, Android, Linux, ...; empty: unknown.' CODEC(ZSTD(1)),
    device_type         LowCardinality(String) COMMENT 'desktop, mobile, tablet, tv, webmail or other; empty: unknown.' CODEC(ZSTD(1)),
    machine             LowCardinality(String) COMMENT 'Who acted, by the event alone: human, proxy (a person behind an image proxy), machine or unknown. messages judges by all of the message''s events.' CODEC(ZSTD(1)),
    machine_reasons     Array(LowCardinality(String)) COMMENT 'Why.' CODEC(ZSTD(1)),
    first               Bool COMMENT 'The provider says that it is the first of its kind for the message.' CODEC(ZSTD(1)),
    bounce_class        LowCardinality(String) COMMENT 'hard, soft or block; empty where it is no bounce.' CODEC(ZSTD(1)),
    reject_reason       LowCardinality(String) COMMENT 'invalid, bounced, timed_out, blocked, spam, unsubscribed or other.' CODEC(ZSTD(1)),
    smtp_code           UInt16 COMMENT 'SMTP reply code; 0: unknown.' CODEC(ZSTD(1)),
    smtp_enhanced       LowCardinality(String) COMMENT 'Enhanced status code, such as 5.1.1.' CODEC(ZSTD(1)),
    description         String COMMENT 'The provider''s words on the error.' CODEC(ZSTD(1)),
    complaint_source    LowCardinality(String) COMMENT 'Feedback loop that a complaint came by.' CODEC(ZSTD(1)),
    attempt             UInt16 COMMENT 'Delivery attempt, from 1; 0: unknown.' CODEC(ZSTD(1)),
    webhook_id          UUID COMMENT 'Webhook that the event came in.' CODEC(ZSTD(1)),
    webhook_index       Int32 COMMENT 'Position of the event in it, from 0; -1: all of it.' CODEC(T64, ZSTD(1)),
    mapper_version      UInt16 COMMENT 'Version of the decoder and of the tables of user agents, added up.' CODEC(ZSTD(1)),
    kafka_partition     Int32 COMMENT 'Partition of the record in its topic.' CODEC(T64, ZSTD(1)),
    kafka_offset        Int64 COMMENT 'Offset of the record in its partition.' CODEC(T64, ZSTD(1)),
    INDEX occurred occurred_at TYPE minmax GRANULARITY 1,
    INDEX recipient recipient_id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = {{engine ""}}
PARTITION BY toYYYYMM(received_at)
ORDER BY (tenant, campaign_id, type, occurred_at)
TTL toDateTime(received_at) + INTERVAL 400 DAY
SETTINGS {{once}}, ttl_only_drop_parts = 1
COMMENT 'Facts: each event once, never revised.';

{{distributed "events"}}
