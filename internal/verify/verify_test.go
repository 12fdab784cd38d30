package verify

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/schemas"
)

func problems(r *Report) string {
	var b strings.Builder
	r.Print(&b)
	return b.String()
}

func TestOutputsOfTheStagesAgree(t *testing.T) {
	w := newWorld(t)
	w.post(w.simulated(400))
	w.write(w.derive(w.webhooks()))
	w.commitAll()
	for _, buckets := range []int{0, 7} {
		report := w.verify(func(c *Config) { c.Buckets = buckets })
		if report.Differences() != 0 {
			t.Fatalf("%d buckets:\n%s", buckets, problems(report))
		}
		for _, c := range report.Checks {
			if c.Note == "" && (c.Expected == 0 || c.Expected != c.Found || c.Skipped != 0) {
				t.Errorf("%d buckets: check %s: %+v", buckets, c.Name, *c)
			}
		}
	}
}

// TestTamperingIsDetected changes the outputs in one way each, and expects
// differences in that check and in no other.
func TestTamperingIsDetected(t *testing.T) {
	w := newWorld(t)
	w.post(w.simulated(150))
	good := w.derive(w.webhooks())

	drop := func(topic string) func(map[string][]*kgo.Record) {
		return func(out map[string][]*kgo.Record) { out[topic] = out[topic][1:] }
	}
	double := func(topic string) func(map[string][]*kgo.Record) {
		return func(out map[string][]*kgo.Record) { out[topic] = append(out[topic], out[topic][0]) }
	}
	// The last record of a compacted topic is the one that counts for its key.
	last := func(out map[string][]*kgo.Record, topic string) **kgo.Record { return &out[topic][len(out[topic])-1] }
	for _, c := range []struct {
		name, check string
		tamper      func(out map[string][]*kgo.Record)
	}{
		{"a missing event", checkEvents, drop(schemas.TopicEvents)},
		{"a doubled event", checkEvents, double(schemas.TopicEvents)},
		{"an invented event", checkEvents, func(out map[string][]*kgo.Record) {
			out[schemas.TopicEvents] = append(out[schemas.TopicEvents], change(w, out[schemas.TopicEvents][0], func(e *schemas.Event) { e.EventID[3] ^= 1 }))
		}},
		{"an event of another type", checkEvents, func(out map[string][]*kgo.Record) {
			out[schemas.TopicEvents][0] = change(w, out[schemas.TopicEvents][0], func(e *schemas.Event) { e.Type = schemas.EventTypeComplained })
		}},
		{"a message with a wrong count", checkMessages, func(out map[string][]*kgo.Record) {
			r := last(out, schemas.TopicMessages)
			*r = change(w, *r, func(m *schemas.Message) { m.Opens++ })
		}},
		{"an invented message", checkMessages, func(out map[string][]*kgo.Record) {
			out[schemas.TopicMessages] = append(out[schemas.TopicMessages], change(w, out[schemas.TopicMessages][0], func(m *schemas.Message) { m.MessageID = "no such" }))
		}},
		{"a missing message", checkMessages, func(out map[string][]*kgo.Record) {
			key := string((*last(out, schemas.TopicMessages)).Key)
			out[schemas.TopicMessages] = without(out[schemas.TopicMessages], func(r *kgo.Record) bool { return string(r.Key) == key })
		}},
		{"a wrong sum", checkStatistics, func(out map[string][]*kgo.Record) {
			r := last(out, schemas.TopicStatistics)
			*r = change(w, *r, func(s *schemas.CampaignStatistics) { s.Counters.Clicked-- })
		}},
		{"a missing window", checkStatistics, func(out map[string][]*kgo.Record) {
			key := string((*last(out, schemas.TopicStatistics)).Key)
			out[schemas.TopicStatistics] = without(out[schemas.TopicStatistics], func(r *kgo.Record) bool { return string(r.Key) == key })
		}},
		{"a missing trigger", checkTriggers, drop(schemas.TopicTriggers)},
		{"a doubled trigger", checkTriggers, double(schemas.TopicTriggers)},
		{"a trigger that nothing explains", checkTriggers, func(out map[string][]*kgo.Record) {
			out[schemas.TopicTriggers] = append(out[schemas.TopicTriggers], change(w, out[schemas.TopicTriggers][0], func(x *schemas.Trigger) { x.TriggerID[0] ^= 1 }))
		}},
		{"a trigger of the wrong status", checkTriggers, func(out map[string][]*kgo.Record) {
			out[schemas.TopicTriggers][0] = change(w, out[schemas.TopicTriggers][0], func(x *schemas.Trigger) { x.Status = schemas.TriggerStatusExpired })
		}},
		{"a missing rejection", checkRejections, drop(schemas.TopicRejected)},
		{"a doubled rejection", checkRejections, double(schemas.TopicRejected)},
		{"a rejection for another reason", checkRejections, func(out map[string][]*kgo.Record) {
			out[schemas.TopicRejected][0] = change(w, out[schemas.TopicRejected][0], func(x *schemas.Rejection) { x.Reason = "bad_mood" })
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			// A fresh set of output topics, with the same webhooks.
			w := w.again(t)
			out := map[string][]*kgo.Record{}
			for topic, records := range good {
				for _, r := range records {
					copied := *r
					out[topic] = append(out[topic], &copied)
				}
			}
			c.tamper(out)
			w.write(out)
			w.commitAll()
			report := w.verify(nil)
			for _, check := range report.Checks {
				if (check.Differences > 0) != (check.Name == c.check) {
					t.Errorf("check %s has %d differences\n%s", check.Name, check.Differences, problems(report))
				}
			}
			if len(report.Details) == 0 {
				t.Error("no difference is described")
			}
		})
	}
}

