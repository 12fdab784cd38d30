package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// driven is what a round of requests took.
type driven struct {
	took      time.Duration
	latencies []time.Duration // sorted
}

func (d driven) perSecond() float64 { return float64(len(d.latencies)) / d.took.Seconds() }

// percentile returns the latency that p of a hundred requests do not exceed.
func (d driven) percentile(p float64) time.Duration {
	if len(d.latencies) == 0 {
		return 0
	}
	return d.latencies[min(len(d.latencies)-1, int(float64(len(d.latencies))*p/100))]
}

// saturate has every connection post the next request as soon as the last one is
// answered. Latencies are what so many callers in a closed loop see.
func (all clients) saturate(r *requests, length time.Duration) (driven, error) {
	start := time.Now()
	return all.drive(start, length, func(c *client) (took []time.Duration, err error) {
		for began := start; began.Sub(start) < length; {
			if err := c.post(r); err != nil {
				return nil, err
			}
			now := time.Now()
			took = append(took, now.Sub(began))
			began = now
		}
		return took, nil
	})
}

// pace posts requests at their times, perSecond of them. The latency of each counts
// from when it was due: what waits for a connection, or for this process, has
// waited, and a server that stalls is charged for all that it made wait.
func (all clients) pace(ctx context.Context, r *requests, perSecond float64, length time.Duration) (driven, error) {
	n := int(perSecond * length.Seconds())
	due := make(chan time.Time, n) // never full
	start := time.Now().Add(time.Millisecond)
	go func() {
		defer close(due)
		// A thread of its own: the runtime's timers round up to a millisecond
		// when nothing else is to be done.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for i := range n {
			at := start.Add(time.Duration(float64(i) / perSecond * float64(time.Second)))
			if wait := time.Until(at); wait > 0 {
				t := unix.NsecToTimespec(wait.Nanoseconds())
				_ = unix.Nanosleep(&t, nil) // Woken early, it posts early by as much.
			}
			if ctx.Err() != nil {
				return
			}
			due <- at
		}
	}()
	return all.drive(start, length, func(c *client) (took []time.Duration, err error) {
		for at := range due {
			if err := c.post(r); err != nil {
				for range due { // The pacer ends, and the others do.
				}
				return nil, err
			}
			took = append(took, time.Since(at))
		}
		return took, nil
	})
}

func (all clients) drive(start time.Time, length time.Duration, each func(*client) ([]time.Duration, error)) (driven, error) {
	if err := all.until(start.Add(length + answerLimit)); err != nil {
		return driven{}, err
	}
	took := make([][]time.Duration, len(all))
	var g errgroup.Group
	for i, c := range all {
		g.Go(func() (err error) {
			took[i], err = each(c)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return driven{}, fmt.Errorf("%d connections: %w", len(all), err)
	}
	d := driven{took: time.Since(start), latencies: slices.Concat(took...)}
	slices.Sort(d.latencies)
	return d, nil
}
