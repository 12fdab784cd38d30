package analytics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

// door is a way to a server that can be shut: then connections are refused, and
// those that are open break.
type door struct {
	t       *testing.T
	address string
	behind  string

	mu       sync.Mutex
	listener net.Listener
	open     map[net.Conn]bool
}

func newDoor(t *testing.T, behind string) *door {
	d := &door{t: t, behind: behind, address: "127.0.0.1:0", open: map[net.Conn]bool{}}
	d.unlock()
	t.Cleanup(d.shut)
	return d
}

func (d *door) unlock() {
	listener, err := net.Listen("tcp", d.address)
	if err != nil {
		d.t.Fatal(err)
	}
	d.address = listener.Addr().String()
	d.mu.Lock()
	d.listener = listener
	d.mu.Unlock()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go d.pass(conn)
		}
	}()
}

func (d *door) pass(conn net.Conn) {
	to, err := net.Dial("tcp", d.behind)
	if err != nil {
		_ = conn.Close()
		return
	}
	d.mu.Lock()
	d.open[conn], d.open[to] = true, true
	d.mu.Unlock()
	go func() { _, _ = io.Copy(to, conn); _ = to.Close() }()
	_, _ = io.Copy(conn, to)
	_ = conn.Close()
}

func (d *door) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	_ = d.listener.Close()
	for conn := range d.open {
		_ = conn.Close()
	}
	clear(d.open)
}

// ClickHouse goes away in the middle and refuses connections; what comes meanwhile
// waits in Kafka, the sink says that it is not ready, and nothing is lost or
// doubled once it is back.
func TestClickHouseRefusesConnections(t *testing.T) {
	if os.Getenv("POSTHORN_TEST_CLICKHOUSE") != "" {
		t.Skip("the way to the server is the embedded engine's")
	}
	dsn, err := url.Parse(testDSN(t))
	if err != nil {
		t.Fatal(err)
	}
	direct := opened(t, dsn.String())
	if _, err := Migrate(t.Context(), direct); err != nil {
		t.Fatal(err)
	}
	way := newDoor(t, dsn.Host)
	dsn.Host = way.address
	kcfg := cluster(t, 3)
	p := producer(t, kcfg)
	registry := prometheus.NewRegistry()
	s, stop := running(t, SinkConfig{Kafka: kcfg, Conn: opened(t, dsn.String()), MaxRows: 400, Registerer: registry,
		Topics: []string{schemas.TopicEvents, schemas.TopicBreakdownDeltas}})
	for round := range 3 {
		produceEvents(t, p, round*1000, round*1000+500, 3)
		produceDeltas(t, p, round*100, round*100+50, 3)
		counts(t, direct, round*1000+500)
		way.shut()
		produceEvents(t, p, round*1000+500, round*1000+1000, 3)
		produceDeltas(t, p, round*100+50, round*100+100, 3)
		eventually(t, func() string {
			if s.Ready() == nil {
				return "still ready"
			}
			if fresh := gauge(t, registry, "posthorn_sink_freshness_seconds", "events"); fresh <= 0 {
				return fmt.Sprint("fresh by ", fresh)
			}
			return ""
		})
		way.unlock()
		counts(t, direct, round*1000+1000)
		sumsTo(t, direct, round*100+100)
	}
	eventually(t, func() string {
		if fresh := gauge(t, registry, "posthorn_sink_freshness_seconds", "recipients"); fresh != 0 || s.Ready() != nil {
			return fmt.Sprint("fresh by ", fresh, ": ", s.Ready())
		}
		return ""
	})
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// gauge reads a metric of a table, -1 where there is none.
func gauge(t testing.TB, registry *prometheus.Registry, name, table string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && m.GetLabel()[0].GetValue() == table {
				return m.GetGauge().GetValue()
			}
		}
	}
	return -1
}

