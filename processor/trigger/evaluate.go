package trigger

import "math"

// Possible tells, cheaply, whether the events have the types that the rule needs.
func (r *Rule) Possible(events []Event) bool {
	var types TypeSet
	for i := range events {
		types.Add(events[i].Type)
	}
	return r.possible(types)
}

// Evaluate judges the rule as if all that is to arrive had, and returns one
// firing.
func (r *Rule) Evaluate(m *Message, events []Event) (Firing, bool) {
	firings, _ := r.Judge(m, events, math.MaxInt64)
	if len(firings) == 0 {
		return Firing{}, false
	}
	return firings[0], true
}
