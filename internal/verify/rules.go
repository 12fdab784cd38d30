package verify

import (
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// firing is one way in which the events of a message satisfy a rule.
type firing struct {
	evidence []*schemas.Event // in the rule's order
	anchor   *schemas.Event
	// at is when it happened, arrived when it was complete. It is decided once
	// the frontier has reached decided; zero: at once.
	at, arrived, decided schemas.Timestamp
}

// expired tells whether it came too late to call for.
func (f *firing) expired(r *trigger.Rule) bool { return f.arrived-f.at > micros(r.MaxAge) }

// firings are the ways in which a life of a message must satisfy a rule, known
// all that is known of it: every one of them, or for a sequence one of each last
// event.
func (s *scene) firings(r *trigger.Rule) (all []firing) {
	try := func(evidence ...*schemas.Event) {
		if f, problem := s.judge(r, evidence, true); problem == "" {
			all = append(all, f)
		}
	}
	switch r.Kind {
	case trigger.KindImmediate:
		for _, b := range s.seen {
			try(b)
		}
	case trigger.KindWithin:
		for _, b := range s.seen {
			for _, a := range s.seen {
				try(a, b)
			}
		}
	case trigger.KindAbsence:
		for _, a := range s.seen {
			try(a)
		}
	case trigger.KindSequence:
		return s.sequences(r)
	}
	return all
}

func isAnchor(r *trigger.Rule, e *schemas.Event) bool {
	byHuman := !r.HumanOnly || e.Machine != schemas.MachineMachine
	switch r.Of {
	case trigger.AnchorSend:
		return isSend(e)
	case trigger.AnchorDelivered:
		return e.Type == schemas.EventTypeDelivered
	case trigger.AnchorOpened:
		return e.Type == schemas.EventTypeOpened && byHuman
	case trigger.AnchorClicked:
		return e.Type == schemas.EventTypeClicked && byHuman
	}
	return false
}

// judge tells whether just these events, in the rule's order, satisfy a rule of
// messages, and else what is wrong with them. Where a rule fires at once, what
// had arrived by then need not have been known: only strictly it counts that an
// earlier send was among it.
func (s *scene) judge(r *trigger.Rule, evidence []*schemas.Event, strict bool) (firing, string) {
	strict = strict || r.Settle > 0
	switch r.Kind {
	case trigger.KindImmediate:
		return s.judgeOne(r, evidence)
	case trigger.KindWithin:
		return s.judgePair(r, evidence, strict)
	case trigger.KindAbsence:
		return s.judgeAbsence(r, evidence)
	case trigger.KindSequence:
		return s.judgeSequence(r, evidence, strict)
	}
	return firing{}, "its rule is not of a message"
}

// What is wrong with evidence.
const (
	notOfKind      = "its evidence is not of the rule's kind"
	notSatisfied   = "its evidence does not satisfy the rule"
	conditionFails = "its condition does not hold"
	byMachine      = "a machine acted"
	outsideHours   = "it lies outside of the rule's hours"
	earlierSend    = "an earlier send was known"
	forgotten      = "its message was forgotten by then"
)

func (s *scene) judgeOne(r *trigger.Rule, evidence []*schemas.Event) (firing, string) {
	if len(evidence) != 1 || evidence[0].Type != r.Event {
		return firing{}, notOfKind
	}
	b := evidence[0]
	return s.settle(r, firing{evidence: evidence, at: at(b), arrived: b.ArrivedAt}, b, b)
}

func (s *scene) judgePair(r *trigger.Rule, evidence []*schemas.Event, strict bool) (firing, string) {
	if len(evidence) != 2 || !isAnchor(r, evidence[0]) || evidence[1].Type != r.Event {
		return firing{}, notOfKind
	}
	a, b := evidence[0], evidence[1]
	if a.EventID == b.EventID || at(b) < at(a) || at(b) > at(a)+micros(r.Duration) {
		return firing{}, notSatisfied
	}
	f := firing{evidence: evidence, anchor: a, at: at(b), arrived: max(a.ArrivedAt, b.ArrivedAt)}
	if r.Of == trigger.AnchorSend && strict && s.superseded(a, f.arrived+micros(r.Settle)) {
		return f, earlierSend
	}
	if r.Of == trigger.AnchorOpened || r.Of == trigger.AnchorClicked {
		return s.settle(r, f, b, a, b)
	}
	return s.settle(r, f, b, b)
}

// settle completes a firing: its condition must hold for the event that it is
// of, and the actors must be people as far as is known when it is decided.
func (s *scene) settle(r *trigger.Rule, f firing, of *schemas.Event, actors ...*schemas.Event) (firing, string) {
	if r.Settle > 0 {
		f.decided = f.arrived + micros(r.Settle)
		if f.decided >= s.until {
			return f, forgotten
		}
	}
	for _, e := range actors {
		if !s.byPerson(r, e, f.decided) {
			return f, byMachine
		}
	}
	if skipped(r, f.at) {
		return f, outsideHours
	}
	if !s.holds(r, -1, of) {
		return f, conditionFails
	}
	return f, ""
}

// judgeAbsence tells whether B did not follow A, from what had arrived when that
// was due.
func (s *scene) judgeAbsence(r *trigger.Rule, evidence []*schemas.Event) (firing, string) {
	if len(evidence) != 1 || !isAnchor(r, evidence[0]) {
		return firing{}, notOfKind
	}
	a := evidence[0]
	due := max(a.OccurredAt+micros(r.Duration), a.ArrivedAt) + micros(r.Wait)
	f := firing{evidence: evidence, anchor: a, at: at(a) + micros(r.Duration), arrived: due, decided: due}
	if due >= s.until {
		return f, forgotten
	}
	if r.Of == trigger.AnchorSend && s.superseded(a, due) {
		return f, earlierSend
	}
	for _, e := range s.seen {
		if e.ArrivedAt > due || e.EventID == a.EventID {
			continue
		}
		byHuman := !r.HumanOnly || e.Machine != schemas.MachineMachine
		if e.Type == r.Event && byHuman && at(e) >= at(a) && e.OccurredAt <= a.OccurredAt+micros(r.Duration) {
			return f, "what it misses is there: event " + e.EventID.String()
		}
	}
	if skipped(r, due) {
		return f, outsideHours
	}
	if !s.holds(r, -1, a) {
		return f, conditionFails
	}
	return f, ""
}
