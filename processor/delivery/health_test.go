package delivery

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posthorn/posthorn/internal/controls"
	"github.com/posthorn/posthorn/processor/stream/streamtest"
	"github.com/posthorn/posthorn/schemas"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// newClocked makes a bench whose only retry is 300 days later, so that none
// comes between.
func newClocked(t *testing.T, change func(*Config), endpoints ...Endpoint) *clocked {
	t.Helper()
	c := &clocked{orders: newOrders(), now: noon}
	c.bench = newBench(t, func(cfg *Config) {
		cfg.Now = func() time.Time { return c.now }
		cfg.Controls = c.snapshot
		cfg.Jitter = -1
		cfg.Retry = []time.Duration{300 * 24 * time.Hour}
		if change != nil {
			change(cfg)
		}
	}, endpoints...)
	return c
}

// call has a new trigger called, and returns what is recorded.
func (c *clocked) call(n int, endpoint string) []schemas.Delivery {
	c.t.Helper()
	c.process(trigger(n, endpoint))
	c.commit()
	return c.settled()
}

// failures lets calls fail, the given time apart.
func (c *clocked) failures(from, n int, apart time.Duration) (out []schemas.Delivery) {
	c.t.Helper()
	for i := range n {
		c.now = c.now.Add(apart)
		out = append(out, c.call(from+i, "shop")...)
	}
	return out
}

func disabledRecords(list []schemas.Delivery) (out []schemas.Delivery) {
	for _, d := range list {
		if d.Status == schemas.DeliveryStatusDisabled {
			out = append(out, d)
		}
	}
	return out
}

const step = 6 * time.Hour // 21 of them are five days and six hours

func TestEndpointThatOnlyFailsIsDisabled(t *testing.T) {
	s := newShop(t, status(500))
	c := newClocked(t, nil, s.endpoint("shop"))
	if early := disabledRecords(c.failures(0, 20, step)); len(early) != 0 {
		t.Fatalf("disabled before its time: %+v", early)
	}
	c.now = c.now.Add(step)
	got := disabledRecords(c.call(20, "shop"))
	if len(got) != 1 || got[0].Tenant != "default" || got[0].Endpoint != "shop" || got[0].URL != s.URL+"/hook" || got[0].TriggerID != (schemas.ID{}) ||
		!strings.Contains(got[0].Error, "21 calls since 2026-11-23 18:00:00") || !strings.Contains(got[0].Error, "500") {
		t.Fatalf("%+v", got)
	}
	refused := func(when string) {
		t.Helper()
		c.process(trigger(100, "shop"))
		c.commit()
		got := c.deliveries()
		if len(got) != 1 || got[0].Status != schemas.DeliveryStatusFailed || got[0].Error != "endpoint disabled" || s.calls() != 21 {
			t.Fatalf("%s: %+v, %d calls", when, got, s.calls())
		}
	}
	refused("before the worker reads its own order")
	if n := c.follow(c.bench); n != 1 {
		t.Fatalf("%d orders", n)
	}
	c.reborn()
	c.process(trigger(101, "shop"))
	c.commit()
	if got := c.deliveries(); len(got) != 1 || got[0].Error != "endpoint disabled" {
		t.Fatalf("after a restart: %+v", got)
	}

	t.Run("what is pending fails when it is due", func(t *testing.T) {
		c.run(t, 301*24*time.Hour)
		got := c.deliveries()
		if len(got) != 21 || got[0].Error != "endpoint disabled" || got[0].Attempt != 2 || c.pending() != 0 {
			t.Errorf("%d: %+v", len(got), got[0])
		}
	})
	t.Run("a person enables it", func(t *testing.T) {
		c.endpoint(controls.Endpoint{Name: "shop", At: c.now, By: "anna"})
		c.now = c.now.Add(time.Minute)
		if got := c.call(102, "shop"); len(got) != 1 || got[0].StatusCode != 500 || got[0].Status != schemas.DeliveryStatusRetrying {
			t.Errorf("%+v: one failure more disables nothing", got)
		}
	})
}

func TestAnotherURLIsNotDisabled(t *testing.T) {
	s := newShop(t, status(http.StatusGone))
	c := newClocked(t, nil, s.endpoint("shop"))
	c.call(1, "shop")
	c.follow(c.bench)
	e := s.endpoint("shop")
	e.URL = s.URL + "/new?token=hidden"
	c.reborn(e)
	c.process(trigger(2, "shop"))
	c.commit()
	c.settled()
	if s.calls() != 2 {
		t.Errorf("%d calls", s.calls())
	}
}

