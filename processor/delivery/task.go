package delivery

import (
	"container/heap"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/schemas"
)

// goneError is the error of deliveries to an endpoint that answered 410.
const goneError = "gone"

// task is the stage's work on one partition.
type task struct {
	d     *Delivery
	gen   *generation
	index index // nil until loaded

	swept     []byte // where the sweep of the ledger is
	nextSweep time.Time

	// of the open transaction
	staged []*call     // to be handed to the dispatcher after the commit
	later  []laterCall // to be indexed after the commit
}

type laterCall struct {
	endpoint string
	dueCall
}

func newTask(d *Delivery, gen *generation) *task {
	return &task{d: d, gen: gen}
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
	store := ctx.Store(StorePending)
	if v, err := store.Get(tr.TriggerID[:]); err != nil || v != nil {
		return err // where there is a value: it is pending already
	}
	if done, err := t.done(ctx, tr); err != nil || done || t.outdated(rec, tr) {
		return err
	}
	now := t.d.cfg.Now()
	l := t.d.lanes[tr.Endpoint]
	switch {
	case l == nil:
		t.record(ctx, &result{call: c, at: now, err: fmt.Sprintf("no endpoint %q is configured", tr.Endpoint)}, schemas.DeliveryStatusFailed, time.Time{})
		t.setDone(ctx, tr)
		return nil
	case l.gone.Load():
		t.record(ctx, &result{call: c, at: now, err: goneError}, schemas.DeliveryStatusFailed, time.Time{})
		t.setDone(ctx, tr)
		return nil
	}
	p := pending{due: now, trigger: rec.Value}
	v := p.append(make([]byte, 0, len(rec.Value)+16))
	c.value = v[len(v)-len(rec.Value):]
	store.Put(append([]byte(nil), tr.TriggerID[:]...), v)
	t.open(ctx)
	t.staged = append(t.staged, c)
	return nil
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
	for _, r := range t.gen.take() {
		t.finish(ctx, now, &r)
	}
	for name, due := range t.index {
		if err := t.start(ctx, now, t.d.lanes[name], due); err != nil {
			return err
		}
	}
	return t.sweep(ctx, now)
}

// load builds the index from the store: a new task calls again whatever is
// pending and due. It runs before the task's first write, so it sees only what
// is committed.
func (t *task) load(ctx stream.Context) error {
	if t.index != nil {
		return nil
	}
	x := index{}
	var failed error
	err := ctx.Store(StorePending).Scan(nil, nil, func(key, value []byte) bool {
		p, err := parsePending(value)
		var tr schemas.Trigger
		if err == nil {
			err = t.d.cfg.Serde.Decode(p.trigger, &tr)
		}
		if err != nil {
			failed = fmt.Errorf("reading pending call %x: %w", key, err)
			return false
		}
		x.add(tr.Endpoint, dueCall{due: p.due, id: tr.TriggerID})
		return true
	})
	if err == nil {
		err = failed
	}
	if err == nil {
		t.index = x
	}
	return err
}

// start hands the calls of one endpoint that are due to the dispatcher, as far
// as it has room.
func (t *task) start(ctx stream.Context, now time.Time, l *lane, due *dueHeap) error {
	for due.Len() > 0 && !(*due)[0].due.After(now) {
		id := (*due)[0].id
		v, err := ctx.Store(StorePending).Get(id[:])
		if err != nil {
			return fmt.Errorf("reading pending call %s: %w", id, err)
		}
		if v == nil {
			heap.Pop(due)
			continue
		}
		p, err := parsePending(v)
		if err != nil {
			return fmt.Errorf("reading pending call %s: %w", id, err)
		}
		c := &call{gen: t.gen, attempts: p.attempts, value: append([]byte(nil), p.trigger...)}
		if err := t.d.cfg.Serde.Decode(c.value, &c.trigger); err != nil {
			return fmt.Errorf("reading pending call %s: %w", id, err)
		}
		if l == nil {
			// The endpoint was removed from the configuration since.
			t.record(ctx, &result{call: c, at: now, err: fmt.Sprintf("no endpoint %q is configured", c.trigger.Endpoint)}, schemas.DeliveryStatusFailed, time.Time{})
			ctx.Store(StorePending).Delete(append([]byte(nil), id[:]...))
			t.setDone(ctx, &c.trigger)
		} else if !l.offer(c) {
			return nil
		}
		heap.Pop(due)
	}
	return nil
}
