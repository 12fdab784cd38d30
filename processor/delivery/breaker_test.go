package delivery

import (
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/posthorn/posthorn/schemas"
)

// wire is an endpoint without a network, so that time can be the bubble's.
type wire struct {
	mu     sync.Mutex
	times  []time.Time
	ids    map[string]int
	most   int // calls at a time
	active int
	answer func(*http.Request) (*http.Response, error)
}

func newWire(answer func(*http.Request) (*http.Response, error)) *wire {
	return &wire{ids: map[string]int{}, answer: answer}
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.times = append(w.times, time.Now())
	w.ids[r.Header.Get("webhook-id")]++
	w.active++
	w.most = max(w.most, w.active)
	answer := w.answer
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.active--
		w.mu.Unlock()
	}()
	return answer(r)
}

func (w *wire) calls() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.times)
}

func (w *wire) become(answer func(*http.Request) (*http.Response, error)) {
	w.mu.Lock()
	w.answer = answer
	w.mu.Unlock()
}

func answers(code int) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: code, Status: http.StatusText(code), Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	}
}

// hangs answers nothing until the caller gives up.
func hangs(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func refuses(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }

// wired is a bench in a bubble whose endpoints are wires.
func wired(t *testing.T, change func(*Config), wires map[string]*wire, adjust func(*Endpoint)) *bench {
	var endpoints []Endpoint
	for name := range wires {
		e := Endpoint{Name: name, URL: "https://" + name + ".example/", Secrets: []string{testSecret}}
		if adjust != nil {
			adjust(&e)
		}
		endpoints = append(endpoints, e)
	}
	b := newBench(t, change, endpoints...)
	b.d.cfg.Wake = func() {}
	for name, w := range wires {
		b.d.lanes[name].client.Transport = w
	}
	return b
}

// pass lets time pass, with a tick and a commit every 100 ms as the engine has
// them, a second where it is hours, and returns what was recorded.
func (b *bench) pass(d time.Duration, every func(i int)) (out []schemas.Delivery) {
	b.t.Helper()
	interval := 100 * time.Millisecond
	if d >= time.Hour {
		interval = time.Second // it is long enough
	}
	for i := range int(d / interval) {
		if every != nil {
			every(i)
		}
		synctest.Wait()
		b.tick(time.Now())
		b.commit()
		out = append(out, b.deliveries()...)
		time.Sleep(interval)
	}
	synctest.Wait()
	b.tick(time.Now())
	b.commit()
	return append(out, b.deliveries()...)
}

// An endpoint that hangs gets a few calls, then probes at growing distances.
// What waits meanwhile uses up no attempts, and is delivered once it is back.
func TestBreakerHoldsCallsBack(t *testing.T) {
	for name, answer := range map[string]func(*http.Request) (*http.Response, error){"hangs": hangs, "refuses": refuses, "500": answers(500)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire(answer)
				b := wired(t, nil, map[string]*wire{"shop": w}, nil)
				const n = 300
				for i := range n {
					b.process(trigger(i, "shop"))
				}
				b.commit()
				b.pass(time.Hour, nil)
				// The first 8 at a time and 4 more, 5 probes while the wait grows to
				// 5 minutes, then 12 an hour.
				if calls := w.calls(); calls > DefaultConcurrency+breakAfter+20 || calls < 15 {
					t.Errorf("%d calls in an hour", calls)
				}
				w.become(answers(200))
				out := b.pass(3*time.Hour, nil)
				var attempts []int32
				for _, d := range out {
					if d.Status == schemas.DeliveryStatusSucceeded {
						attempts = append(attempts, d.Attempt)
					}
				}
				if len(attempts) != n || b.pending() != 0 || slices.Max(attempts) > 4 {
					t.Errorf("%d of %d succeeded, at the %dth attempt at most", len(attempts), n, slices.Max(attempts))
				}
			})
		})
	}
}

