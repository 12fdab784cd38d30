package clickhouse_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
)

func BenchmarkRoundTrip(b *testing.B) {
	conn := connect(b)
	for b.Loop() {
		count(b, conn, "SELECT toUInt64(1)")
	}
}

// processorTime is the CPU time of this process, client and engine together.
func processorTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkInsert sends batches of 100,000 rows with 20 columns, columnar, with
// the settings of an exactly-once sink.
func BenchmarkInsert(b *testing.B) {
	conn := connect(b)
	exec(b, conn, `CREATE TABLE facts (
		event_id FixedString(16), recipient FixedString(16), message String, tenant LowCardinality(String), account LowCardinality(String),
		campaign LowCardinality(String), type Enum8('sent' = 1, 'delivered' = 2, 'opened' = 3, 'clicked' = 4), machine Enum8('unknown' = 0, 'human' = 1),
		occurred DateTime64(6, 'UTC'), arrived DateTime64(6, 'UTC'), received DateTime('UTC'), domain LowCardinality(String), url String,
		country LowCardinality(String), agent LowCardinality(String), code UInt16, attempt UInt8, suspect Bool, delay Int64, revision UInt64
	) ENGINE = MergeTree PARTITION BY toYYYYMM(received) ORDER BY (tenant, campaign, occurred) SETTINGS non_replicated_deduplication_window = 1000`)
	const rows = 100_000
	var (
		ids, recipients, messages, urls                         = make([]string, rows), make([]string, rows), make([]string, rows), make([]string, rows)
		tenants, campaigns, kinds, machines, domains, countries = make([]string, rows), make([]string, rows), make([]string, rows), make([]string, rows), make([]string, rows), make([]string, rows)
		times                                                   = make([]time.Time, rows)
		codes, attempts, suspects, delays, revisions            = make([]uint16, rows), make([]uint8, rows), make([]bool, rows), make([]int64, rows), make([]uint64, rows)
		start                                                   = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	)
	for i := range rows {
		id, recipient := uuid.New(), uuid.New()
		ids[i], recipients[i], messages[i], urls[i] = string(id[:]), string(recipient[:]), fmt.Sprint(1<<50+i), fmt.Sprintf("https://shop.example/p/%d", i%50)
		tenants[i], campaigns[i], kinds[i], machines[i] = "shop", fmt.Sprint(i%30), []string{"sent", "delivered", "opened", "clicked"}[i%4], []string{"unknown", "human"}[i%2]
		domains[i], countries[i] = fmt.Sprintf("d%d.example", i%200), []string{"DE", "FR", "PL"}[i%3]
		times[i] = start.Add(time.Duration(i) * 7 * time.Millisecond)
		codes[i], attempts[i], delays[i], revisions[i] = 250, 1, int64(i), uint64(i)
	}
	columns := []any{ids, recipients, messages, tenants, tenants, campaigns, kinds, machines, times, times, times, domains, urls, countries, countries, codes, attempts, suspects, delays, revisions}
	before, n := processorTime(b), 0
	for b.Loop() {
		n++
		ctx := withSettings(b.Context(), once(fmt.Sprint("batch-", n)))
		batch, err := conn.PrepareBatch(ctx, "INSERT INTO facts")
		if err != nil {
			b.Fatal(err)
		}
		for i, column := range columns {
			if err := batch.Column(i).Append(column); err != nil {
				b.Fatal(i, err)
			}
		}
		if err := batch.Send(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n*rows)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64((processorTime(b)-before).Nanoseconds())/float64(n*rows), "cpu-ns/row")
	if got := count(b, conn, "SELECT count() FROM facts"); got != uint64(n*rows) {
		b.Errorf("%d rows, want %d", got, n*rows)
	}
}
