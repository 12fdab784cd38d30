-- Who must not be mailed, and why. Unlike the other tables it holds addresses:
-- without them nobody could leave them out. Read it FINAL, or by argMax.
CREATE TABLE IF NOT EXISTS suppressions
(
    tenant          LowCardinality(String),
    recipient_id    UUID CODEC(NONE),
    scope           LowCardinality(String),
    recipient       String CODEC(ZSTD(1)),
    reason          LowCardinality(String),
    active          Bool,
    since           DateTime64(6, 'UTC'),
    event_id        UUID CODEC(NONE),
    account         LowCardinality(String),
    campaign_id     LowCardinality(String),
    lifted_at       Nullable(DateTime64(6, 'UTC')),
    updated_at      DateTime64(6, 'UTC'),
    revision        Int64,
    kafka_partition Int32,
    kafka_offset    Int64,
    INDEX recipient recipient TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY (tenant, recipient_id, scope)
SETTINGS non_replicated_deduplication_window = 10000;

-- Which firing of its key a trigger is, when somebody may be called for it, and
-- what a counting rule has counted.
ALTER TABLE triggers
    ADD COLUMN IF NOT EXISTS occurrence String DEFAULT 'once' AFTER endpoint,
    ADD COLUMN IF NOT EXISTS not_before Nullable(DateTime64(6, 'UTC')) AFTER occurrence,
    ADD COLUMN IF NOT EXISTS state LowCardinality(String) AFTER not_before,
    ADD COLUMN IF NOT EXISTS window_start Nullable(DateTime64(6, 'UTC')) AFTER state,
    ADD COLUMN IF NOT EXISTS window_end Nullable(DateTime64(6, 'UTC')) AFTER window_start,
    ADD COLUMN IF NOT EXISTS hits Int64 AFTER window_end,
    ADD COLUMN IF NOT EXISTS base Int64 AFTER hits;

-- What was sent and what was answered.
ALTER TABLE deliveries
    ADD COLUMN IF NOT EXISTS action LowCardinality(String) DEFAULT 'callback' AFTER endpoint,
    ADD COLUMN IF NOT EXISTS recipient_id UUID CODEC(NONE) AFTER trigger_id,
    ADD COLUMN IF NOT EXISTS campaign_id LowCardinality(String) AFTER recipient_id,
    ADD COLUMN IF NOT EXISTS request_method LowCardinality(String) AFTER next_attempt_at,
    ADD COLUMN IF NOT EXISTS request_headers Map(LowCardinality(String), String) AFTER request_method,
    ADD COLUMN IF NOT EXISTS request_body String CODEC(ZSTD(1)) AFTER request_headers,
    ADD COLUMN IF NOT EXISTS response_headers Map(LowCardinality(String), String) AFTER request_body,
    ADD COLUMN IF NOT EXISTS manual Bool AFTER response_headers;
