package verify

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/internal/embedded/clickhouse/clickhousetest"
	"github.com/posthorn/posthorn/schemas"
)

// sunk writes outputs to the topics of a copy of w, has the sink write them to a
// database of their own, and leaves it running.
func (w *world) sunk(t *testing.T, out map[string][]*kgo.Record, frontier schemas.Timestamp) (*world, driver.Conn) {
	t.Helper()
	other := w.again(t)
	other.write(out)
	other.writeMarkers(frontier)
	other.commitAll()
	conn, err := analytics.Open(t.Context(), clickhousetest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := analytics.Migrate(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	sink, err := analytics.NewSink(analytics.SinkConfig{Kafka: other.kafka, Serde: other.serde, Conn: conn, Lanes: 1, Idle: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- sink.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return other, conn
}

const tableOfCells, tableOfPeople = "ClickHouse breakdowns", "ClickHouse recipients"

// The tables are compared with the topic, and where that is not complete any more
// with the webhooks; whatever is wrong in them is found.
func TestBreakdownTables(t *testing.T) {
	// Of one life: the table of messages keeps the revision with most events.
	w, out, end := breakdownWorld(t)
	w, conn := w.sunk(t, out, end)
	verify := func() *Report { return w.verify(func(c *Config) { c.ClickHouse = conn }) }
	exec := func(query string) {
		t.Helper()
		if err := conn.Exec(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	check := func(t *testing.T) {
		report := verify()
		if report.Differences() != 0 {
			t.Fatal(problems(report))
		}
		for _, name := range []string{tableOfCells, tableOfPeople} {
			if c := report.check(name); c.Note != "" || c.Expected == 0 || c.Found != c.Expected {
				t.Errorf("%+v", *c)
			}
		}
	}
	times := 0 // what was inserted once is not inserted again
	tamper := func(t *testing.T) {
		times++
		n := strconv.Itoa(times)
		// Each is undone by its contrary.
		for _, c := range []struct{ query, check, says string }{
			{"INSERT INTO breakdowns (tenant, dimension, campaign_id, value, basis, window_start, clicks) SELECT tenant, dimension, campaign_id, value, basis, window_start, %d FROM breakdowns WHERE dimension = 'os' AND value = 'iOS' ORDER BY ALL LIMIT 1",
				tableOfCells, "clicks is "},
			{"INSERT INTO breakdowns (tenant, dimension, value, opens) VALUES ('default', 'weather', 'rain', %d)", tableOfCells, "weather of default"},
			{"INSERT INTO recipients (tenant, recipient_id, opens, first_event_at, last_event_at) SELECT tenant, recipient_id, %d, first_event_at, last_event_at FROM recipients LIMIT 1", tableOfPeople, "opens is "},
		} {
			exec(strings.ReplaceAll(c.query, "%d", n))
			report := verify()
			onlyIn(t, report, c.check, 1, 1)
			if !strings.Contains(problems(report), c.says) {
				t.Error(problems(report))
			}
			exec(strings.ReplaceAll(c.query, "%d", "-"+n))
		}
		check(t)
	}
	t.Run("agree", check)
	t.Run("tampered", tamper)
	w.deleteDeltas(t)
	t.Run("agree with the webhooks", check)
	t.Run("tampered, found by the webhooks", tamper)
	t.Run("a time", func(t *testing.T) {
		exec("INSERT INTO recipients (tenant, recipient_id, first_event_at, last_event_at, last_clicked_at) SELECT tenant, recipient_id, first_event_at, last_event_at, '2100-01-01' FROM recipients LIMIT 1")
		report := verify()
		onlyIn(t, report, tableOfPeople, 1, 1)
		if !strings.Contains(problems(report), "last_clicked_at is 2100-01-01") {
			t.Error(problems(report))
		}
	})
	t.Run("a cell is gone", func(t *testing.T) {
		exec("ALTER TABLE breakdowns DELETE WHERE dimension = 'path' AND value = 'delivered' AND campaign_id = 'spring' SETTINGS mutations_sync = 2")
		report := verify()
		if c := report.check(tableOfCells); c.Missing == 0 || c.Missing != c.Differences || !strings.Contains(problems(report), "path of default, campaign spring, value \"delivered\"") {
			t.Error(problems(report))
		}
	})
}
