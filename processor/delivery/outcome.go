package delivery

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/schemas"
)

// finish writes the result of a call: a Delivery, and the pending record moved
// on, or deleted and the trigger done.
func (t *task) finish(ctx stream.Context, now time.Time, r *result) {
	c := r.call
	key := append([]byte(nil), c.trigger.TriggerID[:]...)
	store := ctx.Store(StorePending)
	switch r.verdict {
	case notMade:
		t.index.add(c.trigger.Endpoint, dueCall{due: now, id: c.trigger.TriggerID})
		return
	case succeeded:
		t.record(ctx, r, schemas.DeliveryStatusSucceeded, time.Time{})
	case retry:
		wait, again := t.d.cfg.delay(c.attempts+1, r.retryAfter)
		if !again {
			t.record(ctx, r, schemas.DeliveryStatusFailed, time.Time{})
			break
		}
		p := pending{attempts: c.attempts + 1, due: now.Add(wait).Truncate(time.Microsecond), trigger: c.value}
		store.Put(key, p.append(nil))
		t.open(ctx)
		t.later = append(t.later, laterCall{c.trigger.Endpoint, dueCall{due: p.due, id: c.trigger.TriggerID}})
		t.record(ctx, r, schemas.DeliveryStatusRetrying, p.due)
		return
	case gone:
		r.err = goneError
		t.disable(c.trigger.Endpoint)
		t.record(ctx, r, schemas.DeliveryStatusFailed, time.Time{})
	case refused:
		t.record(ctx, r, schemas.DeliveryStatusFailed, time.Time{})
	}
	store.Delete(key)
	t.setDone(ctx, &c.trigger)
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
	for _, c := range t.staged {
		if l := t.d.lanes[c.trigger.Endpoint]; !l.offer(c) {
			t.index.add(l.name, dueCall{due: t.d.cfg.Now(), id: c.trigger.TriggerID})
		}
	}
	for _, c := range t.later {
		t.index.add(c.endpoint, c.dueCall)
	}
	clear(t.staged)
	t.staged, t.later = t.staged[:0], t.later[:0]
}

// record produces the Delivery of an attempt.
func (t *task) record(ctx stream.Context, r *result, status schemas.DeliveryStatus, next time.Time) {
	tr := &r.call.trigger
	d := schemas.Delivery{
		TriggerID: tr.TriggerID, Tenant: tr.Tenant, Rule: tr.Rule, Endpoint: tr.Endpoint,
		Attempt: r.call.attempts + 1, AttemptedAt: schemas.FromTime(r.at), DurationMS: r.took.Milliseconds(),
		Status: status, StatusCode: int32(r.status), Error: r.err, Response: r.response,
	}
	if l := t.d.lanes[tr.Endpoint]; l != nil {
		d.URL = l.publicURL
	}
	if !next.IsZero() {
		d.NextAttemptAt = schemas.FromTime(next)
	}
	ctx.Produce(&kgo.Record{
		Topic: schemas.TopicDeliveries, Key: append([]byte(nil), tr.TriggerID[:]...),
		Value: t.d.cfg.Serde.Append(nil, schemas.TopicDeliveries, &d),
	})
}

// disable stops all calls to an endpoint until the process is restarted.
func (t *task) disable(name string) {
	l := t.d.lanes[name]
	if l != nil && !l.gone.Swap(true) {
		t.d.metrics.disabled.WithLabelValues(name).Set(1)
		t.d.cfg.Logger.Warn("endpoint answered 410 Gone: disabled until the restart; remove it from the rules or give it a new URL",
			"endpoint", name, "url", l.publicURL)
	}
}