// Endpoints that hang, refuse or fail delay no other: its calls are made as if
// it were alone.
func TestDeadEndpointsDelayNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wires := map[string]*wire{
			"alive": newWire(answers(204)), "hangs": newWire(hangs), "refuses": newWire(refuses), "fails": newWire(answers(500)),
		}
		b := wired(t, nil, wires, nil)
		n := 0
		begun := map[schemas.ID]time.Time{}
		out := b.pass(5*time.Minute, func(i int) {
			for name := range wires {
				tr := trigger(n, name)
				begun[tr.TriggerID] = time.Now()
				b.process(tr)
				n++
			}
			b.commit()
		})
		var waits []time.Duration
		for _, d := range out {
			if d.Endpoint == "alive" {
				if d.Attempt != 1 || d.Status != schemas.DeliveryStatusSucceeded {
					t.Fatalf("%+v", d)
				}
				waits = append(waits, d.AttemptedAt.Time().Sub(begun[d.TriggerID]))
			}
		}
		slices.Sort(waits)
		if len(waits) != n/4 || waits[len(waits)*99/100] > 100*time.Millisecond {
			t.Errorf("%d of %d calls, p99 %s", len(waits), n/4, waits[len(waits)*99/100])
		}
		if most := wires["hangs"].most; most > DefaultConcurrency+1 {
			t.Errorf("%d calls at a time hang", most)
		}
	})
}

// A probe is one call, however many are due, and is made though others hang.
func TestOneProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(hangs)
		b := wired(t, func(c *Config) { c.Timeout = time.Minute }, map[string]*wire{"shop": w}, func(e *Endpoint) { e.Concurrency = 2 })
		for i := range 50 {
			b.process(trigger(i, "shop"))
		}
		b.commit()
		l := b.d.lanes["shop"]
		b.pass(2*time.Minute+time.Second, nil) // two rounds of two: 4 failures, the third round is under way
		if l.breaker.open() {
			t.Fatal("open too early")
		}
		b.pass(time.Minute, nil)
		if !l.breaker.open() {
			t.Fatal("not open")
		}
		before := w.calls()
		b.pass(30*time.Second, nil) // the probe is under way since 5 s
		if probes := w.calls() - before; probes != 1 {
			t.Errorf("%d probes", probes)
		}
		w.become(answers(200))
		b.pass(2*time.Minute, nil)
		if l.breaker.open() || w.calls() < 50 {
			t.Errorf("open %v after %d calls", l.breaker.open(), w.calls())
		}
	})
}

// Whatever comes, an open breaker lets one call through at a time and opens
// again; a success closes it.
func TestBreakerProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b breaker
		now := noon
		inARow, probing := 0, false
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 400).Draw(t, "seconds")) * time.Second)
			switch b.lets(now) {
			case all:
				if inARow >= breakAfter {
					t.Fatalf("lets all through after %d failures", inARow)
				}
				if rapid.Bool().Draw(t, "fails") {
					inARow++
					b.failed(now, false, 0)
				} else {
					inARow = 0
					b.succeeded()
				}
			case one:
				if probing || !b.reserve(now) || b.lets(now) != none || b.reserve(now) {
					t.Fatal("not one probe")
				}
				switch rapid.IntRange(0, 2).Draw(t, "probe") {
				case 0:
					b.release()
				case 1:
					inARow++
					b.failed(now, true, 0)
					if b.lets(now.Add(openFirst-1)) != none || b.lets(now.Add(openMost)) != one {
						t.Fatal("not open for its time")
					}
				case 2:
					inARow = 0
					b.succeeded()
				}
			case none:
				if inARow < breakAfter {
					t.Fatalf("closed after %d failures", inARow)
				}
			}
		}
	})
}

func TestBreakerHeedsRetryAfter(t *testing.T) {
	var b breaker
	for range breakAfter {
		b.failed(noon, false, time.Minute)
	}
	if b.lets(noon.Add(59*time.Second)) != none || b.lets(noon.Add(time.Minute)) != one {
		t.Error("did not wait as long as it was asked to")
	}
}

// The rate holds whatever comes at once, and nobody waits for it at the end.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(answers(200))
		b := wired(t, nil, map[string]*wire{"shop": w}, func(e *Endpoint) { e.Rate = 20 })
		for i := range 300 {
			b.process(trigger(i, "shop"))
		}
		b.commit()
		b.pass(10*time.Second, nil)
		if n := w.calls(); n < 195 || n > 202 {
			t.Errorf("%d calls in 10 s at 20/s", n)
		}
		for i := 20; i < len(w.times); i++ {
			if d := w.times[i].Sub(w.times[i-20]); d < 990*time.Millisecond {
				t.Fatalf("20 calls in %s", d)
			}
		}
		before := time.Now()
		drained := make(chan error)
		go func() { drained <- b.d.Drain(t.Context()) }()
		b.pass(100*time.Millisecond, nil)
		if err := <-drained; err != nil || time.Since(before) > 200*time.Millisecond {
			t.Errorf("drained in %s: %v", time.Since(before), err)
		}
	})
}
