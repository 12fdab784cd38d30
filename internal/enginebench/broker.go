package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/internal/testkafka"
	"github.com/posthorn/posthorn/processor/stream"
)

const partitions = 12

// broker is the Apache Kafka that all engines use, one after the other.
type broker struct {
	cluster *testkafka.Cluster
	addr    string
	cfg     kafka.Config
	adm     *kadm.Client
	stop    func()
}

func startBroker(ctx context.Context) (*broker, error) {
	c, err := testkafka.StartCluster(ctx, testkafka.Options{Throughput: true})
	if err != nil {
		return nil, err
	}
	b := &broker{cluster: c, addr: c.Brokers()[0], cfg: kafka.Config{Brokers: c.Brokers()}}
	if b.adm, b.stop, err = kafka.NewAdmin(b.cfg); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return b, nil
}

func (b *broker) close() error {
	b.stop()
	return b.cluster.Close()
}

func (b *broker) cpuSeconds() (float64, error) { return cpuSeconds(b.cluster.PIDs()[0]) }

// createTopics makes what a run of any engine needs; Kafka Streams and goka
// make their tables and changelogs themselves.
func (b *broker) createTopics(ctx context.Context, e engine, r run) error {
	if err := b.createInput(ctx, r.Input); err != nil {
		return err
	}
	topics := []string{r.triggers(), r.deltas()}
	var changelogs []string
	if counts := e.counts(r); counts == r.counts() {
		topics = append(topics, counts)
	} else {
		// goka's table, whose reader starts before goka does.
		changelogs = append(changelogs, counts)
	}
	if e.name == "posthorn" {
		for _, stage := range []string{r.messages(), r.campaigns()} {
			changelogs = append(changelogs, stream.ChangelogTopic(stage, "engine"))
		}
		changelogs = append(changelogs, stream.ChangelogTopic(r.messages(), storeMessages), stream.ChangelogTopic(r.campaigns(), storeWindows))
	}
	if err := b.create(ctx, nil, topics...); err != nil {
		return err
	}
	return b.create(ctx, map[string]*string{"cleanup.policy": kadm.StringPtr("compact")}, changelogs...)
}

func (b *broker) create(ctx context.Context, configs map[string]*string, topics ...string) error {
	if len(topics) == 0 {
		return nil
	}
	resp, err := b.adm.CreateTopics(ctx, partitions, 1, configs, topics...)
	if err == nil {
		err = resp.Error()
	}
	if err != nil {
		return fmt.Errorf("creating topics: %w", err)
	}
	return nil
}

// createInput makes the first topic of a chain: its records' times are the
// broker's.
func (b *broker) createInput(ctx context.Context, topic string) error {
	return b.create(ctx, map[string]*string{"message.timestamp.type": kadm.StringPtr("LogAppendTime")}, topic)
}

// produce writes events to a topic, partitioned by Kafka's default hash.
func (b *broker) produce(ctx context.Context, topic string, each func(emit func(event))) error {
	cl, err := kafka.NewProducer(b.cfg, inputOptions...)
	if err != nil {
		return err
	}
	defer cl.Close()
	return write(ctx, cl, topic, each)
}

var inputOptions = []kgo.Opt{
	kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), kgo.ProducerBatchMaxBytes(1 << 20), kgo.MaxBufferedRecords(100_000),
	kgo.RecordDeliveryTimeout(time.Minute),
}

// hidden is an open transaction with events.
type hidden struct{ cl *kgo.Client }

// produceHidden writes events that nobody sees before show.
func (b *broker) produceHidden(ctx context.Context, topic string, each func(emit func(event))) (*hidden, error) {
	// Made here: the product has no producer that is transactional without
	// consuming.
	cl, err := kgo.NewClient(append(inputOptions, kgo.SeedBrokers(b.addr), kgo.ProducerBatchCompression(kgo.SnappyCompression()),
		kgo.TransactionalID(topic), kgo.TransactionTimeout(10*time.Minute))...)
	if err != nil {
		return nil, err
	}
	if err = cl.BeginTransaction(); err == nil {
		err = write(ctx, cl, topic, each)
	}
	if err != nil {
		cl.Close()
		return nil, err
	}
	return &hidden{cl}, nil
}

func (h *hidden) show(ctx context.Context) error { return h.cl.EndTransaction(ctx, kgo.TryCommit) }

func write(ctx context.Context, cl *kgo.Client, topic string, each func(emit func(event))) error {
	var failed atomic.Pointer[error]
	each(func(e event) {
		cl.Produce(ctx, &kgo.Record{Topic: topic, Key: e.key(), Value: e.encode()}, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.CompareAndSwap(nil, &err)
			}
		})
	})
	if err := cl.Flush(ctx); err != nil {
		return err
	}
	if err := failed.Load(); err != nil {
		return fmt.Errorf("producing to %s: %w", topic, *err)
	}
	return nil
}

// owned waits until the partitions of a group have that many owners, the members.
func (b *broker) owned(ctx context.Context, p *process, group string, members int) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		groups, err := b.adm.DescribeGroups(ctx, group)
		owners := 0
		if err == nil {
			for _, m := range groups[group].Members {
				if c, ok := m.Assigned.AsConsumer(); ok && len(c.Topics) > 0 {
					owners++
				}
			}
		}
		if owners == members && groups[group].State == "Stable" {
			return nil
		}
		if err := p.ended(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
