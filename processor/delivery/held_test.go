package delivery

import (
	"container/heap"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/posthorn/posthorn/internal/controls"
	"github.com/posthorn/posthorn/schemas"
)

func ofRule(n int, rule string) *schemas.Trigger {
	tr := trigger(n, "shop")
	tr.Rule = rule
	return tr
}

// Calls of a rule that is paused stay pending, also over a restart, and are made
// once it is resumed; those of other rules go on.
func TestCallsOfAPausedRuleAreHeld(t *testing.T) {
	s := newShop(t, nil)
	c := newClocked(t, nil, s.endpoint("shop"))
	c.rule(controls.Rule{Name: "discount", Paused: true, At: c.now})
	for i := range 5 {
		c.process(ofRule(i, "discount"))
	}
	c.process(ofRule(10, "other"))
	c.commit()
	if got := c.settled(); len(got) != 1 || got[0].Rule != "other" {
		t.Fatalf("%+v", got)
	}
	c.run(t, time.Hour)
	c.reborn()
	c.run(t, time.Hour)
	if c.pending() != 5 || s.calls() != 1 {
		t.Fatalf("%d pending, %d calls", c.pending(), s.calls())
	}
	if b := c.d.backlog()["shop"]; b.held != 5 || b.pending != 5 || b.oldest != micros(noon) {
		t.Errorf("%+v", b)
	}
	c.rule(controls.Rule{Name: "discount", At: c.now})
	c.bench.tick(c.now)
	if got := c.result(5, c.now); len(got) != 5 || got[0].Attempt != 1 || c.pending() != 0 {
		t.Errorf("%+v", got)
	}
}

// Pausing holds what is queued already, and retries that become due.
func TestPausingHoldsWhatIsQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(answers(503))
		o := newOrders()
		b := wired(t, func(c *Config) { c.Controls = o.snapshot }, map[string]*wire{"shop": w}, func(e *Endpoint) { e.Rate = 1 })
		for i := range 4 {
			b.process(ofRule(i, "discount"))
		}
		b.commit()
		b.pass(time.Second+500*time.Millisecond, nil)
		before := w.calls()
		o.rule(controls.Rule{Name: "discount", Paused: true, At: time.Now()})
		w.become(answers(200))
		b.pass(time.Hour, nil)
		if w.calls() != before || before == 4 || b.pending() != 4 {
			t.Fatalf("%d calls, then %d; %d pending", before, w.calls(), b.pending())
		}
		o.rule(controls.Rule{Name: "discount", At: time.Now()})
		b.pass(time.Minute, nil)
		if b.pending() != 0 || w.calls() != before+4 {
			t.Errorf("%d pending, %d calls", b.pending(), w.calls())
		}
	})
}

// A rule that is resumed without what waited ends that as failed; what comes
// later is called.
func TestDropped(t *testing.T) {
	s := newShop(t, nil)
	c := newClocked(t, nil, s.endpoint("shop"))
	c.rule(controls.Rule{Name: "discount", Paused: true, At: c.now})
	for i := range 3 {
		c.process(ofRule(i, "discount"))
	}
	c.commit()
	c.now = c.now.Add(time.Minute)
	c.rule(controls.Rule{Name: "discount", Drop: true, At: c.now})
	c.run(t, time.Second)
	got := c.deliveries()
	if len(got) != 3 || got[0].Status != schemas.DeliveryStatusFailed || got[0].Error != "dropped" || s.calls() != 0 || c.pending() != 0 {
		t.Fatalf("%+v", got)
	}
	if got := c.call(4, "shop"); len(got) != 1 || got[0].Status != schemas.DeliveryStatusSucceeded {
		t.Errorf("%+v", got)
	}
}

// A trigger outside of its rule's active hours is called when they begin.
func TestNotBefore(t *testing.T) {
	s := newShop(t, nil)
	c := newClocked(t, nil, s.endpoint("shop"))
	tr := ofRule(1, "discount")
	tr.NotBefore = schemas.FromTime(noon.Add(20 * time.Hour))
	c.process(tr)
	c.commit()
	c.run(t, 19*time.Hour)
	c.reborn()
	c.run(t, time.Hour-time.Second)
	if s.calls() != 0 || c.pending() != 1 {
		t.Fatalf("%d calls, %d pending", s.calls(), c.pending())
	}
	c.now = c.now.Add(time.Second)
	c.bench.tick(c.now)
	if got := c.settled(); len(got) != 1 || got[0].Attempt != 1 {
		t.Errorf("%+v", got)
	}
}

func limited(n int) func(*Config) {
	return func(c *Config) {
		c.Limit = func(rule string) int {
			if rule == "discount" {
				return n
			}
			return 0
		}
	}
}

