package analytics

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/schemas"
)

// benchEvents makes records as Mailjet's webhooks give them: mixed types, long
// user agents, skewed campaigns.
func benchEvents(n int) []*kgo.Record {
	agents := []string{"Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148", "Mozilla/5.0"}
	recs := make([]*kgo.Record, n)
	for i := range recs {
		e := event(i)
		e.MessageUUID = e.EventID.String()
		e.ProviderTime, e.CustomID, e.ContactID = 0, fmt.Sprint("order-", i/3), fmt.Sprint(1000+i/3)
		e.Metadata = map[string]string{"order": fmt.Sprint(i / 3), "segment": "a"}
		switch i % 5 {
		case 0, 1:
			e.Type, e.ProviderType, e.UserAgent, e.SMTPCode, e.MTAResponse = schemas.EventTypeDelivered, "sent", "", 250, "250 2.0.0 OK  1700000000 abcdef"
			e.Country, e.Machine = "", schemas.MachineUnknown
		case 4:
			e.Type, e.ProviderType, e.URL = schemas.EventTypeClicked, "click", fmt.Sprint("https://shop.example/p/", i%40, "?utm_source=mail&utm_campaign=spring")
			fallthrough
		default:
			e.UserAgent = agents[i%3]
			e.ClientName, e.ClientOS, e.DeviceType, e.City = "Firefox", "Windows", "desktop", "Paris"
			e.MachineReasons = []string{"agent"}
		}
		recs[i] = &kgo.Record{Topic: schemas.TopicEvents, Partition: int32(i % 12), Offset: int64(i / 12), Value: serde.Append(nil, schemas.TopicEvents, e)}
	}
	return recs
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkEvents is the way of an event from its record into the table, in one
// process with the engine: decode, columns, insert.
func BenchmarkEvents(b *testing.B) {
	for _, size := range []int{10_000, 30_000, 100_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			conn, recs, rows := migrated(b), benchEvents(size), eventRows("events")
			b.ResetTimer()
			began, used, token := time.Now(), cpu(), 0
			var prep time.Duration
			for b.Loop() {
				rows.reset()
				start := cpu()
				for _, rec := range recs {
					if err := rows.add(serde, rec); err != nil {
						b.Fatal(err)
					}
				}
				prep += cpu() - start
				token++
				ctx := clickhouse.Context(b.Context(), clickhouse.WithSettings(insertSettings(fmt.Sprint(token))))
				if err := rows.blocks()[0].insert(ctx, conn); err != nil {
					b.Fatal(err)
				}
			}
			n := float64(b.N * size)
			b.ReportMetric(n/time.Since(began).Seconds(), "rows/s")
			b.ReportMetric(float64((cpu()-used).Nanoseconds())/n, "cpu-ns/row")
			b.ReportMetric(float64(prep.Nanoseconds())/n, "prep-cpu-ns/row")
		})
	}
}
