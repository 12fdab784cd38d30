package analytics

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/schemas"
)

var breakdownsOnly = []string{schemas.TopicBreakdownDeltas}

// delta makes the n-th of a series of changes: of few cells and recipients, so
// that they meet, and of both signs.
func delta(n int) *schemas.BreakdownDelta {
	r := rand.New(rand.NewPCG(7, uint64(n)))
	d := &schemas.BreakdownDelta{Tenant: "default", CampaignID: fmt.Sprint(n % 3)}
	for range 1 + r.IntN(5) {
		d.Cells = append(d.Cells, schemas.BreakdownCell{
			Dimension: schemas.DimensionLink, Value: fmt.Sprint("https://shop.example/", r.IntN(4)), Detail: fmt.Sprint(r.IntN(2)),
			Basis: schemas.BasisSendTime, WindowStart: epoch + schemas.Timestamp(r.IntN(2)*86_400_000_000),
			Counters: schemas.Counters{Clicks: int64(r.IntN(9) - 4), HumanClicks: int64(r.IntN(3) - 1)},
		})
	}
	if n%3 == 0 {
		d.CampaignID = ""
		for range 1 + r.IntN(3) {
			d.Recipients = append(d.Recipients, schemas.RecipientDelta{
				RecipientID: numbered(r.IntN(5)), RecipientDomain: "example.org", Counters: schemas.Counters{Messages: 1, Opens: int64(r.IntN(3) - 1)},
				LastEventAt: epoch + schemas.Timestamp(n)*1_000_000,
			})
		}
	}
	return d
}

func produceDeltas(t testing.TB, p *kgo.Client, from, to int, partitions int32) {
	t.Helper()
	recs := make([]*kgo.Record, 0, to-from)
	for n := from; n < to; n++ {
		recs = append(recs, deltaRecord(n, partitions))
	}
	produce(t, p, recs...)
}

// deltaSums are what the changes of the series sum up to, without zeros.
func deltaSums(series iter.Seq[int]) map[string]int64 {
	want := map[string]int64{}
	for i := range series {
		d := delta(i)
		for _, c := range d.Cells {
			key := fmt.Sprint(d.CampaignID, " ", c.Value, " ", c.Detail, " ", c.WindowStart.Time().Format(time.DateOnly))
			want[key+" clicks"] += c.Counters.Clicks
			want[key+" human"] += c.Counters.HumanClicks
		}
		for _, r := range d.Recipients {
			want[r.RecipientID.String()+" messages"] += r.Counters.Messages
			want[r.RecipientID.String()+" opens"] += r.Counters.Opens
		}
	}
	maps.DeleteFunc(want, func(_ string, n int64) bool { return n == 0 })
	return want
}

// tableSums are the sums in the tables, without zeros.
func tableSums(ctx context.Context, conn driver.Conn) (map[string]int64, error) {
	rows, err := conn.Query(ctx, `SELECT concat(campaign_id, ' ', value, ' ', detail, ' ', toString(toDate(window_start))) AS k,
			' clicks', sum(clicks), ' human', sum(human_clicks)
		FROM breakdowns WHERE dimension = 'link' AND basis = 'send_time' GROUP BY k
		UNION ALL SELECT toString(recipient_id) AS k, ' messages', sum(messages), ' opens', sum(opens) FROM recipients GROUP BY k`)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	got := map[string]int64{}
	for rows.Next() {
		var key, first, second string
		var a, b int64
		if err := rows.Scan(&key, &first, &a, &second, &b); err != nil {
			return nil, err
		}
		got[key+first], got[key+second] = a, b
	}
	maps.DeleteFunc(got, func(_ string, n int64) bool { return n == 0 })
	return got, rows.Err()
}

func sumsTo(t testing.TB, conn driver.Conn, n int) {
	t.Helper()
	want := deltaSums(below(n))
	eventually(t, func() string {
		got, err := tableSums(t.Context(), conn)
		if err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(got, want) {
			return fmt.Sprintf("the sums differ: %v, want %v", got, want)
		}
		return ""
	})
}

