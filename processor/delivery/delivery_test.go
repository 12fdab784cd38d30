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

const testSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqrTwjU"

var serde = schemas.NewLocalSerde()

// shop is an endpoint that notes its calls and answers as told.
type shop struct {
	*httptest.Server
	arrived chan *http.Request // one per call, before the answer

	mu     sync.Mutex
	bodies []string
	ids    []string
}

func newShop(t *testing.T, answer http.HandlerFunc) *shop {
	s := &shop{arrived: make(chan *http.Request, 10_000)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.bodies, s.ids = append(s.bodies, string(body)), append(s.ids, r.Header.Get("webhook-id"))
		s.mu.Unlock()
		s.arrived <- r
		if answer != nil {
			answer(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *shop) endpoint(name string) Endpoint {
	return Endpoint{Name: name, URL: s.URL + "/hook?token=hidden", Secrets: []string{testSecret}, AllowPrivate: true}
}

func (s *shop) calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.ids)
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

const benchPartition = 3

// bench is the stage on one partition.
type bench struct {
	*streamtest.Driver
	t    *testing.T
	d    *Delivery
	wake chan struct{}
}

func newBench(t *testing.T, change func(*Config), endpoints ...Endpoint) *bench {
	t.Helper()
	b := &bench{t: t, wake: make(chan struct{}, 10_000)}
	cfg := Config{Serde: serde, Endpoints: endpoints, Version: "1.2.3", Wake: func() { b.wake <- struct{}{} }, Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&cfg)
	}
	b.make(cfg)
	stage := b.d.Stage()
	stage.NewTask = func(p int32) (stream.Task, error) { return b.d.Stage().NewTask(p) }
	var err error
	if b.Driver, err = streamtest.New(stage, benchPartition); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) make(cfg Config) {
	b.t.Helper()
	var err error
	if b.d, err = New(cfg); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(b.d.Close)
}

// reborn goes on as another process does that takes the partition over.
func (b *bench) reborn(endpoints ...Endpoint) {
	b.t.Helper()
	cfg := b.d.cfg
	b.d.Close()
	for len(b.wake) > 0 {
		<-b.wake
	}
	if endpoints != nil {
		cfg.Endpoints = endpoints
	}
	b.make(cfg)
	if err := b.Restart(); err != nil {
		b.t.Fatal(err)
	}
}

func trigger(n int, endpoint string) *schemas.Trigger {
	at := schemas.FromTime(time.Date(2026, 11, 23, 10, 0, n, 0, time.UTC))
	return &schemas.Trigger{
		TriggerID: schemas.ID{1, byte(n >> 8), byte(n)}, Tenant: "default", Rule: "discount", Kind: "within", OncePer: "message",
		Status: schemas.TriggerStatusFired, RecipientID: schemas.ID{9}, Recipient: "anna@gmail.example", CampaignID: "7272",
		MessageID: "104427216766056450", OccurredAt: at, ArrivedAt: at, AnchorAt: at - 3_600_000_000, Endpoint: endpoint,
		Evidence: []schemas.Evidence{{EventID: schemas.ID{7}, Type: "opened", OccurredAt: at, Machine: "human"}},
	}
}

func (b *bench) process(tr *schemas.Trigger) {
	b.t.Helper()
	rec := &kgo.Record{Topic: schemas.TopicTriggers, Key: tr.RecipientID[:], Value: serde.Append(nil, schemas.TopicTriggers, tr)}
	if err := b.Process(rec); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) commit() {
	b.t.Helper()
	if err := b.Commit(); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) tick(now time.Time) {
	b.t.Helper()
	if err := b.Tick(now); err != nil {
		b.t.Fatal(err)
	}
}

// result waits for n results, and ticks and commits.
func (b *bench) result(n int, now time.Time) []schemas.Delivery {
	b.t.Helper()
	b.woken(n)
	b.tick(now)
	b.commit()
	return b.deliveries()
}

func (b *bench) woken(n int) {
	b.t.Helper()
	for range n {
		select {
		case <-b.wake:
		case <-time.After(10 * time.Second):
			b.t.Fatal("no result")
		}
	}
}

func (b *bench) deliveries() (out []schemas.Delivery) {
	b.t.Helper()
	for _, rec := range b.Take(schemas.TopicDeliveries) {
		var d schemas.Delivery
		if err := serde.Decode(rec.Value, &d); err != nil {
			b.t.Fatal(err)
		}
		if string(rec.Key) != string(d.TriggerID[:]) {
			b.t.Errorf("key %x of the delivery of %s", rec.Key, d.TriggerID)
		}
		out = append(out, d)
	}
	return out
}

// pending counts the calls that are pending; the store has health and counts too.
func (b *bench) pending() (n int) {
	for key := range b.State(StorePending) {
		if len(key) == len(schemas.ID{}) {
			n++
		}
	}
	return n
}

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

func TestRetrySchedule(t *testing.T) {
	s := newShop(t, status(http.StatusServiceUnavailable))
	now := time.Now()
	b := newBench(t, func(c *Config) { c.Now = func() time.Time { return now } }, s.endpoint("shop"))
	b.process(trigger(1, "shop"))
	b.commit()
	schedule := DefaultRetry()
	for i, wait := range schedule {
		got := b.result(1, now)
		if len(got) != 1 {
			t.Fatalf("attempt %d: %d deliveries", i+1, len(got))
		}
		d, next := got[0], got[0].NextAttemptAt.Time()
		if d.Status != schemas.DeliveryStatusRetrying || d.Attempt != int32(i+1) || d.StatusCode != 503 {
			t.Fatalf("attempt %d: %+v", i+1, d)
		}
		if delay := next.Sub(now); delay < wait-time.Millisecond || delay > wait*11/10 {
			t.Errorf("attempt %d: again after %s, want %s and up to a tenth", i+1, delay, wait)
		}
		b.tick(next.Add(-time.Millisecond))
		if n := s.calls(); n != i+1 {
			t.Fatalf("called before it was due: %d calls", n)
		}
		now = next
		b.tick(now)
		b.commit()
	}
	got := b.result(1, now)
	if len(got) != 1 || got[0].Status != schemas.DeliveryStatusFailed || got[0].Attempt != int32(len(schedule)+1) || b.pending() != 0 {
		t.Errorf("last attempt: %+v, %d pending", got, b.pending())
	}
}

// TestRetryOutlivesTheTask: due times come back from the store.
func TestRetryOutlivesTheTask(t *testing.T) {
	s := newShop(t, status(500))
	b := newBench(t, nil, s.endpoint("shop"))
	b.process(trigger(1, "shop"))
	b.commit()
	now := time.Now()
	next := b.result(1, now)[0].NextAttemptAt.Time()
	if err := b.Abort(); err != nil {
		t.Fatal(err)
	}
	b.tick(next.Add(-time.Second))
	if s.calls() != 1 {
		t.Fatal("called before it was due")
	}
	b.tick(next)
	if got := b.result(1, next); len(got) != 1 || got[0].Attempt != 2 {
		t.Errorf("%+v", got)
	}
}

func TestAnswers(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		status schemas.DeliveryStatus
		err    string
		wait   time.Duration // at least
	}{
		"201": {status(201), schemas.DeliveryStatusSucceeded, "", 0},
		"204": {status(204), schemas.DeliveryStatusSucceeded, "", 0},
		"400": {status(400), schemas.DeliveryStatusFailed, "400", 0},
		"404": {status(404), schemas.DeliveryStatusFailed, "404", 0},
		"408": {status(408), schemas.DeliveryStatusRetrying, "408", 5 * time.Second},
		"425": {status(425), schemas.DeliveryStatusRetrying, "425", 5 * time.Second},
		"429": {status(429), schemas.DeliveryStatusRetrying, "429", 5 * time.Second},
		"500": {status(500), schemas.DeliveryStatusRetrying, "500", 5 * time.Second},
		"302": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/hook" {
				t.Error("followed a redirect")
			}
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		}, schemas.DeliveryStatusRetrying, "redirects are not followed", 5 * time.Second},
		"retry after seconds": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "90")
			w.WriteHeader(429)
		}, schemas.DeliveryStatusRetrying, "429", 90 * time.Second},
		"broken off": {func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }, schemas.DeliveryStatusRetrying, "EOF", 5 * time.Second},
		"broken body": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "half")
		}, schemas.DeliveryStatusSucceeded, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, c.answer)
			s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
			b := newBench(t, nil, s.endpoint("shop"))
			b.process(trigger(1, "shop"))
			b.commit()
			got := b.result(1, now)
			if len(got) != 1 || got[0].Status != c.status || !strings.Contains(got[0].Error, c.err) || (c.err == "") != (got[0].Error == "") {
				t.Fatalf("%+v", got)
			}
			if c.wait > 0 != (b.pending() == 1) {
				t.Errorf("%d pending", b.pending())
			}
			if c.wait > 0 && got[0].NextAttemptAt.Time().Before(now.Add(c.wait).Truncate(time.Millisecond)) {
				t.Errorf("again at %s, want at least %s later", got[0].NextAttemptAt, c.wait)
			}
		})
	}
}

