package delivery

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posthorn/posthorn/internal/controls"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

// topic holds triggers by offset, and fails as told.
type topic struct {
	records map[int64]*schemas.Trigger
	err     error
	reads   int
}

func (r *topic) Read(_ context.Context, _ string, _ int32, offset int64) ([]byte, error) {
	r.reads++
	switch tr := r.records[offset]; {
	case r.err != nil:
		return nil, r.err
	case tr == nil:
		return nil, kafka.ErrGone
	default:
		return serde.Append(nil, schemas.TopicTriggers, tr), nil
	}
}

// desk is a bench with requests.
type desk struct {
	*bench
	shop   *shop
	answer atomic.Int32
	topic  *topic
	asked  controls.Snapshot
}

func newDesk(t *testing.T, change func(*Config)) *desk {
	d := &desk{topic: &topic{records: map[int64]*schemas.Trigger{}}}
	d.answer.Store(http.StatusBadRequest)
	d.shop = newShop(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(d.answer.Load())) })
	d.bench = newBench(t, func(c *Config) {
		c.Triggers = d.topic
		c.Controls = func() *controls.Snapshot { s := d.asked; return &s }
		if change != nil {
			change(c)
		}
	}, d.shop.endpoint("shop"))
	return d
}

// request asks for a call, of a trigger at an offset, to be made again.
func (d *desk) request(id byte, tr *schemas.Trigger, attempts int32) {
	d.topic.records[int64(id)] = tr
	list := append([]controls.Retry(nil), d.asked.Retries[3]...)
	list = append(list, controls.Retry{
		ID: schemas.ID{id}, TriggerID: tr.TriggerID, Topic: schemas.TopicTriggers, Partition: 3, Offset: int64(id), Attempts: attempts,
		By: "anna", At: time.Now(),
	})
	d.asked = controls.Snapshot{Version: d.asked.Version + 1, Retries: map[int32][]controls.Retry{3: list}}
}

// deleted counts the requests that were deleted from their topic.
func (d *desk) deleted() (n int) {
	for _, rec := range d.Take(schemas.TopicControls) {
		if rec.Value == nil {
			n++
		}
	}
	return n
}

func TestFailedCallIsMadeAgain(t *testing.T) {
	d := newDesk(t, nil)
	tr := trigger(1, "shop")
	first := d.one(tr)
	d.answer.Store(http.StatusOK)
	d.request(1, tr, first.Attempt)
	d.tick(time.Now())
	if d.shop.calls() != 1 {
		t.Fatal("called before the commit")
	}
	d.commit()
	got := d.result(1, time.Now())
	if len(got) != 1 || got[0].Status != schemas.DeliveryStatusSucceeded || got[0].Attempt != 2 || !got[0].Manual || first.Manual {
		t.Errorf("%+v", got)
	}
	if d.shop.ids[0] != d.shop.ids[1] || d.shop.bodies[0] != d.shop.bodies[1] || d.deleted() != 1 || d.pending() != 0 {
		t.Errorf("calls %v", d.shop.ids)
	}
	// The follower has not seen the deletion yet: the request is done all the same,
	// for this task and for the next.
	for range 2 {
		d.asked.Version++
		d.tick(time.Now())
		d.commit()
		if err := d.Restart(); err != nil {
			t.Fatal(err)
		}
	}
	if d.shop.calls() != 2 || d.deleted() != 0 || d.topic.reads != 1 {
		t.Errorf("%d calls, %d reads", d.shop.calls(), d.topic.reads)
	}
	// Another request is another call.
	d.request(2, tr, 2)
	d.tick(time.Now())
	d.commit()
	if got := d.result(1, time.Now()); len(got) != 1 || got[0].Attempt != 3 {
		t.Errorf("%+v", got)
	}
}

// A new round has the whole schedule, and its attempts are counted on.
func TestNewRoundHasTheWholeSchedule(t *testing.T) {
	now := time.Now()
	d := newDesk(t, func(c *Config) {
		c.Retry, c.Jitter, c.Now = []time.Duration{time.Minute}, -1, func() time.Time { return now }
	})
	d.answer.Store(http.StatusServiceUnavailable)
	tr := trigger(1, "shop")
	d.process(tr)
	d.commit()
	attempt := func(number int32, want schemas.DeliveryStatus, manual bool) {
		t.Helper()
		got := d.result(1, now)
		if len(got) != 1 || got[0].Attempt != number || got[0].Status != want || got[0].Manual != manual {
			t.Fatalf("%+v, want attempt %d, %s", got, number, want)
		}
	}
	attempt(1, schemas.DeliveryStatusRetrying, false)
	now = now.Add(time.Minute)
	d.tick(now)
	attempt(2, schemas.DeliveryStatusFailed, false)
	d.request(1, tr, 2)
	d.tick(now)
	d.commit()
	attempt(3, schemas.DeliveryStatusRetrying, true)
	now = now.Add(time.Minute)
	d.tick(now)
	attempt(4, schemas.DeliveryStatusFailed, true)
	if d.pending() != 0 {
		t.Errorf("%d pending", d.pending())
	}
}

