package trigger

import (
	"slices"

	"github.com/posthorn/posthorn/schemas"
)

// Possible tells, cheaply, whether the events have both an A and a B.
func (r *Rule) Possible(events []Event) bool {
	a, b := false, false
	for i := range events {
		a = a || r.isAnchor(&events[i])
		b = b || r.isEvidence(&events[i])
	}
	return a && b
}

func (r *Rule) isEvidence(e *Event) bool {
	return e.Type == r.Event && (e.Human() || !r.HumanOnly)
}

func (r *Rule) isAnchor(e *Event) bool {
	switch r.Of {
	case AnchorSend:
		return e.Type == schemas.EventTypeQueued || e.Type == schemas.EventTypeSent || e.Type == schemas.EventTypeDelivered
	case AnchorDelivered:
		return e.Type == schemas.EventTypeDelivered
	case AnchorOpened:
		return e.Type == schemas.EventTypeOpened && (e.Human() || !r.HumanOnly)
	case AnchorClicked:
		return e.Type == schemas.EventTypeClicked && (e.Human() || !r.HumanOnly)
	}
	return false
}

// Evaluate judges the rule on the set of a message's events, in any order, and
// tells whether it is satisfied. The package comment says how.
func (r *Rule) Evaluate(m *Message, events []Event) (Firing, bool) {
	var abuf, bbuf [16]*Event
	anchors := r.anchors(abuf[:0], events)
	if len(anchors) == 0 {
		return Firing{}, false
	}
	evidence := bbuf[:0]
	for i := range events {
		if r.isEvidence(&events[i]) {
			evidence = append(evidence, &events[i])
		}
	}
	slices.SortFunc(evidence, compareAt)

	var expired Firing
	found := false
	for _, b := range evidence {
		f, ok := r.pair(anchors, b)
		if !ok || found && f.Status == schemas.TriggerStatusExpired || !r.Holds(m, b) {
			continue
		}
		if f.Status != schemas.TriggerStatusExpired {
			return f, true
		}
		expired, found = f, true
	}
	return expired, found
}

// anchors appends the events that may be A, in order of their time in
// conditions.
func (r *Rule) anchors(dst []*Event, events []Event) []*Event {
	for i := range events {
		e := &events[i]
		switch {
		case !r.isAnchor(e):
		case r.Of != AnchorSend || len(dst) == 0:
			dst = append(dst, e)
		case compareOccurred(e, dst[0]) < 0:
			dst[0] = e
		}
	}
	slices.SortFunc(dst, compareAt)
	return dst
}

// pair finds the A of a B: the earliest that makes a live firing, else the
// earliest.
func (r *Rule) pair(anchors []*Event, b *Event) (Firing, bool) {
	first, found := Firing{}, false
	for _, a := range anchors {
		after := b.At() - a.At()
		if after < 0 {
			break
		}
		if after > schemas.Timestamp(r.Duration.Microseconds()) || a.ID == b.ID {
			continue
		}
		arrived := max(a.ArrivedAt, b.ArrivedAt)
		f := Firing{Rule: r, Occurrence: r.Bucket(b.At()), Anchor: a, Evidence: []*Event{a, b}, At: b.At(), ArrivedAt: arrived, NotBefore: r.notBefore(arrived)}
		if f.Status = r.status(arrived - b.At()); f.Status != schemas.TriggerStatusExpired {
			return f, true
		}
		if !found {
			first, found = f, true
		}
	}
	return first, found
}
