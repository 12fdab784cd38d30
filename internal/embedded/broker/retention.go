package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/posthorn/posthorn/internal/kafka"
)

// expireHourly deletes what topics no longer retain, until ctx ends.
//
// kfake could do this itself, but it would empty a partition that had no new
// records for long, and after a crash such a partition starts again at offset
// 0, under the feet of everybody who remembers an offset. Here the last record
// of a partition always stays.
func expireHourly(ctx context.Context, brokers []string, log *slog.Logger) {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := expire(ctx, brokers, time.Now()); err != nil && ctx.Err() == nil {
			log.Warn("embedded kafka: retention failed and is tried again in an hour", "error", err)
		}
	}
}

// expire deletes the records of topics with retention.ms that are older than it
// at the time now.
func expire(ctx context.Context, brokers []string, now time.Time) error {
	adm, closeAdmin, err := kafka.NewAdmin(kafka.Config{Brokers: brokers, ClientID: "posthorn-retention"})
	if err != nil {
		return err
	}
	defer closeAdmin()
	topics, err := adm.ListTopics(ctx)
	if err != nil {
		return fmt.Errorf("listing topics: %w", err)
	}
	if len(topics) == 0 {
		return nil
	}
	configs, err := adm.DescribeTopicConfigs(ctx, topics.Names()...)
	if err != nil {
		return fmt.Errorf("reading topic configurations: %w", err)
	}
	var errs []error
	for _, c := range configs {
		if retention, ok := retentionOf(c); ok {
			errs = append(errs, expireTopic(ctx, adm, c.Name, now.Add(-retention)))
		}
	}
	return errors.Join(errs...)
}

func expireTopic(ctx context.Context, adm *kadm.Client, topic string, before time.Time) error {
	keep, err := adm.ListOffsetsAfterMilli(ctx, before.UnixMilli(), topic)
	if err != nil {
		return fmt.Errorf("finding what %s retains: %w", topic, err)
	}
	ends, err := adm.ListEndOffsets(ctx, topic)
	if err != nil {
		return fmt.Errorf("finding the end of %s: %w", topic, err)
	}
	remove := kadm.Offsets{}
	keep.Each(func(o kadm.ListedOffset) {
		end, ok := ends.Lookup(topic, o.Partition)
		if !ok || o.Err != nil || end.Err != nil {
			return // its next turn comes
		}
		if at := min(o.Offset, end.Offset-1); at > 0 {
			remove.AddOffset(topic, o.Partition, at, -1)
		}
	})
	if len(remove) == 0 {
		return nil
	}
	res, err := adm.DeleteRecords(ctx, remove)
	if err != nil {
		return fmt.Errorf("expiring records of %s: %w", topic, err)
	}
	return res.Error()
}

// retentionOf returns the retention that a topic sets for itself.
func retentionOf(c kadm.ResourceConfig) (time.Duration, bool) {
	var retention time.Duration
	for _, kv := range c.Configs {
		switch v := kv.MaybeValue(); kv.Key {
		case "cleanup.policy":
			if !strings.Contains(v, "delete") {
				return 0, false
			}
		case "retention.ms":
			if ms, err := strconv.ParseInt(v, 10, 64); err == nil {
				retention = time.Duration(ms) * time.Millisecond
			}
		}
	}
	return retention, retention > 0
}
