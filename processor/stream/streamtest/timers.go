package streamtest

import (
	"cmp"
	"fmt"
	"time"

	"github.com/tidwall/btree"
)

// timers are due times in microseconds by key, the open transaction's included,
// and in the order in which they fire: most of many are due much later.
type timers struct {
	due   map[string]int64
	order *btree.BTreeG[timer]
	undo  map[string]int64 // what the open transaction has changed; 0: had none
}

type timer struct {
	due int64
	key string
}

func newTimers() timers {
	return timers{
		due: map[string]int64{}, undo: map[string]int64{},
		order: btree.NewBTreeGOptions(func(a, b timer) bool {
			return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(a.key, b.key)) < 0
		}, btree.Options{NoLocks: true}),
	}
}

// set sets a timer; 0 deletes it.
func (t *timers) set(key string, due int64) {
	if _, changed := t.undo[key]; !changed {
		t.undo[key] = t.due[key]
	}
	t.put(key, due)
}

func (t *timers) put(key string, due int64) {
	if old, ok := t.due[key]; ok {
		t.order.Delete(timer{old, key})
		delete(t.due, key)
	}
	if due != 0 {
		t.due[key] = due
		t.order.Set(timer{due, key})
	}
}

func (t *timers) commit() { clear(t.undo) }

func (t *timers) abort() {
	for key, due := range t.undo {
		t.put(key, due)
	}
	clear(t.undo)
}

// dueBy lists the timers that are due, in the order in which they fire.
func (t *timers) dueBy(frontier int64) (list []timer) {
	t.order.Scan(func(item timer) bool {
		if item.due > frontier {
			return false
		}
		list = append(list, item)
		return true
	})
	return list
}

// Timers returns a copy of the timers, the open transaction included.
func (d *Driver) Timers() map[string]time.Time {
	all := make(map[string]time.Time, len(d.timers.due))
	for key, due := range d.timers.due {
		all[key] = time.UnixMicro(due).UTC()
	}
	return all
}

// NextTimer returns when the first timer is due, zero without any.
func (d *Driver) NextTimer() time.Time {
	first, ok := d.timers.order.Min()
	if !ok {
		return time.Time{}
	}
	return time.UnixMicro(first.due).UTC()
}

// fire fires the timers that are due in rounds: those set meanwhile have their
// turn after the rest.
func (d *Driver) fire() error {
	for {
		due := d.timers.dueBy(d.clock.frontier)
		if len(due) == 0 {
			return nil
		}
		for _, item := range due {
			if d.timers.due[item.key] != item.due {
				continue // moved or deleted by one that fired before
			}
			d.touched = true
			d.timers.set(item.key, 0)
			if err := d.task.Timer(driverContext{d}, []byte(item.key), time.UnixMicro(item.due).UTC()); err != nil {
				return fmt.Errorf("firing timer: %w", err)
			}
		}
	}
}
