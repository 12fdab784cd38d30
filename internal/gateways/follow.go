package gateways

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

// Follower knows what all gateways have said.
type Follower struct {
	cfg kafka.Config
	log *slog.Logger

	mu       sync.Mutex
	gateways map[string]Gateway
	known    bool // the topic was read to its end once

	whenKnown func() // nil: nothing
}

// NewFollower makes a Follower, which knows nothing until Run has read the topic.
func NewFollower(cfg kafka.Config, log *slog.Logger) *Follower {
	return &Follower{cfg: cfg, log: log, gateways: map[string]Gateway{}}
}

// Clear returns up to when, in microseconds, no gateway has anything in its spool:
// the greatest number where none has one; false while that is unknown.
func (f *Follower) Clear() (int64, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	until := int64(math.MaxInt64)
	for _, g := range f.gateways {
		if !g.Left {
			until = min(until, int64(g.Until))
		}
	}
	return until, f.known
}

// Register adds what tells operators that the frontier is held.
func (f *Follower) Register(reg prometheus.Registerer) {
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "posthorn_gateways_hold_seconds",
		Help: "How long ago, by its own clock, the gateway that holds the arrival frontier said that its spool is empty; 0 without one.",
	}, func() float64 {
		until, known := f.Clear()
		if !known || until == math.MaxInt64 {
			return 0
		}
		return max(0, time.Since(schemas.Timestamp(until).Time()).Seconds())
	}))
}

// Gateways returns what is known, those that are furthest behind first.
func (f *Follower) Gateways() []Gateway {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.SortedFunc(maps.Values(f.gateways), func(a, b Gateway) int {
		return cmp.Or(cmp.Compare(a.Until, b.Until), cmp.Compare(a.ID, b.ID))
	})
}

// Run follows the topic until ctx ends. While it can't be read, what was said last
// stays.
func (f *Follower) Run(ctx context.Context) error {
	cl, err := kafka.NewConsumer(f.cfg, kgo.ConsumeTopics(schemas.TopicGateways))
	if err != nil {
		return err
	}
	defer cl.Close()
	f.follow(ctx, cl)
	return nil
}

func (f *Follower) follow(ctx context.Context, cl *kgo.Client) {
	end, next := int64(-1), int64(0)
	for ctx.Err() == nil {
		err := error(nil)
		if end < 0 {
			next, end, err = bounds(ctx, cl)
		}
		if err == nil && next < end || f.isKnown() {
			fetches := cl.PollFetches(ctx)
			err = fetches.Err()
			for it := fetches.RecordIter(); !it.Done(); {
				rec := it.Next()
				next = rec.Offset + 1
				f.take(rec)
			}
		}
		if err == nil && end >= 0 && next >= end {
			f.setKnown()
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, context.Canceled) {
			f.log.Warn("can't read what gateways say: stages wait", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}
}

func (f *Follower) isKnown() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.known
}

func (f *Follower) setKnown() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.known && f.whenKnown != nil {
		f.whenKnown()
	}
	f.known = true
}

// bounds returns the first and the next offset of the topic.
func bounds(ctx context.Context, cl *kgo.Client) (start, end int64, err error) {
	adm := kadm.NewClient(cl)
	ends, err := adm.ListEndOffsets(ctx, schemas.TopicGateways)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return 0, -1, fmt.Errorf("asking for the end of %s: %w", schemas.TopicGateways, err)
	}
	starts, err := adm.ListStartOffsets(ctx, schemas.TopicGateways)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return 0, -1, fmt.Errorf("asking for the start of %s: %w", schemas.TopicGateways, err)
	}
	e, ok := ends.Lookup(schemas.TopicGateways, 0)
	if !ok {
		return 0, -1, fmt.Errorf("topic %s is missing: create it with posthorn topics create", schemas.TopicGateways)
	}
	s, _ := starts.Lookup(schemas.TopicGateways, 0)
	return s.Offset, e.Offset, nil
}

func (f *Follower) take(rec *kgo.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	g := Gateway{ID: string(rec.Key), Said: rec.Timestamp}
	if err := json.Unmarshal(rec.Value, &g); err != nil {
		f.log.Error("a record of a gateway can't be read", "topic", rec.Topic, "offset", rec.Offset, "error", err)
		return
	}
	f.gateways[g.ID] = g
}

// Read returns what all gateways have said until now.
func Read(ctx context.Context, cfg kafka.Config, log *slog.Logger) ([]Gateway, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f := NewFollower(cfg, log)
	f.whenKnown = cancel
	if err := f.Run(ctx); err != nil {
		return nil, err
	}
	if !f.known {
		return nil, fmt.Errorf("reading %s: %w", schemas.TopicGateways, context.Cause(ctx))
	}
	return f.Gateways(), nil
}