func TestTimeout(t *testing.T) {
	release := make(chan struct{})
	s := newShop(t, func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	b := newBench(t, func(c *Config) { c.Timeout = 20 * time.Millisecond }, s.endpoint("shop"))
	b.process(trigger(1, "shop"))
	b.commit()
	if got := b.result(1, time.Now()); len(got) != 1 || got[0].Error != "timed out" || got[0].Status != schemas.DeliveryStatusRetrying {
		t.Errorf("%+v", got)
	}
}

func TestBigResponseIsCut(t *testing.T) {
	s := newShop(t, func(w http.ResponseWriter, _ *http.Request) {
		for range 1 << 10 {
			if _, err := io.WriteString(w, strings.Repeat("é", 512)); err != nil {
				return
			}
		}
	})
	b := newBench(t, nil, s.endpoint("shop"))
	b.process(trigger(1, "shop"))
	b.commit()
	got := b.result(1, time.Now())
	if len(got) != 1 || got[0].Status != schemas.DeliveryStatusSucceeded || len(got[0].Response) != 1024 {
		t.Errorf("%d bytes kept", len(got[0].Response))
	}
}

func TestPrivateAddressIsRefusedAtDialTime(t *testing.T) {
	s := newShop(t, nil)
	// A public looking name that resolves to 127.0.0.1 when it is dialled.
	e := s.endpoint("shop")
	e.URL = strings.Replace(strings.Replace(s.URL, "http:", "https:", 1), "127.0.0.1", "localhost", 1)
	e.AllowPrivate = false
	b := newBench(t, nil, e)
	b.process(trigger(1, "shop"))
	b.commit()
	got := b.result(1, time.Now())
	if len(got) != 1 || got[0].Status != schemas.DeliveryStatusRetrying || !strings.Contains(got[0].Error, "allow_private") {
		t.Errorf("%+v", got)
	}
	if s.calls() != 0 {
		t.Error("it was called")
	}
}

func TestDrainFinishesWhatIsUnderWay(t *testing.T) {
	release := make(chan struct{})
	s := newShop(t, func(http.ResponseWriter, *http.Request) { <-release })
	e := s.endpoint("shop")
	e.Concurrency = 1
	b := newBench(t, nil, e)
	b.process(trigger(1, "shop"))
	b.process(trigger(2, "shop"))
	b.commit()
	<-s.arrived
	short, cancel := context.WithCancel(context.Background())
	cancel()
	if err := b.d.Drain(short); err == nil {
		t.Error("did not wait")
	}
	close(release)
	drained := make(chan error)
	go func() { drained <- b.d.Drain(context.Background()) }()
	got := b.result(1, time.Now())
	if err := <-drained; err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || b.pending() != 1 || s.calls() != 1 {
		t.Errorf("%d deliveries, %d pending, %d calls", len(got), b.pending(), s.calls())
	}
}

// TestCallsOfALostPartition: what was queued when the partition went to another
// worker is that one's to call.
func TestCallsOfALostPartition(t *testing.T) {
	release := make(chan struct{})
	s := newShop(t, func(http.ResponseWriter, *http.Request) { <-release })
	e := s.endpoint("shop")
	e.Concurrency = 1
	b := newBench(t, nil, e)
	for i := range 20 {
		b.process(trigger(i, "shop"))
	}
	b.commit()
	<-s.arrived
	b.d.Stage().Lost([]int32{benchPartition})
	close(release)
	b.woken(20)
	if s.calls() != 1 {
		t.Errorf("%d calls", s.calls())
	}
}
