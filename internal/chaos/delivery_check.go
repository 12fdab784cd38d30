//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

// sentTrigger is a trigger that was written.
type sentTrigger struct {
	endpoint string
	at       time.Time
	timed    bool // its call's delay counts
}

// records is what posthorn.deliveries says, as it is written.
type records struct {
	mu        sync.Mutex
	succeeded map[string]time.Time // by trigger: when that was written
	twice     []string
	failed    []string
	attempts  int
}

// follow reads until ctx ends.
func (r *records) follow(ctx context.Context, cfg kafka.Config, serde *schemas.Serde) error {
	cl, err := kafka.NewConsumer(cfg, kgo.ConsumeTopics(schemas.TopicDeliveries))
	if err != nil {
		return err
	}
	defer cl.Close()
	for ctx.Err() == nil {
		var failed error
		cl.PollFetches(ctx).EachRecord(func(rec *kgo.Record) {
			var d schemas.Delivery
			if err := serde.Decode(rec.Value, &d); err != nil {
				failed = fmt.Errorf("reading deliveries: %w", err)
				return
			}
			r.take(&d, rec.Timestamp)
		})
		if failed != nil {
			return failed
		}
	}
	return nil
}

func (r *records) take(d *schemas.Delivery, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.attempts++
	id := d.TriggerID.String()
	switch d.Status {
	case schemas.DeliveryStatusSucceeded:
		if _, before := r.succeeded[id]; before {
			r.twice = append(r.twice, id)
		}
		r.succeeded[id] = at
	case schemas.DeliveryStatusFailed, schemas.DeliveryStatusDisabled:
		r.failed = append(r.failed, fmt.Sprintf("%s to %s: %s %s", id, d.Endpoint, d.Status, d.Error))
	}
}

func (r *records) successes() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.succeeded)
}

// deliveryResult is what a run of the delivery has shown.
type deliveryResult struct {
	triggers, live int
	missing        int64 // triggers of live endpoints that were not accepted, or not recorded
	double         int64 // calls after the success was recorded, and successes recorded twice
	repeats        int64 // calls that were accepted again before that was recorded
	p50, p99, max  time.Duration
	timed          int
	kills          int
	pending        int // when the kills began
	attempts       int
	calls          map[string]int // by kind of endpoint
	findings       []string
	crashes        []string
	err            error
}

// checkDeliveries holds what the endpoints saw against what was sent and what is
// recorded.
func checkDeliveries(sent map[string]sentTrigger, calls map[string][]shopCall, r *records) *deliveryResult {
	res := &deliveryResult{triggers: len(sent), attempts: r.attempts}
	var delays []time.Duration
	for _, id := range slices.Sorted(maps.Keys(sent)) {
		t := sent[id]
		recorded, done := r.succeeded[id]
		if kindOfShop(t.endpoint) != shopLive {
			if done {
				res.double++
				res.findings = append(res.findings, fmt.Sprintf("%s to %s, which accepts nothing, is recorded as succeeded", id, t.endpoint))
			}
			continue
		}
		res.live++
		accepted := 0
		for _, c := range calls[id] {
			if done && c.at.Truncate(time.Millisecond).After(recorded) { // as records have it
				res.double++
				res.findings = append(res.findings, fmt.Sprintf("%s was called at %s, recorded as succeeded at %s", id, c.at.Format(timeFormat), recorded.Format(timeFormat)))
			} else if accepted > 0 {
				res.repeats++
			}
			if c.accepted {
				accepted++
			}
		}
		if accepted == 0 || !done {
			res.missing++
			res.findings = append(res.findings, fmt.Sprintf("%s to %s: %d calls, %d accepted, recorded %v", id, t.endpoint, len(calls[id]), accepted, done))
		}
		if t.timed && len(calls[id]) > 0 {
			delays = append(delays, calls[id][0].at.Sub(t.at))
		}
	}
	res.double += int64(len(r.twice))
	for _, id := range r.twice {
		res.findings = append(res.findings, id+" is recorded as succeeded twice")
	}
	res.findings = append(res.findings, r.failed...)
	for id := range calls {
		if _, known := sent[id]; !known {
			res.findings = append(res.findings, "call "+id+" is of no trigger")
		}
	}
	if res.timed = len(delays); len(delays) > 0 {
		slices.Sort(delays)
		res.p50, res.p99, res.max = delays[len(delays)/2], delays[(len(delays)*99+99)/100-1], delays[len(delays)-1]
	}
	return res
}

const timeFormat = "15:04:05.000"

// maxLiveP99 is how long the calls to endpoints that live may take to come while
// others hang.
const maxLiveP99 = time.Second

// failed tells whether the run shows that something is wrong.
func (r *deliveryResult) failed(o options) bool {
	return r.err != nil || r.missing+r.double > 0 || len(r.findings)+len(r.crashes) > 0 || r.kills < o.kills || r.timed == 0 || r.p99 >= maxLiveP99
}

func (r *deliveryResult) printResults(w io.Writer) {
	fmt.Fprintf(w, "%d triggers, %d of them to endpoints that live; %d calls were pending when the kills began; %d attempts recorded; calls by kind of endpoint %v\n",
		r.triggers, r.live, r.pending, r.attempts, r.calls)
	fmt.Fprintf(w, "calls to live endpoints beside dead ones, before the kills: %d, p50 %d ms, p99 %d ms, most %d ms\n",
		r.timed, r.p50.Milliseconds(), r.p99.Milliseconds(), r.max.Milliseconds())
	fmt.Fprintf(w, "RESULT delivery_kills %d count\n", r.kills)
	fmt.Fprintf(w, "RESULT delivery_missing %d count\n", r.missing)
	fmt.Fprintf(w, "RESULT delivery_double %d count\n", r.double)
	fmt.Fprintf(w, "RESULT delivery_crash_repeats %d count\n", r.repeats)
	fmt.Fprintf(w, "RESULT delivery_live_p99 %d ms\n", r.p99.Milliseconds())
}
