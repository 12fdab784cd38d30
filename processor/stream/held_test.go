package stream_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/posthorn/posthorn/processor/stream"
)

// A root whose frontier is held fires no timer, however long nothing comes; and
// fires them once it is let go.
func TestHeldRootFiresNoTimer(t *testing.T) {
	t.Parallel()
	y := newTally(t, brokersOf["kfake"](t))
	var until atomic.Int64
	var unknown atomic.Bool
	unknown.Store(true)
	stage := tallyStage(y.name, time.Second)
	stage.Hold = func() (int64, bool) { return until.Load(), !unknown.Load() }
	w, _ := y.startWorker(stream.WorkerConfig{Stage: stage, TransactionalID: "held"})
	y.produce(y.in(), "only")
	await(t, "the record is counted", func() bool { return len(y.records(y.out())) == 1 })
	still := func(what string, frontier time.Time) {
		t.Helper()
		// A stage that is not held would have fired by then.
		for began := time.Now(); time.Since(began) < 3*time.Second; time.Sleep(100 * time.Millisecond) {
			if n := len(y.records(y.out())); n != 1 {
				t.Fatalf("%s: %d records", what, n)
			}
			if f := w.Status().Frontier; f.After(frontier) {
				t.Fatalf("%s: the frontier is at %s", what, f)
			}
		}
	}
	still("unknown", time.Time{})
	at := time.Now().Add(-time.Hour)
	until.Store(at.UnixMicro())
	unknown.Store(false)
	await(t, "the frontier is where it is held", func() bool { return w.Status().Frontier.Equal(time.UnixMicro(at.UnixMicro())) })
	still("held", at)
	until.Store(time.Now().Add(time.Hour).UnixMicro())
	y.check(map[string]uint64{"only": 1})
}