// Beyond its limit a rule is paused, by one order; it stays so over restarts and
// the hour's end, until it is resumed, and then counts anew.
func TestLimitPausesTheRule(t *testing.T) {
	s := newShop(t, nil)
	c := newClocked(t, limited(3), s.endpoint("shop"))
	total := 0
	calls := func(n, from int) {
		t.Helper()
		for i := range n {
			c.process(ofRule(from+i, "discount"))
		}
		c.process(ofRule(from+n, "other"))
		c.commit()
	}
	expect := func(when string, n, pending int) {
		t.Helper()
		for total < n {
			total += len(c.settled())
		}
		c.run(t, time.Second)
		if s.calls() != n || c.pending() != pending {
			t.Fatalf("%s: %d calls, %d pending, want %d and %d", when, s.calls(), c.pending(), n, pending)
		}
	}
	calls(2, 0)
	expect("below the limit", 3, 0)
	c.reborn()
	calls(1, 10)
	expect("up to it", 5, 0)
	calls(2, 20)
	expect("beyond it", 6, 2)
	if c.follow(c.bench) != 1 || !c.d.rule("discount").Paused || c.d.rule("discount").By != "delivery" {
		t.Fatalf("%+v", c.d.rule("discount"))
	}
	c.now = c.now.Add(3 * time.Hour)
	c.reborn()
	calls(1, 30)
	expect("hours later", 7, 3)
	c.rule(controls.Rule{Name: "discount", At: c.now})
	c.bench.tick(c.now)
	expect("resumed", 10, 0)
	calls(3, 40)
	expect("up to the limit again", 14, 0)
	calls(1, 50)
	expect("and beyond", 15, 1)
	if c.follow(c.bench) != 1 {
		t.Error("not one order more")
	}
}

// An hour's count says nothing about the next; the worker's partitions count
// together.
func TestLimitCountsByHourAndWorker(t *testing.T) {
	s := newShop(t, nil)
	c := newClocked(t, limited(10), s.endpoint("shop"))
	for i := range 10 {
		c.process(ofRule(i, "discount"))
	}
	c.commit()
	c.now = c.now.Add(time.Hour)
	for i := range 10 {
		c.process(ofRule(100+i, "discount"))
	}
	c.commit()
	c.result(20, c.now)
	if c.follow(c.bench) != 0 || c.d.paused("discount") {
		t.Fatal("paused within its limit")
	}
	other := c.d.newGeneration(4)
	c.d.tallies.set("discount", other, tally{since: micros(c.now), count: 1})
	if n := c.d.tallies.total("discount", micros(c.now)); n != 11 {
		t.Errorf("%d in all", n)
	}
	other.ended.Store(true)
	if n := c.d.tallies.total("discount", micros(c.now)); n != 10 {
		t.Errorf("%d in all without the partition that is gone", n)
	}
}

// More calls are pending than the index holds: each is made, once.
func TestMoreThanTheIndexHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(answers(200))
		o := newOrders()
		o.rule(controls.Rule{Name: "discount", Paused: true, At: time.Now()})
		b := wired(t, func(c *Config) { c.Controls = o.snapshot }, map[string]*wire{"shop": w}, func(e *Endpoint) { e.Concurrency = 100 })
		const n = 2*maxIndexed + 2000
		for i := range n {
			tr := ofRule(0, "discount")
			tr.TriggerID = schemas.ID{byte(i * 7), byte(i >> 16), byte(i >> 8), byte(i)}
			tr.NotBefore = schemas.FromTime(time.Now().Add(time.Duration(i*7919%n) * time.Millisecond))
			b.process(tr)
		}
		b.commit()
		for range 2 { // as it came, and as a new task finds it
			q := b.d.backlog
			b.pass(100*time.Millisecond, nil)
			if got := q()["shop"]; got.pending != n || got.held != n {
				t.Fatalf("%+v", got)
			}
			b.reborn()
			b.d.cfg.Wake = func() {}
			b.d.lanes["shop"].client.Transport = w
		}
		o.rule(controls.Rule{Name: "discount", At: time.Now()})
		out := b.pass(time.Minute, nil)
		if len(out) != n || b.pending() != 0 || len(w.ids) != n || w.calls() != n {
			t.Errorf("%d records, %d pending, %d calls of %d triggers", len(out), b.pending(), w.calls(), len(w.ids))
		}
	})
}

func TestQueueIsBounded(t *testing.T) {
	q := &queue{beyond: everything}
	most := 0
	for i := range 10 * maxIndexed {
		q.add(dueCall{due: int64(i * 7919 % (10 * maxIndexed))})
		most = max(most, len(q.entries))
	}
	if most > 2*maxIndexed+1 || q.beyond == everything {
		t.Errorf("%d entries, beyond %d", most, q.beyond)
	}
	for i := range int64(maxIndexed) {
		if !q.due(i) {
			t.Fatalf("the call due at %d is missing", i)
		}
		heap.Pop(&q.entries)
	}
}

// The figures that operators watch.
func TestStateMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	s := newShop(t, status(http.StatusGone))
	c := newClocked(t, func(cfg *Config) { cfg.Registerer = reg }, s.endpoint("shop"))
	c.rule(controls.Rule{Name: "discount", Paused: true, At: c.now})
	c.process(ofRule(1, "discount"))
	c.process(ofRule(2, "other"))
	c.commit()
	c.settled()
	c.run(t, time.Minute)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			if m.Gauge != nil {
				got[fmt.Sprint(f.GetName(), " ", m.Label[0].GetValue())] = m.Gauge.GetValue()
			}
		}
	}
	for name, want := range map[string]float64{
		"pending shop": 1, "held shop": 1, "queued shop": 0, "oldest_overdue_seconds shop": 60, "breaker_open shop": 0,
		"endpoint_disabled shop": 1, "endpoint_failing_seconds shop": 0, "rule_paused discount": 1, "rule_paused other": 0,
	} {
		if v, there := got["posthorn_delivery_"+name]; !there || v != want {
			t.Errorf("%s: %v, %v, want %v", name, v, there, want)
		}
	}
}
