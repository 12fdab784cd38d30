package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
)

// reader follows the outputs of a run, of what is committed only.
type reader struct {
	cl               *kgo.Client
	triggers, counts string
	got              *results
	total            uint64 // sum of the valid counts: events that came through both stages
}

func (b *broker) newReader(triggers, counts string) (*reader, error) {
	cl, err := kafka.NewConsumer(b.cfg, kgo.ConsumeTopics(triggers, counts), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		return nil, err
	}
	return &reader{cl: cl, triggers: triggers, counts: counts, got: newResults()}, nil
}

// poll takes in what there is, or waits for it for up to 100 ms.
func (r *reader) poll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	fetches := r.cl.PollFetches(ctx)
	var failed error
	fetches.EachError(func(topic string, _ int32, err error) {
		if ctx.Err() == nil {
			failed = errors.Join(failed, fmt.Errorf("reading %s: %w", topic, err))
		}
	})
	fetches.EachRecord(func(rec *kgo.Record) {
		if failed == nil {
			failed = r.take(rec)
		}
	})
	return failed
}

func (r *reader) take(rec *kgo.Record) error {
	if len(rec.Value) != 8 {
		return fmt.Errorf("%s: a value of %d bytes, want 8", rec.Topic, len(rec.Value))
	}
	value := binary.BigEndian.Uint64(rec.Value)
	if rec.Topic == r.triggers {
		r.got.triggers[[2]uint64{binary.BigEndian.Uint64(rec.Key), value}]++
		return nil
	}
	k, err := decodeWindowKey(rec.Key)
	if err != nil {
		return err
	}
	r.total += value - r.got.counts[k]
	r.got.counts[k] = value
	return nil
}
