package delivery

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
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
