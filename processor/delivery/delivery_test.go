package delivery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/stream/streamtest"
	"github.com/posthorn/posthorn/schemas"
)

func TestFiredTriggerIsCalledAfterTheCommit(t *testing.T) {
	s := newShop(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "thanks") })
	b := newBench(t, nil, s.endpoint("shop"))
	b.process(trigger(1, "shop"))
	if b.pending() != 1 || s.calls() != 0 {
		t.Fatalf("before the commit: %d pending, %d calls", b.pending(), s.calls())
	}
	before := time.Now()
	b.commit()
	r := <-s.arrived
	if took := time.Since(before); took > time.Second {
		t.Errorf("%s from commit to call", took)
	}
	if r.Method != "POST" || r.Header.Get("User-Agent") != "posthorn/1.2.3" || r.Header.Get("Content-Type") != "application/json" {
		t.Errorf("request %s %v", r.Method, r.Header)
	}
	got := b.result(1, time.Now())
	if len(got) != 1 || b.pending() != 0 {
		t.Fatalf("%d deliveries, %d pending", len(got), b.pending())
	}
	d := got[0]
	if d.Status != schemas.DeliveryStatusSucceeded || d.StatusCode != 200 || d.Attempt != 1 || d.Response != "thanks" ||
		d.Error != "" || d.Rule != "discount" || d.Endpoint != "shop" || d.URL != s.URL+"/hook" || !d.NextAttemptAt.IsZero() {
		t.Errorf("delivery %+v", d)
	}
	if want := trigger(1, "").TriggerID.String(); s.ids[0] != want {
		t.Errorf("webhook-id %q, want %q", s.ids[0], want)
	}
}

func TestNothingToCall(t *testing.T) {
	s := newShop(t, nil)
	b := newBench(t, nil, s.endpoint("shop"))
	for i, change := range []func(*schemas.Trigger){
		func(tr *schemas.Trigger) { tr.Status = schemas.TriggerStatusExpired },
		func(tr *schemas.Trigger) { tr.Status = schemas.TriggerStatusShadow },
		func(tr *schemas.Trigger) { tr.Endpoint = "" },
	} {
		tr := trigger(i, "shop")
		change(tr)
		b.process(tr)
	}
	b.commit()
	if b.pending() != 0 || len(b.deliveries()) != 0 {
		t.Errorf("%d pending", b.pending())
	}
	b.process(trigger(9, "nowhere"))
	b.commit()
	if got := b.deliveries(); len(got) != 1 || got[0].Status != schemas.DeliveryStatusFailed || !strings.Contains(got[0].Error, `"nowhere"`) || b.pending() != 0 {
		t.Errorf("unknown endpoint: %+v", got)
	}
}

func TestDamagedTriggerIsADeadLetter(t *testing.T) {
	b := newBench(t, nil)
	err := b.Process(&kgo.Record{Topic: schemas.TopicTriggers, Value: []byte{0, 0, 0, 0, 8, 1, 2}})
	if !stream.IsPermanent(err) || b.d.Stage().DeadLetter == "" {
		t.Errorf("%v", err)
	}
}

// TestRemovedEndpoint: a call is pending for an endpoint that the configuration
// no longer has.
func TestRemovedEndpoint(t *testing.T) {
	s := newShop(t, status(500))
	b := newBench(t, nil, s.endpoint("shop"))
	b.process(trigger(1, "shop"))
	b.commit()
	next := b.result(1, time.Now())[0].NextAttemptAt.Time()
	delete(b.d.lanes, "shop")
	if err := b.Abort(); err != nil {
		t.Fatal(err)
	}
	b.tick(next)
	b.commit()
	if got := b.deliveries(); len(got) != 1 || got[0].Status != schemas.DeliveryStatusFailed || got[0].Attempt != 2 || b.pending() != 0 {
		t.Errorf("%+v", got)
	}
}

