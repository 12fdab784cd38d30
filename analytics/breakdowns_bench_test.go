package analytics

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// largeWorld fills the tables of breakdowns as 10 million messages (about 20
// million events) of 300 campaigns over 57 days to 30,000 domains would, and
// 2 million recipients. Everything follows from numbers by hashes.
func largeWorld(b testing.TB, conn driver.Conn, messages, recipients int) {
	b.Helper()
	const random = "cityHash64(number, %d) / 18446744073709551616.0"
	u := func(n int) string { return fmt.Sprintf("("+random+")", n) }
	statements := []string{
		// A message: its campaign, day, domain and what became of it.
		`CREATE TABLE made ENGINE = MergeTree ORDER BY (campaign, domain, day) AS SELECT
 toUInt32(300 * pow(` + u(1) + `, 2)) AS campaign,
 if(campaign % 10 = 0, toUInt32(57 * ` + u(2) + `), least(56, toUInt32(57 * campaign / 300 + 3 * pow(` + u(2) + `, 3)))) AS day,
 toUInt32(pow(30000, ` + u(3) + `)) AS domain,
 toUInt8(100 * ` + u(4) + `) AS fate, toUInt8(100 * ` + u(5) + `) AS deed, toUInt8(` + u(6) + ` * 255) AS other
 FROM numbers(` + fmt.Sprint(messages) + `)`,
		`CREATE TABLE cells ENGINE = MergeTree ORDER BY (campaign, domain, day) AS SELECT campaign, day, domain, fate, deed, other % 40 AS link, count() AS n FROM made GROUP BY ALL`,
	}
	const counted = `sum(n) AS messages, sumIf(n, fate < 94) AS delivered, sumIf(n, fate = 94) AS rejected, sumIf(n, fate BETWEEN 95 AND 96) AS hard_bounced, sumIf(n, fate > 96) AS soft_bounced,
 sumIf(n, fate < 94 AND deed < 40) AS opened, sumIf(n, fate < 94 AND deed < 25) AS human_opened, opened * 2 AS opens, human_opened * 2 AS human_opens,
 sumIf(n, fate < 94 AND deed < 8) AS clicked, sumIf(n, fate < 94 AND deed < 5) AS human_clicked, clicked AS clicks, human_clicked AS human_clicks,
 sumIf(n, fate < 94 AND deed = 0) AS unsubscribed, unsubscribed AS unsubscribes, intDiv(unsubscribed, 10) AS complained, complained AS complaints, opened * 1000 AS open_delay_ms, opened AS open_delays`
	const columns = `messages, delivered, rejected, hard_bounced, soft_bounced, opened, human_opened, opens, human_opens, clicked, human_clicked, clicks, human_clicks, unsubscribed, unsubscribes, complained, complaints, open_delay_ms, open_delays`
	const start = "toDateTime('2026-09-01', 'UTC') + day * 86400"
	add := func(dimension, campaign, value, detail, where, columns, counted, by string) {
		statements = append(statements, fmt.Sprintf(`INSERT INTO breakdowns (tenant, dimension, campaign_id, value, detail, basis, window_start, %s)
SELECT 'default', '%s', %s, v, d, 'send_time', %s, %s FROM (SELECT %s, %s AS v, %s AS d, %s FROM cells WHERE %s GROUP BY %s, v, d)`,
			columns, dimension, campaign, start, columns, by, value, detail, counted, where, by))
	}
	const id, domain = "toString(7340000 + campaign)", "concat('d', toString(domain), '.example.net')"
	for i := range 10 { // In pieces, for the memory that a query may have.
		add("domain", id, domain, "''", fmt.Sprint("campaign % 10 = ", i), columns, counted, "campaign, day, domain")
		add("domain", "''", domain, "''", fmt.Sprint("day % 10 = ", i), columns, counted, "day, domain")
	}
	add("reason", id, domain, "multiIf(fate = 94, 'rejected//blocked', fate < 97, 'bounced/hard/invalid', deed < 50, 'bounced/soft/timed_out', 'bounced/block/spam')", "fate >= 94",
		"messages, rejected, hard_bounced, soft_bounced", "sum(n) AS messages, sumIf(n, fate = 94) AS rejected, sumIf(n, fate BETWEEN 95 AND 96) AS hard_bounced, sumIf(n, fate > 96) AS soft_bounced", "campaign, day, domain")
	const clicks, clickSums = "clicks, human_clicks, clicked, human_clicked", "sum(n) AS clicks, sumIf(n, deed < 5) AS human_clicks, clicks AS clicked, human_clicks AS human_clicked"
	add("link", id, "concat('https://shop.example/p/', toString(link), '?utm_source=mail')", "toString(link)", "fate < 94 AND deed < 8", clicks, clickSums, "campaign, day")
	const both = "opens, human_opens, opened, human_opened, clicks, human_clicks, clicked, human_clicked"
	const bothSums = "sum(n) AS opens, sumIf(n, deed < 25) AS human_opens, opens AS opened, human_opens AS human_opened, sumIf(n, deed < 8) AS clicks, sumIf(n, deed < 5) AS human_clicks, clicks AS clicked, human_clicks AS human_clicked"
	add("country", id, "substring('FRDEITGBESUSNLBECHATPLSEDKNO', 1 + 2 * (link % 14), 2)", "''", "fate < 94 AND deed < 40", both, bothSums, "campaign, day")
	add("client", id, "concat('client ', toString(link % 25))", "''", "fate < 94 AND deed < 40", both, bothSums, "campaign, day")
	add("os", id, "concat('os ', toString(link % 7))", "''", "fate < 94 AND deed < 40", both, bothSums, "campaign, day")
	add("device", id, "['desktop', 'mobile', 'tablet', ''][1 + link % 4]", "''", "fate < 94 AND deed < 40", both, bothSums, "campaign, day")
	add("machine", id, "multiIf(deed < 20, 'human', deed < 25, 'unknown', deed < 35, 'proxy', 'machine')", "''", "fate < 94 AND deed < 40", both, bothSums, "campaign, day")
	add("age", id, "'sent'", "''", "1", columns, counted, "campaign, day")
	statements = append(statements,
		`INSERT INTO mailbox_providers SELECT concat('d', toString(number + 1), '.example.net'), concat('Provider ', toString(number % 60)), if(number < 400, 'table', 'mx'), now() FROM numbers(30000) WHERE number % 9 != 8`,
		`INSERT INTO recipients SELECT 'default', reinterpretAsUUID(sipHash128(number)), concat('d', toString(toUInt32(pow(30000, `+u(3)+`))), '.example.net'),
 m, if(hard, 0, m), 0, hard, 0, if(human, m, 0), if(human, m, 0), human, human, 0, 0, 0, 0, number % 97 = 0, number % 997 = 0, at, at, at, if(human, at, toDateTime(0)), toDateTime(0)
 FROM (SELECT number, 1 + number % 7 AS m, `+u(4)+` < 0.03 AS hard, not hard AND `+u(5)+` < 0.4 AS human, toDateTime('2026-09-01', 'UTC') + toUInt32(57 * 86400 * `+u(6)+`) AS at FROM numbers(`+fmt.Sprint(recipients)+`))`,
		`DROP TABLE made`, `DROP TABLE cells`)
	for _, s := range statements {
		if err := conn.Exec(b.Context(), s); err != nil {
			b.Fatalf("%s: %v", s, err)
		}
	}
}

