package delivery_test

import (
	"context"
	"encoding/binary"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/internal/receiver"
	"github.com/posthorn/posthorn/processor/delivery"
	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/schemas"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// running is the stage on the engine, with a broker in memory.
type running struct {
	t     *testing.T
	cfg   kafka.Config
	serde *schemas.Serde
	url   string
	// of the next worker
	name   string
	change func(*delivery.Config)
}

// start runs the stage until it is stopped: with a drain, or in the middle of
// its calls.
func (r *running) start(drain bool) (stop func()) {
	r.t.Helper()
	var w *stream.Worker
	cfg := delivery.Config{
		Serde:     r.serde,
		Endpoints: []delivery.Endpoint{{Name: "shop", URL: r.url, Secrets: []string{secret}, AllowPrivate: true}},
		Retry:     []time.Duration{20 * time.Millisecond, 20 * time.Millisecond, 20 * time.Millisecond, 20 * time.Millisecond},
		Wake:      func() { w.Wake() },
		Logger:    slog.New(slog.DiscardHandler),
	}
	if r.change != nil {
		r.change(&cfg)
	}
	d, err := delivery.New(cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	w, err = stream.NewWorker(stream.WorkerConfig{Stage: d.Stage(), Kafka: r.cfg, CommitInterval: 20 * time.Millisecond, TransactionalID: "delivery-test" + r.name, Logger: cfg.Logger})
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		if drain {
			if err := d.Drain(ctx); err != nil {
				r.t.Error(err)
			}
		}
		cancel()
		if err := <-done; err != nil {
			r.t.Error(err)
		}
		d.Close()
	})
	r.t.Cleanup(stop)
	return stop
}

// inMemory is a broker in memory with all topics.
func inMemory(t *testing.T) kafka.Config {
	t.Helper()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	return withTopics(t, kafka.Config{Brokers: broker.ListenAddrs()})
}

func withTopics(t *testing.T, cfg kafka.Config) kafka.Config {
	t.Helper()
	adm, closeAdmin, err := kafka.NewAdmin(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAdmin()
	if err := schemas.EnsureTopics(t.Context(), adm, schemas.Catalogue(4, 1)); err != nil {
		t.Fatal(err)
	}
	return cfg
}

func (r *running) produce(from, to int) {
	r.t.Helper()
	p, err := kafka.NewProducer(r.cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	defer p.Close()
	var records []*kgo.Record
	for i := from; i < to; i++ {
		tr := schemas.Trigger{Tenant: "default", Rule: "discount", Status: schemas.TriggerStatusFired, Endpoint: "shop", ArrivedAt: schemas.FromTime(time.Now())}
		binary.BigEndian.PutUint32(tr.TriggerID[:], uint32(i))
		binary.BigEndian.PutUint32(tr.RecipientID[:], uint32(i))
		records = append(records, &kgo.Record{Topic: schemas.TopicTriggers, Key: tr.RecipientID[:], Value: r.serde.Append(nil, schemas.TopicTriggers, &tr)})
	}
	if err := p.ProduceSync(r.t.Context(), records...).FirstErr(); err != nil {
		r.t.Fatal(err)
	}
}

// TestOnTheEngine restarts the worker while calls are made and one in ten
// fails: every trigger arrives and is recorded as succeeded once. Calls are
// repeated only where the worker had no time to drain.
func TestOnTheEngine(t *testing.T) {
	t.Run("drained", func(t *testing.T) {
		if s := restarted(t, true); s.Duplicates != 0 {
			t.Errorf("%d calls repeated", s.Duplicates)
		}
	})
	t.Run("in the middle", func(t *testing.T) { restarted(t, false) })
}

func restarted(t *testing.T, drain bool) receiver.Stats {
	cfg := inMemory(t)
	const n = 2000
	half := make(chan struct{})
	var once sync.Once
	var calls int
	var mu sync.Mutex
	shop, err := receiver.Start("127.0.0.1:0", receiver.Config{Secrets: []string{secret}, FailEvery: 10, OnCall: func(receiver.Call) {
		mu.Lock()
		defer mu.Unlock()
		if calls++; calls > n/2 {
			once.Do(func() { close(half) })
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer shop.Close()
	r := &running{t: t, cfg: cfg, serde: schemas.NewLocalSerde(), url: shop.URL()}
	stop := r.start(drain)
	r.produce(0, n)
	<-half
	stop()
	stop = r.start(drain)
	succeeded := map[schemas.ID]bool{}
	attempts := 0
	r.follow(func(d *schemas.Delivery) bool {
		attempts++
		if d.Status == schemas.DeliveryStatusSucceeded {
			if succeeded[d.TriggerID] {
				t.Errorf("%s recorded as succeeded twice", d.TriggerID)
			}
			succeeded[d.TriggerID] = true
		}
		return len(succeeded) < n
	})
	s := shop.Stats()
	if s.Unique != n || s.BadSignatures+s.BadRequests != 0 || len(shop.IDs()) != n {
		t.Errorf("receiver %+v", s)
	}
	t.Logf("%d attempts recorded, receiver %+v", attempts, s)
	stop()
	return s
}

func (r *running) follow(f func(*schemas.Delivery) bool) {
	r.t.Helper()
	r.records(func(d *schemas.Delivery, _ time.Time) bool { return f(d) })
}

// records reads the deliveries that are committed, and when each was written.
func (r *running) records(f func(*schemas.Delivery, time.Time) bool) {
	r.t.Helper()
	cl, err := kafka.NewConsumer(r.cfg, kgo.ConsumeTopics(schemas.TopicDeliveries))
	if err != nil {
		r.t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(r.t.Context(), 60*time.Second)
	defer cancel()
	for more := true; more; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			r.t.Fatalf("reading deliveries: %v", err)
		}
		fetches.EachRecord(func(rec *kgo.Record) {
			var d schemas.Delivery
			if err := r.serde.Decode(rec.Value, &d); err != nil {
				r.t.Fatal(err)
			}
			more = more && f(&d, rec.Timestamp)
		})
	}
}
