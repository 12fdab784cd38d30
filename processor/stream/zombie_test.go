package stream_test

import (
	"fmt"
	"maps"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/posthorn/posthorn/processor/stream"
)

// A process stands still (SIGSTOP), another takes its tasks over, and it wakes
// up (SIGCONT) in the belief that nothing happened: with input pending, or with
// nothing but timers that are due. What it writes then must not count.
func TestStoppedProcessWakesUpFenced(t *testing.T) {
	for name, tt := range map[string]struct {
		instance string // same for both: taken over at once; else after the session timeout
		timers   bool
	}{
		"input, taken over at once":                {"same", false},
		"due timers, taken over at once":           {"same", true},
		"input, taken over after session timeout":  {"", false},
		"timers, taken over after session timeout": {"", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			y := newTally(t, brokersOf["kafka"](t))
			delay := time.Duration(0)
			if tt.timers {
				delay = 6 * time.Second
			}
			var log lockedBuffer
			zombie := process(t, y.cfg.Brokers, &log, envName+"="+y.name, envDelay+"="+delay.String(),
				envID+"=zombie-"+y.name, envStatic+"="+tt.instance, envDir+"="+t.TempDir())
			want := map[string]uint64{"first": 1}
			y.produce(y.in(), "first")
			await(t, "the process to commit", func() bool { return len(y.records(y.out())) > 0 })
			stopLoad := func() map[string]uint64 { return nil }
			if tt.timers {
				for i := range 20 {
					key := fmt.Sprint("key-", i)
					want[key] = 1
					y.produce(y.in(), key)
				}
				await(t, "all input to be processed", func() bool { return len(y.records(y.out())) >= len(want) })
			} else {
				stopLoad = y.load()
				await(t, "the process to commit", func() bool { return len(y.records(y.out())) > 100 })
			}
			if err := zombie.Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			stood := len(y.records(y.out()))
			if tt.timers && stood > len(want)+1 {
				t.Fatalf("timers fired before the process stood still: %d outputs", stood)
			}
			y.startWorker(stream.WorkerConfig{
				Stage: tallyStage(y.name, delay), TransactionalID: "young-" + y.name, InstanceID: tt.instance, StateDir: t.TempDir(),
			})
			await(t, "the other to go on", func() bool { return len(y.records(y.out())) > stood })
			if err := zombie.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			if tt.instance != "" {
				await(t, "the process to notice", func() bool { return strings.Contains(log.String(), "session failed") })
				_ = zombie.Process.Kill() // or the two fence each other in turn
				_ = zombie.Wait()
			}
			maps.Copy(want, stopLoad())
			y.check(want)
		})
	}
}
