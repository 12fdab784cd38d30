package stream_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/internal/testkafka"
	"github.com/posthorn/posthorn/processor/stream"
)

// tally is a stage that numbers the records of each key and fires one timer a
// key, with names of its own: for brokers that tests share.
type tally struct {
	*cluster
	name string
}

func (y *tally) in() string  { return y.name + "-in" }
func (y *tally) out() string { return y.name + "-out" }

type tallyTask struct {
	splitTask
	out   string
	delay time.Duration // of timers, from a key's first record
}

func (y tallyTask) Process(ctx stream.Context, rec *kgo.Record) error {
	s := ctx.Store("n")
	old, err := s.Get(rec.Key)
	if err != nil {
		return err
	}
	n := uint64(1)
	if old != nil {
		n += binary.BigEndian.Uint64(old)
	} else {
		ctx.SetTimer(rec.Key, rec.Timestamp.Add(y.delay))
	}
	v := binary.BigEndian.AppendUint64(nil, n)
	s.Put(rec.Key, v)
	ctx.ProduceTo(&kgo.Record{Topic: y.out, Key: rec.Key, Value: v}, ctx.Partition())
	return nil
}

func (y tallyTask) Timer(ctx stream.Context, key []byte, _ time.Time) error {
	ctx.ProduceTo(&kgo.Record{Topic: y.out, Key: key, Value: []byte("timer")}, ctx.Partition())
	return nil
}

func tallyStage(name string, delay time.Duration) stream.Stage {
	return stream.Stage{Name: name, Input: name + "-in", Root: true, Stores: []string{"n"},
		NewTask: func(int32) (stream.Task, error) { return tallyTask{out: name + "-out", delay: delay}, nil }}
}

// brokersOf are the kinds of broker that the group tests run on.
var brokersOf = map[string]func(t *testing.T) *cluster{
	"kfake": func(t *testing.T) *cluster {
		k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(time.Second))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(k.Close)
		return &cluster{t, kafka.Config{Brokers: k.ListenAddrs()}, k}
	},
	"kafka": func(t *testing.T) *cluster {
		return &cluster{t, kafka.Config{Brokers: testkafka.Brokers(t)}, nil}
	},
}

func newTally(t *testing.T, c *cluster) *tally {
	t.Helper()
	y := &tally{c, testkafka.Name("tally")}
	appendTime, compact := "LogAppendTime", "compact"
	adm := c.admin()
	for topic, configs := range map[string]map[string]*string{
		y.in(): {"message.timestamp.type": &appendTime}, y.out(): nil,
		stream.ChangelogTopic(y.name, "n"): {"cleanup.policy": &compact}, stream.ChangelogTopic(y.name, "engine"): {"cleanup.policy": &compact},
	} {
		if r, err := adm.CreateTopic(t.Context(), partitions, 1, configs, topic); err != nil || r.Err != nil {
			t.Fatal(err, r.Err)
		}
	}
	return y
}

// check follows the outputs: each key's numbers come in order, each once, and
// its timer once.
func (y *tally) check(want map[string]uint64) {
	y.t.Helper()
	got, timers := map[string]uint64{}, map[string]int{}
	y.read(y.out(), func(r *kgo.Record) bool {
		key := string(r.Key)
		if string(r.Value) == "timer" {
			if timers[key]++; timers[key] > 1 {
				y.t.Fatalf("the timer of %s fired twice", key)
			}
		} else if n := binary.BigEndian.Uint64(r.Value); n != got[key]+1 {
			y.t.Fatalf("%s counts %d after %d", key, n, got[key])
		} else {
			got[key] = n
		}
		return !maps.Equal(got, want) || len(timers) < len(want)
	})
}

// load produces in the background, until stop, which tells what was produced.
func (y *tally) load() (stop func() map[string]uint64) {
	ctx, cancel := context.WithCancel(y.t.Context())
	want := map[string]uint64{}
	var wg sync.WaitGroup
	wg.Go(func() {
		p, err := kafka.NewProducer(y.cfg)
		if err != nil {
			y.t.Error(err)
			return
		}
		defer p.Close()
		for tick := time.Tick(10 * time.Millisecond); ctx.Err() == nil; <-tick {
			var recs []*kgo.Record
			for i := range 50 {
				key := fmt.Sprint("key-", i)
				want[key]++
				recs = append(recs, &kgo.Record{Topic: y.in(), Key: []byte(key), Value: []byte(key)})
			}
			if err := p.ProduceSync(y.t.Context(), recs...).FirstErr(); err != nil {
				y.t.Error(err)
				return
			}
		}
	})
	return func() map[string]uint64 {
		cancel()
		wg.Wait()
		return want
	}
}
