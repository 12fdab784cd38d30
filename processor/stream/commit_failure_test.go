package stream_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthorn/posthorn/processor/stream"
)

// onCommit calls f in place of the broker for every commit of a transactional
// id but those that f makes itself.
func (c *cluster) onCommit(id string, f func(req *kmsg.EndTxnRequest) (kmsg.Response, error, bool)) {
	c.fake.ControlKey(int16(kmsg.EndTxn), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.fake.KeepControl()
		end := req.(*kmsg.EndTxnRequest)
		if !end.Commit || end.TransactionalID != id {
			return nil, nil, false
		}
		return f(end)
	})
}

// Whatever becomes of the answer to a commit, a transaction counts once.
func TestAnswerToEndTxnLost(t *testing.T) {
	for _, happened := range []bool{true, false} {
		for answer, code := range map[string]*kerr.Error{"disconnect": nil, "unknown": kerr.UnknownServerError, "fenced": kerr.ProducerFenced} {
			t.Run(fmt.Sprintf("happened=%t/%s", happened, answer), func(t *testing.T) {
				t.Parallel()
				c := newCluster(t)
				c.start(splitStage(), "split", "")
				other, err := kgo.NewClient(kgo.SeedBrokers(c.cfg.Brokers...), kgo.ClientID("other"))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(other.Close)
				var commits, lost atomic.Int32
				var within atomic.Bool
				c.onCommit("count", func(req *kmsg.EndTxnRequest) (kmsg.Response, error, bool) {
					if within.Load() || commits.Add(1)%5 != 3 || lost.Load() >= 5 {
						return nil, nil, false
					}
					lost.Add(1)
					if happened {
						within.Store(true)
						c.fake.SleepControl(func() {
							defer within.Store(false)
							copied := *req
							if resp, err := copied.RequestWith(context.Background(), other); err != nil || resp.ErrorCode != 0 {
								t.Errorf("ending in its place: %v, %v", resp, err)
							}
						})
					}
					if code == nil {
						return nil, errors.New("connection lost"), true
					}
					resp := req.ResponseKind().(*kmsg.EndTxnResponse)
					resp.ErrorCode = code.Code
					return resp, nil, true
				})
				c.start(countStage(nil), "count", t.TempDir())
				list, want := keys(2000, 50)
				total := uint64(0)
				for total = 0; lost.Load() < 5; total++ {
					c.produce("in", list...)
				}
				c.totals(times(want, total))
			})
		}
	}
}

// The leaders of all partitions, and the coordinators, move about while
// transactions are ended.
func TestLeaderMovesWhileATransactionEnds(t *testing.T) {
	t.Parallel()
	c := newClusterOf(t, 3)
	c.start(splitStage(), "split", "")
	moves := make(chan struct{}, 1)
	var commits, moved atomic.Int32
	c.onCommit("count", func(*kmsg.EndTxnRequest) (kmsg.Response, error, bool) {
		if commits.Add(1)%4 == 0 {
			select {
			case moves <- struct{}{}:
			default:
			}
		}
		return nil, nil, false
	})
	ctx, cancel := context.WithCancel(t.Context())
	var mover sync.WaitGroup
	mover.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-moves:
				c.fake.ShufflePartitionLeaders()
				c.fake.RehashCoordinators()
				moved.Add(1)
			}
		}
	})
	defer mover.Wait()
	defer cancel()
	c.start(countStage(nil), "count", t.TempDir())
	list, want := keys(1000, 50)
	total := uint64(0)
	for total = 0; moved.Load() < 10; total++ {
		c.produce("in", list...)
	}
	c.totals(times(want, total))
}

// A partition goes to another member between a poll and the commit of what it
// brought, with more of it in the client's buffer.
func TestRebalanceBetweenPollAndCommit(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.start(splitStage(), "split", "")
	met, release := make(chan struct{}), make(chan struct{})
	var seen atomic.Int32
	c.start(countStage(func(*kgo.Record) error {
		if seen.Add(1) == 100 {
			close(met)
			<-release
		}
		return nil
	}), "count-1", t.TempDir())
	list, want := keys(20_000, 100)
	c.produce("in", list...)
	<-met
	w, _ := c.start(countStage(nil), "count-2", t.TempDir())
	await(t, "the second worker's share", func() bool { return len(w.Status().Tasks) >= partitions/2 })
	close(release)
	c.totals(want)
}

// A worker that stood still with records in hand, while another took its tasks
// over, must not write when it wakes up.
func TestZombieWithInputIsFenced(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.start(splitStage(), "split", "")
	met, release := make(chan struct{}), make(chan struct{})
	var seen atomic.Int32
	zombie, _ := c.startWorker(stream.WorkerConfig{Stage: countStage(func(*kgo.Record) error {
		if seen.Add(1) == 100 {
			close(met)
			<-release
		}
		return nil
	}), TransactionalID: "zombie", InstanceID: "same"})
	list, want := keys(2000, 50)
	c.produce("in", list...)
	<-met
	c.startWorker(stream.WorkerConfig{Stage: countStage(nil), TransactionalID: "young", InstanceID: "same"})
	c.totals(want)
	close(release)
	await(t, "the zombie to notice", func() bool { return zombie.Status().LastError != "" })
	c.produce("in", list...)
	c.totals(times(want, 2))
}
