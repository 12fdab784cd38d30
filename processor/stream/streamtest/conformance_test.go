package streamtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/stream/streamtest"
)

// batch is a batch of a script as the input topic holds it.
type batch []*kgo.Record

// The same scripts through the engine on a Kafka in the process and through the
// driver: what comes out must be the same, record by record.
func TestDriverDoesWhatTheEngineDoes(t *testing.T) {
	for seed, dir := range []string{"", t.TempDir()} {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			s := drawScript(rand.New(rand.NewPCG(uint64(seed), 0)), 60)
			restarts := []int{20, 40} // before these batches
			engine, driver := newWorld(), newWorld()
			batches, want := runEngine(t, engine, s, restarts, dir)
			got := runDriver(t, driver, batches, restarts)
			compare(t, "out", got, want)
			compare(t, "dead", got, want)
			if !slices.Equal(driver.after, engine.after) {
				t.Errorf("after commits\n%v, the engine did\n%v", driver.after, engine.after)
			}
		})
	}
}

func compare(t *testing.T, topic string, got, want map[string][]string) {
	t.Helper()
	g, w := got[topic], want[topic]
	for i := range max(len(g), len(w)) {
		if i >= len(g) || i >= len(w) || g[i] != w[i] {
			from := max(0, i-5)
			t.Fatalf("%s differs at record %d of %d:\n%q\nthe engine has %d:\n%q",
				topic, i, len(g), g[min(from, len(g)):min(i+2, len(g))], len(w), w[min(from, len(w)):min(i+2, len(w))])
		}
	}
	t.Logf("%s: %d records agree", topic, len(g))
}

func describe(r *kgo.Record) string {
	var headers []string
	for _, h := range r.Headers {
		headers = append(headers, h.Key+"="+string(h.Value))
	}
	return fmt.Sprintf("%s=%s %v", r.Key, r.Value, headers)
}

func runDriver(t *testing.T, w *world, batches []batch, restarts []int) map[string][]string {
	t.Helper()
	d, err := streamtest.New(w.stage(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range batches {
		if slices.Contains(restarts, i) {
			if err := d.Restart(); err != nil {
				t.Fatal(err)
			}
		}
		for tries := 0; !attempt(t, d, b); tries++ {
			if tries > 2*len(b) {
				t.Fatalf("batch %d fails again and again", i)
			}
		}
	}
	if left := d.Timers(); len(left) > 0 {
		t.Errorf("timers left: %v", left)
	}
	out := map[string][]string{}
	for _, r := range d.Out {
		out[r.Topic] = append(out[r.Topic], describe(r))
	}
	return out
}

// attempt gives a batch to the driver; false when the transaction was aborted.
func attempt(t *testing.T, d *streamtest.Driver, b batch) bool {
	t.Helper()
	for _, rec := range b {
		if err := d.Process(rec); err != nil && !stream.IsPermanent(err) {
			return false
		}
	}
	return d.Advance(b[len(b)-1].Timestamp) == nil
}

func runEngine(t *testing.T, w *world, s script, restarts []int, dir string) ([]batch, map[string][]string) {
	t.Helper()
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	cfg := kafka.Config{Brokers: fake.ListenAddrs()}
	adm, stop, err := kafka.NewAdmin(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	for _, topic := range append(w.stage().Topics(1), stream.Topic{Name: "out"}) {
		config := map[string]*string{}
		for k, v := range topic.Config {
			config[k] = &v
		}
		// This Kafka keeps the script's times whatever its topic says.
		if _, err := adm.CreateTopic(t.Context(), max(1, topic.Partitions), 1, config, topic.Name); err != nil {
			t.Fatal(err)
		}
	}
	wait := follower(t, cfg)
	feed := feeder(t, cfg)
	run := func() (stop func()) {
		return runWorker(t, stream.WorkerConfig{
			Stage: w.stage(), Kafka: cfg, StateDir: dir, TransactionalID: "scripted", CommitInterval: 10 * time.Millisecond,
		})
	}
	stopWorker := run()
	var batches []batch
	for i, records := range s {
		if slices.Contains(restarts, i) {
			stopWorker()
			stopWorker = run()
		}
		batches = append(batches, feed(records))
		wait()
	}
	stopWorker()
	return batches, readAll(t, cfg, adm, "out", "dead")
}

func runWorker(t *testing.T, cfg stream.WorkerConfig) (stop func()) {
	t.Helper()
	w, err := stream.NewWorker(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("worker: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// feeder writes batches in transactions, so that each is seen in one piece.
func feeder(t *testing.T, cfg kafka.Config) func([]scriptRecord) batch {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(cfg.Brokers...), kgo.TransactionalID("feeder"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return func(records []scriptRecord) batch {
		var b batch
		for _, r := range records {
			value, err := json.Marshal(r.ops)
			if err != nil {
				t.Fatal(err)
			}
			b = append(b, &kgo.Record{Topic: "in", Key: []byte("k"), Value: value, Timestamp: instant(r.at)})
		}
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		err := cl.ProduceSync(t.Context(), b...).FirstErr()
		if err := errors.Join(err, cl.EndTransaction(t.Context(), kgo.TryCommit)); err != nil {
			t.Fatal(err)
		}
		return b
	}
}

// follower waits until one more batch was committed to its end.
func follower(t *testing.T, cfg kafka.Config) (wait func()) {
	t.Helper()
	cl, err := kafka.NewConsumer(cfg, kgo.ConsumeTopics("out"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
		defer cancel()
		for ended := false; !ended; {
			fetches := cl.PollFetches(ctx)
			if err := fetches.Err(); err != nil {
				t.Fatalf("waiting for a batch: %v", err)
			}
			fetches.EachRecord(func(r *kgo.Record) { ended = ended || string(r.Value) == "end" })
		}
	}
}

// readAll reads what was committed to topics of one partition.
func readAll(t *testing.T, cfg kafka.Config, adm *kadm.Client, topics ...string) map[string][]string {
	t.Helper()
	ends, err := adm.ListEndOffsets(t.Context(), topics...)
	if err != nil {
		t.Fatal(err)
	}
	cl, err := kafka.NewConsumer(cfg, kgo.ConsumeTopics(topics...), kgo.KeepControlRecords())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	out := map[string][]string{}
	left := map[string]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[o.Topic] = o.Offset
		}
	})
	for len(left) > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("reading %v: %v", topics, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				out[r.Topic] = append(out[r.Topic], describe(r))
			}
			if r.Offset+1 >= left[r.Topic] {
				delete(left, r.Topic)
			}
		})
	}
	return out
}
