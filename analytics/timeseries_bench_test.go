package analytics

import (
	"testing"
)

// BenchmarkSeries reads series from a million windows: 200 campaigns of 17 days of
// five minutes each, a quarter of them in two versions.
func BenchmarkSeries(b *testing.B) {
	conn := migrated(b)
	for version, windows := range []int{5000, 1250} {
		if err := conn.Exec(b.Context(), `INSERT INTO campaign_statistics (tenant, campaign_id, basis, window_start, window_seconds, messages, delivered, opens, version)
SELECT 'default', toString(7340000 + intDiv(number, ?)), 'event_time', fromUnixTimestamp(toInt64(1767225600 + 300 * (number % ?))), 300, number % 7, number % 5, number % 3, ?
FROM numbers(?)`, windows, windows, version, 200*windows); err != nil {
			b.Fatal(err)
		}
	}
	if err := conn.Exec(b.Context(), `INSERT INTO campaign_statistics (tenant, campaign_id, basis, messages, version)
SELECT 'default', toString(7340000 + number), 'lifetime', 1, 1 FROM numbers(200)`); err != nil {
		b.Fatal(err)
	}
	if err := conn.Exec(b.Context(), `INSERT INTO breakdowns (tenant, dimension, basis, window_start, messages, delivered, opens)
SELECT 'default', 'tenant', 'event_time', fromUnixTimestamp(toInt64(1767225600 + 300 * (number % 5000))), number % 7, number % 5, number % 3 FROM numbers(20000)`); err != nil {
		b.Fatal(err)
	}
	api := NewAPI(APIConfig{Conn: conn})
	for name, path := range map[string]string{
		"campaign/day":  "/v1/campaigns/7340007/series?resolution=day&tz=America/New_York",
		"campaign/hour": "/v1/campaigns/7340007/series?resolution=hour&tz=America/New_York",
		"campaign/5m":   "/v1/campaigns/7340007/series?resolution=5m",
		"tenant/day":    "/v1/series?resolution=day&tz=America/New_York",
		"tenant/5m":     "/v1/series?resolution=5m",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				var s TimeSeries
				if ask(b, api, path, &s); len(s.Buckets) == 0 {
					b.Fatal("nothing")
				}
			}
		})
	}
}
