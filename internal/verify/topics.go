package verify

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/schemas"
)

// offsets are positions in a topic, by partition.
type offsets map[int32]int64

func (o offsets) sum() int64 { return kafka.Offsets(o).Sum() }

// bounds asks where the committed part of a topic begins and ends.
func bounds(ctx context.Context, adm *kadm.Client, topic string) (start, end offsets, err error) {
	from, to, err := kafka.Bounds(ctx, adm, topic)
	return offsets(from), offsets(to), err
}

// read calls f for every committed record of a topic from start up to end, in
// the order of each partition. Frontier markers are left out.
func (v *verifier) read(ctx context.Context, topic string, start, end offsets, f func(*kgo.Record) error) error {
	return v.readAny(ctx, topic, start, end, func(rec *kgo.Record) error {
		if stream.IsMarker(rec) {
			return nil
		}
		return f(rec)
	})
}

// readAny reads as read does, markers and all.
func (v *verifier) readAny(ctx context.Context, topic string, start, end offsets, f func(*kgo.Record) error) error {
	unseen, err := kafka.ReadSpan(ctx, v.cfg.Kafka, topic, kafka.Offsets(start), kafka.Offsets(end), f)
	// Webhooks are neither compacted nor aborted: all of them show.
	if err == nil && len(unseen) > 0 && topic == schemas.TopicWebhooks {
		return fmt.Errorf("reading %s: partitions %v show nothing before their ends", topic, unseen)
	}
	return err
}
