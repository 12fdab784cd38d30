package main

import (
	"context"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/internal/controls"
	"github.com/posthorn/posthorn/internal/generation"
	"github.com/posthorn/posthorn/internal/telemetry"
)

// followGenerations learns which generation is live and what people ask of calls,
// and keeps both in sight until everything that was added to the actors before is
// stopped.
func (n *node) followGenerations(ctx context.Context, to *actors) (err error) {
	if n.generations, err = generation.Follow(ctx, n.kafka, n.log); err != nil {
		return err
	}
	if n.controls, err = controls.Follow(ctx, n.kafka, n.log); err != nil {
		return err
	}
	to.add("generations", n.generations.Run)
	to.add("controls", n.controls.Run)
	return nil
}

// paused tells the API whether calls of a rule are held.
func (n *node) paused(rule string) *analytics.Pause {
	if n.controls == nil {
		return nil
	}
	r := n.controls.Snapshot().Rules[rule]
	if !r.Paused {
		return nil
	}
	return &analytics.Pause{By: r.By, At: r.At, Reason: r.Reason}
}

// follow runs actors for the live generation: when another one goes live, they
// are stopped in their order, and start makes those of the other.
func (n *node) follow(ctx context.Context, start func(ctx context.Context, to *actors, live generation.Live, reg prometheus.Registerer) error) error {
	for {
		live, changed := n.generations.Live()
		run, stop := context.WithCancel(ctx)
		watched := make(chan struct{})
		go func() {
			defer close(watched)
			select {
			case <-changed:
				n.log.Info("another generation is live: moving over")
				stop()
			case <-run.Done():
			}
		}()
		reg := &registrations{to: n.reg}
		err := start(run, actorsUntil(run, n.log), live, reg)
		stop()
		<-watched
		reg.unregister()
		if err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// starting makes a component unready until what runs it says otherwise.
func starting(health *telemetry.Health, name string) {
	health.Register(name, func() (bool, string) { return false, "starting" })
}

// registrations are the collectors of one generation's actors: the next ones
// have metrics of the same names.
type registrations struct {
	to   prometheus.Registerer
	mu   sync.Mutex
	list []prometheus.Collector
}

func (r *registrations) Register(c prometheus.Collector) error {
	if err := r.to.Register(c); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, c)
	return nil
}

func (r *registrations) MustRegister(cs ...prometheus.Collector) {
	for _, c := range cs {
		if err := r.Register(c); err != nil {
			panic(err)
		}
	}
}

func (r *registrations) Unregister(c prometheus.Collector) bool { return r.to.Unregister(c) }

func (r *registrations) unregister() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.list {
		r.to.Unregister(c)
	}
	r.list = nil
}