// A call that waits for its next attempt is made now, and counts as that one.
func TestWaitingCallIsMadeNow(t *testing.T) {
	d := newDesk(t, nil)
	d.answer.Store(http.StatusServiceUnavailable)
	tr := trigger(1, "shop")
	next := d.one(tr).NextAttemptAt.Time()
	d.answer.Store(http.StatusOK)
	d.request(1, tr, 1)
	d.tick(time.Now())
	d.commit()
	got := d.result(1, time.Now())
	if len(got) != 1 || got[0].Attempt != 2 || got[0].Status != schemas.DeliveryStatusSucceeded || !got[0].Manual {
		t.Fatalf("%+v", got)
	}
	d.tick(next.Add(time.Hour)) // when it was due before
	d.commit()
	if d.shop.calls() != 2 || d.pending() != 0 {
		t.Errorf("%d calls", d.shop.calls())
	}
}

// A call that is under way is not made beside itself.
func TestCallUnderWayIsNotMadeTwice(t *testing.T) {
	d := newDesk(t, nil)
	release := make(chan struct{})
	d.shop.Config.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		d.shop.arrived <- r
		<-release
	})
	tr := trigger(1, "shop")
	d.process(tr)
	d.commit()
	<-d.shop.arrived
	d.request(1, tr, 0)
	d.tick(time.Now())
	d.commit()
	close(release)
	if got := d.result(1, time.Now()); len(got) != 1 || got[0].Manual || d.deleted() != 1 || d.pending() != 0 {
		t.Errorf("%+v", got)
	}
	d.tick(time.Now())
	d.commit()
	if len(d.shop.arrived) != 0 {
		t.Error("called twice")
	}
}

// The transaction that applies a request is lost: it is applied by the next.
func TestRequestOfALostTransaction(t *testing.T) {
	d := newDesk(t, nil)
	tr := trigger(1, "shop")
	d.one(tr)
	d.request(1, tr, 1)
	d.tick(time.Now())
	if err := d.Abort(); err != nil {
		t.Fatal(err)
	}
	if d.pending() != 0 || d.shop.calls() != 1 {
		t.Fatal("what was aborted has an effect")
	}
	d.tick(time.Now())
	d.commit()
	if got := d.result(1, time.Now()); len(got) != 1 || got[0].Attempt != 2 || d.deleted() != 1 {
		t.Errorf("%+v", got)
	}
}

// What can't be made again is done with; what can't be read now is tried again.
func TestRequestsThatCantBeMet(t *testing.T) {
	d := newDesk(t, nil)
	shadow, other, nobody := trigger(2, "shop"), trigger(3, "shop"), trigger(4, "nobody")
	shadow.Status = schemas.TriggerStatusShadow
	d.request(1, trigger(1, "shop"), 1)
	d.topic.records[1] = nil // no longer kept
	d.request(2, shadow, 1)
	d.request(3, other, 1)
	d.topic.records[3] = trigger(5, "shop")
	d.request(4, nobody, 1)
	d.tick(time.Now())
	d.commit()
	got := d.deliveries()
	if d.deleted() != 4 || d.pending() != 0 || d.shop.calls() != 0 || len(got) != 1 || got[0].Error != `no endpoint "nobody" is configured` || !got[0].Manual {
		t.Errorf("%d calls, %+v", d.shop.calls(), got)
	}
	d.request(5, trigger(6, "shop"), 0)
	d.topic.err = errors.New("the broker is away")
	if err := d.Tick(time.Now()); err == nil {
		t.Fatal("the request is lost")
	}
	d.topic.err = nil
	d.tick(time.Now())
	d.commit()
	if got := d.result(1, time.Now()); len(got) != 1 {
		t.Errorf("%+v", got)
	}
}

// Many requests are applied some at a time, each once.
func TestManyRequests(t *testing.T) {
	d := newDesk(t, nil)
	d.answer.Store(http.StatusOK)
	const n = 3*retryStep + 1
	for i := range n {
		d.request(byte(i+1), trigger(i+1, "shop"), 1)
	}
	applied := 0
	for range n {
		d.tick(time.Now())
		d.commit()
		if step := d.deleted(); step > retryStep {
			t.Fatalf("%d in one transaction", step)
		} else if applied += step; step == 0 {
			break
		}
	}
	d.woken(n)
	d.tick(time.Now())
	d.commit()
	if applied != n || d.shop.calls() != n || d.pending() != 0 {
		t.Errorf("%d applied, %d calls", applied, d.shop.calls())
	}
}

// A rule that is paused holds what is asked for too.
func TestRequestOfAPausedRule(t *testing.T) {
	d := newDesk(t, nil)
	tr := trigger(1, "shop")
	d.one(tr)
	d.answer.Store(http.StatusOK)
	d.request(1, tr, 1)
	d.asked.Rules = map[string]controls.Rule{"discount": {Name: "discount", Paused: true, At: time.Now()}}
	d.tick(time.Now())
	d.commit()
	d.tick(time.Now())
	d.commit()
	if d.shop.calls() != 1 || d.pending() != 1 {
		t.Fatalf("%d calls, %d pending", d.shop.calls(), d.pending())
	}
	d.asked.Rules = nil
	d.asked.Version++
	d.tick(time.Now())
	d.commit()
	if got := d.result(1, time.Now()); len(got) != 1 || !got[0].Manual {
		t.Errorf("%+v", got)
	}
}
