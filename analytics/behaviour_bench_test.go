package analytics

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
)

// behaviourEvents is how many events BenchmarkBehaviour is of: 2 million, or
// POSTHORN_BENCH_EVENTS.
func behaviourEvents(b *testing.B) int {
	n, err := strconv.Atoi(orElse(os.Getenv("POSTHORN_BENCH_EVENTS"), "2000000"))
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// behaviourWorld fills the tables as so many events of 300 campaigns over 60 days
// to a tenth as many recipients would, in what behaviour reads.
func behaviourWorld(b *testing.B, conn driver.Conn, events int) {
	b.Helper()
	const days, start = 60, "toDateTime('2026-09-01', 'UTC')"
	const counts = "messages, delivered, opened, human_opened, opens, human_opens, clicked, human_clicked, clicks, human_clicks, hard_bounced, open_delay_ms, open_delays"
	const some = "number % 97, number % 89, number % 41, number % 31, number % 43, number % 37, number % 11, number % 7, number % 13, number % 5, number % 3, number % 9973, number % 41"
	windows := days * 288
	statements := []string{
		// Each campaign has a window of each basis in each five minutes of three days.
		fmt.Sprintf(`INSERT INTO campaign_statistics (tenant, campaign_id, basis, window_start, window_seconds, version, %s)
SELECT 'default', toString(7340000 + number %% 300), ['event_time', 'send_time'][1 + intDiv(number, 300) %% 2], %s + 86400 * intDiv(number %% 300, 5) - 86400 + 300 * intDiv(number, 600), 300, number, %s FROM numbers(%d)`,
			counts, start, some, 300*2*3*288),
		fmt.Sprintf(`INSERT INTO campaign_statistics (tenant, campaign_id, basis, version, %s) SELECT 'default', toString(7340000 + number), 'lifetime', 1, %s FROM numbers(300)`, counts, some),
		// The tenant has all windows, a quarter of them in rows that are not merged yet.
		fmt.Sprintf(`INSERT INTO breakdowns (tenant, dimension, basis, window_start, %s) SELECT 'default', 'tenant', ['event_time', 'send_time'][1 + number %% 2], %s + 300 * (intDiv(number, 2) %% %d), %s FROM numbers(%d)`,
			counts, start, windows, some, windows*5/2),
		fmt.Sprintf(`INSERT INTO breakdowns (tenant, dimension, campaign_id, value, basis, window_start, %s) SELECT 'default', 'path', toString(7340000 + number %% 300), concat('delivered+', toString(intDiv(number, 300) %% 24)), 'send_time', %s + 86400 * (intDiv(number %% 300, 5) + intDiv(number, 7200)), %s FROM numbers(21600)`,
			counts, start, some),
		fmt.Sprintf(`INSERT INTO breakdowns (tenant, dimension, campaign_id, value, basis, window_start, %s) SELECT 'default', 'age', toString(7340000 + number %% 300), ['sent', '0', '1', '2', '3', '6', '12', '24', '48', '72', '96', '120', '144', '168', '336', '720', '1440', '2160'][1 + intDiv(number, 300) %% 18], 'send_time', %s + 86400 * (intDiv(number %% 300, 5) + intDiv(number, 5400)), %s FROM numbers(16200)`,
			counts, start, some),
		// Delays of 600 buckets, by campaign and three days.
		fmt.Sprintf(`INSERT INTO breakdowns (tenant, dimension, campaign_id, value, basis, window_start, %s) WITH intDiv(number, 900) AS bucket, bitShiftLeft(toUInt64(32 + bucket %% 32), intDiv(bucket, 32)) AS ms SELECT 'default', ['open_delay', 'click_delay'][1 + number %% 2], toString(7340000 + number %% 300), toString(ms), 'send_time', %s + 86400 * (intDiv(number %% 300, 5) + intDiv(number, 300) %% 3), %s FROM numbers(540000)`,
			counts, start, some),
		fmt.Sprintf(`INSERT INTO breakdowns (tenant, dimension, campaign_id, value, basis, window_start, %s) SELECT 'default', 'domain', '', concat('d', toString(toUInt32(pow(30000, cityHash64(number) / 18446744073709551616.0))), '.example'), 'send_time', %s + 86400 * (number %% %d), %s FROM numbers(%d)`,
			counts, start, days, some, events/10),
		fmt.Sprintf(`INSERT INTO recipients (tenant, recipient_id, messages) SELECT 'default', reinterpretAsUUID(sipHash128(number)), 2 FROM numbers(%d)`, events/10),
	}
	const piece = 1_000_000
	for at := 0; at < events; at += piece {
		n := min(piece, events-at)
		recipient := fmt.Sprintf("reinterpretAsUUID(sipHash128(cityHash64(number) %% %d))", events/10)
		statements = append(statements, fmt.Sprintf(`INSERT INTO events (tenant, provider, campaign_id, type, occurred_at, received_at, arrived_at, event_id, recipient_id, message_id, recipient_domain, url, kafka_partition, kafka_offset)
SELECT 'default', 'mailjet', toString(7340000 + number %% 300), ['delivered', 'opened', 'clicked', 'sent'][1 + number %% 4], now64(6) - (%d - number) * 0.004, now64(6) - (%d - number) * 0.004, now64(6) - (%d - number) * 0.004,
generateUUIDv4(), %s, toString(19421777835146490 + intDiv(number, 3)), 'example.org', '', number %% 12, intDiv(number, 12) FROM numbers(%d, %d)`, events, events, events, recipient, at, n),
			fmt.Sprintf(`INSERT INTO messages (tenant, account, message_id, recipient_id, campaign_id, revision) SELECT 'default', 'a', toString(19421777835146490 + intDiv(number, 3)), %s, toString(7340000 + number %% 300), number FROM numbers(%d, %d) WHERE number %% 3 = 0`, recipient, at, n))
	}
	statements = append(statements, "OPTIMIZE TABLE breakdowns", "OPTIMIZE TABLE campaign_statistics", "SYSTEM STOP MERGES")
	for _, s := range statements {
		if err := conn.Exec(b.Context(), s); err != nil {
			b.Fatalf("%.200s: %v", s, err)
		}
	}
}

// cpuTime is that of the process, in which the embedded engine runs too. On a
// machine that others work on, it tells more than the clock.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkBehaviour asks for each answer, four at a time as four people would.
func BenchmarkBehaviour(b *testing.B) {
	conn := migrated(b)
	events := behaviourEvents(b)
	begun := time.Now()
	behaviourWorld(b, conn, events)
	b.Logf("filled in %s", time.Since(begun).Round(time.Second))
	var who uuid.UUID
	if err := conn.QueryRow(b.Context(), "SELECT recipient_id FROM events WHERE kafka_offset = 1000 LIMIT 1").Scan(&who); err != nil {
		b.Fatal(err)
	}
	api := NewAPI(APIConfig{Conn: conn, TimeZone: zone(b, "Europe/Paris"), RecipientID: func(string) uuid.UUID { return who }})
	period := "since=2026-09-20&until=2026-10-20"
	for _, path := range []string{
		"/v1/series", "/v1/series?" + period, "/v1/series?resolution=hour&" + period, "/v1/series?resolution=lifetime",
		"/v1/campaigns/7340007/series", "/v1/campaigns/7340007/series?resolution=hour", "/v1/campaigns/7340007/series?resolution=5m",
		"/v1/delays", "/v1/delays?" + period, "/v1/campaigns/7340007/delays", "/v1/funnel", "/v1/campaigns/7340007/funnel",
		"/v1/heatmap", "/v1/heatmap?" + period, "/v1/campaigns/7340007/heatmap", "/v1/cohorts?by=week", "/v1/campaigns/7340007/cohorts",
		"/v1/compare?campaigns=7340001,7340002,7340003,7340004", "/v1/anomalies", "/v1/anomalies?resolution=hour&" + period,
		"/v1/recipients/" + who.String(),
	} {
		b.Run(path, func(b *testing.B) {
			b.SetParallelism(2)
			before := cpuTime(b)
			defer func() { b.ReportMetric(float64((cpuTime(b)-before).Milliseconds())/float64(b.N), "cpu-ms/op") }()
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if w := ask(b, api, path, nil); w.Code != 200 {
						b.Errorf("%d %s", w.Code, w.Body)
						return
					}
				}
			})
		})
	}
	b.Run("tail", func(b *testing.B) {
		f := &follower{API: api, followed: followed{table: "events", ages: tailEventAges, slack: tailEventSlack, received: true, look: latestEvents}}
		f.filter.add("tenant = ?", "default")
		before := cpuTime(b)
		defer func() { b.ReportMetric(float64((cpuTime(b)-before).Milliseconds())/float64(b.N), "cpu-ms/op") }()
		for b.Loop() {
			if err := f.locate(b.Context()); err != nil {
				b.Fatal(err)
			}
			if _, err := f.fresh(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
