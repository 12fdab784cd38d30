//go:build linux

package main

import (
	"context"
	"errors"
)

// disturb has a process's connections disturbed for a while. It counts if there
// was work in progress just before.
func (r *run) disturb(ctx context.Context, f fault, begin, end func(p *proxies) error) (hit, error) {
	v := r.victim(f)
	h, err := v.atWork(ctx, r)
	if err != nil {
		return hit{}, err
	}
	if err := begin(v.front()); err != nil {
		return hit{}, err
	}
	return h, errors.Join(wait(ctx, f.Hold), end(v.front()))
}

// cutConnections closes a process's connections and refuses new ones.
func cutConnections(ctx context.Context, r *run, f fault) (hit, error) {
	return r.disturb(ctx, f, func(p *proxies) error {
		p.cut(f.Broker)
		return nil
	}, func(p *proxies) error { return p.restore(f.Broker) })
}

func (r *run) poison(ctx context.Context, f fault, toxics ...toxic) (hit, error) {
	return r.disturb(ctx, f, func(p *proxies) error {
		var errs []error
		for _, t := range toxics {
			errs = append(errs, p.add(f.Broker, t))
		}
		return errors.Join(errs...)
	}, func(p *proxies) error {
		var errs []error
		for _, t := range toxics {
			errs = append(errs, p.remove(ctx, f.Broker, t.Name))
		}
		return errors.Join(errs...)
	})
}

// delayConnections delays everything that a process is answered.
func delayConnections(ctx context.Context, r *run, f fault) (hit, error) {
	delay := 50 + f.Choice%450
	return r.poison(ctx, f, toxic{"delay", "latency", "downstream", map[string]any{"latency": delay, "jitter": delay / 2}})
}

// throttleConnections lets little through, both ways.
func throttleConnections(ctx context.Context, r *run, f fault) (hit, error) {
	rate := map[string]any{"rate": 10 + f.Choice%90} // KB/s
	return r.poison(ctx, f, toxic{"thin-up", "bandwidth", "upstream", rate}, toxic{"thin-down", "bandwidth", "downstream", rate})
}

// blackHole lets nothing through and closes nothing. Where only the answers are
// lost, the brokers do what they are asked and the process never learns of it.
func blackHole(ctx context.Context, r *run, f fault) (hit, error) {
	up, down := toxic{"hole-up", "timeout", "upstream", nil}, toxic{"hole-down", "timeout", "downstream", nil}
	switch f.Choice % 3 {
	case 0:
		return r.poison(ctx, f, up, down)
	case 1:
		return r.poison(ctx, f, up)
	default:
		return r.poison(ctx, f, down)
	}
}
