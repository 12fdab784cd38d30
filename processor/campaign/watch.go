package campaign

import (
	"slices"
	"time"

	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// step is what a rule has counted of a campaign in one step of arrival time. It
// begins at at; its boundary is its end.
type step struct {
	at         schemas.Timestamp
	hits, base int64
}

// watch is what a rule has counted and said of one campaign. A boundary H is
// decided once the arrival frontier has reached it: nothing that arrived before
// it is still to come, so the steps before it never change again. All that
// changes is decided in order of boundaries, whatever the moments at which the
// frontier is heard of.
type watch struct {
	tenant, campaign string

	every, duration schemas.Timestamp // of the rule, in microseconds
	// decided is the last boundary decided, 0: none.
	decided schemas.Timestamp
	// due is when the timer is set for, 0: none.
	due schemas.Timestamp
	// raised is a rate's state.
	raised bool
	// waiting is set where the last boundary called for a firing but lay outside
	// the hours of the rule.
	waiting bool
	// A count has fired, in the cooldown that begins at firedIn.
	fired   bool
	firedIn schemas.Timestamp
	// steps are those that are not zero, in order: those of the window, and those
	// not decided yet.
	steps []step
}

// firing is what a rule says of a campaign at a boundary.
type firing struct {
	at         schemas.Timestamp // the boundary
	hits, base int64
	raised     bool // of a rate
}

// floor returns the last multiple of every up to t.
func floor(t, every schemas.Timestamp) schemas.Timestamp {
	rest := t % every
	if rest < 0 {
		rest += every
	}
	return t - rest
}

// ceil returns the first multiple of every from t on.
func ceil(t, every schemas.Timestamp) schemas.Timestamp { return floor(t+every-1, every) }

// micros is a duration in the unit of timestamps.
func micros(d time.Duration) schemas.Timestamp { return schemas.Timestamp(d.Microseconds()) }

// adopt takes note of the rule, and tells whether its steps or its window are
// others than before: then counts begin anew. What it has said is still so.
func (w *watch) adopt(r *trigger.Rule) bool {
	every, duration := micros(r.Every), micros(r.Duration)
	if w.every == every && w.duration == duration {
		return false
	}
	w.every, w.duration = every, duration
	w.steps, w.waiting = nil, false
	w.decided = floor(w.decided, every)
	return true
}

// add takes a change of one step into account; false where that is decided
// already, which nothing can change any more.
func (w *watch) add(r *trigger.Rule, d *schemas.RuleDelta, frontier schemas.Timestamp) bool {
	at := floor(d.StepAt, w.every)
	if end := at + w.every; end <= w.decided || end <= frontier {
		return false
	}
	if w.useless(r, at) {
		return true
	}
	i, found := slices.BinarySearchFunc(w.steps, at, func(s step, at schemas.Timestamp) int { return int(s.at - at) })
	if !found {
		w.steps = slices.Insert(w.steps, i, step{at: at})
	}
	s := &w.steps[i]
	s.hits += d.Hits
	s.base += d.Base
	if s.hits == 0 && s.base == 0 {
		w.steps = slices.Delete(w.steps, i, i+1)
	}
	return true
}

// useless tells that a step is in no window that is still to be looked at.
func (w *watch) useless(r *trigger.Rule, at schemas.Timestamp) bool {
	switch {
	case w.hushed(r):
		return r.Cooldown == 0 || at+w.duration < w.thaw(r)
	case w.waiting:
		return at+w.duration < w.next(r)
	}
	// A step has left the window one boundary after the last that it is in.
	return at+w.duration < w.decided
}

// hushed tells that a count has fired and its cooldown is not over yet.
func (w *watch) hushed(r *trigger.Rule) bool { return w.fired && r.Kind == trigger.KindCount }

// thaw is the first boundary at which a count that has fired may fire again.
func (w *watch) thaw(r *trigger.Rule) schemas.Timestamp {
	return max(ceil(w.firedIn+micros(r.Cooldown), w.every), w.decided+w.every)
}

// next returns the next boundary at which something may change, if no more
// events come; 0: none.
func (w *watch) next(r *trigger.Rule) schemas.Timestamp {
	switch {
	case w.hushed(r) && r.Cooldown == 0:
		return 0
	case w.hushed(r):
		return w.thaw(r)
	case w.waiting || w.raised && len(w.steps) == 0:
		h := w.decided + w.every
		if !r.ActiveAt(h) {
			if open, ok := r.Active.Next(h); ok {
				h = ceil(open, w.every)
			}
		}
		return h
	case len(w.steps) == 0:
		return 0
	}
	// A step changes the window as it enters it and as it leaves it. A count can
	// only fire at the former; with the last one to leave it is forgotten.
	leaving := w.steps[0].at
	if r.Kind == trigger.KindCount {
		leaving = w.steps[len(w.steps)-1].at
	}
	h := leaving + w.duration + w.every
	for i := range w.steps {
		if end := w.steps[i].at + w.every; end > w.decided {
			return min(h, end)
		}
	}
	return h
}

// decide looks at every boundary up to the frontier at which something may
// change, in order, and calls fire for what the rule says.
func (w *watch) decide(r *trigger.Rule, frontier schemas.Timestamp, fire func(firing)) {
	limit := floor(frontier, w.every)
	var in span
	for h := w.next(r); h != 0 && h <= limit; h = w.next(r) {
		in.slide(w.steps, h-w.duration, h)
		w.look(r, firing{at: h, hits: in.hits, base: in.base}, fire)
		w.decided = h
		if gone := w.prune(r); gone <= in.from {
			in.from, in.to = in.from-gone, in.to-gone
		} else {
			in = span{} // it fired or waits, and what was in the window is of no use
		}
	}
	w.decided = max(w.decided, limit)
	w.prune(r)
}

// span is a sum over the steps from from up to to, which is not part of it.
type span struct {
	from, to   int
	hits, base int64
}

// slide moves the span forward to the steps that begin from start up to end.
func (s *span) slide(steps []step, start, end schemas.Timestamp) {
	for ; s.to < len(steps) && steps[s.to].at < end; s.to++ {
		s.hits += steps[s.to].hits
		s.base += steps[s.to].base
	}
	for ; s.from < s.to && steps[s.from].at < start; s.from++ {
		s.hits -= steps[s.from].hits
		s.base -= steps[s.from].base
	}
}

// look judges one boundary.
func (w *watch) look(r *trigger.Rule, f firing, fire func(firing)) {
	if w.fired && r.Cooldown > 0 && f.at >= w.firedIn+micros(r.Cooldown) {
		w.fired, w.firedIn = false, 0
	}
	now, fires := r.JudgeWindow(w.raised, f.hits, f.base)
	fires = fires && !w.hushed(r)
	w.waiting = fires && !r.ActiveAt(f.at)
	if !fires || w.waiting {
		return
	}
	if r.Kind == trigger.KindCount {
		w.fired = true
		if r.Cooldown > 0 {
			w.firedIn = floor(f.at, micros(r.Cooldown))
		}
	} else {
		w.raised, f.raised = now, now
	}
	fire(f)
}

// prune drops the steps that are in no window any more and returns how many.
func (w *watch) prune(r *trigger.Rule) int {
	n := 0
	for n < len(w.steps) && w.useless(r, w.steps[n].at) {
		n++
	}
	w.steps = slices.Delete(w.steps, 0, n)
	return n
}

// empty tells that there is nothing to keep.
func (w *watch) empty() bool { return len(w.steps) == 0 && !w.raised && !w.fired && !w.waiting }
