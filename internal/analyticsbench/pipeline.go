package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/processor/campaign"
	"github.com/posthorn/posthorn/processor/engagement"
	"github.com/posthorn/posthorn/schemas"
)

// partitions is how many each topic has, and so the tasks of each stage: the
// default of an installation.
const partitions = 12

var serde = schemas.NewLocalSerde()

// batch is what goes through the stages in one transaction of each task.
type batch struct {
	input    [partitions][]*kgo.Record
	events   int64
	frontier time.Time
	out      []*kgo.Record
}

// pipeline is the engagement and the campaign stage.
type pipeline struct{ engagement, campaign *stage }

// reactionTime is after what silence nothing more comes of a message, here.
const reactionTime = 9 * 24 * time.Hour

func newPipeline() (*pipeline, error) {
	e, err := newStage(engagement.Stage(engagement.Config{Serde: serde}), partitions, reactionTime, "messages")
	if err != nil {
		return nil, err
	}
	c, err := newStage(campaign.Stage(campaign.Config{Serde: serde}), partitions, 0, "")
	return &pipeline{e, c}, err
}

// each calls f for the tasks of a stage, side by side.
func each(f func(p int) error) error {
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for p := range partitions {
		group.Go(func() error { return f(p) })
	}
	return group.Wait()
}

// run derives what follows from a batch: its output, in the order in which it
// is written.
func (p *pipeline) run(b *batch) error {
	var outs [2][partitions][]*kgo.Record
	err := each(func(n int) (err error) {
		if len(b.input[n]) > 0 {
			outs[0][n], err = p.engagement.transaction(n, b.input[n], b.frontier)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("engagement: %w", err)
	}
	var deltas [partitions][]*kgo.Record
	for _, out := range outs[0] {
		for _, rec := range out {
			if rec.Partition == unplaced {
				rec.Partition = kafka.PartitionFor(rec.Key, partitions)
			}
			if rec.Topic == schemas.TopicCampaignDeltas {
				deltas[rec.Partition] = append(deltas[rec.Partition], rec)
			} else {
				b.out = append(b.out, rec)
			}
		}
	}
	err = each(func(n int) (err error) {
		if len(deltas[n]) > 0 {
			outs[1][n], err = p.campaign.transaction(n, deltas[n], b.frontier)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("campaign: %w", err)
	}
	for _, out := range outs[1] {
		b.out = append(b.out, out...)
	}
	return nil
}

// batches makes transactions of so many events, for ever or until the timeline
// ends, and hands them on with what follows from them.
func (p *pipeline) batches(ctx context.Context, g *generator, size func(made int64) int64, limit int64, f func(*batch) error) error {
	made, derived := make(chan *batch, 2), make(chan *batch, 2)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(made)
		for g.made < limit {
			b, more := nextBatch(g, min(size(g.made), limit-g.made))
			select {
			case made <- b:
			case <-ctx.Done():
				return ctx.Err()
			}
			if !more {
				return fmt.Errorf("the timeline of the events ended at %d of %d", g.made, limit)
			}
		}
		return nil
	})
	group.Go(func() error {
		defer close(derived)
		for b := range made {
			if err := p.run(b); err != nil {
				return err
			}
			select {
			case derived <- b:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	group.Go(func() error {
		for b := range derived {
			if err := f(b); err != nil {
				return err
			}
		}
		return nil
	})
	return group.Wait()
}

func nextBatch(g *generator, events int64) (b *batch, more bool) {
	b = &batch{}
	var e schemas.Event
	for b.events < events {
		if !g.next(&e) {
			return b, false
		}
		key := slices.Clone(e.RecipientID[:])
		n := kafka.PartitionFor(key, partitions)
		b.input[n] = append(b.input[n], &kgo.Record{Key: key, Value: serde.Append(make([]byte, 0, 640), schemas.TopicEventsByRecipient, &e)})
		b.events++
		// Those of other senders may have arrived a little earlier.
		b.frontier = e.ArrivedAt.Time().Add(-10 * time.Second)
	}
	return b, true
}
