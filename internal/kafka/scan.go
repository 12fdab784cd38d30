package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// ErrEnough ends a Scan before its end.
var ErrEnough = errors.New("enough")

// Scanned says what of a topic a Scan reads.
type Scanned struct {
	Topic string
	// Since is the time of writing of the first records; zero: the oldest.
	Since time.Time
	// Partitions are those that are read; nil: all.
	Partitions map[int32]bool
}

// Scan calls f for each record that a topic holds now, committed ones alone, in
// order within a partition. An error of f ends it, and is returned unless it is
// ErrEnough.
func Scan(ctx context.Context, cfg Config, what Scanned, f func(*kgo.Record) error) error {
	from, left, err := bounds(ctx, cfg, what)
	if err != nil || len(left) == 0 {
		return err
	}
	// The last record may be the end of a transaction.
	cl, err := NewConsumer(cfg, kgo.KeepControlRecords(), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{what.Topic: from}))
	if err != nil {
		return err
	}
	defer cl.Close()
	for len(left) > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("reading %s: %w", what.Topic, err)
		}
		for it := fetches.RecordIter(); !it.Done(); {
			rec := it.Next()
			end, ok := left[rec.Partition]
			if ok && rec.Offset < end && !rec.Attrs.IsControl() {
				if err := f(rec); errors.Is(err, ErrEnough) {
					return nil
				} else if err != nil {
					return fmt.Errorf("%s partition %d offset %d: %w", what.Topic, rec.Partition, rec.Offset, err)
				}
			}
			if rec.Offset+1 >= end {
				delete(left, rec.Partition)
			}
		}
	}
	return nil
}

// bounds finds where to begin and to end in each partition that has something.
func bounds(ctx context.Context, cfg Config, what Scanned) (from map[int32]kgo.Offset, ends map[int32]int64, err error) {
	admin, closeAdmin, err := NewAdmin(cfg)
	if err != nil {
		return nil, nil, err
	}
	defer closeAdmin()
	var starts kadm.ListedOffsets
	if what.Since.IsZero() {
		starts, err = admin.ListStartOffsets(ctx, what.Topic)
	} else {
		starts, err = admin.ListOffsetsAfterMilli(ctx, what.Since.UnixMilli(), what.Topic)
	}
	if err = errors.Join(err, starts.Error()); err != nil {
		return nil, nil, fmt.Errorf("asking for the start of %s: %w", what.Topic, err)
	}
	last, err := admin.ListCommittedOffsets(ctx, what.Topic)
	if err = errors.Join(err, last.Error()); err != nil {
		return nil, nil, fmt.Errorf("asking for the end of %s: %w", what.Topic, err)
	}
	from, ends = map[int32]kgo.Offset{}, map[int32]int64{}
	last.Each(func(end kadm.ListedOffset) {
		start, _ := starts.Lookup(what.Topic, end.Partition)
		if (what.Partitions == nil || what.Partitions[end.Partition]) && start.Offset >= 0 && start.Offset < end.Offset {
			from[end.Partition], ends[end.Partition] = kgo.NewOffset().At(start.Offset), end.Offset
		}
	})
	return from, ends, nil
}

// Partitions is how many partitions a topic has.
func Partitions(ctx context.Context, cfg Config, topic string) (int32, error) {
	admin, closeAdmin, err := NewAdmin(cfg)
	if err != nil {
		return 0, err
	}
	defer closeAdmin()
	details, err := admin.ListTopics(ctx, topic)
	if err = errors.Join(err, details.Error()); err != nil {
		return 0, fmt.Errorf("asking for the partitions of %s: %w", topic, err)
	}
	if n := len(details[topic].Partitions); n > 0 {
		return int32(n), nil
	}
	return 0, fmt.Errorf("topic %s is missing: create the topics first", topic)
}
