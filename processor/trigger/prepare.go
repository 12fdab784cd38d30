package trigger

import "github.com/posthorn/posthorn/schemas"

// sendTypes are the events that may be a send.
const sendTypes TypeSet = 1<<uint(schemas.EventTypeQueued) | 1<<uint(schemas.EventTypeSent) | 1<<uint(schemas.EventTypeDelivered)

// anchorTypes are the types of events that an anchor may be.
func anchorTypes(a Anchor) TypeSet {
	switch a {
	case AnchorDelivered:
		return TypesOf(schemas.EventTypeDelivered)
	case AnchorOpened:
		return TypesOf(schemas.EventTypeOpened)
	case AnchorClicked:
		return TypesOf(schemas.EventTypeClicked)
	}
	return sendTypes
}

// types are those of the events that a step may be.
func (s *Step) types() TypeSet {
	if s.Send {
		return sendTypes
	}
	return TypesOf(s.Event)
}

// prepare derives from a complete rule what judging it needs.
func (r *Rule) prepare() {
	switch r.Kind { // the last of needs is what the condition is judged with
	case KindImmediate:
		r.needs = []TypeSet{TypesOf(r.Event)}
	case KindWithin:
		r.needs = []TypeSet{anchorTypes(r.Of), TypesOf(r.Event)}
	case KindAbsence:
		r.needs = []TypeSet{anchorTypes(r.Of)}
	case KindSequence:
		for i := range r.Steps {
			r.needs = append(r.needs, r.Steps[i].types())
		}
	case KindCount, KindRate:
		r.needs = []TypeSet{TypesOf(r.Events...) | TypesOf(r.Base...)}
	}
	r.subjects = r.needs[len(r.needs)-1]
}
