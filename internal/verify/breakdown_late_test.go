package verify

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/schemas"
)

// said is what a webhook of one event says, and over which source.
func (w *world) said(t *testing.T, source string, partition int32, arrival time.Time, event map[string]any) {
	t.Helper()
	body, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	hook := &schemas.Webhook{
		ID: schemas.ID{6, byte(len(w.received))}, Tenant: "default", Account: "shop", Source: source, Provider: "native",
		ReceivedAt: schemas.FromTime(arrival), Body: body, CRC32C: schemas.Checksum(body), Verified: "bearer",
	}
	w.received = append(w.received, hook)
	w.produce(&kgo.Record{Topic: schemas.TopicWebhooks, Partition: partition, Timestamp: arrival, Value: w.serde.Append(nil, schemas.TopicWebhooks, hook)})
}

// cellsOf sums the deltas.
func (w *world) cellsOf(out map[string][]*kgo.Record) cellSums {
	sums := cellSums{}
	w.mapDeltas(out, func(d *schemas.BreakdownDelta) int {
		for _, c := range d.Cells {
			sum(sums.of(cellKey{d.Tenant, c.Dimension.String(), d.CampaignID, c.Value, c.Detail, c.Basis.String(), c.WindowStart}), &c.Counters)
		}
		return 1
	})
	return sums
}

// A window that is closed keeps what was known of source, list and campaign; what
// is told later counts in the lifetime, and in late totals.
func TestScopesKnownLate(t *testing.T) {
	w := newWorld(t)
	w.retention = 24 * time.Hour
	begin := kindsBegin
	at := func(d time.Duration) int64 { return begin.Add(d).UnixMicro() }
	facts := func(kind, id string, occurred time.Duration) map[string]any {
		return map[string]any{"event_id": id, "type": kind, "occurred_at": at(occurred), "message_id": "m", "recipient": "a@example.org"}
	}
	w.said(t, "own", 0, begin.Add(time.Minute), facts("opened", "e1", time.Minute))
	late := facts("opened", "e2", 0)
	late["campaign_id"], late["list_id"] = "spring", "7"
	w.said(t, "backup", 0, begin.Add(30*time.Hour), late)
	out := w.derive(w.webhooks())
	w.write(out)
	w.commitAll()
	if report := w.verify(nil); report.Differences() != 0 {
		t.Fatal(problems(report))
	}
	cells := w.cellsOf(out)
	window := schemas.FromTime(begin)
	for _, c := range []struct {
		dimension, value, basis string
		start                   schemas.Timestamp
		opens                   int64
	}{
		{"source", "own", "event_time", window, 1}, {"source", "own", "event_time_late", 0, -1}, {"source", "own", "lifetime", 0, 0},
		{"source", "backup", "event_time", window, 0}, {"source", "backup", "event_time_late", 0, 2}, {"source", "backup", "lifetime", 0, 2},
		{"list", "7", "event_time", window, 0}, {"list", "7", "event_time_late", 0, 2}, {"list", "7", "lifetime", 0, 2},
		{"account", "shop", "event_time", window, 1}, {"account", "shop", "event_time_late", 0, 1}, {"tenant", "", "event_time", window, 1},
	} {
		if got := cells.of(cellKey{"default", c.dimension, "", c.value, "", c.basis, c.start}).Opens; got != c.opens {
			t.Errorf("%+v: %d opens", c, got)
		}
	}
	// Of the campaign too, and its cells by day are of the campaign that is known now.
	got := map[string]int64{}
	for _, rec := range out[schemas.TopicStatistics] {
		var s schemas.CampaignStatistics
		if err := w.serde.Decode(rec.Value, &s); err != nil {
			t.Fatal(err)
		}
		got[s.CampaignID+" "+s.Basis.String()] = s.Counters.Opens
	}
	for name, opens := range map[string]int64{"- event_time": 1, "- event_time_late": -1, "spring event_time_late": 2, "spring lifetime": 2} {
		if got[name] != opens {
			t.Errorf("%s: %d opens, want %d", name, got[name], opens)
		}
	}
	if c := cells.of(cellKey{"default", "domain", "spring", "example.org", "", "send_time", schemas.FromTime(begin.Truncate(24 * time.Hour))}); c.Opens != 2 {
		t.Errorf("domain: %+v", c)
	}
}

// Of two versions of one event that arrived at once the lesser source counts,
// whichever is processed first.
func TestSourceAtATie(t *testing.T) {
	for first, second := range map[string]string{"own": "backup", "backup": "own"} {
		w := newWorld(t)
		event := map[string]any{"event_id": "e", "type": "delivered", "occurred_at": kindsBegin.UnixMicro(), "message_id": "m", "recipient": "a@example.org"}
		w.said(t, first, 0, kindsBegin, event)
		w.said(t, second, 1, kindsBegin, event)
		out := w.derive(w.webhooks())
		w.write(out)
		w.commitAll()
		if report := w.verify(nil); report.Differences() != 0 {
			t.Error(problems(report))
		}
		cells := w.cellsOf(out)
		for source, want := range map[string]int64{"backup": 1, "own": 0} {
			if got := cells.of(cellKey{"default", "source", "", source, "", "lifetime", 0}).Messages; got != want {
				t.Errorf("%s before %s: source %s has %d messages, want %d", first, second, source, got, want)
			}
		}
	}
}
