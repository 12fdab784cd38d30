//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// busy waits until a worker, or any for "", has work in progress, and returns
// the sample that shows it; the last one if there is none for a while.
func (r *run) busy(ctx context.Context, worker string) (*work, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	var last *work
	for {
		s, err := r.watch.look(ctx)
		if err == nil {
			last = s
			if ok, _ := s.inProgress(worker); ok {
				return s, nil
			}
		}
		if wait(ctx, 20*time.Millisecond) != nil {
			if last == nil {
				return nil, fmt.Errorf("%w (%w)", err, ctx.Err())
			}
			return last, nil
		}
	}
}

// stopped compares a sample from before a worker was stopped with one after.
func (r *run) stopped(ctx context.Context, before *work, worker string) hit {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	after, err := r.watch.look(ctx)
	if err != nil {
		return hit{false, "what was in progress is not known: " + err.Error()}
	}
	ok, why := leftBehind(before, after, worker)
	return hit{ok, why}
}

// victim is what has connections to be disturbed.
type victim interface {
	front() *proxies
	// atWork waits until there is work in progress, and tells what.
	atWork(ctx context.Context, r *run) (hit, error)
}

func (r *run) victim(f fault) victim {
	if r.gateways != nil {
		return r.gateways[f.Worker-1]
	}
	return r.worker(f)
}

func (w *worker) atWork(ctx context.Context, r *run) (hit, error) {
	before, err := r.busy(ctx, w.name)
	if err != nil {
		return hit{}, err
	}
	ok, why := before.inProgress(w.name)
	return hit{ok, why}, nil
}

func (r *run) worker(f fault) *worker { return r.fleet.workers[f.Worker-1] }

// killed kills a worker at work.
func (r *run) killed(ctx context.Context, w *worker) (hit, error) {
	before, err := r.busy(ctx, w.name)
	if err != nil {
		return hit{}, err
	}
	if err := w.kill(); err != nil {
		return hit{}, err
	}
	return r.stopped(ctx, before, w.name), nil
}

// killWorker kills a worker and starts it again; one time in three it is killed
// a second time on its way.
func killWorker(ctx context.Context, r *run, f fault) (hit, error) {
	w := r.worker(f)
	h, err := r.killed(ctx, w)
	if err != nil {
		return h, err
	}
	if err := wait(ctx, f.Hold/4); err != nil {
		return h, err
	}
	if f.Choice%3 == 0 {
		if err := w.launch(); err != nil {
			return h, err
		}
		if err := wait(ctx, f.Hold); err != nil {
			return h, err
		}
		h.why += fmt.Sprintf("; killed again %d ms after its start", f.Hold.Milliseconds())
		if err := w.kill(); err != nil {
			return h, err
		}
	}
	return h, w.launch()
}

// restartWorker stops a worker in order and starts it again.
func restartWorker(ctx context.Context, r *run, f fault) (hit, error) {
	w := r.worker(f)
	before, err := r.busy(ctx, w.name)
	if err != nil {
		return hit{}, err
	}
	if err := w.terminate(); err != nil {
		return hit{}, err
	}
	// In order, nothing is left open: what was in progress was so before.
	ok, why := before.inProgress(w.name)
	if err := wait(ctx, f.Hold); err != nil {
		return hit{}, err
	}
	return hit{ok, why}, w.launch()
}

// freezeWorker stops a worker in its tracks. Beyond the session timeout others
// take over, and it comes back as a zombie.
func freezeWorker(ctx context.Context, r *run, f fault) (hit, error) {
	w := r.worker(f)
	before, err := r.busy(ctx, w.name)
	if err != nil {
		return hit{}, err
	}
	if err := w.freeze(); err != nil {
		return hit{}, err
	}
	h := r.stopped(ctx, before, w.name)
	return h, errors.Join(wait(ctx, f.Hold), w.thaw())
}

// deleteState kills a worker and deletes its state.
func deleteState(ctx context.Context, r *run, f fault) (hit, error) {
	w := r.worker(f)
	h, err := r.killed(ctx, w)
	if err == nil {
		err = w.disk.wipe()
	}
	if err != nil {
		return h, err
	}
	return h, w.launch()
}

// staleState kills a worker, lets it go on for a while, kills it again, and
// puts the state that it had at the first time back.
func staleState(ctx context.Context, r *run, f fault) (hit, error) {
	w := r.worker(f)
	h, err := r.killed(ctx, w)
	if err == nil {
		err = w.disk.keep()
	}
	if err == nil {
		err = w.launch()
	}
	if err == nil {
		err = wait(ctx, f.Hold)
	}
	if err == nil {
		h, err = r.killed(ctx, w)
	}
	if err == nil {
		err = w.disk.putBack()
	}
	if err != nil {
		return h, err
	}
	return h, w.launch()
}

// fillDisk takes all space on a worker's disk for a while. The worker's stages
// may stop or its process may end; it is started again until there is space.
func fillDisk(ctx context.Context, r *run, f fault) (hit, error) {
	w := r.worker(f)
	if !w.disk.mounted {
		return hit{false, "not tested: mounting a file system is not permitted"}, nil
	}
	before, err := r.busy(ctx, w.name)
	if err != nil {
		return hit{}, err
	}
	w.setMayEnd(true)
	defer w.setMayEnd(false)
	process := w.gone()
	if err := w.disk.fill(); err != nil {
		return hit{}, errors.Join(err, w.disk.free())
	}
	ok, why := before.inProgress(w.name)
	if f.Choice%2 == 0 {
		// A log has its space reserved: to be sure that something fails, the
		// worker must open its stores. Its death has set some free.
		if err := errors.Join(w.kill(), w.disk.fill(), w.launch()); err != nil {
			return hit{}, errors.Join(err, w.disk.free())
		}
		process = w.gone()
		why += "; killed with its disk full"
	}
	if err := wait(ctx, f.Hold); err != nil {
		return hit{}, errors.Join(err, w.disk.free())
	}
	select {
	case <-process:
		why += "; the process ended"
	default:
		why += "; the process went on"
	}
	return hit{ok, why}, w.disk.free()
}

// jumpClock sets a worker's clock forward or back; it stays so. Every other
// time the worker is killed after a while, and judges its state by the new time.
func jumpClock(ctx context.Context, r *run, f fault) (hit, error) {
	w := r.worker(f)
	jumps := []time.Duration{-2 * time.Hour, -time.Hour, -5 * time.Minute, 0, 5 * time.Minute, time.Hour}
	to := jumps[f.Choice%uint64(len(jumps))]
	before, err := r.busy(ctx, w.name)
	if err == nil {
		err = w.setClock(to)
	}
	if err == nil {
		err = wait(ctx, f.Hold)
	}
	if err != nil {
		return hit{}, err
	}
	ok, why := before.inProgress(w.name)
	h := hit{ok, fmt.Sprintf("clock off by %s; %s", to, why)}
	if f.Choice/8%2 == 0 {
		return h, nil
	}
	if h, err = r.killed(ctx, w); err != nil {
		return h, err
	}
	h.why = fmt.Sprintf("clock off by %s, then killed; %s", to, h.why)
	return h, w.launch()
}
