package verify

import (
	"fmt"

	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// problem is what is wrong with a found trigger.
type problem struct {
	text string
	// surplus: it should not be there at all; else it should be another.
	surplus bool
}

var (
	wrongID       = problem{"its id is not that of its rule, key and occurrence", true}
	takesNoPart   = problem{"its message takes no part in the rule", true}
	noMessage     = problem{"no event belongs to its message", true}
	wrongEvidence = problem{"its evidence is not among the events of its message", true}
)

// explain says what is wrong with a found trigger; zero: nothing.
func (c *triggerCheck) explain(r *trigger.Rule, g *group, t *schemas.Trigger) problem {
	found := wrongEvidence
	for _, d := range g.lives {
		s := d.scene()
		if !s.holdsAll(t.Evidence) {
			continue
		}
		// Of an event that was delivered several times, any may have come first.
		tries := 0
		c.eachVersion(t.Evidence, nil, func(evidence []*schemas.Event) bool {
			if r.Counts() {
				found = c.explainCount(r, s, t, evidence)
			} else {
				found = c.explainMessage(r, s, t, evidence)
			}
			tries++
			return found != (problem{}) && tries < maxTries
		})
		if found == (problem{}) {
			return found
		}
	}
	return found
}

func (s *scene) holdsAll(evidence []schemas.Evidence) bool {
	for _, e := range evidence {
		if s.byID[e.EventID] == nil {
			return false
		}
	}
	return true
}

// eachVersion calls f with the events of an evidence, in each combination of
// their versions, until f is satisfied.
func (c *triggerCheck) eachVersion(evidence []schemas.Evidence, chosen []*schemas.Event, f func([]*schemas.Event) bool) bool {
	if len(evidence) == 0 {
		return f(chosen)
	}
	for _, e := range c.f.expected[evidence[0].EventID] {
		if !c.eachVersion(evidence[1:], append(chosen[:len(chosen):len(chosen)], e), f) {
			return false
		}
	}
	return true
}

// explainMessage compares a trigger of a rule of messages with what its evidence
// makes.
func (c *triggerCheck) explainMessage(r *trigger.Rule, s *scene, t *schemas.Trigger, evidence []*schemas.Event) problem {
	f, text := s.judge(r, evidence, false)
	if text != "" {
		return problem{text, true}
	}
	if c.frontiers.engagement.undecided(f.decided) {
		return problem{fmt.Sprintf("it is due at %s, and the stage has come to %s", f.decided, c.frontiers.engagement.most), true}
	}
	want := s.want(r, t, evidence, f.at, f.arrived, f.expired(r))
	if f.anchor != nil {
		want.AnchorAt = at(f.anchor)
	}
	return s.compare(r, s.facts, want, t)
}

// want is what a trigger of a message must be. It takes from the one that was
// found what may depend on the order in which the facts of its message came.
func (s *scene) want(r *trigger.Rule, found *schemas.Trigger, shown []*schemas.Event, at, arrived schemas.Timestamp, expired bool) *schemas.Trigger {
	want := &schemas.Trigger{
		TriggerID: found.TriggerID, Tenant: s.facts.Tenant, Rule: r.Name, RuleVersion: r.Version, Kind: string(r.Kind),
		Status: schemas.TriggerStatusFired, OncePer: string(r.OncePer), Account: s.facts.Account, RecipientID: s.facts.RecipientID,
		MessageID: s.facts.MessageID, OccurredAt: at, ArrivedAt: arrived, Endpoint: r.Call,
		Occurrence: occurrence(r, at), NotBefore: opening(r.Active, arrived),
	}
	if r.Shadow {
		want.Status = schemas.TriggerStatusShadow
	}
	if expired {
		want.Status = schemas.TriggerStatusExpired
	}
	known := map[string]bool{"": true}
	for _, e := range s.events {
		known[e.Recipient], known[e.CampaignID], known[e.CampaignName], known[e.CustomID] = true, true, true, true
	}
	for _, field := range []struct{ want, found *string }{
		{&want.Recipient, &found.Recipient}, {&want.CampaignID, &found.CampaignID},
		{&want.CampaignName, &found.CampaignName}, {&want.CustomID, &found.CustomID},
	} {
		if known[*field.found] {
			*field.want = *field.found
		}
	}
	for _, e := range shown {
		want.Evidence = append(want.Evidence, schemas.Evidence{EventID: e.EventID, Type: e.Type.String(), OccurredAt: e.OccurredAt, Machine: e.Machine.String()})
	}
	return want
}

// compare compares a trigger with what it must be, its id with what it is of.
func (s *scene) compare(r *trigger.Rule, m *trigger.Message, want, found *schemas.Trigger) problem {
	if !equal(want, found) {
		return problem{diff(want, found), false}
	}
	key, ok := onceKey(r, m)
	if !ok {
		return takesNoPart
	}
	if triggerID(m.Tenant, r, key, want.Occurrence) != found.TriggerID {
		return wrongID
	}
	return problem{}
}
