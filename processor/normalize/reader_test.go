package normalize

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

func TestKafkaReader(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, schemas.TopicWebhooks))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	cfg := kafka.Config{Brokers: c.ListenAddrs()}
	producer, err := kafka.NewProducer(cfg, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	for i := range 20 { // In batches of several, so that a place is inside one.
		rec := &kgo.Record{Topic: schemas.TopicWebhooks, Partition: int32(i % 2), Value: fmt.Appendf(nil, "%d", i)}
		producer.Produce(t.Context(), rec, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	if err := producer.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := NewKafkaReader(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, at := range []struct {
		partition int32
		offset    int64
	}{{0, 3}, {1, 9}, {0, 3}, {0, 0}, {1, 0}, {0, 9}} {
		value, err := r.ReadWebhook(t.Context(), at.partition, at.offset)
		if want := fmt.Sprint(at.offset*2 + int64(at.partition)); err != nil || string(value) != want {
			t.Errorf("%+v: got %q, %v, want %s", at, value, err, want)
		}
	}
	start := time.Now()
	for _, gone := range []struct {
		partition int32
		offset    int64
	}{{0, 10}, {0, 99}, {0, -1}, {7, 0}} {
		if value, err := r.ReadWebhook(t.Context(), gone.partition, gone.offset); !errors.Is(err, ErrWebhookGone) {
			t.Errorf("%+v: got %q, %v", gone, value, err)
		}
	}
	if d := time.Since(start); d > readTimeout {
		t.Errorf("what is gone took %s", d)
	}

	c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := r.ReadWebhook(ctx, 0, 0); err == nil || errors.Is(err, ErrWebhookGone) {
		t.Errorf("with the broker away: %v, want an error that is tried again", err)
	}
}

func TestKafkaReaderOfDeletedRecords(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, schemas.TopicWebhooks))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	cfg := kafka.Config{Brokers: c.ListenAddrs()}
	producer, err := kafka.NewProducer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	for range 5 {
		if err := producer.ProduceSync(t.Context(), &kgo.Record{Topic: schemas.TopicWebhooks, Value: []byte("x")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	admin, closeAdmin, err := kafka.NewAdmin(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAdmin()
	if _, err := admin.DeleteRecords(t.Context(), kadm.Offsets{schemas.TopicWebhooks: {0: {Topic: schemas.TopicWebhooks, Partition: 0, At: 3}}}); err != nil {
		t.Fatal(err)
	}
	r, err := NewKafkaReader(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.ReadWebhook(t.Context(), 0, 1); !errors.Is(err, ErrWebhookGone) {
		t.Errorf("deleted: %v", err)
	}
	if _, err := r.ReadWebhook(t.Context(), 0, 4); err != nil {
		t.Errorf("kept: %v", err)
	}
}
