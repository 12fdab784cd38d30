package streamtest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// timers are due times in microseconds by key; 0 in open deletes.
type timers struct{ committed, open map[string]int64 }

func newTimers() timers { return timers{map[string]int64{}, map[string]int64{}} }

// all are the timers with the open changes.
func (t timers) all() map[string]int64 {
	all := maps.Clone(t.committed)
	maps.Copy(all, t.open)
	maps.DeleteFunc(all, func(_ string, due int64) bool { return due == 0 })
	return all
}

func (t timers) get(key string) int64 {
	if due, changed := t.open[key]; changed {
		return due
	}
	return t.committed[key]
}

func (t *timers) commit() {
	t.committed = t.all()
	clear(t.open)
}

// Timers returns a copy of the timers, the open transaction included.
func (d *Driver) Timers() map[string]time.Time {
	all := map[string]time.Time{}
	for key, due := range d.timers.all() {
		all[key] = time.UnixMicro(due).UTC()
	}
	return all
}

// fire fires the timers that are due in rounds: those set meanwhile have their
// turn after the rest.
func (d *Driver) fire() error {
	for {
		due := d.timers.all()
		maps.DeleteFunc(due, func(_ string, at int64) bool { return at > d.clock.frontier })
		if len(due) == 0 {
			return nil
		}
		for _, key := range slices.SortedFunc(maps.Keys(due), func(a, b string) int {
			return cmp.Or(cmp.Compare(due[a], due[b]), cmp.Compare(a, b))
		}) {
			if d.timers.get(key) != due[key] {
				continue // moved or deleted by one that fired before
			}
			d.touched = true
			d.timers.open[key] = 0
			if err := d.task.Timer(driverContext{d}, []byte(key), time.UnixMicro(due[key]).UTC()); err != nil {
				return fmt.Errorf("firing timer: %w", err)
			}
		}
	}
}
