-- Who must not be mailed, and why. Unlike the other tables it holds addresses:
-- without them nobody could leave them out. Read it FINAL, or by argMax.
CREATE TABLE IF NOT EXISTS {{table "suppressions"}}
(
    tenant          LowCardinality(String) COMMENT 'Tenant.',
    recipient_id    UUID COMMENT 'Recipient, as in events.' CODEC(NONE),
    scope           LowCardinality(String) COMMENT 'What it is about: all, or list:ID for one contact list.',
    recipient       String COMMENT 'Address, where known.' CODEC(ZSTD(1)),
    reason          LowCardinality(String) COMMENT 'Why; of several the gravest: complaint, hard_bounce, unsubscribe.',
    active          Bool COMMENT 'False: it was lifted.' CODEC(ZSTD(1)),
    since           DateTime64(6, 'UTC') COMMENT 'Event time of the earliest event of that reason since it was last lifted.' CODEC(ZSTD(1)),
    event_id        UUID COMMENT 'That event.' CODEC(NONE),
    account         LowCardinality(String) COMMENT 'Account of that event.',
    campaign_id     LowCardinality(String) COMMENT 'Campaign of that event.',
    lifted_at       Nullable(DateTime64(6, 'UTC')) COMMENT 'Event time at which it was last lifted; null: never.' CODEC(ZSTD(1)),
    updated_at      DateTime64(6, 'UTC') COMMENT 'Arrival of the latest event that it rests on.' CODEC(ZSTD(1)),
    revision        Int64 COMMENT 'Grows with every change: the highest one counts.' CODEC(ZSTD(1)),
    kafka_partition Int32 COMMENT 'Partition of the record in its topic.' CODEC(ZSTD(1)),
    kafka_offset    Int64 COMMENT 'Offset of the record in its partition.' CODEC(Delta, ZSTD(1)),
    INDEX recipient recipient TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = {{engine "Replacing" "revision"}}
ORDER BY (tenant, recipient_id, scope)
SETTINGS {{once}}
COMMENT 'Who must not be mailed, and why; the row with the highest revision counts (FINAL).';

{{distributed "suppressions"}}