func TestNetworkErrorsAreRetried(t *testing.T) {
	tlsServer := httptest.NewTLSServer(http.NotFoundHandler())
	defer tlsServer.Close()
	tlsServer.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	for name, c := range map[string]struct{ url, want string }{
		"connection refused": {closed.URL, "refused"},
		"certificate":        {tlsServer.URL, "certificate"},
		"no such host":       {"https://user:geheim@posthorn.invalid/x", "posthorn.invalid"},
	} {
		b := newBench(t, nil, Endpoint{Name: "shop", URL: c.url, Secrets: []string{testSecret}, AllowPrivate: true})
		b.process(trigger(1, "shop"))
		b.commit()
		got := b.result(1, time.Now())
		if len(got) != 1 || got[0].Status != schemas.DeliveryStatusRetrying || !strings.Contains(got[0].Error, c.want) ||
			strings.Contains(got[0].Error+got[0].URL, "geheim") || got[0].StatusCode != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// BenchmarkCalls makes calls from Process to the written result.
func BenchmarkCalls(b *testing.B) {
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer s.Close()
	wake := make(chan struct{}, 1)
	d, err := New(Config{Serde: serde, Endpoints: []Endpoint{{Name: "shop", URL: s.URL, Secrets: []string{testSecret}, AllowPrivate: true}}, Wake: func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	}})
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	driver, err := streamtest.New(d.Stage(), 0)
	if err != nil {
		b.Fatal(err)
	}
	done, sent := 0, 0
	for b.Loop() {
		tr := trigger(0, "shop")
		tr.TriggerID = schemas.ID{byte(sent >> 24), byte(sent >> 16), byte(sent >> 8), byte(sent)}
		if sent++; driver.Process(&kgo.Record{Value: serde.Append(nil, schemas.TopicTriggers, tr)}) != nil {
			b.Fatal("not processed")
		}
		for sent%100 == 0 && done < sent {
			if err := errors.Join(driver.Tick(time.Now()), driver.Commit()); err != nil {
				b.Fatal(err)
			}
			if done += len(driver.Take(schemas.TopicDeliveries)); done < sent {
				<-wake
			}
		}
	}
}

func TestSameTriggerTwiceIsOneCall(t *testing.T) {
	s := newShop(t, nil)
	b := newBench(t, nil, s.endpoint("shop"))
	b.process(trigger(1, "shop"))
	b.process(trigger(1, "shop"))
	b.commit()
	b.process(trigger(1, "shop"))
	b.commit()
	b.result(1, time.Now())
	if s.calls() != 1 {
		t.Errorf("%d calls", s.calls())
	}
}

func TestUncommittedIsNeverCalled(t *testing.T) {
	s := newShop(t, nil)
	b := newBench(t, nil, s.endpoint("shop"))
	b.process(trigger(1, "shop"))
	b.tick(time.Now().Add(time.Hour)) // sees the record, but not in a committed state
	if err := b.Abort(); err != nil {
		t.Fatal(err)
	}
	b.tick(time.Now().Add(time.Hour))
	b.commit()
	if err := b.d.Drain(context.Background()); err != nil {
		t.Fatal(err)
	}
	if s.calls() != 0 || b.pending() != 0 {
		t.Errorf("%d calls, %d pending", s.calls(), b.pending())
	}
}

func TestCrashBetweenCallAndCommit(t *testing.T) {
	s := newShop(t, nil)
	b := newBench(t, nil, s.endpoint("shop"))
	b.process(trigger(1, "shop"))
	b.commit()
	b.woken(1)
	b.tick(time.Now()) // the result is written ...
	b.reborn()         // ... and lost with the process
	if b.pending() != 1 {
		t.Fatalf("%d pending", b.pending())
	}
	b.tick(time.Now())
	b.commit()
	got := b.result(1, time.Now())
	if len(got) != 1 || got[0].Attempt != 1 || b.pending() != 0 {
		t.Fatalf("deliveries %+v, %d pending", got, b.pending())
	}
	if s.calls() != 2 || s.ids[0] != s.ids[1] || s.bodies[0] != s.bodies[1] {
		t.Errorf("calls %v", s.ids)
	}
}

// TestAbortsRepeatNoCall: transactions are aborted while a call is under way,
// and while its result is being written. The call is made once.
func TestAbortsRepeatNoCall(t *testing.T) {
	release := make(chan struct{})
	s := newShop(t, func(http.ResponseWriter, *http.Request) { <-release })
	b := newBench(t, nil, s.endpoint("shop"))
	b.process(trigger(1, "shop"))
	b.commit()
	<-s.arrived
	abort := func() {
		t.Helper()
		if err := b.Abort(); err != nil {
			t.Fatal(err)
		}
		b.tick(time.Now())
	}
	abort()
	abort()
	close(release)
	b.woken(1)
	for range 3 {
		b.tick(time.Now())
		abort()
	}
	b.commit()
	if got := b.deliveries(); len(got) != 1 || got[0].Attempt != 1 || b.pending() != 0 || s.calls() != 1 {
		t.Errorf("%+v, %d pending, %d calls", got, b.pending(), s.calls())
	}
}

// TestResultThatCameTooLate: while a call is under way another worker has the
// partition and comes to a result. When the partition is back, the late one
// changes nothing.
func TestResultThatCameTooLate(t *testing.T) {
	for _, code := range []int{200, 503} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			release := make(chan struct{})
			var first sync.Once
			s := newShop(t, func(w http.ResponseWriter, _ *http.Request) {
				late := false
				first.Do(func() { late = true })
				if late {
					<-release
				}
				w.WriteHeader(code)
			})
			b := newBench(t, nil, s.endpoint("shop"))
			b.process(trigger(1, "shop"))
			b.commit()
			<-s.arrived
			here := b.d
			b.make(here.cfg) // the other worker
			if err := b.Restart(); err != nil {
				t.Fatal(err)
			}
			now := time.Now()
			b.tick(now)
			got := b.result(1, now)
			b.d = here
			if err := b.Restart(); err != nil {
				t.Fatal(err)
			}
			b.tick(now)
			close(release)
			if late := b.result(1, now); len(got) != 1 || len(late) != 0 {
				t.Errorf("%+v, then %+v", got, late)
			}
			if code == 503 {
				b.tick(got[0].NextAttemptAt.Time())
				b.commit()
				if got := b.result(1, got[0].NextAttemptAt.Time()); len(got) != 1 || got[0].Attempt != 2 {
					t.Errorf("%+v", got)
				}
			}
		})
	}
}

