package trigger

import "github.com/posthorn/posthorn/schemas"

// absences are one candidate an A without a B.
func (r *Rule) absences(dst []candidate, events []Event) []candidate {
	var buf [16]*Event
	anchors := r.anchors(buf[:0], events)
	for _, a := range anchors {
		due := r.due(a)
		if r.Of == AnchorSend && superseded(a, anchors, due) || !r.ActiveAt(due) || r.answered(a, events, due) {
			continue
		}
		dst = append(dst, candidate{subject: a, a: a, at: a.At() + micros(r.Duration), arrived: due, decided: due})
	}
	return dst
}

// due is when it is decided that no B follows an A.
func (r *Rule) due(a *Event) schemas.Timestamp {
	return max(a.OccurredAt+micros(r.Duration), a.ArrivedAt) + micros(r.Wait)
}

// answered tells whether a B follows an A, of those that have arrived by some
// time.
func (r *Rule) answered(a *Event, events []Event, by schemas.Timestamp) bool {
	last := a.OccurredAt + micros(r.Duration)
	for i := range events {
		b := &events[i]
		if r.isB(b) && b.ID != a.ID && b.At() >= a.At() && b.OccurredAt <= last && b.ArrivedAt <= by {
			return true
		}
	}
	return false
}
