package delivery

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

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
