package trigger

import (
	"cmp"
	"slices"

	"github.com/posthorn/posthorn/schemas"
)

// candidate is a firing whose condition has not been judged yet.
type candidate struct {
	// subject is the event that the condition is judged with.
	subject *Event
	// a is A or nil; chain are the events of a sequence, its last is the subject.
	a     *Event
	chain []*Event
	// at and arrived are the firing's. All events that tell whether the candidate
	// stands have arrived by decided.
	at, arrived, decided schemas.Timestamp
}

// earlier orders candidates by when they are decided, then by event: so the
// firing of an occurrence is the same whether the rule is judged with every
// event or once for all.
func earlier(a, b candidate) int {
	return cmp.Or(cmp.Compare(a.decided, b.decided), compareAt(a.subject, b.subject))
}

// Judge tells which occurrences of the rule the events of a message satisfy, of
// those that are decided at the arrival frontier, and at which frontier the rule
// wants to be judged again though no event comes; zero: at none. It is for rules
// of kinds immediate, within, absence and sequence. The events may come in any
// order; what is returned refers to them. Of each occurrence there is the first
// firing that is not expired, else the first.
func (r *Rule) Judge(m *Message, events []Event, frontier schemas.Timestamp) (firings []Firing, next schemas.Timestamp) {
	if !r.conceivable(m, events) {
		return nil, 0
	}
	var buf [8]candidate
	candidates := r.candidates(buf[:0], m, events)
	slices.SortFunc(candidates, earlier)
	waits := r.Kind == KindAbsence || r.Settle > 0
	for i := range candidates {
		c := &candidates[i]
		age := c.arrived - c.at
		expired := age > micros(r.MaxAge)
		bucket := r.stretch(c.at)
		k := slices.IndexFunc(firings, func(f Firing) bool { return r.stretch(f.At) == bucket })
		if k >= 0 && (expired || firings[k].Status != schemas.TriggerStatusExpired) {
			continue
		}
		if !r.Holds(m, c.subject) {
			continue
		}
		if waits && c.decided > frontier {
			return firings, c.decided
		}
		f := r.firing(c)
		if k < 0 {
			firings = append(firings, f)
		} else {
			firings[k] = f
		}
		if !expired && r.Cooldown == 0 {
			break
		}
	}
	return firings, 0
}

// conceivable tells, in far less time than it takes to judge, whether the
// condition may hold for any event that it may be judged with.
func (r *Rule) conceivable(m *Message, events []Event) bool {
	for i := range events {
		if r.subjects.Has(events[i].Type) && r.condition.mayHold(m, &events[i]) {
			return true
		}
	}
	return false
}

func (r *Rule) candidates(dst []candidate, m *Message, events []Event) []candidate {
	switch r.Kind {
	case KindImmediate:
		return r.immediates(dst, events)
	case KindWithin:
		return r.withins(dst, events)
	case KindAbsence:
		return r.absences(dst, events)
	case KindSequence:
		return r.sequences(dst, m, events)
	case KindCount, KindRate:
	}
	return dst
}

func (r *Rule) firing(c *candidate) Firing {
	f := Firing{
		Rule: r, Occurrence: r.Bucket(c.at), Anchor: c.a, At: c.at, ArrivedAt: c.arrived,
		NotBefore: r.notBefore(c.arrived), Status: r.status(c.arrived - c.at),
	}
	switch {
	case c.chain != nil:
		f.Evidence = c.chain
	case c.a != nil && c.a != c.subject:
		f.Evidence = []*Event{c.a, c.subject}
	default:
		f.Evidence = []*Event{c.subject}
	}
	return f
}

// acts tells whether an event by itself may be evidence.
func (r *Rule) acts(e *Event) bool { return !r.HumanOnly || e.Human() }

// unmasked tells whether what other events told by some arrival makes an event a
// machine's, and the rule minds.
func (r *Rule) unmasked(e *Event, by schemas.Timestamp) bool {
	return r.HumanOnly && r.Settle > 0 && e.MachineAt != 0 && e.MachineAt <= by
}

// immediates are one candidate a B.
func (r *Rule) immediates(dst []candidate, events []Event) []candidate {
	for i := range events {
		b := &events[i]
		decided := b.ArrivedAt + micros(r.Settle)
		if r.isB(b) && r.ActiveAt(b.At()) && !r.unmasked(b, decided) {
			dst = append(dst, candidate{subject: b, at: b.At(), arrived: b.ArrivedAt, decided: decided})
		}
	}
	return dst
}

// isB tells whether an event by itself may be B.
func (r *Rule) isB(e *Event) bool { return e.Type == r.Event && r.acts(e) }

// Holds tells whether the rule's condition holds for an event; an error counts
// as false and is counted.
func (r *Rule) Holds(m *Message, e *Event) bool {
	return r.judged(r.condition, m, e)
}

// StepHolds tells whether the condition of a sequence's step holds for an event.
func (r *Rule) StepHolds(step int, m *Message, e *Event) bool {
	return r.judged(r.Steps[step].condition, m, e)
}
