package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/generation"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/schemas"
)

type tailOptions struct {
	fromStart bool
	limit     int
	timeout   time.Duration
}

func (a *app) tailCommand() *cobra.Command {
	var o tailOptions
	cmd := &cobra.Command{
		Use: "tail TOPIC", Short: "Follow a topic, Avro as JSON lines", Args: cobra.ExactArgs(1),
		Long: `Prints each record of a topic as one line of JSON, from now on or from the
start, until --limit records, --timeout without a new one, or an interrupt.
Only committed records are shown, and of a topic that is derived those of the
live generation.`,
		Example: `  posthorn tail posthorn.events
  posthorn tail posthorn.rejected --from-start --timeout 2s
  posthorn tail posthorn.triggers --limit 1`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := a.load(cmd, config.NeedKafka)
			if err != nil {
				return err
			}
			return a.tail(cmd.Context(), cfg, args[0], o)
		},
	}
	o.flags(cmd)
	return cmd
}

func (o *tailOptions) flags(cmd *cobra.Command) {
	config.AddFlags(cmd.Flags(), "brokers", "registry", "data")
	cmd.Flags().BoolVar(&o.fromStart, "from-start", false, "begin with the oldest record")
	cmd.Flags().IntVar(&o.limit, "limit", 0, "stop after that many records")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 0, "stop when nothing new came for so long")
}

// newRecord returns an empty record of the type that a topic holds, or nil.
func newRecord(topic string) schemas.Record {
	switch topic {
	case schemas.TopicWebhooks:
		return new(schemas.Webhook)
	case schemas.TopicRejected:
		return new(schemas.Rejection)
	case schemas.TopicEvents, schemas.TopicEventsByRecipient:
		return new(schemas.Event)
	case schemas.TopicMessages:
		return new(schemas.Message)
	case schemas.TopicCampaignDeltas:
		return new(schemas.CampaignDelta)
	case schemas.TopicBreakdownDeltas:
		return new(schemas.BreakdownDelta)
	case schemas.TopicStatistics:
		return new(schemas.CampaignStatistics)
	case schemas.TopicTriggers:
		return new(schemas.Trigger)
	case schemas.TopicDeliveries:
		return new(schemas.Delivery)
	case schemas.TopicSuppressions:
		return new(schemas.Suppression)
	}
	return nil
}

// tailLine is one line of output.
type tailLine struct {
	Partition int32     `json:"partition"`
	Offset    int64     `json:"offset"`
	Written   time.Time `json:"written_at"`
	Value     any       `json:"value"`
}

// webhookLine shows a body as text where it is text.
type webhookLine struct {
	*schemas.Webhook
	Body string `json:"body"`
}

func (a *app) tail(ctx context.Context, cfg *config.Config, topic string, o tailOptions) error {
	out := json.NewEncoder(a.out)
	out.SetEscapeHTML(false)
	return a.followTopic(ctx, cfg, topic, o, func(rec *kgo.Record, value schemas.Record) (shown bool, err error) {
		line := tailLine{rec.Partition, rec.Offset, rec.Timestamp.UTC(), value}
		if w, ok := value.(*schemas.Webhook); ok {
			line.Value = webhookLine{w, string(w.Body)}
		}
		return true, out.Encode(line)
	})
}

// followTopic calls show for the records of a topic, of one that is derived those of the
// live generation, until as many were shown as o says, nothing came for as long, or
// ctx ends.
func (a *app) followTopic(ctx context.Context, cfg *config.Config, topic string, o tailOptions, show func(*kgo.Record, schemas.Record) (shown bool, err error)) error {
	name, numbered := schemas.SplitTopic(topic)
	if newRecord(name) == nil {
		return fmt.Errorf("topic %s holds no records that can be shown; see: posthorn topics print", topic)
	}
	serde, err := register(ctx, cfg)
	if err != nil {
		return err
	}
	log, err := a.logger(cfg)
	if err != nil {
		return err
	}
	if numbered == schemas.FirstGeneration {
		live, err := generation.Read(ctx, kafkaConfig(cfg, log))
		if err != nil {
			return err
		}
		topic = live.Generation.Topic(name)
	}
	from := kgo.NewOffset().AtEnd()
	if o.fromStart {
		from = kgo.NewOffset().AtStart()
	}
	cl, err := kafka.NewConsumer(kafkaConfig(cfg, log), kgo.ConsumeTopics(topic), kgo.ConsumeStartOffset(from))
	if err != nil {
		return err
	}
	defer cl.Close()
	for shown := 0; ; {
		fetches := poll(ctx, cl, o.timeout)
		if ctx.Err() != nil {
			return nil // an interrupt is how following ends
		}
		for _, e := range fetches.Errors() {
			if errors.Is(e.Err, context.DeadlineExceeded) {
				return nil
			}
			return fmt.Errorf("reading %s: %w", topic, e.Err)
		}
		for it := fetches.RecordIter(); !it.Done(); {
			rec := it.Next()
			if stream.IsMarker(rec) || len(rec.Value) == 0 {
				continue
			}
			value := newRecord(name)
			if err := serde.Decode(rec.Value, value); err != nil {
				return fmt.Errorf("decoding %s partition %d offset %d: %w", topic, rec.Partition, rec.Offset, err)
			}
			did, err := show(rec, value)
			if err != nil {
				return err
			}
			if did {
				shown++
			}
			if o.limit > 0 && shown == o.limit {
				return nil
			}
		}
	}
}

func poll(ctx context.Context, cl *kgo.Client, timeout time.Duration) kgo.Fetches {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	return cl.PollFetches(ctx)
}
