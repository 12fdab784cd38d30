// Package generation keeps which generation of everything derived is live, and
// makes and drops generations.
//
// The truth is the last record of posthorn.generations, so that all processes of
// an installation agree. Those that run stages or the sink follow it and move
// over by themselves; consumers of the topics read in it what the topics of the
// live generation are called.
package generation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

// liveKey is the key of the record.
const liveKey = "live"

// Live says which generation is live. It is the value, as JSON, of the record.
type Live struct {
	Generation schemas.Generation `json:"generation"`
	// Last is the highest number that was ever given: none is used twice.
	Last schemas.Generation `json:"last"`
	// Since is when the generation went live; zero for the first.
	Since time.Time `json:"since,omitzero"`
	// By tells who wrote the record.
	By string `json:"by,omitempty"`
	// Topics are the names of the live generation's public topics, by the names
	// they have in the first.
	Topics map[string]string `json:"topics,omitempty"`
}

// first is live where nothing was ever derived again.
func first() Live { return Live{Generation: schemas.FirstGeneration, Last: schemas.FirstGeneration} }

// patience is how long Read asks again while the topic has no leader, as after a
// broker was lost: the client itself gives up at once then.
const patience = 30 * time.Second

// Read returns what is live at this moment.
func Read(ctx context.Context, cfg kafka.Config) (Live, error) {
	cl, err := kafka.NewConsumer(cfg, kgo.ConsumeTopics(schemas.TopicGenerations))
	if err != nil {
		return Live{}, err
	}
	defer cl.Close()
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 100*time.Millisecond, 2*time.Second
	live, err := backoff.Retry(ctx, func() (Live, error) {
		live, err := readToEnd(ctx, cl)
		if err != nil && !kerr.IsRetriable(kafkaError(err)) {
			err = backoff.Permanent(err)
		}
		return live, err
	}, backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(patience))
	if err != nil {
		return Live{}, fmt.Errorf("asking which generation is live: %w", err)
	}
	return live, nil
}

// kafkaError is the broker's part of an error, or nil.
func kafkaError(err error) error {
	var code *kerr.Error
	if !errors.As(err, &code) {
		return nil
	}
	return code
}

func readToEnd(ctx context.Context, cl *kgo.Client) (Live, error) {
	live := first()
	adm := kadm.NewClient(cl)
	ends, err := adm.ListEndOffsets(ctx, schemas.TopicGenerations)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return live, err
	}
	end, ok := ends.Lookup(schemas.TopicGenerations, 0)
	if !ok {
		return live, fmt.Errorf("topic %s is missing: create the topics first", schemas.TopicGenerations)
	}
	starts, err := adm.ListStartOffsets(ctx, schemas.TopicGenerations)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return live, err
	}
	start, _ := starts.Lookup(schemas.TopicGenerations, 0)
	for at := start.Offset; at < end.Offset; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return live, err
		}
		for it := fetches.RecordIter(); !it.Done(); {
			rec := it.Next()
			at = rec.Offset + 1
			if live, err = take(live, rec); err != nil {
				return live, err
			}
		}
	}
	return live, nil
}

// take returns what is live after a record.
func take(before Live, rec *kgo.Record) (Live, error) {
	if string(rec.Key) != liveKey || len(rec.Value) == 0 {
		return before, nil
	}
	var live Live
	if err := json.Unmarshal(rec.Value, &live); err != nil {
		return before, fmt.Errorf("decoding offset %d of %s: %w", rec.Offset, rec.Topic, err)
	}
	if live.Generation < schemas.FirstGeneration || live.Last < live.Generation {
		return before, fmt.Errorf("offset %d of %s says that generation %d of %d is live", rec.Offset, rec.Topic, live.Generation, live.Last)
	}
	return live, nil
}

// Write makes live what it says.
func Write(ctx context.Context, cfg kafka.Config, live Live) error {
	live.Topics = map[string]string{}
	for _, t := range schemas.FirstGeneration.Topics(1, 1) {
		if !t.Internal {
			live.Topics[t.Name] = live.Generation.Topic(t.Name)
		}
	}
	value, err := json.Marshal(live)
	if err != nil {
		return fmt.Errorf("encoding the live generation: %w", err)
	}
	cl, err := kafka.NewProducer(cfg)
	if err != nil {
		return err
	}
	defer cl.Close()
	rec := &kgo.Record{Topic: schemas.TopicGenerations, Key: []byte(liveKey), Value: value}
	if err := cl.ProduceSync(ctx, rec).FirstErr(); err != nil {
		return fmt.Errorf("recording that generation %d is live: %w", live.Generation, err)
	}
	return nil
}

// Confirm returns an error unless the generation is live at this moment.
func Confirm(ctx context.Context, cfg kafka.Config, g schemas.Generation) error {
	live, err := Read(ctx, cfg)
	if err == nil && live.Generation != g {
		err = fmt.Errorf("generation %d is not live any more, %d is", g, live.Generation)
	}
	return err
}
