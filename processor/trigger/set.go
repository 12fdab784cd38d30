package trigger

import (
	"strings"
	"sync/atomic"

	"github.com/posthorn/posthorn/schemas"
)

// TypeSet is a set of types of events.
type TypeSet uint32

// TypesOf returns the set of some types.
func TypesOf(types ...schemas.EventType) (s TypeSet) {
	for _, t := range types {
		s.Add(t)
	}
	return s
}

// Add puts a type into the set.
func (s *TypeSet) Add(t schemas.EventType) { *s |= 1 << uint(t) }

// Has tells whether a type is in the set.
func (s TypeSet) Has(t schemas.EventType) bool { return s&(1<<uint(t)) != 0 }

// String lists the types.
func (s TypeSet) String() string {
	var names []string
	for t := schemas.EventTypeUnknown; t <= schemas.EventTypeUnsuppressed; t++ {
		if s.Has(t) {
			names = append(names, t.String())
		}
	}
	return strings.Join(names, ", ")
}

// Set is a list of rules with distinct names. Its zero value and nil are empty.
// It is never changed and safe for concurrent use.
type Set struct {
	rules  []*Rule
	byName map[string]*Rule
	// messages are the rules that Judge is for; counting are all others.
	messages, counting index
}

// Rules returns the rules in the order of their files. The slice must not be
// modified.
func (s *Set) Rules() []*Rule {
	if s == nil {
		return nil
	}
	return s.rules
}

// Rule returns the rule of a name, nil where there is none.
func (s *Set) Rule(name string) *Rule {
	if s == nil {
		return nil
	}
	return s.byName[name]
}

// ForMessage appends the rules for Judge that a message with these events may
// satisfy, in the order of the set. The types are those of the events.
func (s *Set) ForMessage(dst []*Rule, m *Message, types TypeSet, events []Event) []*Rule {
	if s == nil {
		return dst
	}
	return s.messages.find(dst, m, types, events)
}

// ForEvent appends the counting rules, those of campaigns among them, that may
// count an event, in the order of the set. m holds the event's own facts.
func (s *Set) ForEvent(dst []*Rule, m *Message, e *Event) []*Rule {
	if s == nil || s.counting.empty() {
		return dst
	}
	one := [1]Event{*e}
	return s.counting.find(dst, m, TypesOf(e.Type), one[:])
}

func newSet(rules []*Rule) *Set {
	s := &Set{rules: rules, byName: make(map[string]*Rule, len(rules))}
	var messages, counting []*Rule
	for i, r := range rules {
		r.index = i
		s.byName[r.Name] = r
		if r.Counts() || r.OfCampaign() {
			counting = append(counting, r)
		} else {
			messages = append(messages, r)
		}
	}
	s.messages, s.counting = newIndex(messages), newIndex(counting)
	return s
}

// Live holds the set in force, which may be replaced while stages run. Its zero
// value holds the empty set.
type Live struct{ set atomic.Pointer[Set] }

// NewLive returns a holder of a set.
func NewLive(s *Set) *Live {
	l := &Live{}
	l.Store(s)
	return l
}

// Load returns the set in force; the holder may be nil.
func (l *Live) Load() *Set {
	if l == nil {
		return nil
	}
	return l.set.Load()
}

// Store puts a set in force.
func (l *Live) Store(s *Set) { l.set.Store(s) }
