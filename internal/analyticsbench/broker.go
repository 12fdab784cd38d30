package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/embedded/broker"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/internal/testkafka"
	"github.com/posthorn/posthorn/schemas"
)

// bus is the Kafka of a measurement: an Apache Kafka, or the embedded one in a
// process of its own.
type bus struct {
	kafka kafka.Config
	admin *kadm.Client
	stops []func()
}

func startEmbedded(ctx context.Context, dir string) (*broker.Broker, error) {
	return broker.Start(ctx, broker.Config{Dir: dir, Logger: warnings()})
}

func startBus(ctx context.Context, kind, dir string) (*bus, error) {
	b := &bus{}
	var addrs []string
	switch kind {
	case "apache":
		cluster, err := testkafka.StartCluster(ctx, testkafka.Options{Throughput: true})
		if err != nil {
			return nil, err
		}
		b.stops = append(b.stops, func() { _ = cluster.Close() })
		addrs = cluster.Brokers()
	case "embedded":
		if err := os.RemoveAll(dir); err != nil {
			return nil, err
		}
		p, err := launch(job{Role: "broker", Dir: dir})
		if err != nil {
			return nil, err
		}
		b.stops = append(b.stops, func() { p.stop(); _ = os.RemoveAll(dir) })
		if err := p.ready(&addrs); err != nil {
			b.close()
			return nil, err
		}
	default:
		return nil, fmt.Errorf("no Kafka is called %q: apache or embedded", kind)
	}
	b.kafka = kafka.Config{Brokers: addrs}
	admin, closeAdmin, err := kafka.NewAdmin(b.kafka)
	if err != nil {
		b.close()
		return nil, err
	}
	b.admin, b.stops = admin, append(b.stops, closeAdmin)
	if err := b.createTopics(ctx); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bus) close() {
	for _, stop := range slices.Backward(b.stops) {
		stop()
	}
	b.stops = nil
}

// createTopics makes the topics of the sink as an installation has them.
func (b *bus) createTopics(ctx context.Context) error {
	wanted := sinkTopics()
	for _, t := range schemas.Catalogue(partitions, 1) {
		if !slices.Contains(wanted, t.Name) {
			continue
		}
		config := map[string]*string{}
		for k, v := range t.Config {
			config[k] = &v
		}
		response, err := b.admin.CreateTopic(ctx, t.Partitions, t.Replication, config, t.Name)
		if err := errors.Join(err, response.Err); err != nil {
			return fmt.Errorf("creating topic %s: %w", t.Name, err)
		}
	}
	return nil
}

// hidden is an open transaction.
type hidden struct{ client *kgo.Client }

// hide writes transactions of a tail, until so many events are written, so that
// nobody sees them before show.
func (b *bus) hide(ctx context.Context, tail *tailReader, events int64) (*hidden, int64, error) {
	// Made here: the product has no producer that is transactional without
	// consuming.
	client, err := kgo.NewClient(kgo.SeedBrokers(b.kafka.Brokers...), kgo.TransactionalID("analyticsbench"), kgo.TransactionTimeout(transactionTimeout),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(1<<20), kgo.ProducerBatchCompression(kgo.SnappyCompression()),
		kgo.MaxBufferedRecords(100_000))
	if err != nil {
		return nil, 0, err
	}
	h := &hidden{client}
	written, err := h.write(ctx, tail, events)
	if err != nil {
		h.close()
		return nil, 0, fmt.Errorf("writing the backlog: %w", err)
	}
	return h, written, nil
}

func (h *hidden) write(ctx context.Context, tail *tailReader, events int64) (written int64, err error) {
	if err := h.client.BeginTransaction(); err != nil {
		return 0, err
	}
	p := &producing{client: h.client}
	bar := newProgress("backlog", float64(events), "events")
	for written < events {
		n, records, err := tail.next()
		if err == nil {
			err = p.produce(ctx, records)
		}
		if err != nil {
			return written, err
		}
		written += n
		bar.at(float64(written), "")
	}
	bar.end(float64(written), "")
	return written, p.flush(ctx)
}

func (h *hidden) show(ctx context.Context) error { return h.client.EndTransaction(ctx, kgo.TryCommit) }

func (h *hidden) close() { h.client.Close() }
