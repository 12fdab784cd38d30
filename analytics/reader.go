package analytics

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
)

// limits say when a batch is full.
type limits struct {
	rows  int
	bytes int
	// linger is how long the first record of a batch waits for more, interval
	// how far apart batches begin: the first one after a pause is quick, those
	// under load are large.
	linger, interval time.Duration
}

// batch is what a vector covers: the records by partition, in offset order,
// with control records left out.
type batch struct {
	vector  vector
	records map[int32][]*kgo.Record
	rows    int
}

// reader reads the partitions of a lane and cuts batches.
type reader struct {
	client *kgo.Client
	topic  string
	queues map[int32]*queue
	rows   int
	bytes  int
	first  time.Time       // when the oldest record that waits was read
	ends   map[int32]int64 // where the partitions ended when they were read last
	last   time.Time       // when the last batch began
	large  bool            // it had many rows
}

// queue is what was read of a partition and is in no batch yet.
type queue struct {
	done    int64 // where the next batch begins
	next    int64 // behind the last record read
	records []*kgo.Record
}

func newReader(cfg kafka.Config, topic string, start map[int32]int64) (*reader, error) {
	r := &reader{topic: topic, queues: map[int32]*queue{}, ends: map[int32]int64{}}
	offsets := make(map[int32]kgo.Offset, len(start))
	for p, at := range start {
		offsets[p] = kgo.NewOffset().At(at)
		r.queues[p] = &queue{done: at, next: at}
	}
	client, err := kafka.NewConsumer(cfg,
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets}),
		// Control records move the position: without them a lane behind
		// transactions would never seem to have caught up.
		kgo.KeepControlRecords(),
		// Upstream commits ten times a second on every partition. Waiting for
		// some data makes one fetch of many commits.
		kgo.FetchMinBytes(64<<10),
		kgo.FetchMaxWait(200*time.Millisecond),
	)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", topic, err)
	}
	r.client = client
	return r, nil
}

func (r *reader) close() { r.client.Close() }

// poll reads more, at most n records, until deadline. A deadline that passes is
// no error.
func (r *reader) poll(ctx context.Context, deadline time.Time, n int) error {
	waiting, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	fetches := r.client.PollRecords(waiting, n)
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, e := range fetches.Errors() {
		switch {
		case errors.Is(e.Err, context.DeadlineExceeded), errors.Is(e.Err, context.Canceled):
		case errors.Is(e.Err, kerr.OffsetOutOfRange):
			return fmt.Errorf("%w: reading %s partition %d at %d: %w: data were deleted before they were read", errFatal, e.Topic, e.Partition, r.queues[e.Partition].next, e.Err)
		default:
			return fmt.Errorf("reading %s partition %d: %w", e.Topic, e.Partition, e.Err)
		}
	}
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		if p.LastStableOffset > 0 {
			r.ends[p.Partition] = p.LastStableOffset
		}
		p.EachRecord(r.push)
	})
	return nil
}

// behind is how many offsets are there to be read.
func (r *reader) behind() (n int64) {
	for p, q := range r.queues {
		n += max(0, r.ends[p]-q.next)
	}
	return n
}

func (r *reader) push(rec *kgo.Record) {
	q := r.queues[rec.Partition]
	if q == nil || rec.Offset < q.next {
		return
	}
	q.next = rec.Offset + 1
	if rec.Attrs.IsControl() {
		return
	}
	if r.rows == 0 {
		r.first = time.Now()
	}
	q.records = append(q.records, rec)
	r.rows++
	r.bytes += len(rec.Value)
}

// Where a batch has many rows there are many more to come: fewer and larger
// batches then spare ClickHouse half of its work, most of all merges.
const (
	largeRows   = 5_000
	largeFactor = 3
)

// catchUp is how long a batch waits at most to become full, while there is enough
// in the topic to fill it: after an outage a few large inserts do in minutes what
// many small ones would not.
const catchUp = 5 * time.Second

// nextBatch waits for a batch. Without records it returns an empty one after idle,
// whose vector says how far control records have moved the lane.
func (r *reader) nextBatch(ctx context.Context, lim limits, idle time.Duration) (batch, error) {
	quiet := time.Now().Add(idle)
	for {
		deadline := quiet
		if r.rows > 0 {
			deadline = r.first.Add(lim.linger)
			interval := lim.interval
			if r.large {
				interval *= largeFactor
			}
			if begin := r.last.Add(interval); begin.After(deadline) {
				deadline = begin
			}
			if full := r.first.Add(catchUp); full.After(deadline) && r.behind() >= int64(lim.rows-r.rows) {
				deadline = full
			}
		}
		if r.rows >= lim.rows || r.bytes >= lim.bytes || !time.Now().Before(deadline) {
			r.last, r.large = time.Now(), r.rows >= largeRows
			return r.cut(nil), nil
		}
		if err := r.poll(ctx, deadline, lim.rows-r.rows); err != nil {
			return batch{}, err
		}
	}
}

// exactly reads a recorded batch again. The last offset of every range is a
// record, possibly a control record, since batches are cut behind records.
func (r *reader) exactly(ctx context.Context, v vector) (batch, error) {
	for !r.covers(v) {
		if err := r.poll(ctx, time.Now().Add(time.Second), 10_000); err != nil {
			return batch{}, err
		}
	}
	return r.cut(v), nil
}

func (r *reader) covers(v vector) bool {
	for p, s := range v {
		if s.to > s.from && r.queues[p].next < s.to {
			return false
		}
	}
	return true
}

// cut takes from the queues what v covers, or everything for nil.
func (r *reader) cut(v vector) batch {
	b := batch{vector: vector{}, records: map[int32][]*kgo.Record{}}
	for p, q := range r.queues {
		to := q.next
		if v != nil {
			to = v[p].to
		}
		n, _ := slices.BinarySearchFunc(q.records, to, func(rec *kgo.Record, at int64) int {
			if rec.Offset < at {
				return -1
			}
			return 1
		})
		b.vector[p] = span{q.done, to}
		b.records[p] = q.records[:n:n]
		b.rows += n
		q.done = to
		for _, rec := range q.records[:n] {
			r.bytes -= len(rec.Value)
		}
		q.records = slices.Clone(q.records[n:])
	}
	r.rows -= b.rows
	r.first = time.Now()
	return b
}

// positions returns how far the lane has been cut, by partition.
func (r *reader) positions() map[int32]int64 {
	at := make(map[int32]int64, len(r.queues))
	for p, q := range r.queues {
		at[p] = q.done
	}
	return at
}

// each calls f for every record in the order of partitions and offsets, so that
// the same vector always gives the same block.
func (b batch) each(f func(*kgo.Record) error) error {
	for _, p := range slices.Sorted(maps.Keys(b.records)) {
		for _, rec := range b.records[p] {
			if err := f(rec); err != nil {
				return err
			}
		}
	}
	return nil
}

// newest is the time of the newest record.
func (b batch) newest() (at time.Time) {
	for _, records := range b.records {
		for _, rec := range records {
			if rec.Timestamp.After(at) {
				at = rec.Timestamp
			}
		}
	}
	return at
}
