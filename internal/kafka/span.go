package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Offsets are positions in a topic, by partition.
type Offsets map[int32]int64

// Sum is the sum over the partitions.
func (o Offsets) Sum() (n int64) {
	for _, at := range o {
		n += at
	}
	return n
}

// Bounds asks where the committed part of a topic begins and ends.
func Bounds(ctx context.Context, adm *kadm.Client, topic string) (start, end Offsets, err error) {
	starts, err := adm.ListStartOffsets(ctx, topic)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("asking for the start of %s: %w", topic, err)
	}
	ends, err := adm.ListCommittedOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("asking for the end of %s: %w", topic, err)
	}
	start, end = Offsets{}, Offsets{}
	starts.Each(func(o kadm.ListedOffset) { start[o.Partition] = o.Offset })
	ends.Each(func(o kadm.ListedOffset) { end[o.Partition] = o.Offset })
	if len(end) == 0 {
		return nil, nil, fmt.Errorf("topic %s does not exist: create the topics first", topic)
	}
	return start, end, nil
}

// What lies before the end may be records that were compacted or aborted, which
// nobody sees. A reader takes it for that when it has read nothing for so long,
// and the brokers have answered so many fetches meanwhile: silence alone may be
// that of a machine with too much to do.
const (
	spanIdle       = 3 * time.Second
	spanIdleAnswer = 6
)

// answers counts the fetches that brokers have answered.
type answers struct{ n atomic.Int64 }

const keyFetch = 1

// OnBrokerE2E implements kgo.HookBrokerE2E.
func (a *answers) OnBrokerE2E(_ kgo.BrokerMetadata, key int16, e2e kgo.BrokerE2E) {
	if key == keyFetch && e2e.Err() == nil {
		a.n.Add(1)
	}
}

// ReadSpan calls f for every committed record of a topic from start up to end,
// in the order of each partition, and returns the partitions that show nothing
// more before their end. Control records are left out.
func ReadSpan(ctx context.Context, cfg Config, topic string, start, end Offsets, f func(*kgo.Record) error) (unseen []int32, err error) {
	left := Offsets{}
	from := map[int32]kgo.Offset{}
	for p, to := range end {
		if start[p] < to {
			left[p] = to
			from[p] = kgo.NewOffset().At(start[p])
		}
	}
	if len(left) == 0 {
		return nil, nil
	}
	// Control records are kept since the last record before the end is often
	// one: it tells that the partition was read to its end.
	heard := &answers{}
	cl, err := NewConsumer(cfg, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}), kgo.KeepControlRecords(), kgo.WithHooks(heard))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	var since int64 // answers before the last record
	for len(left) > 0 {
		n, err := pollSpan(ctx, cl, left, f)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", topic, err)
		}
		if n > 0 {
			since = heard.n.Load()
			continue
		}
		// The broker must still be there, else silence means nothing.
		if err := cl.Ping(ctx); err != nil {
			return nil, fmt.Errorf("reading %s, partitions %v: %w", topic, slices.Sorted(maps.Keys(left)), err)
		}
		if heard.n.Load()-since >= spanIdleAnswer {
			return slices.Sorted(maps.Keys(left)), nil
		}
	}
	return nil, nil
}

// pollSpan reads once and takes partitions that were read to their end out of
// left.
func pollSpan(ctx context.Context, cl *kgo.Client, left Offsets, f func(*kgo.Record) error) (n int, err error) {
	pollCtx, cancel := context.WithTimeout(ctx, spanIdle)
	defer cancel()
	fetches := cl.PollFetches(pollCtx)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	for _, e := range fetches.Errors() {
		if !errors.Is(e.Err, context.DeadlineExceeded) {
			return 0, fmt.Errorf("partition %d: %w", e.Partition, e.Err)
		}
	}
	for it := fetches.RecordIter(); !it.Done(); {
		rec := it.Next()
		n++
		to, ok := left[rec.Partition]
		if !ok || rec.Offset >= to {
			delete(left, rec.Partition)
			continue
		}
		if !rec.Attrs.IsControl() {
			if err := f(rec); err != nil {
				return n, fmt.Errorf("partition %d offset %d: %w", rec.Partition, rec.Offset, err)
			}
		}
		if rec.Offset+1 >= to {
			delete(left, rec.Partition)
		}
	}
	return n, nil
}
