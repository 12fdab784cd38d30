package analytics

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/schemas"
)

// deadLetters keeps records that cannot be decoded. A batch that is repeated
// writes its own again: the headers name the place, which is what counts.
type deadLetters struct {
	producer *kgo.Client
	metrics  *metrics
	log      *slog.Logger
}

func (d *deadLetters) send(ctx context.Context, rec *kgo.Record, cause error) error {
	letter := &kgo.Record{
		Topic: schemas.TopicDeadLetters,
		Key:   rec.Key,
		Value: rec.Value,
		Headers: append([]kgo.RecordHeader{
			{Key: "posthorn-stage", Value: []byte("sink")},
			{Key: "posthorn-topic", Value: []byte(rec.Topic)},
			{Key: "posthorn-partition", Value: strconv.AppendInt(nil, int64(rec.Partition), 10)},
			{Key: "posthorn-offset", Value: strconv.AppendInt(nil, rec.Offset, 10)},
			{Key: "posthorn-cause", Value: []byte(cause.Error())},
		}, rec.Headers...),
	}
	if err := d.producer.ProduceSync(ctx, letter).FirstErr(); err != nil {
		return fmt.Errorf("writing dead letter for %s partition %d offset %d: %w", rec.Topic, rec.Partition, rec.Offset, err)
	}
	d.metrics.letters.WithLabelValues(rec.Topic).Inc()
	d.log.Warn("record cannot be decoded, kept as dead letter", "topic", rec.Topic, "partition", rec.Partition, "offset", rec.Offset, "error", cause)
	return nil
}
