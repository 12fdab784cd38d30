package kafka_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/posthorn/posthorn/internal/kafka"
)

func cluster(t *testing.T, opts ...kfake.Opt) kafka.Config {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(3, "in", "out")}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return kafka.Config{Brokers: c.ListenAddrs()}
}

func timeout(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func produce(t *testing.T, cfg kafka.Config, topic string, values ...string) {
	t.Helper()
	p, err := kafka.NewProducer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, v := range values {
		if err := p.ProduceSync(timeout(t), &kgo.Record{Topic: topic, Value: []byte(v)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// committed reads n records of a topic.
func committed(t *testing.T, cfg kafka.Config, topic string, n int) map[string]int {
	t.Helper()
	c, err := kafka.NewConsumer(cfg, kgo.ConsumeTopics(topic))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got := map[string]int{}
	for read := 0; read < n; {
		fs := c.PollFetches(timeout(t))
		if err := fs.Err(); err != nil {
			t.Fatalf("reading %s after %d of %d: %v", topic, read, n, err)
		}
		fs.EachRecord(func(r *kgo.Record) { got[string(r.Value)]++; read++ })
	}
	return got
}

func TestConfigErrors(t *testing.T) {
	if _, err := kafka.NewProducer(kafka.Config{}); err == nil {
		t.Error("a producer without brokers")
	}
	if _, _, err := kafka.NewAdmin(kafka.Config{}); err == nil {
		t.Error("an admin client without brokers")
	}
	cfg := kafka.Config{Brokers: []string{"127.0.0.1:1"}}
	for _, txn := range []kafka.TxnConfig{
		{Topic: "in", TransactionalID: "x"},
		{Group: "g", TransactionalID: "x"},
		{Group: "g", Topic: "in"},
	} {
		if _, err := kafka.NewTransactional(cfg, txn); err == nil {
			t.Errorf("a transactional client of %+v", txn)
		}
	}
}

func TestProducerGivesUpInTime(t *testing.T) {
	p, err := kafka.NewProducer(kafka.Config{Brokers: []string{"127.0.0.1:1"}}, kgo.RecordDeliveryTimeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	start := time.Now()
	if err := p.ProduceSync(t.Context(), &kgo.Record{Topic: "in", Value: []byte("x")}).FirstErr(); err == nil {
		t.Fatal("a produce without a broker succeeded")
	}
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("gave up after %v", d)
	}
}

func TestProducerTakesTheLargestRecord(t *testing.T) {
	cfg := cluster(t, kfake.BrokerConfigs(map[string]string{"message.max.bytes": fmt.Sprint(kafka.MaxRecordBytes)}))
	produce(t, cfg, "in", string(make([]byte, kafka.MaxRecordBytes-1024)))
	committed(t, cfg, "in", 1)
}

func TestConsumerStopsWhereDataIsGone(t *testing.T) {
	cfg := cluster(t)
	c, err := kafka.NewConsumer(cfg, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"in": {0: kgo.NewOffset().At(99)}}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.PollFetches(timeout(t)).Err(); err == nil {
		t.Fatal("an offset out of range was skipped over")
	}
}

func session(t *testing.T, cfg kafka.Config, id string) *kgo.GroupTransactSession {
	t.Helper()
	s, err := kafka.NewTransactional(cfg, kafka.TxnConfig{Group: "g", Topic: "in", TransactionalID: id, InstanceID: "i"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTransactionCommitsAndAborts(t *testing.T) {
	cfg := cluster(t)
	produce(t, cfg, "in", "a")
	s := session(t, cfg, "tx")
	defer s.Close()
	ctx := timeout(t)

	step := func(out string, how kgo.TransactionEndTry, wantIn string) {
		t.Helper()
		recs := s.PollFetches(ctx).Records()
		if len(recs) != 1 || string(recs[0].Value) != wantIn {
			t.Fatalf("read %d records, want %s", len(recs), wantIn)
		}
		if err := s.Begin(); err != nil {
			t.Fatal(err)
		}
		s.Produce(ctx, &kgo.Record{Topic: "out", Partition: 2, Value: []byte(out)}, func(r *kgo.Record, err error) {
			if err == nil && r.Partition != 2 {
				t.Errorf("written to partition %d, not the record's own", r.Partition)
			}
		})
		if ok, err := s.End(ctx, how); err != nil || ok != bool(how) {
			t.Fatalf("ending: %v, %v", ok, err)
		}
	}
	step("aborted", kgo.TryAbort, "a")
	step("first", kgo.TryCommit, "a") // read again
	produce(t, cfg, "in", "b")
	step("second", kgo.TryCommit, "b")

	got := committed(t, cfg, "out", 2)
	if got["first"] != 1 || got["second"] != 1 || len(got) != 2 {
		t.Errorf("out holds %v", got)
	}
}

// A transaction of timers alone must carry an offset, or a fenced member could
// commit it.
func TestTransactionWithoutInputCommitsAnOffset(t *testing.T) {
	cfg := cluster(t)
	produce(t, cfg, "in", "a")
	s := session(t, cfg, "tx")
	defer s.Close()
	ctx := timeout(t)
	rec := s.PollFetches(ctx).Records()[0]
	if err := s.Begin(); err != nil {
		t.Fatal(err)
	}
	if ok, err := s.End(ctx, kgo.TryCommit); !ok || err != nil {
		t.Fatal(ok, err)
	}

	if err := s.Begin(); err != nil {
		t.Fatal(err)
	}
	s.Produce(ctx, &kgo.Record{Topic: "out", Value: []byte("timer")}, nil)
	meta := "by a timer"
	ok, err := s.End(kgo.PreTxnCommitFnContext(ctx, func(req *kmsg.TxnOffsetCommitRequest) error {
		p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset, p.Metadata = rec.Partition, rec.Offset+1, &meta
		topic := kmsg.NewTxnOffsetCommitRequestTopic()
		topic.Topic, topic.Partitions = "in", []kmsg.TxnOffsetCommitRequestTopicPartition{p}
		req.Topics = append(req.Topics, topic)
		return nil
	}), kgo.TryCommit)
	if !ok || err != nil {
		t.Fatal(ok, err)
	}

	adm, closeAdmin, err := kafka.NewAdmin(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAdmin()
	offsets, err := adm.FetchOffsets(ctx, "g")
	if err != nil {
		t.Fatal(err)
	}
	if o, _ := offsets.Lookup("in", rec.Partition); o.At != rec.Offset+1 || o.Metadata != meta {
		t.Errorf("committed %d with %q", o.At, o.Metadata)
	}
}

func TestSecondProducerFencesTheFirst(t *testing.T) {
	cfg := cluster(t)
	ctx := timeout(t)
	produce(t, cfg, "in", "a")
	old := session(t, cfg, "tx")
	defer old.Close()
	old.PollFetches(ctx)
	if err := old.Begin(); err != nil {
		t.Fatal(err)
	}
	if err := old.ProduceSync(ctx, &kgo.Record{Topic: "out", Value: []byte("zombie")}).FirstErr(); err != nil {
		t.Fatal(err)
	}

	young := session(t, cfg, "tx")
	defer young.Close()
	if _, _, err := young.Client().ProducerID(ctx); err != nil {
		t.Fatal(err)
	}
	if ok, err := old.End(ctx, kgo.TryCommit); ok || err == nil {
		t.Fatalf("the fenced member committed: %v, %v", ok, err)
	}
	var lso kadm.ListedOffset
	adm := kadm.NewClient(young.Client())
	offsets, err := adm.ListCommittedOffsets(ctx, "out")
	if err != nil {
		t.Fatal(err)
	}
	lso, _ = offsets.Lookup("out", 0)
	if lso.Offset != 2 { // the record and its abort marker: nothing is open any more
		t.Errorf("last stable offset %d, want 2", lso.Offset)
	}
}

func TestCheckVersion(t *testing.T) {
	check := func(opts ...kfake.Opt) error {
		cfg := cluster(t, opts...)
		p, err := kafka.NewProducer(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		return kafka.CheckVersion(timeout(t), p)
	}
	if err := check(); err != nil {
		t.Errorf("a current cluster: %v", err)
	}
	if err := check(kfake.MaxVersions(kversion.V4_0_0())); err != nil {
		t.Errorf("Kafka 4.0: %v", err)
	}
	if err := check(kfake.MaxVersions(kversion.V3_9_0())); err == nil {
		t.Error("Kafka 3.9 passed")
	}
	p, err := kafka.NewProducer(kafka.Config{Brokers: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := kafka.CheckVersion(timeout(t), p); err == nil {
		t.Error("passed without a broker")
	}
}
