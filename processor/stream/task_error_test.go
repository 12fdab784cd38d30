package stream_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthorn/posthorn/processor/stream"
)

func refusePoison(r *kgo.Record) error {
	if strings.HasPrefix(string(r.Key), "poison") {
		return stream.Permanent(errors.New("unreadable"))
	}
	return nil
}

// deadLetters counts the committed dead letters by key.
func (c *cluster) deadLetters() map[string]int {
	c.t.Helper()
	got := map[string]int{}
	for _, r := range c.records("dead") {
		got[string(r.Key)]++
	}
	return got
}

// State written by the records before a poison record, in the transaction that
// it aborts, is written once.
func TestPoisonInTheMiddleOfABatch(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	list, want := keys(400, 20)
	c.produce("in", slices.Insert(list, 200, "poison")...)
	c.start(splitStage(), "split", "")
	w, _ := c.start(countStage(refusePoison), "count", t.TempDir())
	c.totals(want)
	if got := c.deadLetters(); got["poison"] != 1 || len(got) != 1 {
		t.Errorf("dead letters %v", got)
	}
	if s := w.Status(); s.DeadLetters != 1 || !strings.Contains(s.LastError, "unreadable") {
		t.Errorf("status %+v", s)
	}
}

func TestManyPoisonRecordsInOneTransaction(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.start(splitStage(), "split", "")
	list, want := keys(300, 20)
	poison := map[string]int{}
	for i := range 10 {
		key := fmt.Sprintf("poison-%d", i)
		poison[key] = 2
		list = slices.Insert(list, i*30, key)
		list = slices.Insert(list, i*31, key)
	}
	c.produce("in", list...)
	c.start(countStage(refusePoison), "count", "")
	c.totals(want)
	await(t, "the dead letters", func() bool { return len(c.deadLetters()) == len(poison) })
	for key, n := range c.deadLetters() {
		if n != poison[key] {
			t.Errorf("%d dead letters of %s, want %d", n, key, poison[key])
		}
	}
}

// The partition moves while the transaction that met the poison is aborted: who
// does it again meets it itself.
func TestPoisonAcrossARebalance(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.start(splitStage(), "split", "")
	met, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	c.start(countStage(func(r *kgo.Record) error {
		err := refusePoison(r)
		if err != nil {
			once.Do(func() { close(met) })
			<-release
		}
		return err
	}), "count-1", t.TempDir())
	list, want := keys(400, 20)
	var poisoned []string
	for i := range 40 { // in every partition
		poisoned = append(poisoned, fmt.Sprintf("poison-%d", i))
	}
	c.produce("in", slices.Insert(list, 200, poisoned...)...)
	<-met
	w, _ := c.start(countStage(refusePoison), "count-2", t.TempDir())
	await(t, "the second worker's share", func() bool { return len(w.Status().Tasks) >= partitions/2 })
	close(release)
	c.totals(want)
	await(t, "the dead letters", func() bool { return len(c.deadLetters()) == len(poisoned) })
	for key, n := range c.deadLetters() {
		if n != 1 {
			t.Errorf("%d dead letters of %s", n, key)
		}
	}
}

// The broker refuses the dead letter: neither it nor what was processed beside
// it may be lost, or come twice.
func TestDeadLetterWriteFails(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.start(splitStage(), "split", "")
	refused := c.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "dead", Count: 3, Err: kerr.TopicAuthorizationFailed})
	w, _ := c.start(countStage(refusePoison), "count", t.TempDir())
	list, want := keys(400, 20)
	c.produce("in", slices.Insert(list, 200, "poison")...)
	if err := refused.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	await(t, "an error in the status", func() bool { return strings.Contains(w.Status().LastError, "producing to dead") })
	c.totals(want)
	await(t, "the dead letter", func() bool { return w.Status().Ready })
	if got := c.deadLetters(); got["poison"] != 1 || len(got) != 1 {
		t.Errorf("dead letters %v", got)
	}
}

// failingTask counts, and fails where the test says.
type failingTask struct {
	countTask
	timer, flush func() error
}

func (f *failingTask) Timer(ctx stream.Context, key []byte, due time.Time) error {
	if err := f.countTask.Timer(ctx, key, due); err != nil {
		return err
	}
	return f.timer()
}

func (f *failingTask) Flush(ctx stream.Context) error {
	if err := f.countTask.Flush(ctx); err != nil {
		return err
	}
	return f.flush()
}

func failingStage(process func(*kgo.Record) error, timer, flush func() error) stream.Stage {
	s := countStage(nil)
	s.NewTask = func(int32) (stream.Task, error) {
		return &failingTask{countTask{fail: process, dirty: map[string]uint64{}}, timer, flush}, nil
	}
	return s
}

