package stream_test

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/stream"
)

// Code of a task that does not return makes the stage unready, and the status
// says where; once it returns the stage is ready, and nothing was lost.
func TestStuckTaskIsToldOf(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.start(splitStage(), "split", "")
	release := make(chan struct{})
	w, _ := c.startWorker(stream.WorkerConfig{
		Stage: countStage(func(r *kgo.Record) error {
			if string(r.Key) == "slow" {
				<-release
			}
			return nil
		}),
		TransactionalID: "count", StuckAfter: time.Second,
	})
	c.produce("in", "quick", "slow")
	await(t, "the status to say so", func() bool {
		s := w.Status()
		return !s.Ready && strings.Contains(s.Detail, "stuck") && strings.Contains(s.Detail, "processing mid partition")
	})
	close(release)
	c.totals(map[string]uint64{"quick": 1, "slow": 1})
	await(t, "the stage to be ready", func() bool { return w.Status().Ready })
}

// The status tells of every task, and what it waits for.
func TestStatusOfTasks(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.start(splitStage(), "split", "")
	w, _ := c.start(countStage(nil), "count", t.TempDir())
	list, want := keys(1000, 50)
	c.produce("in", list...)
	c.totals(want)
	await(t, "all tasks without a lag", func() bool {
		s := w.Status()
		return s.Ready && len(s.Tasks) == partitions && s.Lag == 0 && !s.Frontier.IsZero()
	})
	for i, task := range w.Status().Tasks {
		if task.Partition != int32(i) || task.Restoring || task.Position == 0 {
			t.Errorf("task %d: %+v", i, task)
		}
	}
}
