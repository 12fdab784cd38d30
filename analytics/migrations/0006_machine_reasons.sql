-- Why opens or clicks of a message count as a machine's that look human by
-- themselves.
ALTER TABLE messages ADD COLUMN IF NOT EXISTS machine_reasons LowCardinality(String) AFTER human_clicks;
