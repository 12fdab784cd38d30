package delivery_test

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/posthorn/posthorn/internal/controls"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/internal/receiver"
	"github.com/posthorn/posthorn/internal/testkafka"
	"github.com/posthorn/posthorn/processor/delivery"
	"github.com/posthorn/posthorn/schemas"
)

// seen is what a receiver saw, by webhook-id.
type seen struct {
	mu    sync.Mutex
	calls map[string][]time.Time
	n     int
	marks map[int]chan struct{} // closed at that many calls
}

func (s *seen) call(c receiver.Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[c.ID] = append(s.calls[c.ID], c.At)
	s.n++
	if mark := s.marks[s.n]; mark != nil {
		close(mark)
	}
}

// TestRebalance moves partitions while calls are under way and retries pending:
// a second worker comes, the first is stopped and comes back. No
// call is lost, and none is made again once its success is recorded.
func TestRebalance(t *testing.T) {
	t.Run("in memory", func(t *testing.T) { rebalanced(t, inMemory(t)) })
	t.Run("Apache Kafka", func(t *testing.T) {
		if testing.Short() {
			t.Skip("starts a broker of its own, since the topics' names are fixed")
		}
		rebalanced(t, withTopics(t, kafka.Config{Brokers: testkafka.Start(t, testkafka.Options{}).Brokers()}))
	})
}

func rebalanced(t *testing.T, cfg kafka.Config) {
	const n = 2400
	s := &seen{calls: map[string][]time.Time{}, marks: map[int]chan struct{}{n / 4: make(chan struct{}), n / 2: make(chan struct{}), n * 3 / 4: make(chan struct{})}}
	shop, err := receiver.Start("127.0.0.1:0", receiver.Config{Secrets: []string{secret}, FailEvery: 5, OnCall: s.call})
	if err != nil {
		t.Fatal(err)
	}
	defer shop.Close()
	r := &running{t: t, cfg: cfg, serde: schemas.NewLocalSerde(), url: shop.URL(), name: "-1"}
	r.change = func(c *delivery.Config) { c.Retry = slices.Repeat([]time.Duration{200 * time.Millisecond}, 20) }
	stopFirst := r.start(true)
	r.produce(0, n)
	<-s.marks[n/4]
	r.name = "-2"
	stopSecond := r.start(true)
	<-s.marks[n/2]
	stopFirst()
	<-s.marks[n*3/4]
	r.name = "-1"
	stopFirst = r.start(true)
	succeeded := map[string]time.Time{}
	r.records(func(d *schemas.Delivery, at time.Time) bool {
		id := d.TriggerID.String()
		if d.Status == schemas.DeliveryStatusSucceeded {
			if !succeeded[id].IsZero() {
				t.Errorf("%s recorded as succeeded twice", id)
			}
			succeeded[id] = at
		} else if d.Status == schemas.DeliveryStatusFailed {
			t.Errorf("%+v", d)
		}
		return len(succeeded) < n
	})
	stopSecond()
	stopFirst()
	stats := shop.Stats()
	if stats.Unique != n || stats.BadSignatures+stats.BadRequests != 0 {
		t.Errorf("receiver %+v", stats)
	}
	for id, calls := range s.calls {
		if last := slices.MaxFunc(calls, time.Time.Compare); last.After(succeeded[id].Add(time.Millisecond)) {
			t.Errorf("%s was called at %s, after its success was recorded at %s", id, last, succeeded[id])
		}
	}
	t.Logf("%d calls, %d of them accepted again since their partition moved before their result was written", stats.Calls, stats.Duplicates)
}

// TestHeldOverARebalance: what waits for a rule that is paused is held by
// whoever has its partition, and called once the rule is resumed.
func TestHeldOverARebalance(t *testing.T) {
	const n = 300
	shop, err := receiver.Start("127.0.0.1:0", receiver.Config{Secrets: []string{secret}})
	if err != nil {
		t.Fatal(err)
	}
	defer shop.Close()
	var asked atomic.Pointer[controls.Snapshot]
	asked.Store(&controls.Snapshot{Rules: map[string]controls.Rule{"discount": {Paused: true}}})
	r := &running{t: t, cfg: inMemory(t), serde: schemas.NewLocalSerde(), url: shop.URL()}
	start := func(name string) (held func() int, stop func()) {
		reg := prometheus.NewRegistry()
		r.name = name
		r.change = func(c *delivery.Config) { c.Registerer, c.Controls = reg, asked.Load }
		stop = r.start(true)
		return func() int { return gauge(t, reg, "posthorn_delivery_held") }, stop
	}
	workers := map[string]func() int{}
	// Who holds which share, and when, is the group's affair; together they hold all.
	holdAll := func(when string) {
		t.Helper()
		total := 0
		for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			total = 0
			for held := range maps.Values(workers) {
				total += held()
			}
			if total == n {
				return
			}
		}
		t.Fatalf("%s: %d held, want %d", when, total, n)
	}
	var stop, stopOther func()
	workers["a"], stop = start("-a")
	r.produce(0, n)
	holdAll("alone")
	workers["b"], stopOther = start("-b")
	holdAll("with another")
	stop()
	delete(workers, "a")
	holdAll("the other alone")
	stopOther()
	delete(workers, "b")
	workers["a"], stop = start("-a")
	holdAll("after both were away")
	if calls := shop.Stats().Calls; calls != 0 {
		t.Fatalf("%d calls", calls)
	}
	asked.Store(&controls.Snapshot{Rules: map[string]controls.Rule{"discount": {At: time.Now()}}})
	done := 0
	r.follow(func(d *schemas.Delivery) bool {
		if d.Status != schemas.DeliveryStatusSucceeded || d.Attempt != 1 {
			t.Errorf("%+v", d)
		}
		done++
		return done < n
	})
	stop()
	if s := shop.Stats(); s.Unique != n || s.Duplicates != 0 {
		t.Errorf("receiver %+v", s)
	}
}

// gauge is the sum of a gauge over its labels.
func gauge(t *testing.T, reg *prometheus.Registry, name string) (sum int) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.Metric {
				sum += int(m.Gauge.GetValue())
			}
		}
	}
	return sum
}
