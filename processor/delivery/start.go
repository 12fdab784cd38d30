package delivery

import (
	"container/heap"
	"fmt"
	"time"

	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/schemas"
)

// refusedPerTick bounds the calls that one tick gives up for an endpoint that
// can't be called, so that the transaction stays small.
const refusedPerTick = 1000

// start hands the calls of one endpoint that are due to the dispatcher, as far
// as it takes them: those that have been due for longest first, and none of a
// rule that is paused.
func (t *task) start(ctx stream.Context, now time.Time, endpoint string, rules map[string]*queue) error {
	var ready []*queue
	for rule, q := range rules {
		if q.due(micros(now)) && !t.d.paused(rule) {
			ready = append(ready, q)
		}
	}
	why := t.refusal(endpoint)
	if len(ready) == 0 || why == "" && t.d.lanes[endpoint].full(now) {
		return nil
	}
	refused := 0
	for q := first(ready, micros(now)); q != nil; q = first(ready, micros(now)) {
		c, err := t.read(ctx, q.entries[0])
		switch {
		case err != nil:
			return err
		case c == nil:
		case why != "":
			t.refuse(ctx, c, now, why)
		case t.dropped(c):
			t.refuse(ctx, c, now, "dropped")
		case !t.d.lanes[endpoint].offer(c, now):
			return nil
		default:
			t.out[c.trigger.TriggerID] = c
			heap.Pop(&q.entries)
			continue
		}
		heap.Pop(&q.entries)
		if refused++; refused == refusedPerTick {
			return nil
		}
	}
	return nil
}

// read reads the call of an entry of the index, nil where the entry says
// nothing any more.
func (t *task) read(ctx stream.Context, e dueCall) (*call, error) {
	if _, out := t.out[e.id]; out {
		return nil, nil
	}
	v, err := ctx.Store(StorePending).Get(e.id[:])
	if err != nil {
		return nil, fmt.Errorf("reading pending call %s: %w", e.id, err)
	}
	if v == nil {
		return nil, nil
	}
	p, err := parsePending(v)
	if err != nil {
		return nil, fmt.Errorf("reading pending call %s: %w", e.id, err)
	}
	if micros(p.due) != e.due {
		return nil, nil
	}
	c := &call{
		gen: t.gen, attempts: p.attempts, before: p.before, asked: p.asked, due: p.due, since: p.since,
		value: append([]byte(nil), p.trigger...),
	}
	if err := t.d.cfg.Serde.Decode(c.value, &c.trigger); err != nil {
		return nil, fmt.Errorf("reading pending call %s: %w", e.id, err)
	}
	return c, nil
}

// dropped tells whether the call waited for a rule that was resumed without
// what waited.
func (t *task) dropped(c *call) bool {
	r := t.d.rule(c.trigger.Rule)
	return r.Drop && !r.Paused && !c.since.After(r.At)
}

// refuse ends a call that is not made.
func (t *task) refuse(ctx stream.Context, c *call, now time.Time, why string) {
	t.record(ctx, &result{call: c, at: now, err: why}, schemas.DeliveryStatusFailed, time.Time{})
	t.end(ctx, c)
}

// end forgets a call that is done.
func (t *task) end(ctx stream.Context, c *call) {
	id := c.trigger.TriggerID
	ctx.Store(StorePending).Delete(append([]byte(nil), id[:]...))
	t.index.of(c.trigger.Endpoint, c.trigger.Rule).pending--
	t.setDone(ctx, &c.trigger)
}
