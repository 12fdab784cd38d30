-- One row a campaign: its lifetime as last known.
CREATE VIEW IF NOT EXISTS {{view "campaigns"}} AS
SELECT * EXCEPT (basis, window_start, window_seconds, version, kafka_partition, kafka_offset)
FROM campaign_statistics FINAL
WHERE basis = 'lifetime'
COMMENT 'One row a campaign: its lifetime as last known.';