// Calls to an endpoint that answered 410 end, also those that were queued.
func TestGoneDisablesTheEndpoint(t *testing.T) {
	s := newShop(t, status(http.StatusGone))
	c := newClocked(t, nil, s.endpoint("shop"))
	got := c.call(1, "shop")
	if len(got) != 2 || len(disabledRecords(got)) != 1 || got[1].Error != "gone" || got[1].Status != schemas.DeliveryStatusFailed || got[1].StatusCode != 410 {
		t.Fatalf("%+v", got)
	}
	c.process(trigger(2, "shop"))
	c.commit()
	if got := c.deliveries(); len(got) != 1 || got[0].Error != "endpoint disabled" || s.calls() != 1 || c.pending() != 0 {
		t.Fatalf("%+v, %d calls", got, s.calls())
	}
	if c.follow(c.bench) != 1 {
		t.Error("not one order")
	}
}

// A failure, a success or a long silence between: not nothing but failures.
func TestEndpointThatFailsNowAndThenStays(t *testing.T) {
	for name, between := range map[string]func(*clocked, *atomic.Int64){
		"a success": func(c *clocked, code *atomic.Int64) {
			code.Store(200)
			c.now = c.now.Add(time.Hour) // the breaker lets a probe through
			c.call(1000, "shop")
			code.Store(500)
		},
		"a refusal": func(c *clocked, code *atomic.Int64) {
			code.Store(404)
			c.now = c.now.Add(time.Hour)
			c.call(1000, "shop")
			code.Store(500)
		},
		"silence": func(c *clocked, _ *atomic.Int64) { c.now = c.now.Add(50 * time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			var code atomic.Int64
			code.Store(500)
			s := newShop(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(code.Load())) })
			c := newClocked(t, nil, s.endpoint("shop"))
			got := c.failures(0, 15, step)
			between(c, &code)
			got = append(got, c.failures(100, 15, step)...)
			if d := disabledRecords(got); len(d) != 0 {
				t.Errorf("%+v", d)
			}
		})
	}
}

func TestFailuresAddUpOverRestarts(t *testing.T) {
	s := newShop(t, status(500))
	c := newClocked(t, nil, s.endpoint("shop"))
	var got []schemas.Delivery
	for i := range 7 {
		got = append(got, c.failures(3*i, 3, step)...)
		c.reborn()
	}
	if len(disabledRecords(got)) != 1 {
		t.Errorf("%d records of %d", len(disabledRecords(got)), len(got))
	}
	t.Run("few failures over a long time", func(t *testing.T) {
		c := newClocked(t, nil, s.endpoint("shop"))
		if d := disabledRecords(c.failures(0, disableAttempts-1, 40*time.Hour)); len(d) != 0 {
			t.Errorf("%+v", d)
		}
	})
	t.Run("never", func(t *testing.T) {
		c := newClocked(t, func(cfg *Config) { cfg.DisableAfter = -1 }, s.endpoint("shop"))
		if d := disabledRecords(c.failures(0, 30, step)); len(d) != 0 {
			t.Errorf("%+v", d)
		}
	})
}

// The transaction that disables the endpoint comes to nothing: the next one does
// it again, and it is written once.
func TestDisablingIsTransactional(t *testing.T) {
	s := newShop(t, status(500))
	c := newClocked(t, nil, s.endpoint("shop"))
	c.failures(0, 20, step)
	c.now = c.now.Add(step)
	c.process(trigger(20, "shop"))
	c.commit()
	c.woken(1)
	c.bench.tick(c.now)
	c.FailNext()
	if err := c.Commit(); !errors.Is(err, streamtest.ErrAborted) {
		t.Fatal(err)
	}
	c.run(t, time.Second)
	got := c.deliveries()
	if len(disabledRecords(got)) != 1 || s.calls() != 21 || c.follow(c.bench) != 1 {
		t.Errorf("%+v, %d calls", got, s.calls())
	}
}

// A trigger of which no request can be made says nothing about the endpoint: it
// closes no breaker, and ends no span of failures.
func TestWhatIsNotSentSaysNothing(t *testing.T) {
	s := newShop(t, status(500))
	c := newClocked(t, nil, s.endpoint("shop"))
	c.failures(0, 6, step)
	l := c.d.lanes["shop"]
	if !l.breaker.open() {
		t.Fatal("closed")
	}
	c.now = c.now.Add(time.Hour)
	before := l.action
	l.action = unmakeable{before}
	got := c.call(50, "shop")
	l.action = before
	if len(got) != 1 || got[0].Status != schemas.DeliveryStatusFailed || s.calls() != 6 {
		t.Fatalf("%+v", got)
	}
	since, failures := l.health.failing()
	if !l.breaker.open() || l.breaker.lets(c.now) != one || failures != 6 || since != micros(noon.Add(step)) {
		t.Errorf("open %v, %d failures since %s", l.breaker.open(), failures, time.UnixMicro(since).UTC())
	}
}

// unmakeable is an action that can make no request.
type unmakeable struct{ action }

func (unmakeable) request(*schemas.Trigger, time.Time) (*request, error) {
	return nil, errors.New("no address")
}