// BenchmarkBreakdowns asks as 4 clients do at a time. What is told beside the
// slowest twentieth is the CPU of the one process of client and engine: where
// there is nothing else to do, 4 clients on 2 cores wait about twice as long.
func BenchmarkBreakdowns(b *testing.B) {
	conn := migrated(b)
	largeWorld(b, conn, 10_000_000, 2_000_000)
	for _, s := range []string{
		`INSERT INTO campaign_statistics (tenant, campaign_id, basis, messages, delivered, opens, clicks, version)
SELECT 'default', campaign_id, 'lifetime', sum(messages), sum(delivered), sum(opens), sum(clicks), 1 FROM breakdowns WHERE dimension = 'age' GROUP BY campaign_id`,
		`INSERT INTO breakdowns (tenant, dimension, basis, messages, delivered, opens, clicks)
SELECT 'default', 'tenant', 'lifetime', sum(messages), sum(delivered), sum(opens), sum(clicks) FROM breakdowns WHERE dimension = 'age'`,
	} {
		if err := conn.Exec(b.Context(), s); err != nil {
			b.Fatal(err)
		}
	}
	api := NewAPI(APIConfig{Conn: conn, Timeout: 2 * time.Minute})
	var paths []string
	for _, by := range []string{"link", "country", "client", "machine", "domain", "provider", "reason"} {
		paths = append(paths, "/v1/breakdown?by="+by, "/v1/campaigns/7340000/breakdown?by="+by, "/v1/breakdown?since=2026-09-20&until=2026-10-10&by="+by)
	}
	paths = append(paths, "/v1/breakdown?by=domain&order=opened&limit=1000", "/v1/bounces", "/v1/campaigns/7340000/bounces", "/v1/deliverability", "/v1/deliverability?resolution=week&limit=50",
		"/v1/deliverability?by=domain", "/v1/deliverability?campaigns=7340000", "/v1/deliverability?by=domain&campaigns=7340000", "/v1/hygiene", "/v1/rejections", "/v1/mailbox-providers")
	for _, path := range paths {
		ask(b, api, path, &struct{}{}) // What is kept is worked out once.
		b.Run(path[len("/v1/"):], func(b *testing.B) {
			const clients = 4
			took := make([]time.Duration, b.N)
			began := cpu()
			var next atomic.Int64
			var group sync.WaitGroup
			for range clients {
				group.Go(func() {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						asked := time.Now()
						ask(b, api, path, &struct{}{})
						took[n-1] = time.Since(asked)
					}
				})
			}
			group.Wait()
			slices.Sort(took)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64((cpu()-began).Microseconds())/1000/float64(b.N), "cpu-ms")
			b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
		})
	}
	for what, work := range map[string]func(context.Context) error{
		"kept/providers by day": func(ctx context.Context) error { _, err := api.readDays(ctx, ""); return err },
		"kept/recipients":       func(ctx context.Context) error { _, err := api.readRecipients(ctx); return err },
	} {
		b.Run(what, func(b *testing.B) {
			for b.Loop() {
				if err := work(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
