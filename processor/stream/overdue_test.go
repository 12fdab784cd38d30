package stream_test

import (
	"encoding/binary"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/processor/stream"
)

// alarmTask sets a timer for each record, whose value is when it is due, and
// tells how many it has set and how many have fired in each transaction.
type alarmTask struct {
	t          *testing.T
	set, fired int
	last       time.Time // when the last one was due
}

func (a *alarmTask) Process(ctx stream.Context, rec *kgo.Record) error {
	seconds, err := strconv.ParseInt(string(rec.Value), 10, 64)
	if err == nil {
		ctx.SetTimer(rec.Key, time.Unix(seconds, 0))
		a.set++
	}
	return err
}

func (a *alarmTask) Timer(ctx stream.Context, _ []byte, due time.Time) error {
	if due.Before(a.last) || due.After(ctx.Frontier()) {
		a.t.Errorf("timer of %s after that of %s, at the frontier %s", due, a.last, ctx.Frontier())
	}
	a.last = due
	a.fired++
	return nil
}

func (a *alarmTask) Flush(ctx stream.Context) error {
	for what, n := range map[string]*int{"set": &a.set, "fired": &a.fired} {
		if *n > 0 {
			ctx.Produce(&kgo.Record{Topic: "out", Key: []byte(what), Value: []byte(strconv.Itoa(*n))})
		}
		*n = 0
	}
	return nil
}

// After a standstill a great many timers are due. They fire in several
// transactions, and those of one moment in one.
func TestOverdueTimers(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	const timers, together, most = 50_000, 100, 20_000
	p, err := kafka.NewProducer(c.cfg, kgo.UnknownTopicRetries(-1), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for i := range timers {
		p.Produce(t.Context(), &kgo.Record{Topic: "mid", Key: binary.BigEndian.AppendUint32(nil, uint32(i)), Value: []byte(strconv.Itoa(1000 + i/together))}, nil)
	}
	stage := stream.Stage{Name: "count", Input: "mid", Stores: []string{"totals"},
		NewTask: func(int32) (stream.Task, error) { return &alarmTask{t: t}, nil }}
	c.start(stage, "alarm", "")
	set, fired, transactions := 0, 0, 0
	c.read("out", func(r *kgo.Record) bool {
		n, err := strconv.Atoi(string(r.Value))
		if err != nil {
			t.Fatal(err)
		}
		switch string(r.Key) {
		case "set":
			if set += n; set == timers {
				p.Produce(t.Context(), frontierTo("mid", time.Unix(1000+timers, 0)), nil)
			}
		case "fired":
			if n > most+together {
				t.Errorf("%d timers in a transaction", n)
			}
			transactions++
			fired += n
		}
		return fired < timers
	})
	if fired != timers || transactions < 3 {
		t.Errorf("%d timers in %d transactions", fired, transactions)
	}
}

// frontierTo is the marker of the only task of the stage before, to partition 0.
func frontierTo(topic string, frontier time.Time) *kgo.Record {
	return &kgo.Record{Topic: topic, Value: binary.AppendUvarint([]byte{1, 1, 0}, uint64(frontier.UnixMicro())),
		Headers: []kgo.RecordHeader{{Key: "posthorn-frontier"}}}
}
