package verify

import (
	"math"

	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// compareCampaignTriggers compares the triggers of campaigns' rules: each change
// at a boundary that was decided is there once, and nothing else.
func (v *verifier) compareCampaignTriggers(c *campaigns) {
	check := v.report.check(checkTriggers)
	rules := map[string]*trigger.Rule{}
	for _, r := range v.cfg.Rules.Rules() {
		rules[r.Name] = r
	}
	found := map[schemas.ID][]*schemas.Trigger{}
	excused := map[schemas.ID]bool{}
	for _, t := range c.triggers {
		switch r := rules[t.Rule]; {
		case r == nil || r.Version != t.RuleVersion:
			check.Skipped++ // a rule that is no longer there, or was different
			excused[t.TriggerID] = true
		case t.WindowEnd > c.knownTo(t.Tenant, t.CampaignID):
			check.Skipped++
		default:
			check.Found++
			found[t.TriggerID] = append(found[t.TriggerID], t)
		}
	}
	for k, steps := range c.steps {
		r := rules[k.rule]
		for _, a := range alarms(r, steps) {
			if a.boundary > c.knownTo(k.tenant, k.campaign) {
				continue
			}
			want := wantAlarm(r, k, a)
			v.compareAlarm(check, want, found[want.TriggerID], excused[want.TriggerID])
			delete(found, want.TriggerID)
		}
	}
	for _, triggers := range found {
		for _, t := range triggers {
			v.report.surplus(check, "trigger %s of rule %s for campaign %s at %s is unexpected", t.TriggerID, t.Rule, t.CampaignID, t.WindowEnd)
		}
	}
}

// knownTo is up to when nothing from outside of the cut counts in a campaign.
func (c *campaigns) knownTo(tenant, campaign string) schemas.Timestamp {
	if at, ok := c.later[[2]string{tenant, campaign}]; ok {
		return at
	}
	return math.MaxInt64
}

func wantAlarm(r *trigger.Rule, k stepsKey, a alarm) *schemas.Trigger {
	t := &schemas.Trigger{
		TriggerID: triggerID(k.tenant, r, k.campaign, a.occurrence), Tenant: k.tenant, Rule: r.Name, RuleVersion: r.Version,
		Kind: string(r.Kind), Status: schemas.TriggerStatusFired, OncePer: string(r.OncePer), CampaignID: k.campaign,
		OccurredAt: a.boundary, ArrivedAt: a.boundary, Endpoint: r.Call, Occurrence: a.occurrence,
		NotBefore: opening(r.Active, a.boundary), State: a.state,
		WindowStart: a.boundary - micros(r.Duration), WindowEnd: a.boundary, Hits: a.hits, Base: a.base,
	}
	if r.Shadow {
		t.Status = schemas.TriggerStatusShadow
	}
	return t
}

func (v *verifier) compareAlarm(check *Check, want *schemas.Trigger, found []*schemas.Trigger, excused bool) {
	due := want.WindowEnd
	if len(found) == 0 {
		if v.frontiers.campaign.decided(due) && !excused {
			check.Expected++
			v.report.missing(check, "trigger %s of rule %s for campaign %s at %s is missing", want.TriggerID, want.Rule, want.CampaignID, due)
		}
		return
	}
	check.Expected++
	if len(found) > 1 {
		v.report.surplus(check, "trigger %s of rule %s for campaign %s is there %d times", want.TriggerID, want.Rule, want.CampaignID, len(found))
	}
	for _, t := range found {
		want.Account, want.CampaignName = t.Account, t.CampaignName
		switch {
		case !equal(want, t):
			v.report.differ(check, "trigger %s of rule %s for campaign %s: %s", want.TriggerID, want.Rule, want.CampaignID, diff(want, t))
		case v.frontiers.campaign.undecided(due):
			v.report.surplus(check, "trigger %s of rule %s for campaign %s is due at %s, and the stage has come to %s",
				want.TriggerID, want.Rule, want.CampaignID, due, v.frontiers.campaign.most)
		}
	}
}
