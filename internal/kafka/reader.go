package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// ErrGone tells that a record is not, or no longer, in its topic.
var ErrGone = errors.New("no record there")

// ReadTimeout bounds one read of a Reader. A transaction may wait for it.
const ReadTimeout = 5 * time.Second

// Reader reads single records by their places. It is safe for concurrent use.
type Reader struct {
	mu     sync.Mutex
	client *kgo.Client
}

// NewReader makes a reader with a client of its own.
func NewReader(cfg Config) (*Reader, error) {
	cl, err := NewConsumer(cfg)
	if err != nil {
		return nil, fmt.Errorf("making reader: %w", err)
	}
	return &Reader{client: cl}, nil
}

// Close closes the client.
func (r *Reader) Close() { r.client.Close() }

// Read returns the value of the record at a place. The error is ErrGone where there
// is none.
func (r *Reader) Read(ctx context.Context, topic string, partition int32, offset int64) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, ReadTimeout)
	defer cancel()

	// A fetch beyond the end would wait for a record that may come later.
	ends, err := kadm.NewClient(r.client).ListCommittedOffsets(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("reading the end of %s: %w", topic, err)
	}
	switch end, ok := ends.Lookup(topic, partition); {
	case !ok || offset < 0 || end.Err == nil && offset >= end.Offset || errors.Is(end.Err, kerr.UnknownTopicOrPartition):
		return nil, ErrGone
	case end.Err != nil:
		return nil, fmt.Errorf("reading the end of %s partition %d: %w", topic, partition, end.Err)
	}

	r.client.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().At(offset)}})
	defer r.client.RemoveConsumePartitions(map[string][]int32{topic: {partition}})
	for {
		fetches := r.client.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("reading %s partition %d offset %d: %w", topic, partition, offset, err)
		}
		var first *kgo.Record
		var failure error
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			if p.Topic != topic || p.Partition != partition {
				return
			}
			failure = p.Err
			if len(p.Records) > 0 {
				first = p.Records[0]
			}
		})
		switch {
		case errors.Is(failure, kerr.OffsetOutOfRange) || errors.Is(failure, kerr.UnknownTopicOrPartition):
			return nil, ErrGone
		case failure != nil:
			return nil, fmt.Errorf("reading %s partition %d offset %d: %w", topic, partition, offset, failure)
		case first != nil && first.Offset != offset:
			return nil, ErrGone
		case first != nil:
			return first.Value, nil
		}
	}
}