// below lists the numbers from 0 to n-1.
func below(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

func deltaRecord(n int, partitions int32) *kgo.Record {
	return &kgo.Record{Topic: schemas.TopicBreakdownDeltas, Partition: int32(n) % partitions, Value: serde.Append(nil, schemas.TopicBreakdownDeltas, delta(n))}
}

// Every insert is applied and none acknowledged, sinks are stopped in between,
// and two lanes write: each change counts once.
func TestBreakdownsAreSummedOnceOverRestarts(t *testing.T) {
	kcfg, conn := cluster(t, 4), &faulty{Conn: migrated(t)}
	p := producer(t, kcfg)
	const rounds, perRound = 6, 100
	for round := range rounds {
		// Some stop between the two tables of a batch.
		conn.deaf.Store(1 << 20)
		before := conn.failed.Load()
		_, stop := running(t, SinkConfig{Kafka: kcfg, Conn: conn, Topics: breakdownsOnly, Lanes: 2, MaxRows: 30})
		produceDeltas(t, p, round*perRound, (round+1)*perRound, 4)
		eventually(t, func() string {
			if conn.failed.Load() <= before+int32(round%3) {
				return "nothing inserted"
			}
			return ""
		})
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	}
	conn.deaf.Store(3)
	s, stop := running(t, SinkConfig{Kafka: kcfg, Conn: conn, Topics: breakdownsOnly, Lanes: 2, MaxRows: 70})
	sumsTo(t, conn, rounds*perRound)
	eventually(t, func() string {
		for _, l := range s.Status().Lanes {
			if l.Lag != 0 {
				return fmt.Sprint("lag ", l.Lag)
			}
		}
		return ""
	})
	if err := stop(); err != nil {
		t.Error(err)
	}
	for _, table := range []string{"breakdowns", "recipients"} {
		if err := conn.Exec(t.Context(), "OPTIMIZE TABLE "+table+" FINAL"); err != nil {
			t.Fatal(err)
		}
	}
	sumsTo(t, conn, rounds*perRound)
}

// What has only one of a batch's two tables is given the other, whichever of them
// it is.
func TestABatchInOneOfItsTablesIsCompleted(t *testing.T) {
	kcfg := cluster(t, 1)
	produceDeltas(t, producer(t, kcfg), 0, 50, 1)
	for i, name := range []string{"breakdowns", "recipients"} {
		conn := migrated(t)
		r, err := newReader(kcfg, schemas.TopicBreakdownDeltas, map[int32]int64{0: 0})
		if err != nil {
			t.Fatal(err)
		}
		defer r.close()
		b, err := r.nextBatch(t.Context(), limits{rows: 50, bytes: 1 << 20, linger: time.Minute}, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		cfg := SinkConfig{Serde: serde, Conn: conn}
		if err := cfg.setDefaults(); err != nil {
			t.Fatal(err)
		}
		to := tables(1)[slices.Index(SinkTopics(), schemas.TopicBreakdownDeltas)]
		l := &lane{cfg: cfg, target: to, conn: conn, metrics: newMetrics(nil), state: newLaneState("", 0), rows: to.rows(to.names)}
		l.target.tables = to.names
		l.state.begin(map[int32]int64{0: 0})
		if err := b.each(func(rec *kgo.Record) error { return l.rows.add(serde, rec) }); err != nil {
			t.Fatal(err)
		}
		if err := l.deliver(t.Context(), i, l.rows.blocks()[i], b.vector.token(name, "topic", 0)); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := l.insert(t.Context(), "topic", b); err != nil {
				t.Fatal(err)
			}
		}
		sumsTo(t, conn, 50)
	}
}

// A token stands for data: the same batch must make the same bytes.
func TestTheSameBatchMakesTheSameBlocks(t *testing.T) {
	encode := func(r rows) (out []byte) {
		r.reset()
		for n := range 200 {
			if err := r.add(serde, &kgo.Record{Value: serde.Append(nil, schemas.TopicBreakdownDeltas, delta(n))}); err != nil {
				t.Fatal(err)
			}
		}
		for _, b := range r.blocks() {
			for _, c := range b.(*columnBlock).outputs {
				out = c.encode(out)
			}
		}
		return out
	}
	first, again := newBreakdownRows("a", "b"), newBreakdownRows("a", "b")
	want := encode(first)
	if !bytes.Equal(want, encode(first)) || !bytes.Equal(want, encode(again)) {
		t.Error("the blocks differ")
	}
}

func TestUnknownTimesOfRecipients(t *testing.T) {
	conn := migrated(t)
	day := schemas.Timestamp(86_400_000_000)
	change := func(tenant string, r ...schemas.RecipientDelta) *schemas.BreakdownDelta {
		return &schemas.BreakdownDelta{Tenant: tenant, Recipients: r}
	}
	known := schemas.RecipientDelta{RecipientID: numbered(1), FirstEventAt: 3 * day, LastEventAt: 5 * day, LastOpenedAt: 4 * day}
	unknown := schemas.RecipientDelta{RecipientID: numbered(1), LastClickedAt: 2 * day}
	far := schemas.RecipientDelta{RecipientID: numbered(1), FirstEventAt: -day, LastEventAt: 200 * 366 * day}
	for _, order := range [][]*schemas.BreakdownDelta{
		{change("one", known, unknown)}, {change("two", unknown), change("two", known)}, {change("three", known), change("three", unknown)},
		{change("none", unknown)}, {change("far", known, far)},
	} {
		for _, d := range order {
			fill(t, conn, schemas.TopicBreakdownDeltas, d)
		}
	}
	rows, err := conn.Query(t.Context(), `SELECT tenant, toString(min(first_event_at)), toString(max(last_event_at)), toString(max(last_opened_at)),
		toString(max(last_clicked_at)), toString(max(last_sent_at)) FROM recipients GROUP BY tenant`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	got := map[string]string{}
	for rows.Next() {
		var tenant, first, last, opened, clicked, sent string
		if err := rows.Scan(&tenant, &first, &last, &opened, &clicked, &sent); err != nil {
			t.Fatal(err)
		}
		got[tenant] = fmt.Sprint(first[:10], " ", last[:10], " ", opened[:10], " ", clicked[:10], " ", sent)
	}
	for tenant, want := range map[string]string{
		"one": "1970-01-04 1970-01-06 1970-01-05 1970-01-03 1970-01-01 00:00:00", "two": "1970-01-04 1970-01-06 1970-01-05 1970-01-03 1970-01-01 00:00:00",
		"three": "1970-01-04 1970-01-06 1970-01-05 1970-01-03 1970-01-01 00:00:00",
		"none":  "2106-02-07 1970-01-01 1970-01-01 1970-01-03 1970-01-01 00:00:00",
		"far":   "1970-01-01 2106-02-07 1970-01-05 1970-01-01 1970-01-01 00:00:00",
	} {
		if got[tenant] != want {
			t.Errorf("%s: %s, want %s", tenant, got[tenant], want)
		}
	}
}
