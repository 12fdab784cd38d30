package campaign

import (
	"maps"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/stream/streamtest"
	"github.com/posthorn/posthorn/schemas"
)

var (
	serde = schemas.NewLocalSerde()
	base  = schemas.FromTime(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
)

func newDriver(t testing.TB) *streamtest.Driver {
	d, err := streamtest.New(Stage(Config{Serde: serde}), 3)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func process(t testing.TB, d *streamtest.Driver, delta *schemas.CampaignDelta) {
	t.Helper()
	rec := &kgo.Record{Topic: schemas.TopicCampaignDeltas, Value: serde.Append(nil, schemas.TopicCampaignDeltas, delta), Timestamp: base.Time()}
	if err := d.Process(rec); err != nil {
		t.Fatal(err)
	}
}

func commit(t testing.TB, d *streamtest.Driver) {
	t.Helper()
	if err := d.Commit(); err != nil {
		t.Fatal(err)
	}
}

// snapshots returns the last snapshot of each key and checks the records.
func snapshots(t testing.TB, d *streamtest.Driver) map[string]schemas.CampaignStatistics {
	t.Helper()
	got := map[string]schemas.CampaignStatistics{}
	for _, rec := range d.Out {
		var s schemas.CampaignStatistics
		if rec.Topic != schemas.TopicStatistics || rec.Partition != 3 {
			t.Fatalf("record to %s, partition %d", rec.Topic, rec.Partition)
		}
		if err := serde.Decode(rec.Value, &s); err != nil {
			t.Fatal(err)
		}
		if want := string(Key(s.Tenant, s.CampaignID, s.Basis, s.WindowStart)); string(rec.Key) != want {
			t.Fatalf("key %s, want %s", rec.Key, want)
		}
		got[string(rec.Key)] = s
	}
	return got
}

func TestSnapshots(t *testing.T) {
	d := newDriver(t)
	window := schemas.WindowDelta{Basis: schemas.BasisEventTime, WindowStart: base, Counters: schemas.Counters{Messages: 2, Opens: 3}}
	process(t, d, &schemas.CampaignDelta{Tenant: "default", CampaignID: "spring", CampaignName: "Spring", FirstEventAt: base + 5, LastEventAt: base + 9,
		Windows: []schemas.WindowDelta{{Counters: schemas.Counters{Messages: 2, Opens: 3}}, window}})
	process(t, d, &schemas.CampaignDelta{Tenant: "default", CampaignID: "spring", FirstEventAt: base + 1, LastEventAt: base + 2,
		Windows: []schemas.WindowDelta{{Counters: schemas.Counters{Messages: 1}}}})
	commit(t, d)
	if len(d.Out) != 2 {
		t.Fatalf("%d snapshots, want one per window", len(d.Out))
	}
	got := snapshots(t, d)
	want := map[string]schemas.CampaignStatistics{
		"default/spring/lifetime/0": {Tenant: "default", CampaignID: "spring", CampaignName: "Spring",
			Counters: schemas.Counters{Messages: 3, Opens: 3}, FirstEventAt: base + 1, LastEventAt: base + 9, UpdatedAt: base},
		"default/spring/event_time/1772366400": {Tenant: "default", CampaignID: "spring", Basis: schemas.BasisEventTime, WindowStart: base,
			WindowSeconds: 300, Counters: schemas.Counters{Messages: 2, Opens: 3}, UpdatedAt: base},
	}
	if !maps.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}

	// Back to zero: emitted, with the frontier as time.
	if err := d.Advance(base.Time().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	window.Counters = schemas.Counters{Messages: -2, Opens: -3}
	process(t, d, &schemas.CampaignDelta{Tenant: "default", CampaignID: "spring", Windows: []schemas.WindowDelta{window}})
	commit(t, d)
	if len(d.Out) != 3 {
		t.Fatalf("%d snapshots, want one more", len(d.Out))
	}
	s := snapshots(t, d)["default/spring/event_time/1772366400"]
	if s.Counters != (schemas.Counters{}) || s.UpdatedAt != base+3600*1_000_000 {
		t.Errorf("zero window: %+v", s)
	}
}

// A closed window is forgotten, its snapshot stays, and a change that comes all
// the same is late. Totals are kept.
func TestClosedWindows(t *testing.T) {
	d, err := streamtest.New(Stage(Config{Serde: serde, Retention: time.Hour}), 3)
	if err != nil {
		t.Fatal(err)
	}
	advance := func(after time.Duration) {
		t.Helper()
		if err := d.Advance(base.Time().Add(after)); err != nil {
			t.Fatal(err)
		}
		commit(t, d)
	}
	advance(0)
	one := schemas.Counters{Opens: 1}
	delta := &schemas.CampaignDelta{Tenant: "default", CampaignID: "spring", Windows: []schemas.WindowDelta{{Counters: one},
		{Basis: schemas.BasisEventTime, WindowStart: base, Counters: one}, {Basis: schemas.BasisSendTime, WindowStart: base, Counters: one},
		{Basis: schemas.BasisSendTimeLate, Counters: one}}}
	process(t, d, delta)
	commit(t, d)
	advance(time.Hour + 5*time.Minute - 1)
	process(t, d, delta)
	commit(t, d)
	if got := len(d.State(storeWindows)); got != 5 {
		t.Fatalf("%d keys, want 4 windows and a cursor", got)
	}
	advance(time.Hour + 5*time.Minute)
	process(t, d, delta)
	commit(t, d)
	advance(48 * time.Hour) // time for a walk
	if got := d.State(storeWindows); len(got) != 4 {
		t.Errorf("%d keys, want 3 totals and a cursor", len(got))
	}
	process(t, d, delta)
	commit(t, d)
	for key, want := range map[string]int64{"lifetime/0": 4, "event_time/1772366400": 2, "send_time/1772366400": 2, "event_time_late/0": 2, "send_time_late/0": 6} {
		if got := snapshots(t, d)["default/spring/"+key]; got.Counters.Opens != want || (got.WindowSeconds != 0) != got.Basis.Windowed() {
			t.Errorf("%s: %+v, want %d opens", key, got, want)
		}
	}
}

func TestNothingToFlush(t *testing.T) {
	d := newDriver(t)
	commit(t, d)
	if len(d.Out) != 0 {
		t.Errorf("%d records", len(d.Out))
	}
}

func TestPoison(t *testing.T) {
	if err := newDriver(t).Process(&kgo.Record{Value: []byte("no delta")}); !stream.IsPermanent(err) {
		t.Errorf("got %v, want a permanent error", err)
	}
}

// Any order and any cut of the changes, with aborts, ends in the same
// snapshots.
func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		deltas := rapid.SliceOfN(rapid.Custom(drawDelta), 1, 20).Draw(rt, "deltas")
		want := sum(deltas)
		for range 2 {
			d := newDriver(t)
			for _, delta := range rapid.Permutation(deltas).Draw(rt, "order") {
				switch rapid.IntRange(0, 3).Draw(rt, "then") {
				case 0:
					process(t, d, &delta)
					commit(t, d)
				case 1: // an aborted attempt, then again
					commit(t, d)
					process(t, d, &delta)
					if err := d.Abort(); err != nil {
						t.Fatal(err)
					}
					process(t, d, &delta)
				default:
					process(t, d, &delta)
				}
			}
			commit(t, d)
			got := snapshots(t, d)
			for k, s := range got {
				s.UpdatedAt = 0
				got[k] = s
			}
			if !maps.Equal(got, want) {
				rt.Fatalf("got  %+v\nwant %+v", got, want)
			}
		}
	})
}

