package trigger

import (
	"slices"

	"github.com/posthorn/posthorn/schemas"
)

// link is an event that may be a step of a sequence.
type link struct {
	event *Event
	// steps has a bit for every step that the event by itself may be.
	steps uint16
	// holder is the step that holds the event, and asked whether it has been asked
	// for in this search; of matchLinks.
	holder int
	asked  bool
}

// sequences are one candidate for every event that completes the steps before it.
func (r *Rule) sequences(dst []candidate, m *Message, events []Event) []candidate {
	links, sends := r.links(m, events)
	s := sequence{rule: r, sends: sends, window: links}
	if !s.find(everyEvent) {
		return dst
	}
	// Before this no chain can be complete, of however long ago it begins.
	earliest := s.chain[len(r.Steps)-2].At()
	last := uint16(1) << (len(r.Steps) - 1)
	from, to := 0, 0
	for i := range links {
		b := links[i].event
		if links[i].steps&last == 0 || b.At() < earliest || !r.ActiveAt(b.At()) {
			continue
		}
		for b.At()-links[from].event.At() > micros(r.Duration) {
			from++
		}
		for to < len(links) && links[to].event.At() <= b.At() {
			to++
		}
		s.window, s.last = links[from:to], b
		if c, ok := s.complete(); ok {
			dst = append(dst, c)
		}
	}
	return dst
}

func everyEvent(*Event, int) bool { return true }

// links returns the events that may be steps, in order of their time in
// conditions, and the sends; none where a step has no event.
func (r *Rule) links(m *Message, events []Event) (links []link, sends []*Event) {
	var all uint16
	for i := range events {
		e := &events[i]
		if sendTypes.Has(e.Type) {
			sends = append(sends, e)
		}
		var steps uint16
		for k := range r.Steps {
			if s := &r.Steps[k]; s.types().Has(e.Type) && (s.Send || r.acts(e)) && r.StepHolds(k, m, e) {
				steps |= 1 << k
			}
		}
		if steps != 0 {
			links = append(links, link{event: e, steps: steps})
			all |= steps
		}
	}
	if all != 1<<len(r.Steps)-1 {
		return nil, nil
	}
	slices.SortFunc(links, func(a, b link) int { return compareAt(a.event, b.event) })
	return links, sends
}

// sequence looks for the steps before the last one.
type sequence struct {
	rule   *Rule
	sends  []*Event
	window []link // what may precede the last step, and that itself, in order
	last   *Event
	chain  [maxSteps]*Event
}

// complete finds the earliest arrival by which a chain leads to the last event,
// and the earliest events that make it.
func (s *sequence) complete() (candidate, bool) {
	r, b := s.rule, s.last
	before := len(r.Steps) - 1
	if !s.find(everyEvent) {
		return candidate{}, false
	}
	for _, arrived := range s.arrivals() {
		decided := arrived + micros(r.Settle)
		if r.unmasked(b, decided) {
			return candidate{}, false
		}
		if r.Steps[before].Send && superseded(b, s.sends, decided) {
			return candidate{}, false
		}
		if !s.find(func(e *Event, step int) bool {
			return e.ArrivedAt <= arrived && !r.unmasked(e, decided) && (!r.Steps[step].Send || !superseded(e, s.sends, decided))
		}) {
			continue
		}
		chain := append(slices.Clone(s.chain[:before]), b)
		return candidate{subject: b, a: chain[0], chain: chain, at: b.At(), arrived: arrived, decided: decided}, true
	}
	return candidate{}, false
}

// arrivals are the times at which a chain may become complete, in order.
func (s *sequence) arrivals() []schemas.Timestamp {
	times := []schemas.Timestamp{s.last.ArrivedAt}
	for i := range s.window {
		if t := s.window[i].event.ArrivedAt; t > s.last.ArrivedAt {
			times = append(times, t)
		}
	}
	slices.Sort(times)
	return slices.Compact(times)
}

// find fills the chain with usable events: one instant after the other, each
// takes as many steps as its events can be, which leaves the fewest to those
// that follow.
func (s *sequence) find(usable func(e *Event, step int) bool) bool {
	before := len(s.rule.Steps) - 1
	done := 0
	for rest := s.window; len(rest) > 0 && done < before; {
		n := 1
		for n < len(rest) && rest[n].event.At() == rest[0].event.At() {
			n++
		}
		instant := rest[:n]
		rest = rest[n:]
		for i := range instant {
			instant[i].holder = -1
		}
		for done < before && s.assign(instant, done, usable) {
			done++
		}
		for i := range instant {
			if h := instant[i].holder; h >= 0 {
				s.chain[h] = instant[i].event
			}
		}
	}
	return done == before
}

// assign gives a step one of the events of an instant, where need be by giving
// other steps others: an augmenting path of a bipartite matching.
func (s *sequence) assign(instant []link, step int, usable func(e *Event, step int) bool) bool {
	for i := range instant {
		instant[i].asked = false
	}
	var try func(step int) bool
	try = func(step int) bool {
		for i := range instant {
			l := &instant[i]
			if l.asked || l.steps&(1<<step) == 0 || l.event == s.last || !usable(l.event, step) {
				continue
			}
			l.asked = true
			if l.holder < 0 || try(l.holder) {
				l.holder = step
				return true
			}
		}
		return false
	}
	return try(step)
}
