package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/generation"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

type replayOptions struct {
	rejected       bool
	webhooks       []string
	reason, source string
	since          time.Duration
	dryRun         bool
}

func (a *app) replayCommand() *cobra.Command {
	var o replayOptions
	cmd := &cobra.Command{
		Use: "replay", Short: "Send webhooks through the decoder again, after a fix", Args: cobra.NoArgs,
		Long: `Writes references to earlier webhooks, or to single events of them, to
posthorn.webhooks: they are decoded again with the decoder of today. Never the
body itself, and what was counted before is not counted twice.`,
		Example: `  posthorn replay --rejected --dry-run
  posthorn replay --rejected --reason bad_field --since 48h
  posthorn replay --webhook 3:1207        a whole webhook: partition 3, offset 1207
  posthorn replay --webhook 3:1207:0      its first event alone`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.rejected == (len(o.webhooks) > 0) {
				return errors.New("say what to replay: either --rejected or --webhook PARTITION:OFFSET[:INDEX]")
			}
			cfg, err := a.load(cmd, config.NeedKafka)
			if err != nil {
				return err
			}
			return a.replay(cmd.Context(), cfg, o)
		},
	}
	config.AddFlags(cmd.Flags(), "brokers", "registry", "data")
	f := cmd.Flags()
	f.BoolVar(&o.rejected, "rejected", false, "replay what is in posthorn.rejected")
	f.StringVar(&o.reason, "reason", "", "with --rejected: only this reason")
	f.StringVar(&o.source, "source", "", "with --rejected: only this source")
	f.DurationVar(&o.since, "since", 0, "with --rejected: only what arrived in the last so long")
	f.StringArrayVar(&o.webhooks, "webhook", nil, "replay the webhook at PARTITION:OFFSET[:INDEX]; may be repeated")
	f.BoolVar(&o.dryRun, "dry-run", false, "only say what would be replayed")
	return cmd
}

func (a *app) replay(ctx context.Context, cfg *config.Config, o replayOptions) error {
	log, err := a.logger(cfg)
	if err != nil {
		return err
	}
	serde, err := register(ctx, cfg)
	if err != nil {
		return err
	}
	r := &replayer{app: a, kafka: kafkaConfig(cfg, log), serde: serde, seen: map[schemas.WebhookRef]bool{}}
	if o.rejected {
		err = r.findRejected(ctx, o)
	} else {
		err = r.findWebhooks(ctx, o.webhooks)
	}
	if err != nil {
		return err
	}
	if o.dryRun {
		for _, w := range r.found {
			fmt.Fprintf(a.out, "%d:%d:%d\t%s\t%s\t%s\n", w.ReplayOf.Partition, w.ReplayOf.Offset, w.ReplayOf.Index, w.ReplayOf.WebhookID, w.Source, r.reasons[*w.ReplayOf])
		}
		fmt.Fprintf(a.out, "%d would be replayed\n", len(r.found))
		return nil
	}
	if err := r.send(ctx); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "%d replayed\n", len(r.found))
	return nil
}

type replayer struct {
	*app
	kafka   kafka.Config
	serde   *schemas.Serde
	found   []*schemas.Webhook
	seen    map[schemas.WebhookRef]bool
	reasons map[schemas.WebhookRef]string
}

// add makes a reference, once for each place.
func (r *replayer) add(tenant, account, source, provider, reason string, ref schemas.WebhookRef) error {
	if r.seen[ref] {
		return nil
	}
	r.seen[ref] = true
	if r.reasons == nil {
		r.reasons = map[schemas.WebhookRef]string{}
	}
	r.reasons[ref] = reason
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("making webhook id: %w", err)
	}
	r.found = append(r.found, &schemas.Webhook{
		ID: schemas.ID(id), Tenant: tenant, Account: account, Source: source, Provider: provider,
		ReceivedAt: schemas.FromTime(time.Now()), Verified: "replay", ReplayOf: &ref,
	})
	return nil
}

func (r *replayer) findRejected(ctx context.Context, o replayOptions) error {
	live, err := generation.Read(ctx, r.kafka)
	if err != nil {
		return err
	}
	return r.read(ctx, live.Generation.Topic(schemas.TopicRejected), func(rec *kgo.Record) error {
		var x schemas.Rejection
		if err := r.serde.Decode(rec.Value, &x); err != nil {
			return fmt.Errorf("decoding rejection: %w", err)
		}
		switch {
		case o.reason != "" && x.Reason != o.reason, o.source != "" && x.Source != o.source:
			return nil
		case o.since > 0 && time.Since(x.ArrivedAt.Time()) > o.since:
			return nil
		}
		ref := schemas.WebhookRef{WebhookID: x.WebhookID, Partition: x.Partition, Offset: x.Offset, Index: x.Index}
		return r.add(x.Tenant, x.Account, x.Source, x.Provider, x.Reason, ref)
	})
}

