package normalize

import (
	"context"

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
var ErrWebhookGone = kafka.ErrGone

// readTimeout bounds one read. A transaction waits for it.
const readTimeout = kafka.ReadTimeout

// KafkaReader is a WebhookReader on Kafka. It is safe for concurrent use.
type KafkaReader struct{ *kafka.Reader }

// NewKafkaReader makes a reader with a client of its own.
func NewKafkaReader(cfg kafka.Config) (*KafkaReader, error) {
	r, err := kafka.NewReader(cfg)
	if err != nil {
		return nil, err
	}
	return &KafkaReader{r}, nil
}

// ReadWebhook implements WebhookReader.
func (r *KafkaReader) ReadWebhook(ctx context.Context, partition int32, offset int64) ([]byte, error) {
	return r.Read(ctx, schemas.TopicWebhooks, partition, offset)
}
