package verify

import (
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// expectedTrigger is what all messages of one once-per key say together. A rule
// that fires once per message fires in each life of it.
type expectedTrigger struct {
	rule    *trigger.Rule
	verdict verdict
	touched bool
	sample  *derived
	// live and fired are how often it must have fired with evidence in time, and
	// at all; most is how often it may have.
	live, fired, most int64
	// messages may each have completed the rule.
	messages []*derived
}

func (v *verifier) compareTriggers(f *facts, groups map[messageKey]*group) {
	check := v.report.check(checkTriggers)
	rules := map[string]*trigger.Rule{}
	expected := map[schemas.ID]*expectedTrigger{}
	for _, r := range v.cfg.Rules.Rules() {
		rules[r.Name] = r
		for _, g := range groups {
			for _, d := range g.lives {
				id, ok := triggerID(r, d.message, d.events)
				if !ok {
					continue
				}
				if expected[id] == nil {
					expected[id] = &expectedTrigger{rule: r}
				}
				expected[id].add(d)
			}
		}
	}
	type pair struct{ live, expired int64 }
	counted := map[schemas.ID]pair{}
	for _, t := range f.triggers {
		r := rules[t.Rule]
		if r == nil || r.Version != t.RuleVersion {
			check.Skipped++ // a rule that is no longer there, or was different
			continue
		}
		n := counted[t.TriggerID]
		if t.Status == schemas.TriggerStatusExpired {
			n.expired++
		} else {
			n.live++
		}
		counted[t.TriggerID] = n
		e := expected[t.TriggerID]
		if v.elsewhere(f, t) || e != nil && e.touched {
			check.Skipped++
			continue
		}
		check.Found++
		if e == nil {
			v.report.surplus(check, "trigger %s of rule %s is unexpected: no message has its key", t.TriggerID, t.Rule)
		} else if problem := e.problem(f, t); problem != "" {
			v.report.differ(check, "trigger %s of rule %s for message %s: %s", t.TriggerID, t.Rule, t.MessageID, problem)
		}
	}
	for id, e := range expected {
		n := counted[id]
		if e.touched {
			continue
		}
		if e.verdict == unsatisfied {
			// What was found was judged by its own evidence above.
			check.Expected += n.live + n.expired
			continue
		}
		check.Expected += max(e.fired, n.live+n.expired)
		switch {
		case n.live < e.live:
			v.report.missing(check, "trigger %s of rule %s for message %s is missing", id, e.rule.Name, e.sample.message.MessageID)
		case n.live+n.expired < e.fired:
			v.report.missing(check, "trigger %s of rule %s for message %s is missing: it should be there as expired", id, e.rule.Name, e.sample.message.MessageID)
		}
		if n.live > e.most || n.expired > e.most {
			v.report.surplus(check, "trigger %s of rule %s is there %d times, and %d times as expired", id, e.rule.Name, n.live, n.expired)
		}
	}
}

// add takes in a message, or one life of it.
func (e *expectedTrigger) add(d *derived) {
	e.messages = append(e.messages, d)
	e.touched = e.touched || d.touched
	judged := judge(e.rule, d.message, d.events)
	if judged > e.verdict {
		e.verdict, e.sample = judged, d
	}
	if e.rule.OncePer != trigger.OncePerMessage {
		judged, e.live, e.fired, e.most = e.verdict, 0, 0, 0
	}
	e.most++
	if judged >= expired {
		e.fired++
	}
	if judged == live {
		e.live++
	}
}

// elsewhere tells whether the evidence of a trigger lies outside of the cut.
func (v *verifier) elsewhere(f *facts, t *schemas.Trigger) bool {
	for _, e := range t.Evidence {
		if f.other[e.EventID] != nil {
			return true
		}
	}
	return false
}

// problem says what is wrong with a found trigger, judged by its own evidence.
// It need not be the evidence that the whole set of events gives: an earlier
// send may have become known after the rule had fired, and what has fired is
// never revoked.
func (e *expectedTrigger) problem(f *facts, t *schemas.Trigger) string {
	if len(t.Evidence) != 2 {
		return "it has not two events as evidence"
	}
	d := e.witness(t)
	if d == nil {
		return "its evidence is not among the events of a message with its key"
	}
	// Of an event that was delivered several times, any may have come first.
	problem := ""
	for _, a := range f.expected[t.Evidence[0].EventID] {
		for _, b := range f.expected[t.Evidence[1].EventID] {
			if problem = e.pairProblem(t, d, a, b); problem == "" {
				return ""
			}
		}
	}
	return problem
}

func (e *expectedTrigger) pairProblem(t *schemas.Trigger, d *derived, a, b *schemas.Event) string {
	if !isAnchor(e.rule, a) || !isEvidence(e.rule, b) {
		return "its evidence is not of the rule's kind"
	}
	status := schemas.TriggerStatusFired
	if e.rule.Shadow {
		status = schemas.TriggerStatusShadow
	}
	switch judgePair(e.rule, a, b) {
	case unsatisfied:
		return "its evidence does not satisfy the rule"
	case expired:
		status = schemas.TriggerStatusExpired
	}
	if !condition(e.rule, d.message, d.events, b) {
		return "its condition does not hold"
	}
	want := *t
	want.Kind, want.Status, want.OncePer = string(e.rule.Kind), status, string(e.rule.OncePer)
	want.Tenant, want.Account, want.RecipientID = d.message.Tenant, d.message.Account, d.message.RecipientID
	want.AnchorAt, want.OccurredAt, want.ArrivedAt = at(a), at(b), max(a.ArrivedAt, b.ArrivedAt)
	want.Endpoint = e.rule.Call
	want.Evidence = []schemas.Evidence{evidence(a), evidence(b)}
	if !equal(&want, t) {
		return diff(&want, t)
	}
	return ""
}

// witness finds the message that a trigger names, if it has the evidence.
func (e *expectedTrigger) witness(t *schemas.Trigger) *derived {
	for _, d := range e.messages {
		has := func(id schemas.ID) bool {
			return first(d.events, func(x *schemas.Event) bool { return x.EventID == id }) != nil
		}
		if d.message.MessageID == t.MessageID && d.message.Account == t.Account && has(t.Evidence[0].EventID) && has(t.Evidence[1].EventID) {
			return d
		}
	}
	return nil
}

func evidence(e *schemas.Event) schemas.Evidence {
	return schemas.Evidence{EventID: e.EventID, Type: e.Type.String(), OccurredAt: e.OccurredAt, Machine: e.Machine.String()}
}
