package engagement

import (
	"cmp"
	"slices"

	"github.com/posthorn/posthorn/schemas"
)

// ruleStep is a step of arrival time in which a rule of campaigns counts.
type ruleStep struct {
	rule string
	at   schemas.Timestamp // start of the step
}

// campaignRules counts the event that t.see has seen for the rules of campaigns,
// or takes it back with the sign -1. It counts in the campaign that it names
// itself and in the step in which it arrived: neither changes by what arrives
// later, but for a repetition that turns out to have arrived earlier. Both its
// steps are then open, since the frontier has not passed the earlier arrival.
func (t *task) campaignRules(e *schemas.Event, sign int64) {
	for _, r := range t.counting {
		if !r.OfCampaign() {
			continue
		}
		if _, ok := r.OnceKey(&t.own); !ok {
			continue
		}
		hit, base := r.CountsEvent(&t.own, &t.fact)
		if !hit && !base {
			continue
		}
		every := schemas.Timestamp(r.Every.Microseconds())
		n := t.changes.campaign(e.Tenant, e.CampaignID).rule(ruleStep{r.Name, e.ArrivedAt - e.ArrivedAt%every})
		if hit {
			n.Hits += sign
		}
		if base {
			n.Base += sign
		}
	}
}

// rule returns what a rule counts in a step.
func (c *campaignChange) rule(s ruleStep) *schemas.RuleDelta {
	n := c.rules[s]
	if n == nil {
		if c.rules == nil {
			c.rules = map[ruleStep]*schemas.RuleDelta{}
		}
		n = &schemas.RuleDelta{Rule: s.rule, StepAt: s.at}
		c.rules[s] = n
	}
	return n
}

// sortedRules returns what rules count, by rule and step, without what is zero.
func (c *campaignChange) sortedRules() []schemas.RuleDelta {
	if len(c.rules) == 0 {
		return nil
	}
	deltas := make([]schemas.RuleDelta, 0, len(c.rules))
	for _, n := range c.rules {
		if n.Hits != 0 || n.Base != 0 {
			deltas = append(deltas, *n)
		}
	}
	slices.SortFunc(deltas, func(a, b schemas.RuleDelta) int {
		return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.StepAt, b.StepAt))
	})
	return deltas
}
