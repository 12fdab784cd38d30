package verify

import (
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// triggerCheck compares the triggers of one bucket of recipients: those of rules
// of messages, and of counts per message or recipient.
type triggerCheck struct {
	*verifier
	check  *Check
	f      *facts
	groups map[messageKey]*group
	rules  map[string]*trigger.Rule
	counts map[countKey]*counts

	expected map[schemas.ID]*expectation
	// touched are the once-per keys, and recipients the recipients, that
	// something from outside of the cut has to do with.
	touched    map[onceOf]bool
	recipients map[recipientKey]bool
}

// onceOf is a once-per key of a rule.
type onceOf struct{ tenant, rule, key string }

type recipientKey struct {
	tenant string
	id     schemas.ID
}

// expectation is what is known of one trigger.
type expectation struct {
	rule *trigger.Rule
	of   string // a message, for the report
	key  onceOf
	// must and mustLive are how often it must be there, and not as expired. most
	// is how often it may be there as expired, and otherwise.
	must, mustLive, most int64
	live, expired        int64 // found
	// excused: another version of the rule has fired for it.
	excused bool
}

func (e *expectation) found() int64 { return e.live + e.expired }

func (v *verifier) compareTriggers(f *facts, groups map[messageKey]*group) {
	c := &triggerCheck{
		verifier: v, check: v.report.check(checkTriggers), f: f, groups: groups,
		rules: map[string]*trigger.Rule{}, expected: map[schemas.ID]*expectation{},
		touched: map[onceOf]bool{}, recipients: map[recipientKey]bool{}, counts: map[countKey]*counts{},
	}
	for k, g := range groups {
		if g.touched {
			c.recipients[recipientKey{k.tenant, k.recipient}] = true
		}
	}
	for _, r := range v.cfg.Rules.Rules() {
		c.rules[r.Name] = r
		switch {
		case r.OfCampaign():
		case r.Counts():
			c.expectCounts(r)
		default:
			c.expectMessages(r)
		}
	}
	for _, t := range f.triggers {
		c.take(t)
	}
	for id, e := range c.expected {
		c.judge(id, e)
	}
}

// expectMessages expects what a rule of messages must have fired for.
func (c *triggerCheck) expectMessages(r *trigger.Rule) {
	for _, g := range c.groups {
		for _, d := range g.lives {
			s := d.scene()
			key, ok := onceKey(r, s.facts)
			if !ok {
				continue
			}
			if d.touched {
				c.touched[onceOf{s.facts.Tenant, r.Name, key}] = true
				continue
			}
			best := map[string]bool{} // whether in time, by occurrence
			for _, f := range s.firings(r) {
				if c.frontiers.engagement.decided(f.decided) {
					o := occurrence(r, f.at)
					best[o] = best[o] || !f.expired(r)
				}
			}
			for o, inTime := range best {
				c.expect(r, s.facts, key, o, inTime, len(g.lives))
			}
		}
	}
}

// expect notes that a trigger must be there. A rule that fires once per message
// fires in each life of it, all others once.
func (c *triggerCheck) expect(r *trigger.Rule, m *trigger.Message, key, occurrence string, inTime bool, lives int) {
	e := c.of(r, triggerID(m.Tenant, r, key, occurrence), lives)
	e.of, e.key = m.MessageID, onceOf{m.Tenant, r.Name, key}
	live := int64(0)
	if inTime {
		live = 1
	}
	if r.OncePer == trigger.OncePerMessage && !r.Counts() {
		e.must++
		e.mustLive += live
		return
	}
	e.must, e.mustLive = 1, max(e.mustLive, live)
}

func (c *triggerCheck) of(r *trigger.Rule, id schemas.ID, lives int) *expectation {
	e := c.expected[id]
	if e == nil {
		e = &expectation{rule: r, most: 1}
		c.expected[id] = e
	}
	if r.OncePer == trigger.OncePerMessage {
		e.most = max(e.most, int64(lives))
	}
	return e
}

// take compares one found trigger with its own evidence. That need not be the
// evidence that the whole set of events gives: which of several events a trigger
// shows, and of several messages, may depend on what came first.
func (c *triggerCheck) take(t *schemas.Trigger) {
	r := c.rules[t.Rule]
	if r == nil || r.Version != t.RuleVersion {
		c.check.Skipped++ // a rule that is no longer there, or was different
		if r != nil {
			c.of(r, t.TriggerID, 1).excused = true
		}
		return
	}
	k := messageKey{t.Tenant, t.Account, t.MessageID, t.RecipientID}
	g := c.groups[k]
	if c.elsewhere(t) || g != nil && c.touchedBy(r, g, k) {
		c.check.Skipped++
		return
	}
	c.check.Found++
	wrong, lives := noMessage, 1
	if g != nil {
		wrong, lives = c.explain(r, g, t), len(g.lives)
	}
	note := c.report.differ
	if wrong.surplus {
		note = c.report.surplus
	}
	if wrong != (problem{}) {
		note(c.check, "trigger %s of rule %s for message %s: %s", t.TriggerID, t.Rule, t.MessageID, wrong.text)
	}
	e := c.of(r, t.TriggerID, lives)
	if wrong == wrongID {
		return // it is no firing of this id
	}
	if t.Status == schemas.TriggerStatusExpired {
		e.expired++
	} else {
		e.live++
	}
}

// elsewhere tells whether the evidence of a trigger lies outside of the cut.
func (c *triggerCheck) elsewhere(t *schemas.Trigger) bool {
	for _, e := range t.Evidence {
		if c.f.other[e.EventID] != nil {
			return true
		}
	}
	return false
}

// touchedBy tells whether something outside of the cut has to do with the once-per
// keys of a message.
func (c *triggerCheck) touchedBy(r *trigger.Rule, g *group, k messageKey) bool {
	if r.Counts() {
		return c.recipients[recipientKey{k.tenant, k.recipient}]
	}
	for _, d := range g.lives {
		if key, ok := onceKey(r, d.scene().facts); ok && c.touched[onceOf{k.tenant, r.Name, key}] {
			return true
		}
	}
	return g.touched
}

// judge compares how often a trigger is there with how often it must and may be.
func (c *triggerCheck) judge(id schemas.ID, e *expectation) {
	if e.excused || c.touched[e.key] {
		return
	}
	c.check.Expected += max(e.must, e.found())
	switch {
	case e.live < e.mustLive:
		c.report.missing(c.check, "trigger %s of rule %s for message %s is missing", id, e.rule.Name, e.of)
	case e.found() < e.must:
		c.report.missing(c.check, "trigger %s of rule %s for message %s is missing: it should be there as expired", id, e.rule.Name, e.of)
	}
	if e.live > e.most || e.expired > e.most {
		c.report.surplus(c.check, "trigger %s of rule %s is there %d times, and %d times as expired", id, e.rule.Name, e.live, e.expired)
	}
}
