package delivery

import (
	"maps"
	"slices"
	"time"
)

// backlog is what a partition, or a worker, has pending for one endpoint.
type backlog struct {
	pending, held int
	oldest        int64 // microseconds: since when the one that waits longest is due; 0: none is
}

func (b *backlog) add(o backlog) {
	b.pending += o.pending
	b.held += o.held
	if o.oldest != 0 && (b.oldest == 0 || o.oldest < b.oldest) {
		b.oldest = o.oldest
	}
}

// report tells the metrics what the task has pending.
func (t *task) report(now time.Time) {
	by := make(map[string]backlog, len(t.index))
	for endpoint, rules := range t.index {
		var b backlog
		for rule, q := range rules {
			r := backlog{pending: q.pending}
			if t.d.paused(rule) {
				r.held = q.pending
			}
			if q.due(micros(now)) {
				r.oldest = q.entries[0].due
			}
			b.add(r)
		}
		by[endpoint] = b
	}
	t.gen.backlog.Store(&by)
}

// backlog takes together what the worker's partitions have pending, by endpoint.
func (d *Delivery) backlog() map[string]backlog {
	d.generations.Lock()
	defer d.generations.Unlock()
	total := map[string]backlog{}
	for _, g := range d.generations.current {
		by := g.backlog.Load()
		if by == nil || g.stale() {
			continue
		}
		for endpoint, b := range *by {
			sum := total[endpoint]
			sum.add(b)
			total[endpoint] = sum
		}
	}
	return total
}

// knownRules are the rules that were paused once, or have triggers.
func (d *Delivery) knownRules() []string {
	rules := map[string]bool{}
	if s := d.cfg.Controls(); s != nil {
		for rule := range s.Rules {
			rules[rule] = true
		}
	}
	d.tallies.mu.Lock()
	for rule := range d.tallies.off {
		rules[rule] = true
	}
	d.tallies.mu.Unlock()
	return slices.Sorted(maps.Keys(rules))
}
