package kafka_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
)

// scanned is a topic of three partitions, in each four records a minute apart.
func scanned(t *testing.T) (kafka.Config, time.Time) {
	t.Helper()
	cfg := cluster(t, kfake.SeedTopics(3, "t"))
	p, err := kafka.NewProducer(cfg, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RecordDeliveryTimeout(time.Hour)) // the records bear earlier times
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	base := time.Now().Add(-4 * time.Minute).Truncate(time.Millisecond)
	for i := range 12 {
		rec := &kgo.Record{Topic: "t", Partition: int32(i % 3), Timestamp: base.Add(time.Duration(i/3) * time.Minute), Value: fmt.Appendf(nil, "%d", i)}
		if err := p.ProduceSync(timeout(t), rec).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	return cfg, base
}

func values(t *testing.T, cfg kafka.Config, what kafka.Scanned) (list []string) {
	t.Helper()
	err := kafka.Scan(timeout(t), cfg, what, func(rec *kgo.Record) error {
		list = append(list, string(rec.Value))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return list
}

func TestScan(t *testing.T) {
	cfg, base := scanned(t)
	for _, tt := range []struct {
		name string
		what kafka.Scanned
		want []string
	}{
		{"all", kafka.Scanned{Topic: "t"}, []string{"0", "1", "10", "11", "2", "3", "4", "5", "6", "7", "8", "9"}},
		{"some partitions", kafka.Scanned{Topic: "t", Partitions: map[int32]bool{1: true}}, []string{"1", "10", "4", "7"}},
		{"since", kafka.Scanned{Topic: "t", Since: base.Add(3 * time.Minute)}, []string{"10", "11", "9"}},
		{"since the future", kafka.Scanned{Topic: "t", Since: base.Add(time.Hour)}, nil},
	} {
		if got := values(t, cfg, tt.what); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// What is last in a partition may be no record: the end of a transaction, or of one
// that was aborted.
func TestScanEndsWithTransactions(t *testing.T) {
	cfg, _ := scanned(t)
	for i, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
		cl, err := kgo.NewClient(kgo.SeedBrokers(cfg.Brokers...), kgo.TransactionalID(fmt.Sprint(i)), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		if err != nil {
			t.Fatal(err)
		}
		err = cl.BeginTransaction()
		if err == nil {
			err = cl.ProduceSync(timeout(t), &kgo.Record{Topic: "t", Partition: int32(i), Value: []byte("x" + fmt.Sprint(i))}).FirstErr()
		}
		if err = errors.Join(err, cl.EndTransaction(timeout(t), end)); err != nil {
			t.Fatal(err)
		}
		cl.Close()
	}
	if got := values(t, cfg, kafka.Scanned{Topic: "t"}); len(got) != 13 || got[12] != "x0" {
		t.Errorf("%v", got)
	}
}

func TestScanErrors(t *testing.T) {
	cfg, _ := scanned(t)
	n := 0
	err := kafka.Scan(timeout(t), cfg, kafka.Scanned{Topic: "t"}, func(*kgo.Record) error {
		n++
		return kafka.ErrEnough
	})
	if err != nil || n != 1 {
		t.Errorf("%d records, %v", n, err)
	}
	broken := errors.New("broken")
	if err := kafka.Scan(timeout(t), cfg, kafka.Scanned{Topic: "t"}, func(*kgo.Record) error { return broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
	if err := kafka.Scan(timeout(t), cfg, kafka.Scanned{Topic: "nowhere"}, func(*kgo.Record) error { return nil }); err == nil {
		t.Error("a topic that is not there is read")
	}
	if n, err := kafka.Partitions(timeout(t), cfg, "t"); n != 3 || err != nil {
		t.Error(n, err)
	}
	if _, err := kafka.Partitions(timeout(t), cfg, "nowhere"); err == nil {
		t.Error("a topic that is not there has partitions")
	}
}
