package stream_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthorn/posthorn/processor/stream"
)

// floodTask answers a record with more than the client buffers.
type floodTask struct{ splitTask }

const flood = 120_000

func (floodTask) Process(ctx stream.Context, _ *kgo.Record) error {
	for i := range int32(flood) {
		ctx.ProduceTo(&kgo.Record{Topic: "out", Value: []byte("x")}, i%partitions)
	}
	return nil
}

// The broker is gone while the producer's buffer fills. The worker stops in
// bounded time all the same, and what it did is done again.
func TestBrokerGoneWithAFullProducerBuffer(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	var down atomic.Bool
	var attempts atomic.Int32
	down.Store(true)
	c.fake.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.fake.KeepControl()
		if id := req.(*kmsg.ProduceRequest).TransactionID; id == nil || !down.Load() {
			return nil, nil, false
		}
		attempts.Add(1)
		return nil, errors.New("gone"), true
	})
	stage := stream.Stage{Name: "count", Input: "mid", NewTask: func(int32) (stream.Task, error) { return floodTask{}, nil }}
	_, stop := c.start(stage, "flood", "")
	c.produce("mid", "a")
	await(t, "attempts to produce", func() bool { return attempts.Load() > 0 })
	began := time.Now()
	stop()
	if d := time.Since(began); d > 30*time.Second {
		t.Errorf("stopping took %v", d)
	}
	down.Store(false)
	c.start(stage, "flood", "")
	await(t, "the records", func() bool { return len(c.records("out")) > 0 })
	if n := len(c.records("out")); n != flood {
		t.Errorf("%d records, want %d", n, flood)
	}
}