// TestLiveTrafficIsSkipped lets webhooks arrive, and be processed, between the
// cut and the reading of the outputs.
func TestLiveTrafficIsSkipped(t *testing.T) {
	w := newWorld(t)
	bodies := w.simulated(400)
	w.post(bodies[:len(bodies)/2])
	var once sync.Once
	report := w.verify(func(c *Config) {
		c.Progress = func(phase string, _, _ int64) {
			if !strings.HasPrefix(phase, "waiting") {
				return
			}
			once.Do(func() {
				w.post(bodies[len(bodies)/2:])
				w.write(w.derive(w.webhooks()))
				w.commitAll()
			})
		}
	})
	skipped := int64(0)
	for _, c := range report.Checks {
		skipped += c.Skipped
	}
	if report.Differences() != 0 || skipped == 0 || report.Later == 0 {
		t.Errorf("%d later webhooks\n%s", report.Later, problems(report))
	}
}

func TestAStageThatDoesNotRunIsNamed(t *testing.T) {
	w := newWorld(t)
	w.post(w.simulated(20))
	_, err := Run(context.Background(), w.config(func(c *Config) { c.Timeout = 500 * time.Millisecond }))
	if err == nil || !strings.Contains(err.Error(), "stage normalize is still") {
		t.Errorf("%v", err)
	}
}

func TestTheEndOfATransactionIsNotWaitedFor(t *testing.T) {
	w := newWorld(t)
	w.post(w.simulated(20))
	out := w.derive(w.webhooks())
	w.writeInTransaction(out)
	w.commitAll() // one record before the end, where the marker is
	if report := w.verify(nil); report.Differences() != 0 {
		t.Error(problems(report))
	}
}

func TestReplaysAreExpected(t *testing.T) {
	w := newWorld(t)
	w.post(w.simulated(60))
	ref := func(at *kgo.Record, index int32) *schemas.Webhook {
		var hook schemas.Webhook
		if err := w.serde.Decode(at.Value, &hook); err != nil {
			t.Fatal(err)
		}
		return &schemas.Webhook{ID: schemas.ID{9}, Tenant: hook.Tenant, Account: hook.Account, Source: hook.Source, Provider: hook.Provider,
			ReceivedAt: schemas.FromTime(time.Now()), Verified: "replay",
			ReplayOf: &schemas.WebhookRef{WebhookID: hook.ID, Partition: at.Partition, Offset: at.Offset, Index: index}}
	}
	first := w.webhooks()[0]
	wrong := ref(first, -1)
	wrong.ReplayOf.WebhookID[0] ^= 1
	w.produceWebhooks(ref(first, -1), ref(first, 0), wrong)
	w.write(w.derive(w.webhooks()))
	w.commitAll()
	if report := w.verify(nil); report.Differences() != 0 {
		t.Error(problems(report))
	}
}

// TestChangedBodyIsDetected changes a webhook behind the gateway's back; what is
// derived agrees with it.
func TestChangedBodyIsDetected(t *testing.T) {
	w := newWorld(t)
	w.post(w.simulated(20))
	changed := *w.received[0]
	changed.ID[0] ^= 1
	changed.Body = append([]byte(" "), changed.Body...)
	w.produceWebhooks(&changed)
	w.write(w.derive(w.webhooks()))
	w.commitAll()
	report := w.verify(nil)
	if got := report.check(checkWebhooks).Differences; got != 1 || report.Differences() != 1 {
		t.Error(problems(report))
	}
}

func TestReportEndsWithItsResult(t *testing.T) {
	r := newReport()
	for i := range 12 {
		r.differ(r.check(checkEvents), "number %d", i)
	}
	text := problems(r)
	for _, want := range []string{"difference: events: number 9\n", "... and 2 more\n", "\nRESULT verify_differences 12 rows\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	if strings.Contains(text, "number 10") {
		t.Error("too many details")
	}
}

func change[T any, P interface {
	*T
	schemas.Record
}](w *world, rec *kgo.Record, f func(P)) *kgo.Record {
	value := P(new(T))
	if err := w.serde.Decode(rec.Value, value); err != nil {
		panic(fmt.Sprintf("decoding %s: %v", rec.Topic, err))
	}
	f(value)
	changed := *rec
	changed.Value = w.serde.Append(nil, rec.Topic, value)
	return &changed
}

func without(records []*kgo.Record, is func(*kgo.Record) bool) (kept []*kgo.Record) {
	for _, r := range records {
		if !is(r) {
			kept = append(kept, r)
		}
	}
	return kept
}
