package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/generation"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/schemas"
)

// watchTimeout bounds the look at where the topics end.
const watchTimeout = 5 * time.Second

// arrivals reads what becomes of webhooks: the events and rejections that are
// written from its making on.
type arrivals struct {
	client *kgo.Client
	serde  *schemas.Serde
}

func (a *app) watchEvents(ctx context.Context, cfg *config.Config) (*arrivals, error) {
	ctx, cancel := context.WithTimeout(ctx, watchTimeout)
	defer cancel()
	log, err := a.logger(cfg)
	if err != nil {
		return nil, err
	}
	serde, err := register(ctx, cfg)
	if err != nil {
		return nil, err
	}
	kc := kafkaConfig(cfg, log)
	live, err := generation.Read(ctx, kc)
	if err != nil {
		return nil, err
	}
	admin, closeAdmin, err := kafka.NewAdmin(kc)
	if err != nil {
		return nil, err
	}
	defer closeAdmin()
	// The ends are looked up now: a consumer that is told to begin at the end finds
	// out only later where that is.
	ends, err := admin.ListEndOffsets(ctx, live.Generation.Topic(schemas.TopicEvents), live.Generation.Topic(schemas.TopicRejected))
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("looking up the ends of the topics: %w", err)
	}
	from := map[string]map[int32]kgo.Offset{}
	ends.Each(func(o kadm.ListedOffset) {
		if from[o.Topic] == nil {
			from[o.Topic] = map[int32]kgo.Offset{}
		}
		from[o.Topic][o.Partition] = kgo.NewOffset().At(o.Offset)
	})
	client, err := kafka.NewConsumer(kc, kgo.ConsumePartitions(from))
	if err != nil {
		return nil, err
	}
	return &arrivals{client, serde}, nil
}

func (a *arrivals) close() { a.client.Close() }

// errNothingCame is that neither event nor rejection came in time.
var errNothingCame = errors.New("nothing came of it in time")

// of waits for the first event or rejection of a webhook.
func (a *arrivals) of(ctx context.Context, id schemas.ID, timeout time.Duration) (*schemas.Event, *schemas.Rejection, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for {
		fetches := a.client.PollFetches(ctx)
		for _, e := range fetches.Errors() {
			if errors.Is(e.Err, context.DeadlineExceeded) {
				return nil, nil, errNothingCame
			}
			return nil, nil, fmt.Errorf("reading %s: %w", e.Topic, e.Err)
		}
		for it := fetches.RecordIter(); !it.Done(); {
			rec := it.Next()
			if stream.IsMarker(rec) || len(rec.Value) == 0 {
				continue
			}
			if name, _ := schemas.SplitTopic(rec.Topic); name == schemas.TopicRejected {
				r := new(schemas.Rejection)
				if err := a.serde.Decode(rec.Value, r); err != nil {
					return nil, nil, fmt.Errorf("decoding %s: %w", rec.Topic, err)
				}
				if r.WebhookID == id {
					return nil, r, nil
				}
				continue
			}
			ev := new(schemas.Event)
			if err := a.serde.Decode(rec.Value, ev); err != nil {
				return nil, nil, fmt.Errorf("decoding %s: %w", rec.Topic, err)
			}
			if ev.RawRef.WebhookID == id {
				return ev, nil, nil
			}
		}
	}
}

// showEvent waits for what becomes of a webhook and prints it.
func (a *app) showEvent(ctx context.Context, events *arrivals, id schemas.ID, timeout time.Duration) error {
	began := time.Now()
	ev, rejected, err := events.of(ctx, id, timeout)
	switch {
	case errors.Is(err, errNothingCame):
		return fmt.Errorf("no event of it is in posthorn.events after %s: are the stages running, and not behind (posthorn status)? The webhook is stored and will be read; --timeout waits longer", timeout)
	case err != nil:
		return err
	case rejected != nil:
		return fmt.Errorf("it was rejected: %s: %s %s; see posthorn tail posthorn.rejected", rejected.Reason, rejected.Field, rejected.Detail)
	}
	fmt.Fprintf(a.out, "Its event is in posthorn.events after %d ms:\n", time.Since(began).Milliseconds())
	out := json.NewEncoder(a.out)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	return out.Encode(ev)
}
