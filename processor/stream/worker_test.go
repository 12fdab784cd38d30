package stream_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/processor/stream"
)

// The test's pipeline: "split" passes records on by key, "count" counts them
// and tells each new total, and once more when a timer says so.
const partitions = 4

type cluster struct {
	t    *testing.T
	cfg  kafka.Config
	fake *kfake.Cluster
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	c := &cluster{t, kafka.Config{Brokers: k.ListenAddrs()}, k}
	c.createTopics()
	return c
}

func (c *cluster) admin() *kadm.Client {
	adm, stop, err := kafka.NewAdmin(c.cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(stop)
	return adm
}

func (c *cluster) createTopics() {
	c.t.Helper()
	adm := c.admin()
	appendTime, compact := "LogAppendTime", "compact"
	create := func(configs map[string]*string, topics ...string) {
		rs, err := adm.CreateTopics(c.t.Context(), partitions, 1, configs, topics...)
		if err == nil {
			err = rs.Error()
		}
		if err != nil {
			c.t.Fatal(err)
		}
	}
	create(map[string]*string{"message.timestamp.type": &appendTime}, "in")
	create(nil, "mid", "out", "dead")
	create(map[string]*string{"cleanup.policy": &compact},
		stream.ChangelogTopic("count", "engine"), stream.ChangelogTopic("count", "totals"))
}

func (c *cluster) produce(topic string, keys ...string) {
	c.t.Helper()
	if err := c.tryProduce(topic, keys...); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) tryProduce(topic string, keys ...string) error {
	// A broker may not know at once what was created a moment ago.
	p, err := kafka.NewProducer(c.cfg, kgo.UnknownTopicRetries(-1))
	if err != nil {
		return err
	}
	defer p.Close()
	var recs []*kgo.Record
	for _, k := range keys {
		recs = append(recs, &kgo.Record{Topic: topic, Key: []byte(k), Value: []byte(k)})
	}
	return p.ProduceSync(c.t.Context(), recs...).FirstErr()
}

// read follows a topic and calls f for every committed record until it
// returns false or the test's patience ends.
func (c *cluster) read(topic string, f func(*kgo.Record) bool) {
	c.t.Helper()
	cl, err := kafka.NewConsumer(c.cfg, kgo.ConsumeTopics(topic))
	if err != nil {
		c.t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(c.t.Context(), 60*time.Second)
	defer cancel()
	for more := true; more; {
		fs := cl.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			c.t.Fatalf("reading %s: %v", topic, err)
		}
		fs.EachRecord(func(r *kgo.Record) { more = more && f(r) })
	}
}

func (c *cluster) start(stage stream.Stage, id string, dir string) (w *stream.Worker, stop func()) {
	c.t.Helper()
	return c.startWorker(stream.WorkerConfig{Stage: stage, TransactionalID: id, StateDir: dir})
}

// startWorker runs a worker until stop, or the end of the test.
func (c *cluster) startWorker(cfg stream.WorkerConfig) (w *stream.Worker, stop func()) {
	c.t.Helper()
	cfg.Kafka, cfg.CommitInterval = c.cfg, 20*time.Millisecond
	w, err := stream.NewWorker(cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			c.t.Errorf("worker %s: %v", cfg.TransactionalID, err)
		}
	})
	c.t.Cleanup(stop)
	return w, stop
}

type splitTask struct{}

func (splitTask) Process(ctx stream.Context, rec *kgo.Record) error {
	ctx.Produce(&kgo.Record{Topic: "mid", Key: rec.Key, Value: rec.Value})
	return nil
}
func (splitTask) Timer(stream.Context, []byte, time.Time) error { return nil }
func (splitTask) Flush(stream.Context) error                    { return nil }

func splitStage() stream.Stage {
	return stream.Stage{Name: "split", Input: "in", Root: true, FrontierTo: []string{"mid"},
		NewTask: func(int32) (stream.Task, error) { return splitTask{}, nil }}
}

type countTask struct {
	fail  func(*kgo.Record) error
	dirty map[string]uint64
}

func (c *countTask) Process(ctx stream.Context, rec *kgo.Record) error {
	key := string(rec.Key)
	if _, ok := c.dirty[key]; !ok {
		v, err := ctx.Store("totals").Get(rec.Key)
		if err != nil {
			return err
		}
		if v != nil {
			c.dirty[key] = binary.BigEndian.Uint64(v)
		}
		if v == nil {
			ctx.SetTimer(rec.Key, time.Now())
		}
	}
	c.dirty[key]++
	if c.fail != nil {
		return c.fail(rec)
	}
	return nil
}

func (c *countTask) Timer(ctx stream.Context, key []byte, _ time.Time) error {
	ctx.Produce(&kgo.Record{Topic: "out", Key: key, Value: []byte("timer")})
	return nil
}