func TestFreshness(t *testing.T) {
	s := newLaneState("", 0)
	now := time.Now()
	is := func(what string, want time.Duration, known bool) {
		t.Helper()
		if got, ok := s.freshness(now); ok != known || (got-want).Abs() > 2*time.Second {
			t.Errorf("%s: %v %v, want %v %v", what, got, ok, want, known)
		}
	}
	is("not owned", 0, false)
	s.begin(map[int32]int64{0: 10})
	s.moved(map[int32]int64{0: 10}, now.Add(-time.Hour))
	is("Kafka has not told", 0, false)
	s.ends(map[int32]int64{0: 10})
	is("nothing has come for an hour", 0, true)
	s.ends(map[int32]int64{0: 20})
	is("something begins to wait", 0, true)
	now = now.Add(time.Minute)
	is("it has waited for a minute", time.Minute, true)
	s.moved(map[int32]int64{0: 15}, now.Add(-5*time.Second))
	is("a part of it is in", 5*time.Second, true)
	s.moved(map[int32]int64{0: 20}, now)
	is("all is in", 0, true)
	s.ends(nil)
	is("Kafka does not answer", 0, false)
}

// The tables are what the sink writes, column by column.
func TestEveryTableIsAsTheSinkWritesIt(t *testing.T) {
	conn := migrated(t)
	for _, to := range tables(schemas.FirstGeneration) {
		for i, b := range to.rows(to.names).blocks() {
			if err := checkColumns(t.Context(), conn, to.names[i], b.types()); err != nil {
				t.Error(err)
			}
			written := map[string]bool{}
			for _, c := range b.types() {
				written[c.Name] = true
			}
			for _, name := range strings.Fields(readRows(t, conn, "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = '"+to.names[i]+"'")) {
				if !written[name] {
					t.Errorf("nothing writes column %s of %s", name, to.names[i])
				}
			}
		}
	}
}

func TestADriftedTableIsRefused(t *testing.T) {
	for name, tc := range map[string]struct{ topic, change, mend, want string }{
		"missing":     {schemas.TopicEvents, "ALTER TABLE events DROP COLUMN city", "ALTER TABLE events ADD COLUMN city LowCardinality(String)", "table events has no column city (LowCardinality(String))"},
		"renamed":     {schemas.TopicEvents, "ALTER TABLE events RENAME COLUMN url TO link", "ALTER TABLE events RENAME COLUMN link TO url", "table events has no column url (String)"},
		"other type":  {schemas.TopicMessages, "ALTER TABLE messages MODIFY COLUMN opens Int32", "ALTER TABLE messages MODIFY COLUMN opens Int64", "column opens of table messages is Int32, it must be Int64"},
		"other table": {schemas.TopicBreakdownDeltas, "ALTER TABLE recipients RENAME COLUMN last_sent_at TO x", "ALTER TABLE recipients RENAME COLUMN x TO last_sent_at", "table recipients has no column last_sent_at"},
	} {
		t.Run(name, func(t *testing.T) {
			kcfg, conn := cluster(t, 1), migrated(t)
			p := producer(t, kcfg)
			put := func(n int) {
				switch tc.topic {
				case schemas.TopicEvents:
					produceEvents(t, p, n, n+1, 1)
				case schemas.TopicBreakdownDeltas:
					produceDeltas(t, p, n, n+1, 1)
				default:
					m := &schemas.Message{Tenant: "t", MessageID: fmt.Sprint(n), Revision: 1}
					produce(t, p, &kgo.Record{Topic: tc.topic, Value: serde.Append(nil, tc.topic, m)})
				}
			}
			said := func(err error) string {
				if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "posthorn migrate") {
					return fmt.Sprintf("it says %v, want %q", err, tc.want)
				}
				return ""
			}
			s, stop := running(t, SinkConfig{Kafka: kcfg, Conn: conn, Topics: []string{tc.topic}})
			done := func(n int64) {
				t.Helper()
				eventually(t, func() string {
					if at := s.Status().Lanes[0].Positions[0]; at != n {
						return fmt.Sprintf("at %d of %d: %v", at, n, s.Ready())
					}
					return ""
				})
			}
			put(0)
			done(1)
			// At run time: nothing is written, nothing is lost, and it goes on once
			// the table is mended.
			if err := conn.Exec(t.Context(), tc.change); err != nil {
				t.Fatal(err)
			}
			for _, l := range s.lanes {
				l.checked.Store(0) // half a minute later
			}
			put(1)
			eventually(t, func() string { return said(s.Ready()) })
			if err := conn.Exec(t.Context(), tc.mend); err != nil {
				t.Fatal(err)
			}
			done(2)
			if err := errors.Join(s.Ready(), stop()); err != nil {
				t.Error(err)
			}
			// At the start.
			if err := conn.Exec(t.Context(), tc.change); err != nil {
				t.Fatal(err)
			}
			again, err := NewSink(SinkConfig{Kafka: kcfg, Conn: conn, Serde: serde, Topics: []string{tc.topic}})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if problem := said(again.Run(ctx)); problem != "" {
				t.Error(problem)
			}
		})
	}
}

