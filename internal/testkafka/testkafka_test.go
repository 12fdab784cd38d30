package testkafka_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/internal/testkafka"
)

func timeout(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func createTopic(t *testing.T, cfg kafka.Config, partitions int32, replicas int16, configs map[string]*string, topic string) {
	t.Helper()
	adm, closeAdmin, err := kafka.NewAdmin(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAdmin()
	if _, err := adm.CreateTopic(timeout(t), partitions, replicas, configs, topic); err != nil {
		t.Fatal(err)
	}
}

func produce(t *testing.T, cfg kafka.Config, recs ...*kgo.Record) {
	t.Helper()
	p, err := kafka.NewProducer(cfg, kgo.RecordDeliveryTimeout(30*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.ProduceSync(timeout(t), recs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func consume(t *testing.T, cfg kafka.Config, topic string, n int) []*kgo.Record {
	t.Helper()
	c, err := kafka.NewConsumer(cfg, kgo.ConsumeTopics(topic))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var recs []*kgo.Record
	for len(recs) < n {
		fs := c.PollFetches(timeout(t))
		if err := fs.Err(); err != nil {
			t.Fatalf("after %d of %d records: %v", len(recs), n, err)
		}
		recs = append(recs, fs.Records()...)
	}
	return recs
}

func TestSharedBrokerIsRecentEnough(t *testing.T) {
	p, err := kafka.NewProducer(kafka.Config{Brokers: testkafka.Brokers(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := kafka.CheckVersion(timeout(t), p); err != nil {
		t.Fatal(err)
	}
}

func TestLogAppendTimeIsTheBrokers(t *testing.T) {
	cfg := kafka.Config{Brokers: testkafka.Brokers(t)}
	topic := testkafka.Name("appended")
	createTopic(t, cfg, 1, 1, map[string]*string{"message.timestamp.type": kadm.StringPtr("LogAppendTime")}, topic)
	before := time.Now().Truncate(time.Millisecond)
	// Not long ago: the producer's delivery timeout counts from the timestamp.
	produce(t, cfg, &kgo.Record{Topic: topic, Value: []byte("v"), Timestamp: time.Now().Add(-5 * time.Second)})
	rec := consume(t, cfg, topic, 1)[0]
	if rec.Timestamp.Before(before) || rec.Attrs.TimestampType() != 1 {
		t.Errorf("timestamp %v of type %d, want the time of writing", rec.Timestamp, rec.Attrs.TimestampType())
	}
}

func TestTransactions(t *testing.T) {
	cfg := kafka.Config{Brokers: testkafka.Brokers(t)}
	in, out := testkafka.Name("in"), testkafka.Name("out")
	createTopic(t, cfg, 2, 1, nil, in)
	createTopic(t, cfg, 2, 1, nil, out)
	produce(t, cfg, &kgo.Record{Topic: in, Value: []byte("a")})

	s, err := kafka.NewTransactional(cfg, kafka.TxnConfig{
		Group: testkafka.Name("g"), Topic: in, TransactionalID: testkafka.Name("tx"), InstanceID: "i",
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx := timeout(t)
	for i, how := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit} {
		recs := s.PollFetches(ctx).Records()
		if len(recs) != 1 {
			t.Fatalf("read %d records in round %d", len(recs), i)
		}
		if err := s.Begin(); err != nil {
			t.Fatal(err)
		}
		s.Produce(ctx, &kgo.Record{Topic: out, Partition: 1, Value: fmt.Append(nil, how)}, nil)
		if ok, err := s.End(ctx, how); err != nil || ok != bool(how) {
			t.Fatalf("ending: %v, %v", ok, err)
		}
	}
	if got := consume(t, cfg, out, 1); string(got[0].Value) != "true" || got[0].Partition != 1 {
		t.Errorf("read %s of partition %d, want the committed one", got[0].Value, got[0].Partition)
	}
}

func TestKillAndRestartKeepData(t *testing.T) {
	start := time.Now()
	c := testkafka.Start(t, testkafka.Options{})
	t.Logf("started in %v", time.Since(start))
	cfg := kafka.Config{Brokers: c.Brokers()}
	createTopic(t, cfg, 1, 1, nil, "t")
	produce(t, cfg, &kgo.Record{Topic: "t", Value: []byte("before")})
	if err := c.Kill9(); err != nil {
		t.Fatal(err)
	}
	start = time.Now()
	if err := c.Restart(timeout(t)); err != nil {
		t.Fatal(err)
	}
	t.Logf("restarted in %v", time.Since(start))
	produce(t, cfg, &kgo.Record{Topic: "t", Value: []byte("after")})
	got := consume(t, cfg, "t", 2)
	if string(got[0].Value) != "before" || string(got[1].Value) != "after" {
		t.Errorf("read %s, %s", got[0].Value, got[1].Value)
	}
}

func TestThreeNodesBearTheLossOfOne(t *testing.T) {
	if testing.Short() {
		t.Skip("starts three brokers")
	}
	c := testkafka.Start(t, testkafka.Options{Nodes: 3})
	cfg := kafka.Config{Brokers: c.Brokers()}
	createTopic(t, cfg, 3, 3, nil, "t")
	produce(t, cfg, &kgo.Record{Topic: "t", Value: []byte("before")})
	if err := c.Kill9(2); err != nil {
		t.Fatal(err)
	}
	produce(t, cfg, &kgo.Record{Topic: "t", Value: []byte("without")})
	if err := c.Restart(timeout(t), 2); err != nil {
		t.Fatal(err)
	}
	produce(t, cfg, &kgo.Record{Topic: "t", Value: []byte("after")})
	consume(t, cfg, "t", 3)
}
