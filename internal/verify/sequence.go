package verify

import (
	"slices"

	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// isStep tells whether an event may be a step of a sequence, whatever the others.
func (s *scene) isStep(r *trigger.Rule, step int, e *schemas.Event) bool {
	is := r.Steps[step]
	if is.Send {
		return isSend(e)
	}
	return e.Type == is.Event && (!r.HumanOnly || e.Machine != schemas.MachineMachine) && s.holds(r, step, e)
}

func (s *scene) judgeSequence(r *trigger.Rule, evidence []*schemas.Event, strict bool) (firing, string) {
	if len(evidence) != len(r.Steps) {
		return firing{}, notOfKind
	}
	seen := map[schemas.ID]bool{}
	f := firing{evidence: evidence, anchor: evidence[0]}
	var actors []*schemas.Event
	for i, e := range evidence {
		if !s.isStep(r, i, e) {
			return firing{}, notOfKind
		}
		if seen[e.EventID] || i > 0 && at(e) < at(evidence[i-1]) || at(e)-at(evidence[0]) > micros(r.Duration) {
			return firing{}, notSatisfied
		}
		seen[e.EventID] = true
		f.at, f.arrived = at(e), max(f.arrived, e.ArrivedAt)
		if !r.Steps[i].Send {
			actors = append(actors, e)
		}
	}
	for i, e := range evidence {
		if r.Steps[i].Send && strict && s.superseded(e, f.arrived+micros(r.Settle)) {
			return f, earlierSend
		}
	}
	return s.settle(r, f, evidence[len(evidence)-1], actors...)
}

// maxTries bounds the search for the sequences that end with one event.
const maxTries = 5000

// sequences finds for every event that may be the last one a chain of events that
// it completes: one that is in time, if there is any.
func (s *scene) sequences(r *trigger.Rule) (all []firing) {
	steps := make([][]*schemas.Event, len(r.Steps))
	for i := range r.Steps {
		for _, e := range s.seen { // in order of event time
			if s.isStep(r, i, e) {
				steps[i] = append(steps[i], e)
			}
		}
	}
	for _, last := range steps[len(steps)-1] {
		c := chains{scene: s, rule: r, steps: steps, chain: make([]*schemas.Event, len(steps))}
		c.chain[len(steps)-1] = last
		c.extend(len(steps) - 2)
		if c.best != nil {
			all = append(all, *c.best)
		}
	}
	return all
}

// chains is the search for the events that come before the last one.
type chains struct {
	*scene
	rule  *trigger.Rule
	steps [][]*schemas.Event
	chain []*schemas.Event
	best  *firing
	tries int
}

// extend tries every event for a step and those before it, and tells whether the
// search goes on.
func (c *chains) extend(step int) bool {
	if step < 0 {
		f, problem := c.judge(c.rule, c.chain, true)
		if problem == "" && (c.best == nil || c.best.expired(c.rule)) {
			f.evidence = slices.Clone(c.chain)
			c.best = &f
		}
		return c.best == nil || c.best.expired(c.rule)
	}
	last := c.chain[len(c.chain)-1]
	for _, e := range c.steps[step] {
		if c.tries++; c.tries > maxTries {
			return false
		}
		if at(e) > at(c.chain[step+1]) || at(last)-at(e) > micros(c.rule.Duration) {
			continue
		}
		c.chain[step] = e
		if !c.extend(step - 1) {
			return false
		}
	}
	return true
}