func (c *countTask) Flush(ctx stream.Context) error {
	for _, key := range slices.Sorted(maps.Keys(c.dirty)) {
		v := binary.BigEndian.AppendUint64(nil, c.dirty[key])
		ctx.Store("totals").Put([]byte(key), v)
		ctx.ProduceTo(&kgo.Record{Topic: "out", Key: []byte(key), Value: v}, ctx.Partition())
	}
	clear(c.dirty)
	return nil
}

func countStage(fail func(*kgo.Record) error) stream.Stage {
	return stream.Stage{Name: "count", Input: "mid", Stores: []string{"totals"}, DeadLetter: "dead",
		NewTask: func(int32) (stream.Task, error) { return &countTask{fail: fail, dirty: map[string]uint64{}}, nil }}
}

// totals follows out until each key has the total, and fails on any total that
// goes back or a timer that fires twice.
func (c *cluster) totals(want map[string]uint64) {
	c.t.Helper()
	got, timers := map[string]uint64{}, map[string]int{}
	c.read("out", func(r *kgo.Record) bool {
		key := string(r.Key)
		if string(r.Value) == "timer" {
			if timers[key]++; timers[key] > 1 {
				c.t.Fatalf("the timer of %s fired %d times", key, timers[key])
			}
		} else {
			n := binary.BigEndian.Uint64(r.Value)
			if n <= got[key] || n > want[key] {
				c.t.Fatalf("%s counts %d after %d, the end is %d", key, n, got[key], want[key])
			}
			got[key] = n
		}
		return !maps.Equal(got, want) || len(timers) < len(want)
	})
}

func keys(n, of int) (list []string, want map[string]uint64) {
	want = map[string]uint64{}
	for i := range n {
		k := fmt.Sprintf("key-%d", i%of)
		list = append(list, k)
		want[k]++
	}
	return list, want
}

func TestCountsAndTimers(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"", t.TempDir()} {
		c := newCluster(t)
		c.start(splitStage(), "split", "")
		c.start(countStage(nil), "count", dir)
		list, want := keys(5000, 100)
		c.produce("in", list...)
		c.totals(want)
	}
}

// Work goes on where the worker before stopped, from its state on disk, from
// another machine's empty disk, and from memory.
func TestRestartRestoresState(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.start(splitStage(), "split", "")
	list, want := keys(1000, 50)
	dir := t.TempDir()
	for round, d := range []string{dir, dir, t.TempDir(), "", dir} {
		_, stop := c.start(countStage(nil), "count", d)
		c.produce("in", list...)
		total := map[string]uint64{}
		for k, n := range want {
			total[k] = n * uint64(round+1)
		}
		c.totals(total)
		stop()
	}
}

func TestTransientErrorIsRetried(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	var failures atomic.Int32
	c.start(splitStage(), "split", "")
	c.start(countStage(func(r *kgo.Record) error {
		if string(r.Key) == "key-7" && failures.Add(1) <= 3 {
			return errors.New("not now")
		}
		return nil
	}), "count", "")
	list, want := keys(500, 20)
	c.produce("in", list...)
	c.totals(want)
}

func TestPoisonGoesToDeadLetters(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.start(splitStage(), "split", "")
	c.start(countStage(func(r *kgo.Record) error {
		if string(r.Key) == "poison" {
			return stream.Permanent(errors.New("unreadable"))
		}
		return nil
	}), "count", "")
	list, want := keys(500, 20)
	c.produce("in", slices.Insert(list, 250, "poison")...)
	c.totals(want)
	c.read("dead", func(r *kgo.Record) bool {
		if string(r.Key) != "poison" {
			t.Errorf("dead letter of %s", r.Key)
		}
		headers := map[string]string{}
		for _, h := range r.Headers {
			headers[h.Key] = string(h.Value)
		}
		if headers["posthorn-stage"] != "count" || headers["posthorn-topic"] != "mid" || headers["posthorn-cause"] == "" {
			t.Errorf("headers %v", headers)
		}
		return false
	})
}

// Workers come and go under load; every total is still told once.
func TestRescaling(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.start(splitStage(), "split", "")
	list, want := keys(20000, 200)
	_, stop1 := c.start(countStage(nil), "count-1", t.TempDir())
	c.produce("in", list[:5000]...)
	_, stop2 := c.start(countStage(nil), "count-2", t.TempDir())
	c.produce("in", list[5000:10000]...)
	stop1()
	c.produce("in", list[10000:15000]...)
	c.start(countStage(nil), "count-3", t.TempDir())
	c.produce("in", list[15000:]...)
	stop2()
	c.totals(want)
}

type passing struct{}

func (passing) Error() string   { return "away" }
func (passing) Temporary() bool { return true }

func TestPermanentErrors(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{errors.New("x"), false},
		{stream.Permanent(errors.New("x")), true},
		{fmt.Errorf("processing: %w", stream.Permanent(errors.New("x"))), true},
		{stream.Permanent(fmt.Errorf("decoding: %w", passing{})), false},
	} {
		if got := stream.IsPermanent(tt.err); got != tt.want {
			t.Errorf("IsPermanent(%v) = %t, want %t", tt.err, got, tt.want)
		}
	}
}