// TestQueuedCallsEndWithTheirTask: what an ended task had queued is not called
// by it any more.
func TestQueuedCallsEndWithTheirTask(t *testing.T) {
	release := make(chan struct{})
	s := newShop(t, func(http.ResponseWriter, *http.Request) { <-release })
	e := s.endpoint("shop")
	e.Concurrency = 1
	b := newBench(t, nil, e)
	const n = 20
	for i := range n {
		b.process(trigger(i, "shop"))
	}
	b.commit()
	<-s.arrived
	if err := b.Abort(); err != nil {
		t.Fatal(err)
	}
	b.tick(time.Now()) // the new task queues all of them but the one under way
	close(release)
	if got := b.result(2*n-1, time.Now()); len(got) != n {
		t.Errorf("%d deliveries", len(got))
	}
	if s.calls() != n {
		t.Errorf("%d calls, want each once", s.calls())
	}
}

func TestDeadEndpointDelaysNobody(t *testing.T) {
	release := make(chan struct{})
	dead := newShop(t, func(http.ResponseWriter, *http.Request) { <-release })
	alive := newShop(t, nil)
	b := newBench(t, nil, dead.endpoint("dead"), alive.endpoint("alive"))
	const n = queueSize + 200 // more than its queue holds
	for i := range n {
		b.process(trigger(i, "dead"))
	}
	b.commit()
	b.tick(time.Now())
	b.commit()
	b.process(trigger(n, "alive"))
	b.commit()
	got := b.result(1, time.Now())
	if len(got) != 1 || got[0].Endpoint != "alive" {
		t.Fatalf("deliveries %+v", got)
	}
	if c := dead.calls(); c > DefaultConcurrency {
		t.Errorf("%d calls at a time", c)
	}
	close(release)
	total := 0
	for total < n {
		total += len(b.result(1, time.Now()))
	}
	if total != n || b.pending() != 0 || dead.calls() != n {
		t.Errorf("%d deliveries, %d pending, %d calls", total, b.pending(), dead.calls())
	}
}
