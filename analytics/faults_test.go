package analytics

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/posthorn/posthorn/analytics/faultproxy"
	"github.com/posthorn/posthorn/internal/embedded/clickhouse/clickhousetest"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/internal/testkafka"
	"github.com/posthorn/posthorn/schemas"
)

// What a run can be told by its environment: the number of faults (each kind
// once, where it is not set), what they are drawn from, and whether Kafka is
// Apache's.
const (
	faultsEnv      = "POSTHORN_TEST_FAULTS"
	faultsSeedEnv  = "POSTHORN_TEST_FAULTS_SEED"
	faultsKafkaEnv = "POSTHORN_TEST_FAULTS_APACHE"
)

const (
	faultLanes      = 2
	faultPartitions = 4
	// faultPatience bounds the wait for a fault to hit, and for the end: more than
	// the rebalance timeout of a minute, for which a group may wait for a dead
	// member.
	faultPatience = 3 * time.Minute
)

// faultSink is a sink in a process of its own, and what stands between it and
// the others.
type faultSink struct {
	order   faultOrder
	process *faultProcess
	proxy   *faultproxy.Proxy
	brokers []*toxiproxy.Proxy
}

func (s *faultSink) start() (err error) {
	s.process, err = startFaultChild(s.order)
	return err
}

// faultRun is a stream that two sinks bring into ClickHouse while faults strike.
type faultRun struct {
	t      *testing.T
	rng    *rand.Rand
	kafka  kafka.Config
	engine *faultEngine
	sinks  []*faultSink
	load   *faultLoad
	struck map[string]int
}

// TestSinkFaults: whatever strikes, the tables hold what the topics do. A fault
// counts once it has hit an insert, or a sink that was at work.
func TestSinkFaults(t *testing.T) {
	want := len(faultKinds)
	if text := os.Getenv(faultsEnv); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			t.Fatalf("%s=%q: a number of faults is needed", faultsEnv, text)
		}
		want = n
	} else if testing.Short() {
		t.Skip("takes a minute")
	}
	seed, err := strconv.ParseUint(orElse(os.Getenv(faultsSeedEnv), "1"), 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", faultsSeedEnv, err)
	}
	if os.Getenv("POSTHORN_TEST_CLICKHOUSE") == "" {
		clickhousetest.Library(t)
	}
	r := newFaultRun(t, seed)
	stop, written := make(chan struct{}), make(chan error, 1)
	go func() { written <- r.load.run(t.Context(), stop) }()

	for n, kind := range drawFaults(r.rng, want) {
		if kind.name == killedName && r.engine.process == nil {
			kind = faultKind{"ClickHouse out of reach: it is not ours to kill", refuseConnections}
		}
		began := time.Now()
		if err := kind.strike(r); err != nil {
			t.Fatalf("fault %d, %s: %v", n+1, kind.name, errors.Join(err, r.crashed()))
		}
		r.struck[kind.name]++
		t.Logf("fault %d: %s, %.1f s", n+1, kind.name, time.Since(began).Seconds())
		if err := r.crashed(); err != nil {
			t.Fatalf("after fault %d, %s: %v", n+1, kind.name, err)
		}
	}
	close(stop)
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if err := r.drained(); err != nil {
		t.Fatal(errors.Join(err, r.crashed()))
	}
	for _, s := range r.sinks {
		if err := s.process.stop(); err != nil {
			t.Error(err)
		}
	}
	differences := r.differences()
	for _, d := range differences[:min(len(differences), 20)] {
		t.Error(d)
	}
	total := 0
	for name, n := range r.struck {
		t.Logf("%3d %s", n, name)
		total += n
	}
	fmt.Printf("RESULT sink_faults %d count\nRESULT sink_differences %d count\n", total, len(differences))
	if total < want || len(differences) > 0 {
		t.Errorf("%d faults of %d, %d differences", total, want, len(differences))
	}
}

// drawFaults gives each kind once, in an order of its own, and again until there
// are n.
func drawFaults(rng *rand.Rand, n int) (drawn []faultKind) {
	for len(drawn) < n {
		round := slices.Clone(faultKinds)
		rng.Shuffle(len(round), func(i, k int) { round[i], round[k] = round[k], round[i] })
		drawn = append(drawn, round...)
	}
	return drawn[:n]
}