func drawDelta(t *rapid.T) schemas.CampaignDelta {
	at := func(name string) schemas.Timestamp {
		return base + 300_000_000*schemas.Timestamp(rapid.IntRange(0, 2).Draw(t, name))
	}
	d := schemas.CampaignDelta{
		Tenant:       "default",
		CampaignID:   rapid.SampledFrom([]string{"spring", "-"}).Draw(t, "campaign"),
		CampaignName: rapid.SampledFrom([]string{"", "A", "B"}).Draw(t, "name"),
		FirstEventAt: at("first"),
		LastEventAt:  at("last"),
	}
	for basis := range schemas.BasisSendTimeLate + 1 {
		n := rapid.Int64Range(-2, 2).Draw(t, "n")
		if n == 0 {
			continue
		}
		w := schemas.WindowDelta{Basis: basis, Counters: schemas.Counters{Messages: n, ClickDelays: 3 * n}}
		if basis.Windowed() {
			w.WindowStart = at("window")
		}
		d.Windows = append(d.Windows, w)
	}
	return d
}

// sum is what the deltas must come to.
func sum(deltas []schemas.CampaignDelta) map[string]schemas.CampaignStatistics {
	want := map[string]schemas.CampaignStatistics{}
	for _, d := range deltas {
		k := string(Key(d.Tenant, d.CampaignID, schemas.BasisLifetime, 0))
		s, ok := want[k]
		s.Tenant, s.CampaignID, s.CampaignName = d.Tenant, d.CampaignID, max(s.CampaignName, d.CampaignName)
		if !ok || d.FirstEventAt < s.FirstEventAt {
			s.FirstEventAt = d.FirstEventAt
		}
		s.LastEventAt = max(s.LastEventAt, d.LastEventAt)
		want[k] = s
		for _, w := range d.Windows {
			k := string(Key(d.Tenant, d.CampaignID, w.Basis, w.WindowStart))
			s := want[k]
			s.Tenant, s.CampaignID, s.Basis, s.WindowStart = d.Tenant, d.CampaignID, w.Basis, w.WindowStart
			if w.Basis.Windowed() {
				s.WindowSeconds = 300
			}
			s.Counters.Messages += w.Counters.Messages
			s.Counters.ClickDelays += w.Counters.ClickDelays
			want[k] = s
		}
	}
	return want
}
