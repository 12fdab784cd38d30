package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/internal/testkafka"
	"github.com/posthorn/posthorn/schemas"
)

// partitions of posthorn.webhooks.
const partitions = 12

// The brokers that servers write to.
const (
	embedded = "embedded Kafka"
	apache   = "Apache Kafka"
)

// target is a broker that has the topic of webhooks.
type target struct {
	name  string
	addrs []string
	adm   *kadm.Client
	close func() error
}

func startTarget(ctx context.Context, name string) (*target, error) {
	t := &target{name: name}
	switch name {
	case embedded:
		dir, err := os.MkdirTemp("", "posthorn-ingestbench-")
		if err != nil {
			return nil, err
		}
		p, err := start(roleBroker, dirEnv+"="+dir)
		if err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
		t.addrs, t.close = []string{p.addr}, func() error { return errors.Join(p.stop(), os.RemoveAll(dir)) }
	case apache:
		ctx, cancel := context.WithTimeout(ctx, 5*time.Minute) // it may have to be fetched
		defer cancel()
		c, err := testkafka.StartCluster(ctx, testkafka.Options{Throughput: true})
		if err != nil {
			return nil, err
		}
		t.addrs, t.close = c.Brokers(), c.Close
	default:
		return nil, fmt.Errorf("no broker %q", name)
	}
	if err := t.prepare(ctx); err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

func (t *target) prepare(ctx context.Context) error {
	adm, stop, err := kafka.NewAdmin(kafka.Config{Brokers: t.addrs})
	if err != nil {
		return err
	}
	t.adm = adm
	end := t.close
	t.close = func() error { stop(); return end() }
	for _, topic := range schemas.Shared(partitions, 1) {
		if topic.Name == schemas.TopicWebhooks {
			return schemas.EnsureTopics(ctx, adm, []schemas.Topic{topic})
		}
	}
	return errors.New("the catalogue has no topic of webhooks")
}

// records counts what was ever written to the topic.
func (t *target) records(ctx context.Context) (int64, error) {
	ends, err := t.adm.ListEndOffsets(ctx, schemas.TopicWebhooks)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return 0, fmt.Errorf("listing offsets: %w", err)
	}
	n := int64(0)
	ends.Each(func(o kadm.ListedOffset) { n += o.Offset })
	return n, nil
}

// clear deletes what is in the topic, so that no round pays for those before it.
func (t *target) clear(ctx context.Context) error {
	ends, err := t.adm.ListEndOffsets(ctx, schemas.TopicWebhooks)
	if err != nil {
		return fmt.Errorf("listing offsets: %w", err)
	}
	deleted, err := t.adm.DeleteRecords(ctx, ends.Offsets())
	if err == nil {
		err = deleted.Error()
	}
	if err != nil {
		return fmt.Errorf("deleting records: %w", err)
	}
	return nil
}

// targets are the brokers named in text, embedded or apache.
func targets(text string) (names []string, err error) {
	for name := range strings.SplitSeq(text, ",") {
		switch name {
		case "embedded":
			names = append(names, embedded)
		case "apache":
			names = append(names, apache)
		default:
			return nil, fmt.Errorf("no broker %q: want embedded, apache or both", name)
		}
	}
	return names, nil
}
