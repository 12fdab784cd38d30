package redeliver_test

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/controls"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/internal/redeliver"
	"github.com/posthorn/posthorn/schemas"
)

var (
	serde = schemas.NewLocalSerde()
	base  = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
)

// world is a Kafka with triggers and what became of their calls.
type world struct {
	t  *testing.T
	cl *kgo.Client
	f  *redeliver.Finder
}

func newWorld(t *testing.T) *world {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, schemas.TopicTriggers, schemas.TopicDeliveries), kfake.SeedTopics(1, schemas.TopicControls))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	cfg := kafka.Config{Brokers: c.ListenAddrs()}
	cl, err := kafka.NewProducer(cfg, kgo.RecordDeliveryTimeout(100*365*24*time.Hour)) // the records bear old times
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return &world{t, cl, &redeliver.Finder{Kafka: cfg, Serde: serde, Generation: schemas.FirstGeneration}}
}

func (w *world) write(rec *kgo.Record) {
	w.t.Helper()
	if err := w.cl.ProduceSync(w.t.Context(), rec).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
}

// trigger writes the trigger of number n; 0 to 9 have recipients.
func (w *world) trigger(n byte) {
	tr := &schemas.Trigger{TriggerID: schemas.ID{n}, Status: schemas.TriggerStatusFired, Endpoint: "shop", CampaignID: "c"}
	key := []byte("default/c")
	if n < 10 {
		tr.RecipientID = schemas.ID{1, n}
		key = tr.RecipientID[:]
	}
	w.write(&kgo.Record{Topic: schemas.TopicTriggers, Key: key, Timestamp: base, Value: serde.Append(nil, schemas.TopicTriggers, tr)})
}

// attempt writes an attempt for the trigger of number n.
func (w *world) attempt(n byte, number int32, status schemas.DeliveryStatus, after time.Duration, endpoint, rule string) {
	d := &schemas.Delivery{
		TriggerID: schemas.ID{n}, Attempt: number, Status: status, AttemptedAt: schemas.FromTime(base.Add(after)), Endpoint: endpoint, Rule: rule,
	}
	if n < 10 {
		d.RecipientID = schemas.ID{1, n}
	}
	w.write(&kgo.Record{Topic: schemas.TopicDeliveries, Key: d.TriggerID[:], Timestamp: base.Add(after), Value: serde.Append(nil, schemas.TopicDeliveries, d)})
}

func numbers(calls []*redeliver.Call) (list []byte) {
	for _, c := range calls {
		list = append(list, c.Last.TriggerID[0])
	}
	return list
}

func TestFailed(t *testing.T) {
	w := newWorld(t)
	for _, n := range []byte{1, 2, 3, 4, 5, 20} {
		w.trigger(n)
	}
	const failed, retrying, succeeded = schemas.DeliveryStatusFailed, schemas.DeliveryStatusRetrying, schemas.DeliveryStatusSucceeded
	w.attempt(1, 1, retrying, time.Minute, "shop", "a")
	w.attempt(1, 2, failed, 2*time.Minute, "shop", "a")
	w.attempt(2, 1, failed, 3*time.Minute, "shop", "a") // made again, and succeeded
	w.attempt(2, 2, succeeded, 4*time.Minute, "shop", "a")
	w.attempt(3, 1, failed, 5*time.Minute, "other", "a")
	w.attempt(4, 1, retrying, 6*time.Minute, "shop", "a") // not ended
	w.attempt(5, 7, failed, time.Hour, "shop", "b")
	w.attempt(20, 1, failed, 2*time.Hour, "shop", "b") // of a campaign
	w.attempt(6, 1, failed, 3*time.Hour, "shop", "b")  // whose trigger is gone
	w.attempt(0, 0, failed, 3*time.Hour, "shop", "")   // of the endpoint itself
	for name, tt := range map[string]struct {
		filter redeliver.Filter
		want   string
		more   bool
	}{
		"all":      {redeliver.Filter{}, "\x01\x03\x05\x14\x06", false},
		"endpoint": {redeliver.Filter{Endpoint: "other"}, "\x03", false},
		"rule":     {redeliver.Filter{Rule: "b"}, "\x05\x14\x06", false},
		"since":    {redeliver.Filter{Since: base.Add(time.Hour)}, "\x05\x14\x06", false},
		"until":    {redeliver.Filter{Until: base.Add(time.Hour)}, "\x01\x03", false},
		"limit":    {redeliver.Filter{Limit: 2}, "\x01\x03", true},
		"none":     {redeliver.Filter{Rule: "c"}, "", false},
	} {
		calls, more, err := w.f.Failed(t.Context(), tt.filter)
		if err != nil || string(numbers(calls)) != tt.want || more != tt.more {
			t.Errorf("%s: %v, more: %v, %v", name, numbers(calls), more, err)
		}
		for _, c := range calls {
			if c.Found() != (c.Last.TriggerID[0] != 6) {
				t.Errorf("%s: %s found: %v", name, c.Last.TriggerID, c.Found())
			}
		}
	}

	calls, _, err := w.f.Failed(t.Context(), redeliver.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	if asked, err := w.f.Ask(t.Context(), calls, "anna", base); asked != 4 || err != nil {
		t.Fatalf("%d, %v", asked, err)
	}
	s, err := controls.Read(t.Context(), w.f.Kafka)
	if err != nil {
		t.Fatal(err)
	}
	attempts := map[byte]int32{}
	for partition, list := range s.Retries {
		for _, r := range list {
			attempts[r.TriggerID[0]] = r.Attempts
			value, err := w.read(r)
			if err != nil || value.TriggerID != r.TriggerID || r.Partition != partition || r.By != "anna" {
				t.Errorf("%+v: %+v, %v", r, value, err)
			}
		}
	}
	if len(attempts) != 4 || attempts[1] != 2 || attempts[5] != 7 {
		t.Errorf("%v", attempts)
	}
}

// read reads the trigger at the place that a request names.
func (w *world) read(r controls.Retry) (tr schemas.Trigger, err error) {
	reader, err := kafka.NewReader(w.f.Kafka)
	if err != nil {
		return tr, err
	}
	defer reader.Close()
	value, err := reader.Read(w.t.Context(), r.Topic, r.Partition, r.Offset)
	if err != nil {
		return tr, err
	}
	return tr, serde.Decode(value, &tr)
}

func TestByID(t *testing.T) {
	w := newWorld(t)
	w.trigger(1)
	w.attempt(1, 1, schemas.DeliveryStatusRetrying, time.Minute, "shop", "a")
	w.attempt(1, 2, schemas.DeliveryStatusSucceeded, time.Hour, "shop", "a")
	w.attempt(2, 1, schemas.DeliveryStatusFailed, time.Hour, "shop", "a")
	calls, err := w.f.ByID(t.Context(), schemas.ID{2}, schemas.ID{1}, schemas.ID{3})
	if err != nil || len(calls) != 3 || calls[2] != nil {
		t.Fatalf("%v, %v", calls, err)
	}
	if c := calls[1]; c.Last.Attempt != 2 || c.Last.Status != schemas.DeliveryStatusSucceeded || !c.First.Equal(base.Add(time.Minute)) || !c.Found() {
		t.Errorf("%+v", c)
	}
	if calls[0].Found() {
		t.Error("a trigger is found that was never written")
	}
}
