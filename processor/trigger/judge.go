package trigger

import "github.com/posthorn/posthorn/schemas"

// Judge tells which occurrences of the rule the events of a message satisfy, of
// those that are decided at the arrival frontier, and at which frontier the rule
// wants to be judged again though no event comes; zero: at none. It is for rules
// of kinds immediate, within, absence and sequence. The events may come in any
// order; what is returned refers to them.
func (r *Rule) Judge(m *Message, events []Event, frontier schemas.Timestamp) (firings []Firing, next schemas.Timestamp) {
	return nil, 0
}

// Holds tells whether the rule's condition holds for an event; an error counts
// as false and is counted.
func (r *Rule) Holds(m *Message, e *Event) bool { return r.judged(r.condition, m, e) }

// StepHolds tells whether the condition of a sequence's step holds for an event.
func (r *Rule) StepHolds(step int, m *Message, e *Event) bool {
	return r.judged(r.Steps[step].condition, m, e)
}