func newFaultRun(t *testing.T, seed uint64) *faultRun {
	t.Helper()
	r := &faultRun{t: t, rng: rand.New(rand.NewPCG(seed, 0)), struck: map[string]int{}}
	session := time.Second
	if os.Getenv(faultsKafkaEnv) != "" {
		session = 6 * time.Second // the least that it takes
		r.kafka = kafka.Config{Brokers: testkafka.Start(t, testkafka.Options{}).Brokers()}
		createFaultTopics(t, r.kafka)
	} else {
		r.kafka = cluster(t, faultPartitions)
	}
	r.engine = newFaultEngine(t)
	conn := opened(t, r.engine.dsn)
	if _, err := Migrate(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	var err error
	if r.load, err = newFaultLoad(r.kafka, seed, faultPartitions); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.load.client.Close)
	for range 2 {
		s, err := newFaultSink(r.kafka, r.engine.dsn, session)
		if err != nil {
			t.Fatal(err)
		}
		r.sinks = append(r.sinks, s)
		t.Cleanup(func() {
			s.process.kill()
			s.proxy.Close()
			for _, b := range s.brokers {
				b.Stop()
			}
		})
	}
	return r
}

func createFaultTopics(t *testing.T, cfg kafka.Config) {
	t.Helper()
	admin, done, err := kafka.NewAdmin(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	created, err := admin.CreateTopics(t.Context(), faultPartitions, 1, nil, append(SinkTopics(), schemas.TopicDeadLetters)...)
	if err = errors.Join(err, created.Error()); err != nil {
		t.Fatal(err)
	}
}

func newFaultSink(cfg kafka.Config, dsn string, session time.Duration) (*faultSink, error) {
	s := &faultSink{order: faultOrder{Brokers: cfg.Brokers, Fronts: map[string]string{}, SessionTimeout: session}}
	zerolog.SetGlobalLevel(zerolog.Disabled) // the proxies trace every stream
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	for _, broker := range cfg.Brokers {
		front := toxiproxy.NewProxy(server, broker, "127.0.0.1:0", broker)
		if err := front.Start(); err != nil {
			return nil, fmt.Errorf("starting proxy of %s: %w", broker, err)
		}
		s.order.Fronts[broker] = front.Listen
		s.brokers = append(s.brokers, front)
	}
	var err error
	if s.proxy, err = faultproxy.New(dsn); err != nil {
		return nil, err
	}
	s.order.DSN = s.proxy.DSN()
	return s, s.start()
}

// crashed tells of a process that nobody has ended.
func (r *faultRun) crashed() error {
	var errs []error
	for _, s := range r.sinks {
		errs = append(errs, s.process.ended())
	}
	if r.engine.process != nil {
		errs = append(errs, r.engine.process.ended())
	}
	return errors.Join(errs...)
}

// said is what the sinks have written.
func (r *faultRun) said() (text string) {
	for _, s := range r.sinks {
		text += s.process.out.String() + "\n"
	}
	return text
}

// until polls for what a fault waits for.
func (r *faultRun) until(what string, f func() bool) error {
	for deadline := time.Now().Add(faultPatience); !f(); {
		if time.Now().After(deadline) {
			return fmt.Errorf("waited %v for %s\n%s", faultPatience, what, r.said())
		}
		if err := r.t.Context().Err(); err != nil {
			return err
		}
		if err := r.crashed(); err != nil {
			return err
		}
		faultPause(r.t.Context(), 5*time.Millisecond)
	}
	return nil
}

// drained waits until the sinks have recorded that they are at the ends of all
// topics.
func (r *faultRun) drained() error {
	admin, done, err := kafka.NewAdmin(r.kafka)
	if err != nil {
		return err
	}
	defer done()
	ends, err := admin.ListCommittedOffsets(r.t.Context(), SinkTopics()...)
	if err = errors.Join(err, ends.Error()); err != nil {
		return err
	}
	var last string
	err = r.until("the ends of the topics", func() bool {
		last = r.behind(admin, ends)
		return last == ""
	})
	if err != nil {
		return fmt.Errorf("%s: %w", last, err)
	}
	return nil
}

func (r *faultRun) behind(admin *kadm.Client, ends kadm.ListedOffsets) string {
	ctx, cancel := context.WithTimeout(r.t.Context(), 5*time.Second)
	defer cancel()
	for topic, partitions := range ends {
		at, err := Done(ctx, admin, topic, faultLanes)
		if err != nil {
			return err.Error()
		}
		for p, end := range partitions {
			if at[p] < end.Offset {
				return fmt.Sprintf("%s partition %d is at %d of %d", topic, p, at[p], end.Offset)
			}
		}
	}
	return ""
}

// differences counts topics and tables, each by itself.
func (r *faultRun) differences() (all []string) {
	conn := opened(r.t, r.engine.dsn)
	for _, c := range newTallies() {
		if err := c.read(r.t.Context(), r.kafka); err != nil {
			r.t.Fatal(err)
		}
		if written := r.load.committed[c.topic]; c.records != written || written == 0 {
			r.t.Errorf("%d records are in %s, %d were committed", c.records, c.topic, written)
		}
		found, err := c.compare(r.t.Context(), conn)
		if err != nil {
			r.t.Fatal(err)
		}
		r.t.Logf("%s: %d records, %d rows, %d differences", c.table, c.records, len(c.rows), len(found))
		all = append(all, found...)
	}
	return all
}
