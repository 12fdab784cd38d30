package trigger

import (
	"fmt"
	"slices"

	"github.com/posthorn/posthorn/schemas"
)

const failures = 1<<uint(schemas.EventTypeDeferred) | 1<<uint(schemas.EventTypeBounced) | 1<<uint(schemas.EventTypeRejected) | 1<<uint(schemas.EventTypeFailed)

// suppliers are the types of events that have a fact; of others it is empty.
var suppliers = map[string]TypeSet{
	"event.url":           TypesOf(schemas.EventTypeClicked),
	"event.bounce_class":  failures,
	"event.reject_reason": failures,
}

// lintCondition looks at what conditions use.
func lintCondition(r *Rule, warn func(field, problem string)) {
	r.eachCondition(func(field string, c *condition, subjects TypeSet) {
		for _, name := range c.uses {
			if from, ok := suppliers[name]; ok && from&subjects == 0 {
				warn(field, fmt.Sprintf("%s is always empty here: the condition is judged with %s", name, subjects))
			}
			if name == "message.sent_at" && (r.Counts() || r.OfCampaign()) {
				warn(field, "message.sent_at is never known here: a counting rule sees only the facts that the event itself carries")
			}
		}
		if c.never {
			warn(field, "is false whatever happens; mend it or remove the rule")
		}
	})
}

// lintGuards looks for texts that are never what the condition demands.
func lintGuards(r *Rule, warn func(field, problem string)) {
	r.eachCondition(func(field string, c *condition, subjects TypeSet) {
		demanded := map[text][]string{}
		for _, g := range c.guards {
			if !g.equals() {
				continue
			}
			if problem := r.neverEqual(&g, subjects); problem != "" {
				warn(field, problem)
				continue
			}
			before, seen := demanded[g.text]
			both := slices.DeleteFunc(slices.Clone(g.values), func(v string) bool { return seen && !slices.Contains(before, v) })
			if len(both) == 0 {
				warn(field, fmt.Sprintf("never holds: %s cannot be several things at once; write || or in", g.text.name()))
			}
			demanded[g.text] = both
		}
	})
}

// neverEqual says why a text never is what a guard demands; empty: it may be.
func (r *Rule) neverEqual(g *guard, subjects TypeSet) string {
	may := func(possible func(string) bool) bool { return slices.ContainsFunc(g.values, possible) }
	name := g.text.name()
	switch {
	case len(g.values) == 0:
		return "never holds: the list is empty"
	case g.text.fact.event == nil && g.text.key == "" && !may(func(v string) bool { return v != "" }):
		return fmt.Sprintf("never holds: a fact of the message that is not known is unknown, not empty; remove %s == \"\"", name)
	case name == "event.type" && !may(func(v string) bool { t, ok := schemas.ParseEventType(v); return ok && subjects.Has(t) }):
		return fmt.Sprintf("never holds: the condition is judged with %s", subjects)
	case name == "event.machine" && !may(func(v string) bool { return slices.Contains(machines(), v) }):
		return fmt.Sprintf("never holds: event.machine is one of %v", machines())
	case name == "event.machine" && r.HumanOnly && !may(func(v string) bool { return v != schemas.MachineMachine.String() }):
		return "never holds: human_only ignores machines; set it to false"
	}
	return ""
}

func machines() []string {
	var names []string
	for m := schemas.MachineUnknown; m <= schemas.MachineMachine; m++ {
		names = append(names, m.String())
	}
	return names
}

// eachCondition visits the rule's condition and those of its steps, with the
// types of the events that they are judged with.
func (r *Rule) eachCondition(visit func(field string, c *condition, subjects TypeSet)) {
	if r.condition != nil {
		visit("when", r.condition, r.subjects)
	}
	for i := range r.Steps {
		if s := &r.Steps[i]; s.condition != nil {
			visit("sequence.events.when", s.condition, s.types())
		}
	}
}
