//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/posthorn/posthorn/internal/kafka"
)

// rollingRestart stops and starts one worker after the other.
func rollingRestart(ctx context.Context, r *run, f fault) (hit, error) {
	before, err := r.busy(ctx, "")
	if err != nil {
		return hit{}, err
	}
	ok, why := before.inProgress("")
	for _, w := range r.fleet.workers {
		if err := w.terminate(); err != nil {
			return hit{}, err
		}
		if err := errors.Join(wait(ctx, f.Hold/2), w.launch(), wait(ctx, f.Hold)); err != nil {
			return hit{}, err
		}
	}
	return hit{ok, why}, nil
}

// rescale takes all workers but one away, lets it take over, and brings them
// back.
func rescale(ctx context.Context, r *run, f fault) (hit, error) {
	stay := int(f.Choice % workers)
	before, err := r.busy(ctx, "")
	if err != nil {
		return hit{}, err
	}
	ok, why := before.inProgress("")
	var leaving []*worker
	for i, w := range r.fleet.workers {
		if i != stay {
			leaving = append(leaving, w)
		}
	}
	if err := terminateAll(leaving); err != nil {
		return hit{}, err
	}
	name := r.fleet.workers[stay].name
	err = until(ctx, time.Minute, name+" to have all tasks", func(ctx context.Context) bool {
		owners := map[task]string{}
		if r.watch.findOwners(ctx, owners) != nil || len(owners) != partitions*len(stages) {
			return false
		}
		for _, owner := range owners {
			if owner != name {
				return false
			}
		}
		return true
	})
	if err == nil {
		err = wait(ctx, f.Hold)
	}
	return hit{ok, why}, errors.Join(err, launchAll(leaving))
}

// zombieTimer freezes a worker when there is no input left and nothing but
// timers is due in its tasks; others must fire them, and it must not.
func zombieTimer(ctx context.Context, r *run, f fault) (hit, error) {
	w := r.fleet.workers[f.Choice%workers]
	r.load.pause()
	defer r.load.resume()
	if err := r.watch.caughtUp(ctx, recoveryLimit); err != nil {
		return hit{}, err
	}
	before, err := r.absences(ctx)
	if err != nil {
		return hit{}, err
	}
	if err := w.freeze(); err != nil {
		return hit{}, err
	}
	err = wait(ctx, f.Hold)
	after, err2 := r.absences(ctx)
	if err := errors.Join(err, err2, w.thaw()); err != nil {
		return hit{}, err
	}
	// The zombie meets input again only after its timers are no longer its own.
	if err := wait(ctx, time.Second); err != nil {
		return hit{}, err
	}
	return hit{after > before, fmt.Sprintf("%s frozen with no input left; %d offsets of timers' results came meanwhile", w.name, after-before)}, nil
}

// absences is the length of the absence stage's output.
func (r *run) absences(ctx context.Context) (n int64, err error) {
	ends, err := r.watch.adm.ListEndOffsets(ctx, absenceTopic)
	if err == nil {
		err = ends.Error()
	}
	for _, o := range ends[absenceTopic] {
		n += o.Offset
	}
	return n, err
}

// switchProtocol stops all workers and starts them with the other group
// protocol.
func switchProtocol(ctx context.Context, r *run, f fault) (hit, error) {
	before, err := r.busy(ctx, "")
	if err != nil {
		return hit{}, err
	}
	ok, why := before.inProgress("")
	if err := terminateAll(r.fleet.workers); err != nil {
		return hit{}, err
	}
	// Static members that are gone stay in their group until their session ends.
	if err := wait(ctx, sessionTimeout+time.Second); err != nil {
		return hit{}, err
	}
	to := kafka.Consumer
	if r.fleet.currentProtocol() == kafka.Consumer {
		to = kafka.Classic
	}
	r.fleet.setProtocol(to)
	return hit{ok, why + "; now " + string(to)}, launchAll(r.fleet.workers)
}