// A row that ClickHouse refuses for its content becomes a dead letter, the rest of
// its batch is inserted once, whether the table goes on refusing or not.
func TestARefusedRowBecomesADeadLetter(t *testing.T) {
	kcfg, conn := cluster(t, 2), &faulty{Conn: migrated(t)}
	if err := conn.Exec(t.Context(), "ALTER TABLE events ADD CONSTRAINT no_six CHECK campaign_id != '6'"); err != nil {
		t.Fatal(err)
	}
	p := producer(t, kcfg)
	produceEvents(t, p, 0, 300, 2)
	bad := 0
	for n := range 300 {
		if n%7 == 6 {
			bad++
		}
	}
	// Applied, and not acknowledged: the next sink repeats the batch, without the
	// constraint.
	conn.deaf.Store(1 << 20)
	before := conn.failed.Load()
	s, stop := running(t, SinkConfig{Kafka: kcfg, Conn: conn, Topics: eventsOnly})
	eventually(t, func() string {
		if n := number(t, conn, "SELECT count() FROM events"); n != uint64(300-bad) || conn.failed.Load() == before {
			return fmt.Sprintf("%d rows, want %d: %v", n, 300-bad, s.Ready())
		}
		return ""
	})
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	conn.deaf.Store(0)
	if err := conn.Exec(t.Context(), "ALTER TABLE events DROP CONSTRAINT no_six"); err != nil {
		t.Fatal(err)
	}
	s, stop = running(t, SinkConfig{Kafka: kcfg, Conn: conn, Topics: eventsOnly})
	produceEvents(t, p, 300, 305, 2)
	counts(t, conn, 300-bad+5)
	if err := errors.Join(s.Ready(), stop()); err != nil {
		t.Error(err)
	}
	if n := number(t, conn, "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name LIKE '%trial%'"); n != 0 {
		t.Error("a table of trials is left")
	}
	letters := map[string]bool{}
	reader, err := kafka.NewConsumer(kcfg, kgo.ConsumeTopics(schemas.TopicDeadLetters))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	for len(letters) < bad {
		for _, rec := range reader.PollFetches(t.Context()).Records() {
			place, cause := "", ""
			for _, h := range rec.Headers {
				switch h.Key {
				case "posthorn-partition", "posthorn-offset":
					place += string(h.Value) + " "
				case "posthorn-cause":
					cause = string(h.Value)
				}
			}
			letters[place] = true
			if !strings.Contains(cause, "table events refuses it") || !strings.Contains(cause, "no_six") {
				t.Fatalf("cause %q", cause)
			}
		}
	}
}

// Events of more months than ClickHouse takes in one insert by default.
func TestABatchOfManyMonths(t *testing.T) {
	conn := migrated(t)
	rows := eventRows("events")
	for n := range 240 {
		e := event(n)
		e.ReceivedAt = schemas.FromTime(time.Now().AddDate(0, n, 0)) // clocks may be anything
		if err := rows.add(serde, &kgo.Record{Offset: int64(n), Value: serde.Append(nil, schemas.TopicEvents, e)}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		ctx := clickhouse.Context(t.Context(), clickhouse.WithSettings(insertSettings("months")))
		if err := rows.blocks()[0].insert(ctx, conn); err != nil {
			t.Fatal(err)
		}
	}
	counts(t, conn, 240)
}