// read calls f for the records that a topic holds now.
func (r *replayer) read(ctx context.Context, topic string, f func(*kgo.Record) error) error {
	admin, closeAdmin, err := kafka.NewAdmin(r.kafka)
	if err != nil {
		return err
	}
	defer closeAdmin()
	starts, err := admin.ListStartOffsets(ctx, topic)
	if err = errors.Join(err, starts.Error()); err != nil {
		return fmt.Errorf("asking for the start of %s: %w", topic, err)
	}
	ends, err := admin.ListCommittedOffsets(ctx, topic)
	if err = errors.Join(err, ends.Error()); err != nil {
		return fmt.Errorf("asking for the end of %s: %w", topic, err)
	}
	left := map[int32]int64{}
	from := map[int32]kgo.Offset{}
	var total int64
	ends.Each(func(end kadm.ListedOffset) {
		start, _ := starts.Lookup(topic, end.Partition)
		if n := end.Offset - start.Offset; n > 0 {
			left[end.Partition], from[end.Partition] = end.Offset, kgo.NewOffset().At(start.Offset)
			total += n
		}
	})
	if len(left) == 0 {
		return nil
	}
	cl, err := kafka.NewConsumer(r.kafka, kgo.KeepControlRecords(), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}))
	if err != nil {
		return err
	}
	defer cl.Close()
	bar := r.bar(total, "reading "+topic)
	defer func() { _ = bar.Finish() }()
	for len(left) > 0 {
		fetches := poll(ctx, cl, 0)
		if err := fetches.Err0(); err != nil {
			return fmt.Errorf("reading %s: %w", topic, err)
		}
		for it := fetches.RecordIter(); !it.Done(); {
			rec := it.Next()
			end, ok := left[rec.Partition]
			if ok && rec.Offset < end && !rec.Attrs.IsControl() {
				if err := f(rec); err != nil {
					return fmt.Errorf("%s partition %d offset %d: %w", topic, rec.Partition, rec.Offset, err)
				}
			}
			if rec.Offset+1 >= end {
				delete(left, rec.Partition)
			}
			_ = bar.Add(1)
		}
	}
	return nil
}

func (r *replayer) findWebhooks(ctx context.Context, places []string) error {
	for _, text := range places {
		ref, err := parsePlace(text)
		if err != nil {
			return err
		}
		w, err := r.webhook(ctx, ref.Partition, ref.Offset)
		if err != nil {
			return fmt.Errorf("webhook %s: %w", text, err)
		}
		if w.ReplayOf != nil {
			return fmt.Errorf("webhook %s is itself a replay; the original is at %d:%d", text, w.ReplayOf.Partition, w.ReplayOf.Offset)
		}
		ref.WebhookID = w.ID
		if err := r.add(w.Tenant, w.Account, w.Source, w.Provider, "", ref); err != nil {
			return err
		}
	}
	return nil
}

func parsePlace(text string) (ref schemas.WebhookRef, err error) {
	parts := strings.Split(text, ":")
	numbers := []int64{0, 0, -1}
	if len(parts) < 2 || len(parts) > 3 {
		return ref, fmt.Errorf("--webhook %q: write PARTITION:OFFSET or PARTITION:OFFSET:INDEX", text)
	}
	for i, p := range parts {
		bits := 32
		if i == 1 {
			bits = 64
		}
		if numbers[i], err = strconv.ParseInt(p, 10, bits); err != nil || numbers[i] < 0 {
			return ref, fmt.Errorf("--webhook %q: %q is no number: write PARTITION:OFFSET or PARTITION:OFFSET:INDEX", text, p)
		}
	}
	return schemas.WebhookRef{Partition: int32(numbers[0]), Offset: numbers[1], Index: int32(numbers[2])}, nil
}

// webhookTimeout bounds the look for one webhook.
const webhookTimeout = 10 * time.Second

func (r *replayer) webhook(ctx context.Context, partition int32, offset int64) (*schemas.Webhook, error) {
	cl, err := kafka.NewConsumer(r.kafka, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{
		schemas.TopicWebhooks: {partition: kgo.NewOffset().At(offset)},
	}))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	fetches := poll(ctx, cl, webhookTimeout)
	if err := fetches.Err0(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return nil, err
	}
	for it := fetches.RecordIter(); !it.Done(); {
		if rec := it.Next(); rec.Offset == offset {
			w := new(schemas.Webhook)
			return w, r.serde.Decode(rec.Value, w)
		}
	}
	return nil, errors.New("there is none")
}

// send writes the references and waits until all are durable.
func (r *replayer) send(ctx context.Context) error {
	cl, err := kafka.NewProducer(r.kafka, kgo.RecordDeliveryTimeout(time.Minute))
	if err != nil {
		return err
	}
	defer cl.Close()
	bar := r.bar(int64(len(r.found)), "replaying")
	defer func() { _ = bar.Finish() }()
	failed := kgo.AbortingFirstErrPromise(cl)
	for _, w := range r.found {
		done := failed.Promise()
		cl.Produce(ctx, &kgo.Record{Topic: schemas.TopicWebhooks, Value: r.serde.Append(nil, schemas.TopicWebhooks, w)}, func(rec *kgo.Record, err error) {
			_ = bar.Add(1)
			done(rec, err)
		})
	}
	if err := failed.Err(); err != nil {
		return fmt.Errorf("writing references: %w", err)
	}
	return nil
}
