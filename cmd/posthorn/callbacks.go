package main

import (
	"context"
	"errors"
	"time"

	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/generation"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/processor/delivery"
	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// drainTimeout bounds the wait at shutdown for callbacks under way, which may
// take their own time, to be written.
const drainTimeout = 5 * time.Second

func (s *stages) delivery(ctx context.Context, to *actors) error {
	g := s.live.Generation
	reader, err := kafka.NewReader(s.kafka)
	if err != nil {
		return err
	}
	var w *stream.Worker
	d, err := delivery.New(delivery.Config{
		Serde: s.serde, Endpoints: s.endpoints, Wake: func() { w.Wake() },
		Generation: g, Rebuilt: s.live.Since, MaxAge: maxAges(s.rules),
		Confirm:  func() error { return s.confirm(ctx, g) },
		Controls: s.controls.Snapshot, Triggers: reader,
		Retry: retrySchedule(s.cfg.Delivery), Timeout: s.cfg.Delivery.Timeout, DisableAfter: disableAfter(s.cfg.Delivery), Limit: limits(s.rules),
		Version: version(), Registerer: s.reg, Logger: s.log,
	})
	if err != nil {
		reader.Close()
		return err
	}
	if w, err = s.newWorker(d.Stage()); err != nil {
		d.Close()
		reader.Close()
		return err
	}
	drain := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Delivery.Timeout+drainTimeout)
		defer cancel()
		return d.Drain(ctx)
	}
	s.ready(config.StageDelivery, w)
	to.add("stage "+config.StageDelivery, func(ctx context.Context) error {
		defer reader.Close()
		defer d.Close()
		defer s.controls.Wake(w.Wake)()
		if err := s.awaitPredecessor(ctx, d.Stage()); err != nil {
			// The state was opened and must be closed; a worker that ends at once
			// does that.
			done, cancel := context.WithCancel(ctx)
			cancel()
			return errors.Join(err, w.Run(done))
		}
		return runDrained(ctx, w, drain)
	})
	return nil
}

// confirmTimeout bounds the look at which generation is live.
const confirmTimeout = 10 * time.Second

// confirm checks that a generation is live, also for a worker that is being
// stopped: it drains first.
func (s *stages) confirm(ctx context.Context, g schemas.Generation) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), confirmTimeout)
	defer cancel()
	return generation.Confirm(ctx, s.kafka, g)
}

// awaitPredecessor waits until nobody delivers for another generation: all
// share one state.
func (s *stages) awaitPredecessor(ctx context.Context, stage stream.Stage) error {
	admin, closeAdmin, err := kafka.NewAdmin(s.kafka)
	if err != nil {
		return err
	}
	defer closeAdmin()
	return generation.AwaitVacant(ctx, admin, stage.Name, stage.Input, s.member(stage.Name))
}

// maxAges finds the max_age of a rule; of one that is gone nothing is called.
func maxAges(rules *trigger.Set) func(string) time.Duration {
	ages := map[string]time.Duration{}
	for _, r := range rules.Rules() {
		ages[r.Name] = r.MaxAge
	}
	return func(rule string) time.Duration { return ages[rule] }
}

// limits finds how many calls an hour a rule may make; one that is gone, none
// of which comes any more, as many as it likes.
func limits(rules *trigger.Set) func(string) int {
	limit := map[string]int{}
	for _, r := range rules.Rules() {
		limit[r.Name] = r.Limit
	}
	return func(rule string) int { return limit[rule] }
}

// retrySchedule is what is configured; nil: the default.
func retrySchedule(d config.Delivery) []time.Duration {
	if len(d.Retry) == 0 {
		return nil
	}
	return d.Retry
}

// disableAfter is what is configured, where 0 means never.
func disableAfter(d config.Delivery) time.Duration {
	if d.DisableAfter == 0 {
		return -1
	}
	return d.DisableAfter
}

// runDrained runs a worker until ctx ends, drains it and then stops it.
func runDrained(ctx context.Context, w *stream.Worker, drain func() error) error {
	running, stop := context.WithCancel(context.Background())
	defer stop()
	drained := make(chan error, 1)
	go func() {
		<-ctx.Done()
		drained <- drain()
		stop()
	}()
	err := w.Run(running)
	if ctx.Err() == nil {
		return err
	}
	return errors.Join(<-drained, err)
}
