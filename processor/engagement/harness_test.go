package engagement

import (
	"cmp"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/stream/streamtest"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

var (
	serde = schemas.NewLocalSerde()
	base  = schemas.FromTime(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
)

func at(d time.Duration) schemas.Timestamp { return base + schemas.Timestamp(d.Microseconds()) }

func mustRules(t testing.TB, text string) *trigger.Set {
	t.Helper()
	set, err := trigger.Parse("rules.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// harness drives one task and collects what it emitted.
type harness struct {
	testing.TB
	driver *streamtest.Driver
	out    output

	retention schemas.Timestamp
	frontier  schemas.Timestamp // as of the last commit
	refires   bool              // what fired may fire again, in another life

	suppressions map[string]schemas.Suppression // the latest of each key
}

// output is the final state of the topics.
type output struct {
	events   map[schemas.ID]int
	messages map[string]schemas.Message
	counters map[countersKey]schemas.Counters // not zero
	triggers map[schemas.ID]schemas.Trigger   // a live one replaces an expired one
	fired    int                              // trigger records
	sums
}

type countersKey struct {
	tenant, campaign string
	basis            schemas.Basis
	start            schemas.Timestamp
}

func newOutput() output {
	return output{map[schemas.ID]int{}, map[string]schemas.Message{}, map[countersKey]schemas.Counters{}, map[schemas.ID]schemas.Trigger{}, 0, newSums()}
}

const partition = 5

func newHarness(t testing.TB, rules *trigger.Set) *harness {
	return newHarnessOf(t, Config{Rules: trigger.NewLive(rules)})
}

func newHarnessOf(t testing.TB, c Config) *harness {
	c.Serde, c.cacheSize = serde, 2
	d, err := streamtest.New(Stage(c), partition)
	if err != nil {
		t.Fatal(err)
	}
	return &harness{TB: t, driver: d, out: newOutput(), retention: schemas.Timestamp(cmp.Or(c.Retention, DefaultRetention).Microseconds())}
}

func record(e *schemas.Event) *kgo.Record {
	return &kgo.Record{Topic: schemas.TopicEventsByRecipient, Key: e.RecipientID[:], Value: serde.Append(nil, schemas.TopicEventsByRecipient, e)}
}

func (h *harness) process(events ...schemas.Event) {
	h.Helper()
	for i := range events {
		if err := h.driver.Process(record(&events[i])); err != nil {
			h.Fatal(err)
		}
	}
}

func (h *harness) commit() {
	h.Helper()
	if err := h.driver.Commit(); err != nil {
		h.Fatal(err)
	}
	h.collectAll()
}

// advance commits as well: that is when the frontier moves.
func (h *harness) advance(to schemas.Timestamp) {
	h.Helper()
	if err := h.driver.Advance(to.Time()); err != nil {
		h.Fatal(err)
	}
	h.collectAll()
	h.frontier = max(h.frontier, to)
}

func (h *harness) abort() {
	h.Helper()
	if err := h.driver.Abort(); err != nil {
		h.Fatal(err)
	}
}

func (h *harness) collectAll() {
	h.Helper()
	for _, rec := range h.driver.Out {
		h.collect(rec)
	}
	h.driver.Out = nil
}

func (h *harness) decode(rec *kgo.Record, into schemas.Record) {
	h.Helper()
	if err := serde.Decode(rec.Value, into); err != nil {
		h.Fatal(err)
	}
}

func (h *harness) collect(rec *kgo.Record) {
	h.Helper()
	wantPartition := int32(partition)
	switch rec.Topic {
	case schemas.TopicEvents:
		var e schemas.Event
		h.decode(rec, &e)
		h.out.events[e.EventID]++
		if schemas.ID(rec.Key) != e.RecipientID {
			h.Errorf("event with key %x", rec.Key)
		}
	case schemas.TopicMessages:
		var m schemas.Message
		h.decode(rec, &m)
		if want := m.Tenant + "/" + m.Account + "/" + m.MessageID + "/" + m.RecipientID.String(); string(rec.Key) != want {
			h.Errorf("message with key %s, want %s", rec.Key, want)
		}
		h.out.messages[string(rec.Key)] = m
	case schemas.TopicCampaignDeltas:
		wantPartition = -1 // by key
		var d schemas.CampaignDelta
		h.decode(rec, &d)
		if want := d.Tenant + "/" + d.CampaignID; string(rec.Key) != want {
			h.Errorf("delta with key %s, want %s", rec.Key, want)
		}
		for _, w := range d.Windows {
			k := countersKey{d.Tenant, d.CampaignID, w.Basis, w.WindowStart}
			if w.Basis.Windowed() && w.WindowStart+at(5*time.Minute)-base+h.retention <= h.frontier {
				h.Errorf("window %v has changed after it was closed", k)
			}
			sum := h.out.counters[k]
			sum.Add(&w.Counters)
			if h.out.counters[k] = sum; sum == (schemas.Counters{}) {
				delete(h.out.counters, k)
			}
		}
	case schemas.TopicBreakdownDeltas:
		h.out.sums.collect(h, rec)
	case schemas.TopicTriggers:
		var tr schemas.Trigger
		h.decode(rec, &tr)
		h.out.fired++
		old, ok := h.out.triggers[tr.TriggerID]
		if ok && !h.refires && (old.Status != schemas.TriggerStatusExpired || tr.Status == schemas.TriggerStatusExpired) {
			h.Errorf("trigger %s %s again as %s", tr.Rule, old.Status, tr.Status)
		}
		h.out.triggers[tr.TriggerID] = tr
	case schemas.TopicSuppressions:
		h.collectSuppression(rec)
	default:
		h.Errorf("record to %s", rec.Topic)
	}
	if rec.Partition != wantPartition {
		h.Errorf("record to %s, partition %d", rec.Topic, rec.Partition)
	}
}
