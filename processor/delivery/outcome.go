package delivery

import (
	"fmt"
	"time"

	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/schemas"
)

// finishAll writes the results that have come in.
func (t *task) finishAll(ctx stream.Context, now time.Time) error {
	results := t.gen.take()
	if len(results) == 0 {
		return nil
	}
	ctx.AfterCommit(t.gen.written)
	for i := range results {
		r := &results[i]
		if t.out[r.call.trigger.TriggerID] != r.call {
			continue // it was queued by a task before this one, which has its own
		}
		valid := r.call.gen == t.gen
		if !valid {
			var err error
			if valid, err = t.inherited(ctx, r.call); err != nil {
				return err
			}
		}
		if valid {
			t.finish(ctx, now, r)
		} else {
			delete(t.out, r.call.trigger.TriggerID)
		}
	}
	return nil
}

// inherited tells whether the result of a call that a task before this one made
// is still to be written: the partition may have been another worker's meanwhile.
func (t *task) inherited(ctx stream.Context, c *call) (bool, error) {
	id := c.trigger.TriggerID
	v, err := ctx.Store(StorePending).Get(id[:])
	if err != nil {
		return false, fmt.Errorf("reading pending call %s: %w", id, err)
	}
	if v == nil {
		return false, nil
	}
	p, err := parsePending(v)
	if err != nil {
		return false, fmt.Errorf("reading pending call %s: %w", id, err)
	}
	if p.attempts != c.attempts || p.before != c.before {
		t.index.of(p.endpoint, p.rule).add(dueCall{micros(p.due), id})
		return false, nil
	}
	c.gen = t.gen
	return true, nil
}

// finish writes the result of a call: a Delivery, and the pending record moved
// on, or deleted and the trigger done.
func (t *task) finish(ctx stream.Context, now time.Time, r *result) {
	c := r.call
	if r.verdict == notMade {
		t.requeue(c)
		return
	}
	t.observed(ctx, r)
	switch r.verdict {
	case succeeded:
		t.record(ctx, r, schemas.DeliveryStatusSucceeded, time.Time{})
	case retry:
		if wait, again := t.d.cfg.delay(c.attempts+1, r.retryAfter); again {
			t.again(ctx, r, now.Add(wait).Truncate(time.Microsecond))
			return
		}
		t.record(ctx, r, schemas.DeliveryStatusFailed, time.Time{})
	case gone:
		r.err = goneError
		t.record(ctx, r, schemas.DeliveryStatusFailed, time.Time{})
	case refused:
		t.record(ctx, r, schemas.DeliveryStatusFailed, time.Time{})
	}
	delete(t.out, c.trigger.TriggerID)
	t.end(ctx, c)
}

// again has a call made once more at a later time.
func (t *task) again(ctx stream.Context, r *result, due time.Time) {
	t.record(ctx, r, schemas.DeliveryStatusRetrying, due)
	c := *r.call
	c.attempts, c.due, c.probe = c.attempts+1, due, false
	t.put(ctx, &c)
	t.schedule(ctx, &c)
}

// requeue takes back a call that was not made.
func (t *task) requeue(c *call) {
	delete(t.out, c.trigger.TriggerID)
	t.index.of(c.trigger.Endpoint, c.trigger.Rule).add(dueCall{micros(c.due), c.trigger.TriggerID})
}

// open makes sure that committed is called after the commit. What is staged
// dies with the task when the transaction is aborted.
func (t *task) open(ctx stream.Context) {
	if len(t.staged)+len(t.later) == 0 {
		ctx.AfterCommit(t.committed)
	}
}

// committed hands over what was waiting for the commit: before it, no call may
// be made for a pending record, since an abort would forget it.
func (t *task) committed() {
	now := t.d.cfg.Now()
	for _, c := range t.staged {
		// One that finds no room stays pending, behind those that wait already.
		if l := t.d.lanes[c.trigger.Endpoint]; t.waiting(c) || !l.offer(c, now) {
			t.requeue(c)
		}
	}
	for _, c := range t.later {
		delete(t.out, c.id)
		t.index.of(c.endpoint, c.rule).add(c.dueCall)
	}
	clear(t.staged)
	t.staged, t.later = t.staged[:0], t.later[:0]
}

// waiting tells whether calls of the same rule to the same endpoint have their
// turn before this one.
func (t *task) waiting(c *call) bool {
	return t.index.of(c.trigger.Endpoint, c.trigger.Rule).due(micros(c.due))
}
