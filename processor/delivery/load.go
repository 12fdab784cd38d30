package delivery

import (
	"fmt"
	"time"

	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/schemas"
)

// fillStep bounds the pending calls that one tick looks at to fill queues that
// could not hold all of theirs.
const fillStep = 20_000

// filling is a scan of the store, over as many ticks as it takes.
type filling struct {
	active bool
	from   []byte
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
		if len(key) != len(schemas.ID{}) {
			failed = t.state(key, value)
			return failed == nil
		}
		var p pending
		if p, failed = t.peek(key, value); failed == nil {
			q := x.of(p.endpoint, p.rule)
			q.pending++
			q.add(dueCall{micros(p.due), schemas.ID(key)})
		}
		return failed == nil
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return err
	}
	t.index = x
	for _, c := range t.gen.unfinished() {
		t.out[c.trigger.TriggerID] = c
	}
	return nil
}

// peek reads a pending call without its trigger, except of the first version.
func (t *task) peek(key, value []byte) (pending, error) {
	p, err := parsePending(value)
	if err == nil && p.endpoint == "" {
		var tr schemas.Trigger
		err = t.d.cfg.Serde.Decode(p.trigger, &tr)
		p.endpoint, p.rule = tr.Endpoint, tr.Rule
	}
	if err != nil {
		err = fmt.Errorf("reading pending call %x: %w", key, err)
	}
	return p, err
}

// refill looks in the store for calls of queues that could not hold them and
// may be due by now.
func (t *task) refill(ctx stream.Context, now time.Time) error {
	if !t.filling.active && !t.lack(now) {
		return nil
	}
	seen := 0
	var failed error
	err := ctx.Store(StorePending).Scan(t.filling.from, nil, func(key, value []byte) bool {
		if seen++; seen > fillStep {
			t.filling.from = append([]byte(nil), key...)
			return false
		}
		if len(key) != len(schemas.ID{}) {
			return true
		}
		var p pending
		if p, failed = t.peek(key, value); failed != nil {
			return false
		}
		id := schemas.ID(key)
		if _, out := t.out[id]; out {
			return true
		}
		if q := t.index.of(p.endpoint, p.rule); q.filling {
			q.add(dueCall{micros(p.due), id})
		}
		return true
	})
	if err == nil {
		err = failed
	}
	if err == nil && seen <= fillStep {
		t.filled()
	}
	return err
}

// lack begins a scan where a queue needs one. What such a queue has is found
// again; an entry that is there twice is passed over the second time.
func (t *task) lack(now time.Time) bool {
	for _, rules := range t.index {
		for _, q := range rules {
			if q.lacks(micros(now)) {
				q.filling, q.beyond = true, everything
				t.filling = filling{active: true}
			}
		}
	}
	return t.filling.active
}

func (t *task) filled() {
	t.filling = filling{}
	for _, rules := range t.index {
		for _, q := range rules {
			q.filling = false
		}
	}
}
