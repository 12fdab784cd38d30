package stream_test

import (
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/stream"
)

// An abort sets the frontier back with the input, whatever the time of writing
// of the records: what will be processed again is not yet seen.
func TestAbortSetsTheFrontierBack(t *testing.T) {
	c := newCluster(t)
	stamp := func(ctx stream.Context, rec *kgo.Record) error {
		ctx.Produce(&kgo.Record{Topic: "mid", Key: rec.Key, Timestamp: rec.Timestamp.Add(time.Hour), Value: binary.BigEndian.AppendUint64(nil, uint64(rec.Timestamp.UnixMicro()))})
		return nil
	}
	split := splitStage()
	split.NewTask = func(int32) (stream.Task, error) { return &funcTask{process: stamp}, nil }
	c.start(split, "split", "")

	var second, passed, violated atomic.Bool
	first, done := make(chan struct{}), make(chan struct{})
	begin := sync.OnceFunc(func() { close(first) })
	stage := stream.Stage{Name: "count", Input: "mid", Stores: []string{"totals"}, NewTask: func(int32) (stream.Task, error) {
		var arrived time.Time // of the record in the open transaction
		return &funcTask{
			process: func(ctx stream.Context, rec *kgo.Record) error {
				arrived = time.UnixMicro(int64(binary.BigEndian.Uint64(rec.Value)))
				if ctx.Frontier().After(arrived) {
					violated.Store(true)
				}
				return nil
			},
			flush: func(ctx stream.Context) error {
				switch {
				case arrived.IsZero():
				case !second.Load():
					ctx.AfterCommit(begin)
					arrived = time.Time{}
				case !ctx.Frontier().After(arrived):
					return errors.New("the frontier has not passed the record yet")
				case !passed.Swap(true):
					return errors.New("now it has")
				default:
					close(done)
					arrived = time.Time{}
				}
				return nil
			},
		}, nil
	}}
	c.start(stage, "count", "")
	c.produce("in", "a")
	wait := func(committed <-chan struct{}) {
		select {
		case <-committed:
		case <-time.After(30 * time.Second):
			t.Fatal("the transaction was never committed")
		}
	}
	wait(first)
	second.Store(true)
	c.produce("in", "a")
	wait(done)
	if violated.Load() {
		t.Error("a record was processed again with the frontier beyond its arrival")
	}
}

type funcTask struct {
	process func(stream.Context, *kgo.Record) error
	flush   func(stream.Context) error
}

func (f *funcTask) Process(ctx stream.Context, rec *kgo.Record) error { return f.process(ctx, rec) }
func (f *funcTask) Timer(stream.Context, []byte, time.Time) error     { return nil }
func (f *funcTask) Flush(ctx stream.Context) error {
	if f.flush == nil {
		return nil
	}
	return f.flush(ctx)
}
