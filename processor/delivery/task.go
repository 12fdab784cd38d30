package delivery

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/schemas"
)

// goneError is the error of the delivery that was answered 410.
const goneError = "gone"

// task is the stage's work on one partition.
type task struct {
	d       *Delivery
	gen     *generation
	index   index // nil until loaded
	filling filling
	spans   map[string]span  // endpoints that fail, by name
	tallies map[string]tally // by rule

	applied uint64 // version of the requests that are all applied

	swept     []byte // where the sweep of the ledger is
	nextSweep time.Time

	// out holds the calls that must not be handed to the dispatcher: it has
	// them, or they are part of the open transaction, which may come to nothing.
	out map[schemas.ID]*call

	// of the open transaction
	staged []*call // to be handed to the dispatcher after the commit
	later  []later // to be indexed after the commit
}

type later struct {
	endpoint, rule string
	dueCall
}

func newTask(d *Delivery, gen *generation) *task {
	return &task{d: d, gen: gen, spans: map[string]span{}, tallies: map[string]tally{}, out: map[schemas.ID]*call{}}
}

// Process makes a fired trigger a pending call.
func (t *task) Process(ctx stream.Context, rec *kgo.Record) error {
	if err := t.load(ctx); err != nil {
		return err
	}
	c := &call{gen: t.gen}
	if err := t.d.cfg.Serde.Decode(rec.Value, &c.trigger); err != nil {
		return stream.Permanent(fmt.Errorf("decoding trigger: %w", err))
	}
	tr := &c.trigger
	if tr.Status != schemas.TriggerStatusFired || tr.Endpoint == "" {
		return nil
	}
	if v, err := ctx.Store(StorePending).Get(tr.TriggerID[:]); err != nil || v != nil {
		return err // where there is a value: it is pending already
	}
	if done, err := t.done(ctx, tr); err != nil || done || t.outdated(rec, tr) {
		return err
	}
	now := t.d.cfg.Now()
	if why := t.refusal(tr.Endpoint); why != "" {
		t.record(ctx, &result{call: c, at: now, err: why}, schemas.DeliveryStatusFailed, time.Time{})
		t.setDone(ctx, tr)
		return nil
	}
	t.count(ctx, tr.Rule, now)
	due := now
	if !tr.NotBefore.IsZero() && tr.NotBefore.Time().After(now) {
		due = tr.NotBefore.Time() // the rule's active hours
	}
	c.due, c.since, c.value = due.Truncate(time.Microsecond), now, rec.Value
	t.pend(ctx, c)
	return nil
}

// pend makes a call pending that is not yet, and has it made when it is due.
func (t *task) pend(ctx stream.Context, c *call) {
	t.index.of(c.trigger.Endpoint, c.trigger.Rule).pending++
	t.put(ctx, c)
	t.schedule(ctx, c)
}

// put writes the pending record of a call, and lets go of the record of the
// topic that its trigger was read from.
func (t *task) put(ctx stream.Context, c *call) {
	p := pending{
		attempts: c.attempts, before: c.before, asked: c.asked, due: c.due, since: c.since,
		endpoint: c.trigger.Endpoint, rule: c.trigger.Rule, trigger: c.value,
	}
	v := p.append(make([]byte, 0, len(c.value)+64))
	c.value = v[len(v)-len(c.value):]
	ctx.Store(StorePending).Put(append([]byte(nil), c.trigger.TriggerID[:]...), v)
}

// refusal tells why no call to an endpoint will be made; empty: one may be.
func (t *task) refusal(endpoint string) string {
	l := t.d.lanes[endpoint]
	switch {
	case l == nil:
		return fmt.Sprintf("no endpoint %q is configured", endpoint)
	case l.disabled():
		return disabledError
	}
	return ""
}

// schedule has a call made whose pending record the open transaction has
// written: after the commit, and when it is due.
func (t *task) schedule(ctx stream.Context, c *call) {
	t.open(ctx)
	t.out[c.trigger.TriggerID] = c
	if c.due.After(t.d.cfg.Now()) || t.refusal(c.trigger.Endpoint) != "" || t.d.paused(c.trigger.Rule) {
		t.later = append(t.later, later{c.trigger.Endpoint, c.trigger.Rule, dueCall{micros(c.due), c.trigger.TriggerID}})
		return
	}
	t.staged = append(t.staged, c)
}

// Timer is never called: the stage sets no timers.
func (t *task) Timer(stream.Context, []byte, time.Time) error { return nil }

// Flush has nothing to do: nothing is aggregated.
func (t *task) Flush(stream.Context) error { return nil }

// Tick writes the results of calls and starts those that are due.
func (t *task) Tick(ctx stream.Context, now time.Time) error {
	t.gen.ticked()
	if err := t.load(ctx); err != nil {
		return err
	}
	if err := t.finishAll(ctx, now); err != nil {
		return err
	}
	if err := t.applyControls(ctx, now); err != nil {
		return err
	}
	t.heal(ctx)
	if err := t.refill(ctx, now); err != nil {
		return err
	}
	for name, rules := range t.index {
		if err := t.start(ctx, now, name, rules); err != nil {
			return err
		}
	}
	t.report(now)
	return t.sweep(ctx, now)
}
