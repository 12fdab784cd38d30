package trigger

import (
	"slices"

	"github.com/posthorn/posthorn/schemas"
)

// withins are one candidate a B: with the A that completes it first.
func (r *Rule) withins(dst []candidate, events []Event) []candidate {
	var buf [16]*Event
	anchors := r.anchors(buf[:0], events)
	if len(anchors) == 0 {
		return dst
	}
	for i := range events {
		b := &events[i]
		if !r.isB(b) || !r.ActiveAt(b.At()) {
			continue
		}
		if c, ok := r.pair(anchors, b); ok {
			dst = append(dst, c)
		}
	}
	return dst
}

// anchors appends the events that may be A, in order of their time in
// conditions.
func (r *Rule) anchors(dst []*Event, events []Event) []*Event {
	types := anchorTypes(r.Of)
	acts := r.Of == AnchorOpened || r.Of == AnchorClicked // what is sent nobody does
	for i := range events {
		if e := &events[i]; types.Has(e.Type) && (!acts || r.acts(e)) {
			dst = append(dst, e)
		}
	}
	slices.SortFunc(dst, compareAt)
	return dst
}

// pair finds the A with which a B is complete first, of several the earliest.
func (r *Rule) pair(anchors []*Event, b *Event) (best candidate, found bool) {
	for _, a := range anchors {
		after := b.At() - a.At()
		if after < 0 {
			break
		}
		if after > micros(r.Duration) || a.ID == b.ID {
			continue
		}
		arrived := max(a.ArrivedAt, b.ArrivedAt)
		decided := arrived + micros(r.Settle)
		if found && arrived >= best.arrived || r.unmasked(a, decided) || r.unmasked(b, decided) ||
			r.Of == AnchorSend && superseded(a, anchors, decided) {
			continue
		}
		best, found = candidate{subject: b, a: a, at: b.At(), arrived: arrived, decided: decided}, true
		if arrived == b.ArrivedAt {
			break // none can be earlier
		}
	}
	return best, found
}

// superseded tells whether by some arrival there is a send before this one.
func superseded(send *Event, sends []*Event, by schemas.Timestamp) bool {
	for _, s := range sends {
		if s.ArrivedAt <= by && compareOccurred(s, send) < 0 {
			return true
		}
	}
	return false
}
