package normalize

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

// WebhookReader reads earlier webhooks.
type WebhookReader interface {
	// ReadWebhook returns the value of the record at a place in
	// posthorn.webhooks. The error is ErrWebhookGone where there is none.
	ReadWebhook(ctx context.Context, partition int32, offset int64) ([]byte, error)
}

// ErrWebhookGone tells that a webhook is not, or no longer, in its topic.
var ErrWebhookGone = errors.New("no webhook there")

// readTimeout bounds one read. A transaction waits for it.
const readTimeout = 5 * time.Second

// KafkaReader is a WebhookReader on Kafka. It is safe for concurrent use.
type KafkaReader struct {
	mu     sync.Mutex
	client *kgo.Client
}

// NewKafkaReader makes a reader with a client of its own.
func NewKafkaReader(cfg kafka.Config) (*KafkaReader, error) {
	cl, err := kafka.NewConsumer(cfg)
	if err != nil {
		return nil, fmt.Errorf("making webhook reader: %w", err)
	}
	return &KafkaReader{client: cl}, nil
}

// Close closes the client.
func (r *KafkaReader) Close() { r.client.Close() }

// ReadWebhook implements WebhookReader.
func (r *KafkaReader) ReadWebhook(ctx context.Context, partition int32, offset int64) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()

	// A fetch beyond the end would wait for a record that may come later.
	ends, err := kadm.NewClient(r.client).ListCommittedOffsets(ctx, schemas.TopicWebhooks)
	if err != nil {
		return nil, fmt.Errorf("reading the end of %s: %w", schemas.TopicWebhooks, err)
	}
	switch end, ok := ends.Lookup(schemas.TopicWebhooks, partition); {
	case !ok || offset < 0 || end.Err == nil && offset >= end.Offset:
		return nil, ErrWebhookGone
	case end.Err != nil:
		return nil, fmt.Errorf("reading the end of %s partition %d: %w", schemas.TopicWebhooks, partition, end.Err)
	}

	at := map[string]map[int32]kgo.Offset{schemas.TopicWebhooks: {partition: kgo.NewOffset().At(offset)}}
	r.client.AddConsumePartitions(at)
	defer r.client.RemoveConsumePartitions(map[string][]int32{schemas.TopicWebhooks: {partition}})
	for {
		fetches := r.client.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("reading webhook at partition %d offset %d: %w", partition, offset, err)
		}
		var first *kgo.Record
		var failure error
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			if p.Partition != partition {
				return
			}
			failure = p.Err
			if len(p.Records) > 0 {
				first = p.Records[0]
			}
		})
		switch {
		case errors.Is(failure, kerr.OffsetOutOfRange) || errors.Is(failure, kerr.UnknownTopicOrPartition):
			return nil, ErrWebhookGone
		case failure != nil:
			return nil, fmt.Errorf("reading webhook at partition %d offset %d: %w", partition, offset, failure)
		case first != nil && first.Offset != offset:
			return nil, ErrWebhookGone
		case first != nil:
			return first.Value, nil
		}
	}
}
