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
// tells how many have fired in each transaction.
type alarmTask struct {
	t     *testing.T
	fired int
	last  time.Time // when the last one was due
}

func (a *alarmTask) Process(ctx stream.Context, rec *kgo.Record) error {
	seconds, err := strconv.ParseInt(string(rec.Value), 10, 64)
	if err == nil {
		ctx.SetTimer(rec.Key, time.Unix(seconds, 0))
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
	if a.fired > 0 {
		ctx.Produce(&kgo.Record{Topic: "out", Value: []byte(strconv.Itoa(a.fired))})
	}
	a.fired = 0
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
	marker := binary.AppendUvarint([]byte{1, 1, 0}, uint64(time.Unix(1000+timers, 0).UnixMicro()))
	for part := range int32(partitions) {
		p.Produce(t.Context(), &kgo.Record{Topic: "mid", Partition: part, Value: marker, Headers: []kgo.RecordHeader{{Key: "posthorn-frontier"}}}, nil)
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	stage := stream.Stage{Name: "count", Input: "mid", Stores: []string{"totals"},
		NewTask: func(int32) (stream.Task, error) { return &alarmTask{t: t}, nil }}
	c.start(stage, "alarm", "")
	sum, transactions := 0, 0
	c.read("out", func(r *kgo.Record) bool {
		n, err := strconv.Atoi(string(r.Value))
		if err != nil || n > most+together {
			t.Errorf("%q timers in a transaction", r.Value)
		}
		transactions++
		sum += n
		return sum < timers
	})
	if sum != timers || transactions < 3 {
		t.Errorf("%d timers in %d transactions", sum, transactions)
	}
}
