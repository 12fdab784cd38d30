package delivery_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/posthorn/posthorn/internal/controls"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/internal/redeliver"
	"github.com/posthorn/posthorn/processor/delivery"
	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/schemas"
)

// mended is an endpoint that refuses everything until it is mended. It counts the
// calls of each trigger since.
type mended struct {
	*httptest.Server
	good atomic.Bool

	mu    sync.Mutex
	calls map[string]int
}

func newMended(t *testing.T) *mended {
	m := &mended{calls: map[string]int{}}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !m.good.Load() {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.calls[r.Header.Get("webhook-id")]++
	}))
	t.Cleanup(m.Close)
	return m
}

func (m *mended) called() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.calls)
}

// startFollowing runs the stage as the processor does: with what people ask.
func (r *running) startFollowing(drain bool) (stop func()) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	asked, err := controls.Follow(ctx, r.cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		r.t.Fatal(err)
	}
	reader, err := kafka.NewReader(r.cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	var w *stream.Worker
	d, err := delivery.New(delivery.Config{
		Serde:     r.serde,
		Endpoints: []delivery.Endpoint{{Name: "shop", URL: r.url, Secrets: []string{secret}, AllowPrivate: true}},
		Controls:  asked.Snapshot, Triggers: reader, Wake: func() { w.Wake() },
	})
	if err != nil {
		r.t.Fatal(err)
	}
	w, err = stream.NewWorker(stream.WorkerConfig{Stage: d.Stage(), Kafka: r.cfg, CommitInterval: 20 * time.Millisecond, TransactionalID: "delivery-test"})
	if err != nil {
		r.t.Fatal(err)
	}
	done := make(chan error, 2)
	unwake := asked.Wake(w.Wake)
	go func() { done <- asked.Run(ctx) }()
	go func() { done <- w.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		if drain {
			if err := d.Drain(ctx); err != nil {
				r.t.Error(err)
			}
		}
		unwake()
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				r.t.Error(err)
			}
		}
		d.Close()
		reader.Close()
	})
	r.t.Cleanup(stop)
	return stop
}

// TestAskedForOnTheEngine: all calls fail; people ask for all of them again, while
// the worker is stopped in the middle. Each is made again, and its success recorded
// once; nothing is left to be done.
func TestAskedForOnTheEngine(t *testing.T) {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	cfg := kafka.Config{Brokers: broker.ListenAddrs()}
	adm, closeAdmin, err := kafka.NewAdmin(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAdmin()
	if err := schemas.EnsureTopics(t.Context(), adm, schemas.Catalogue(4, 1)); err != nil {
		t.Fatal(err)
	}
	const n = 200
	shop := newMended(t)
	r := &running{t: t, cfg: cfg, serde: schemas.NewLocalSerde(), url: shop.URL}
	stop := r.startFollowing(true)
	r.produce(1, n+1) // a trigger id of zeros is an endpoint's own
	failed := 0
	r.follow(func(d *schemas.Delivery) bool {
		if d.Status == schemas.DeliveryStatusFailed {
			failed++
		}
		return failed < n
	})

	shop.good.Store(true)
	finder := &redeliver.Finder{Kafka: cfg, Serde: r.serde, Generation: schemas.FirstGeneration}
	calls, more, err := finder.Failed(t.Context(), redeliver.Filter{Since: time.Now().Add(-time.Hour), Endpoint: "shop", Rule: "discount"})
	if err != nil || more || len(calls) != n {
		t.Fatalf("%d calls failed, more: %v, %v", len(calls), more, err)
	}
	stop()
	if asked, err := finder.Ask(t.Context(), calls, "anna", time.Now()); asked != n || err != nil {
		t.Fatalf("%d are asked for, %v", asked, err)
	}
	// Asking twice is asking once while nobody has begun.
	if asked, err := finder.Ask(t.Context(), calls, "anna", time.Now()); asked != 0 || err != nil {
		t.Fatalf("%d are asked for again, %v", asked, err)
	}
	stop = r.startFollowing(false)
	for shop.called() < n/4 {
		if !eventually(t) {
			t.Fatalf("%d were called", shop.called())
		}
	}
	stop() // in the middle of calls
	stop = r.startFollowing(true)
	succeeded := map[schemas.ID]int{}
	r.follow(func(d *schemas.Delivery) bool {
		if d.Status == schemas.DeliveryStatusSucceeded {
			succeeded[d.TriggerID]++
			if succeeded[d.TriggerID] > 1 || d.Attempt != 2 || !d.Manual {
				t.Errorf("%+v", d)
			}
		}
		return len(succeeded) < n
	})
	stop()
	left, err := controls.Read(t.Context(), cfg)
	if err != nil || len(left.Retries) != 0 {
		t.Errorf("%d requests are left, %v", len(left.Retries), err)
	}
	if calls, _, err := finder.Failed(t.Context(), redeliver.Filter{}); err != nil || len(calls) != 0 {
		t.Errorf("%d calls still count as failed, %v", len(calls), err)
	}
	if shop.called() != n {
		t.Errorf("%d were called", shop.called())
	}
}

// eventually pauses between two looks; false when the test's time is over.
func eventually(t *testing.T) bool {
	select {
	case <-time.After(2 * time.Millisecond):
		return true
	case <-t.Context().Done():
		return false
	}
}
