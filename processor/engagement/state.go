package engagement

import (
	"slices"

	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// state is the set of a message's distinct events, in compact form.
type state struct {
	// first and last are when its events arrived, repetitions included.
	first, last schemas.Timestamp

	facts  []facts         // by (occurred_at, event_id); each fact once
	events []trigger.Event // by (occurred_at, event_id)
	folded folded
	fired  []firedRule

	// suspicions are of events, as derived last; empty: none.
	suspicions []suspicion
	// trusting is set for a state of before events were weighed against each other,
	// until it changes: what it contributed was without.
	trusting bool
	// uncounted is set for a state of before there were breakdowns, until it changes:
	// it contributed to campaigns alone.
	uncounted bool
}

// reset empties the state and keeps its memory.
func (s *state) reset() {
	clear(s.facts)
	clear(s.events)
	*s = state{facts: s.facts[:0], events: s.events[:0], suspicions: s.suspicions[:0]}
}

// effect is what an event does to a state.
type effect int

const (
	effectNone  effect = iota // a repetition that tells nothing new
	effectNew                 // the set grows
	effectMerge               // a repetition that arrived earlier, or knows more
)

// judge tells what add would do, without doing it, and gives a copy of the
// version that it would replace. An event that is not in the kept set may still
// be a folded one.
func (s *state) judge(e *schemas.Event, f *facts) (effect, *trigger.Event) {
	i := s.find(e.EventID)
	switch {
	case i < 0:
		return effectNew, nil
	case earlier(e.ArrivedAt, e.OccurredAt, e.Source, &s.events[i]):
		old := s.events[i]
		return effectMerge, &old
	case s.learns(f):
		return effectMerge, nil
	}
	return effectNone, nil
}

// earlier tells whether a version that arrived and occurred then, by that source,
// is the one to keep rather than kept. Two webhooks with the same event may have
// been appended to the log in the same moment.
func earlier(arrivedAt, occurredAt schemas.Timestamp, source string, kept *trigger.Event) bool {
	switch {
	case arrivedAt != kept.ArrivedAt:
		return arrivedAt < kept.ArrivedAt
	case occurredAt != kept.OccurredAt:
		return occurredAt < kept.OccurredAt
	}
	return source < kept.Source
}

func (s *state) find(id schemas.ID) int {
	for i := range s.events {
		if s.events[i].ID == id {
			return i
		}
	}
	return -1
}

// add takes an event into the set and returns the events that were folded for
// it.
func (s *state) add(e *schemas.Event, f facts) (foldedNow []trigger.Event) {
	s.see(e.ArrivedAt)
	if s.learns(&f) {
		s.learn(f)
	}
	return s.put(factOf(e))
}

func (s *state) put(e trigger.Event) (foldedNow []trigger.Event) {
	if i := s.find(e.ID); i >= 0 {
		if !earlier(e.ArrivedAt, e.OccurredAt, e.Source, &s.events[i]) {
			return nil
		}
		s.events = slices.Delete(s.events, i, i+1)
	}
	s.insert(e)
	return s.fold()
}

func (s *state) insert(e trigger.Event) {
	at := len(s.events)
	for at > 0 && compareOrigin(s.events[at-1].OccurredAt, &s.events[at-1].ID, e.OccurredAt, &e.ID) > 0 {
		at--
	}
	s.events = slices.Insert(s.events, at, e)
}
