package stream_test

import (
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/posthorn/posthorn/processor/stream"
)

// A machine whose clock jumps by an hour, and back, fires no timer early and
// keeps its state.
func TestClockJump(t *testing.T) {
	for name, jump := range map[string]time.Duration{"forward": time.Hour, "back": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			y := newTally(t, brokersOf["kfake"](t))
			var offset atomic.Int64
			var log lockedBuffer
			cfg := stream.WorkerConfig{
				Stage: tallyStage(y.name, 30*time.Minute), TransactionalID: "clock", StateDir: t.TempDir(),
				Clock:  func() time.Time { return time.Now().Add(time.Duration(offset.Load())) },
				Logger: slog.New(slog.NewTextHandler(&log, nil)),
			}
			want := map[string]uint64{}
			produced := 0
			// Before the jump, after it, and with the clock set right again; each
			// in a life of its own, and once more within it.
			for _, to := range []time.Duration{0, jump, 0} {
				offset.Store(int64(to))
				cfg.Registerer = prometheus.NewRegistry()
				w, stop := y.startWorker(cfg)
				for _, within := range []time.Duration{to, jump, to} {
					offset.Store(int64(within))
					y.produce(y.in(), "a", "b", "c", "d", "e")
					for _, key := range []string{"a", "b", "c", "d", "e"} {
						want[key]++
					}
					produced += 5
					await(t, "the outputs", func() bool { return len(y.records(y.out())) >= produced })
					moved := w.Status().Frontier
					await(t, "the frontier to move", func() bool { return w.Status().Frontier.After(moved) })
				}
				stop()
			}
			for _, r := range y.records(y.out()) {
				if string(r.Value) == "timer" {
					t.Fatalf("the timer of %s fired half an hour early", r.Key)
				}
			}
			if strings.Contains(log.String(), "set aside") {
				t.Errorf("good state was thrown away:\n%s", &log)
			}
		})
	}
}
