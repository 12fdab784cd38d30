package stream_test

import (
	"context"
	"encoding/binary"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthorn/posthorn/processor/stream"
)

// A crash after the commit and before the local write leaves the state behind
// its changelog, by any number of transactions.
func TestStateBehindItsChangelog(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.start(splitStage(), "split", "")
	dir := t.TempDir()
	list, want := keys(1000, 50)
	_, stop := c.start(countStage(nil), "count", dir)
	c.produce("in", list...)
	c.totals(want)
	stop()
	old := filepath.Join(t.TempDir(), "old")
	if err := os.CopyFS(old, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	_, stop = c.start(countStage(nil), "count", dir)
	c.produce("in", list...)
	for k := range want {
		want[k] *= 2
	}
	c.totals(want)
	stop()

	c.start(countStage(nil), "count", old)
	c.produce("in", list...)
	for k := range want {
		want[k] = want[k] / 2 * 3
	}
	c.totals(want)
}

// A changelog that was deleted and created again is another topic: what the
// disk holds of the old one must not be mixed with it.
func TestStateOfAnotherChangelogIsSetAside(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.start(splitStage(), "split", "")
	dir := t.TempDir()
	_, stop := c.start(countStage(nil), "count", dir)
	c.produce("in", "a", "a", "a")
	c.totals(map[string]uint64{"a": 3})
	stop()

	adm := c.admin()
	changelogs := []string{stream.ChangelogTopic("count", "totals"), stream.ChangelogTopic("count", "engine")}
	if _, err := adm.DeleteTopics(t.Context(), changelogs...); err != nil {
		t.Fatal(err)
	}
	if rs, err := adm.CreateTopics(t.Context(), partitions, 1, nil, changelogs...); err != nil || rs.Error() != nil {
		t.Fatal(err, rs.Error())
	}
	c.start(countStage(nil), "count", dir)
	c.produce("in", "a")
	var last uint64
	c.read("out", func(r *kgo.Record) bool {
		if len(r.Value) == 8 {
			n := binary.BigEndian.Uint64(r.Value)
			if n == 4 {
				t.Fatal("the total goes on from state of the deleted changelog")
			}
			restarted := last == 3 && n == 1
			last = n
			return !restarted
		}
		return true
	})
}

// The group may assign partitions while the worker still waits for its
// predecessor to be fenced: its state is not judged before it knows the topics.
func TestStateIsKeptWhenFencingIsSlow(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.start(splitStage(), "split", "")
	dir := t.TempDir()
	list, want := keys(1000, 50)
	_, stop := c.start(countStage(nil), "count", dir)
	c.produce("in", list...)
	c.totals(want)
	stop()

	c.fake.ControlKey(int16(kmsg.InitProducerID), func(req kmsg.Request) (kmsg.Response, error, bool) {
		if id := req.(*kmsg.InitProducerIDRequest).TransactionalID; id != nil && *id == "count" {
			c.fake.SleepControl(func() { time.Sleep(time.Second) }) // a slow broker
		}
		return nil, nil, false
	})
	var log lockedBuffer
	w, err := stream.NewWorker(stream.WorkerConfig{
		Stage: countStage(nil), Kafka: c.cfg, StateDir: dir, CommitInterval: 20 * time.Millisecond, TransactionalID: "count",
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	c.produce("in", list...)
	for k := range want {
		want[k] *= 2
	}
	c.totals(want)
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if strings.Contains(log.String(), "set aside") {
		t.Errorf("good state was thrown away:\n%s", log.String())
	}
}

// lockedBuffer takes a log from several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// blockingTask counts like countTask; its timer waits until it is let go.
type blockingTask struct {
	countTask
	entered func()
	release <-chan struct{}
}

func (b *blockingTask) Timer(ctx stream.Context, key []byte, due time.Time) error {
	b.entered()
	<-b.release
	return b.countTask.Timer(ctx, key, due)
}

// A worker that stood still with a due timer, while another took its tasks
// over, must not write when it wakes up: totals fails on a second firing.
func TestZombieWithADueTimerIsFenced(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.start(splitStage(), "split", "")
	release := make(chan struct{})
	entered := make(chan struct{})
	var once sync.Once
	zombie := stream.Stage{Name: "count", Input: "mid", Stores: []string{"totals"}, NewTask: func(int32) (stream.Task, error) {
		return &blockingTask{countTask{dirty: map[string]uint64{}}, func() { once.Do(func() { close(entered) }) }, release}, nil
	}}
	c.startWorker(stream.WorkerConfig{Stage: zombie, TransactionalID: "zombie", InstanceID: "same"})
	list, want := keys(200, 20)
	c.produce("in", list...)
	<-entered

	c.startWorker(stream.WorkerConfig{Stage: countStage(nil), TransactionalID: "young", InstanceID: "same"})
	c.totals(want)
	close(release)
	c.produce("in", list...)
	for k := range want {
		want[k] *= 2
	}
	c.totals(want)
}

// The frontier is the minimum over the tasks of the stage before: while they
// are down it stands, and no timer fires falsely.
func TestFrontierWaitsForEveryUpstreamTask(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	_, stopSplit := c.start(splitStage(), "split", "")
	w, _ := c.start(countStage(nil), "count", "")
	c.produce("in", "a")
	c.totals(map[string]uint64{"a": 1})
	stopSplit()

	// With the stage before it down, the frontier stands however much time
	// passes: it is still when it has not moved for a second.
	stood, since := w.Status().Frontier, time.Now()
	for tick := time.Tick(50 * time.Millisecond); time.Since(since) < time.Second; <-tick {
		if f := w.Status().Frontier; !f.Equal(stood) {
			stood, since = f, time.Now()
		}
	}
	if behind := time.Since(stood); behind < time.Second {
		t.Errorf("the frontier is %v behind while the stage before is down", behind)
	}
	c.start(splitStage(), "split", "")
	for deadline, tick := time.Now().Add(30*time.Second), time.Tick(20*time.Millisecond); !w.Status().Frontier.After(stood); <-tick {
		if time.Now().After(deadline) {
			t.Fatal("the frontier never moved again")
		}
	}
}

// A worker that is told to stop completes the transaction that is open: what
// its task aggregated, its changelogs and the offsets go together.
func TestStopInTheMiddle(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.start(splitStage(), "split", "")
	list, want := keys(30_000, 100)
	dir := t.TempDir()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for chunk := range slices.Chunk(list, 100) {
			if err := c.tryProduce("in", chunk...); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for running := true; running; {
		w, stop := c.start(countStage(nil), "count", dir)
		for tick := time.Tick(time.Millisecond); running && w.Status().Commits < 3; <-tick {
			select {
			case <-done:
				running = false
			default:
			}
		}
		stop()
	}
	c.start(countStage(nil), "count", dir)
	c.totals(want)
}