// An error of a timer or of a flush has no record to set aside, and a panic may
// be anyone's fault. Each is told, tried again with pauses, and loses nothing.
func TestErrorsWithoutARecordAreTriedAgain(t *testing.T) {
	for name, fail := range map[string]func() error{
		"permanent": func() error { return stream.Permanent(errors.New("broken")) },
		"panic":     func() error { panic("broken") },
	} {
		for _, where := range []string{"timer", "flush", "process"} {
			if where == "process" && name == "permanent" {
				continue // has a record
			}
			t.Run(name+" in "+where, func(t *testing.T) {
				t.Parallel()
				var left atomic.Int32
				left.Store(3)
				at := func(here string) func() error {
					return func() error {
						if here == where && left.Add(-1) >= 0 {
							return fail()
						}
						return nil
					}
				}
				process := at("process")
				c := newCluster(t)
				c.start(splitStage(), "split", "")
				w, _ := c.start(failingStage(func(*kgo.Record) error { return process() }, at("timer"), at("flush")), "count", t.TempDir())
				list, want := keys(400, 20)
				c.produce("in", list...)
				await(t, "an unready stage", func() bool { s := w.Status(); return !s.Ready && strings.Contains(s.LastError, "broken") })
				if e := w.Status().LastError; name == "panic" && !strings.Contains(e, "task_error_test.go") {
					t.Errorf("no stack in %q", e)
				}
				c.totals(want)
				await(t, "a ready stage", func() bool { return w.Status().Ready })
				if s := w.Status(); s.Aborts < 3 || s.DeadLetters > 0 {
					t.Errorf("status %+v", s)
				}
			})
		}
	}
}

// A task that can't be made is told and tried again too.
func TestPanicInNewTask(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.start(splitStage(), "split", "")
	var made atomic.Int32
	stage := countStage(nil)
	newTask := stage.NewTask
	stage.NewTask = func(p int32) (stream.Task, error) {
		if made.Add(1) <= 2 {
			panic("broken")
		}
		return newTask(p)
	}
	w, _ := c.start(stage, "count", "")
	await(t, "an error", func() bool { return strings.Contains(w.Status().LastError, "broken") })
	list, want := keys(100, 10)
	c.produce("in", list...)
	c.totals(want)
}

// What fails again and again is tried less and less often.
func TestFailuresBackOff(t *testing.T) {
	const window = 3 * time.Second
	for name, stage := range map[string]func(attempt func()) (stream.Stage, func(c *cluster)){
		"transaction": func(attempt func()) (stream.Stage, func(*cluster)) {
			return countStage(func(*kgo.Record) error { attempt(); return errors.New("not now") }), func(c *cluster) { c.produce("mid", "a") }
		},
		"task that can't be made": func(attempt func()) (stream.Stage, func(*cluster)) {
			s := countStage(nil)
			s.NewTask = func(p int32) (stream.Task, error) {
				if p == 0 {
					attempt()
				}
				return nil, errors.New("not now")
			}
			return s, nil
		},
		"produce that is refused": func(attempt func()) (stream.Stage, func(*cluster)) {
			return countStage(func(*kgo.Record) error { attempt(); return nil }), func(c *cluster) {
				c.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "out", Count: -1, Err: kerr.TopicAuthorizationFailed})
				c.produce("mid", "a")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			var attempts atomic.Int32
			s, prepare := stage(func() { attempts.Add(1) })
			if prepare != nil {
				prepare(c)
			}
			c.start(s, "count", "")
			await(t, "an attempt", func() bool { return attempts.Load() > 0 })
			began := time.Now()
			await(t, "some time", func() bool { return time.Since(began) > window })
			// 50 ms, doubled each time and up to a quarter less, leaves room for 8.
			if n := attempts.Load(); n < 2 || n > 8 {
				t.Errorf("%d attempts in %v", n, window)
			}
		})
	}
}

// A stage without a dead letter topic waits at the record, and says so.
func TestPoisonWithoutDeadLetterTopic(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	stage := countStage(refusePoison)
	stage.DeadLetter = ""
	w, _ := c.start(stage, "count", "")
	c.produce("mid", "poison")
	await(t, "an unready stage", func() bool {
		s := w.Status()
		return !s.Ready && strings.Contains(s.LastError, "unreadable") && strings.Contains(s.LastError, "offset 0") && s.Aborts > 1
	})
	if rs := c.records("out"); len(rs) > 0 {
		t.Errorf("%d records of aborted transactions", len(rs))
	}
}

// A task that can't be made holds up no other, and is not passed over.
func TestTaskThatCannotBeMadeHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.start(splitStage(), "split", "")
	var refuse atomic.Bool
	refuse.Store(true)
	stage := countStage(nil)
	newTask := stage.NewTask
	stage.NewTask = func(p int32) (stream.Task, error) {
		if p == 0 && refuse.Load() {
			return nil, errors.New("not yet")
		}
		return newTask(p)
	}
	w, _ := c.start(stage, "count", "")
	list, want := keys(100, 10)
	c.produce("in", list...)
	await(t, "the others to end their work", func() bool {
		s := w.Status()
		left := int64(0)
		for _, task := range s.Tasks {
			left += max(task.Lag, -task.Lag)
		}
		return len(s.Tasks) > 1 && left == 1 && !s.Ready && strings.Contains(s.LastError, "not yet")
	})
	refuse.Store(false)
	c.totals(want)
	await(t, "a ready stage", func() bool { return w.Status().Ready })
}
