package verify

import (
	"maps"
	"slices"
	"strconv"

	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// stepSum is what a rule counted in one step of arrival time.
type stepSum struct{ hits, base int64 }

// stepsKey is a rule and a campaign.
type stepsKey struct{ tenant, campaign, rule string }

// stepSums are the sums of one bucket of recipients, by the starts of steps.
type stepSums map[stepsKey]map[schemas.Timestamp]stepSum

func (s stepSums) add(k stepsKey, step schemas.Timestamp, n stepSum) {
	if s[k] == nil {
		s[k] = map[schemas.Timestamp]stepSum{}
	}
	old := s[k][step]
	s[k][step] = stepSum{old.hits + n.hits, old.base + n.base}
}

// countSteps adds what rules of campaigns count of some events, each in the
// campaign that it names itself.
func (v *verifier) countSteps(sums stepSums, events []*schemas.Event) {
	for _, r := range v.cfg.Rules.Rules() {
		if !r.OfCampaign() {
			continue
		}
		for _, e := range events {
			if e.CampaignID == "" || !sampled(r, e.Tenant, e.CampaignID) {
				continue
			}
			var n stepSum
			if isCounted(r, r.Events, e) {
				n.hits = 1
			}
			if isCounted(r, r.Base, e) {
				n.base = 1
			}
			if n != (stepSum{}) {
				sums.add(stepsKey{e.Tenant, e.CampaignID, r.Name}, roundDown(e.ArrivedAt, micros(r.Every)), n)
			}
		}
	}
}

func roundDown(t, to schemas.Timestamp) schemas.Timestamp {
	rest := t % to
	if rest < 0 {
		rest += to
	}
	return t - rest
}

// keepSteps spills the sums of a bucket of recipients, by campaign.
func (v *verifier) keepSteps(sums stepSums) error {
	for k, steps := range sums {
		d := &schemas.CampaignDelta{Tenant: k.tenant, CampaignID: k.campaign}
		for step, n := range steps {
			d.Rules = append(d.Rules, schemas.RuleDelta{Rule: k.rule, StepAt: step, Hits: n.hits, Base: n.base})
		}
		if err := v.campaigns.put(campaignKey(k.tenant, k.campaign), kindSteps, d.AppendAvro(nil)); err != nil {
			return err
		}
	}
	return nil
}

func (c *campaigns) addSteps(d *schemas.CampaignDelta) {
	for _, n := range d.Rules {
		c.steps.add(stepsKey{d.Tenant, d.CampaignID, n.Rule}, n.StepAt, stepSum{n.Hits, n.Base})
	}
}

// keepLater spills when events from outside of the cut arrived, by the campaigns
// that they name.
func (v *verifier) keepLater(events map[schemas.ID]*schemas.Event) error {
	first := map[[2]string]schemas.Timestamp{}
	for _, e := range events {
		of := [2]string{e.Tenant, e.CampaignID}
		if at, ok := first[of]; e.CampaignID != "" && (!ok || e.ArrivedAt < at) {
			first[of] = e.ArrivedAt
		}
	}
	for of, at := range first {
		s := &schemas.CampaignStatistics{Tenant: of[0], CampaignID: of[1], FirstEventAt: at}
		if err := v.campaigns.put(campaignKey(of[0], of[1]), kindLater, s.AppendAvro(nil)); err != nil {
			return err
		}
	}
	return nil
}

// alarm is one firing of a rule of a campaign.
type alarm struct {
	boundary          schemas.Timestamp
	occurrence, state string
	stepSum           // in the window
}

// alarms finds the firings of a rule of a campaign by looking at the window
// before every boundary, from the first step that counts something until none is
// left in the window. At boundaries outside of its hours a rule that skips looks
// at nothing, so a rate that is raised stays so until it looks again.
func alarms(r *trigger.Rule, steps map[schemas.Timestamp]stepSum) (all []alarm) {
	starts := slices.Sorted(maps.Keys(steps))
	every, length := micros(r.Every), micros(r.Duration)
	raised, fired := false, map[string]bool{}
	for i, start := range starts {
		gone := start + every + length // the step has left the window
		for h := start + every; h <= gone || raised && h < gone+longestHours; h += every {
			if i+1 < len(starts) && h > starts[i+1] {
				break
			}
			if skipped(r, h) {
				continue
			}
			n := windowSum(starts[:i+1], steps, h-length)
			a := alarm{boundary: h, stepSum: n}
			if r.Kind == trigger.KindRate {
				now := raisedBy(r, raised, n)
				if now == raised {
					continue
				}
				raised, a.state = now, "cleared"
				if now {
					a.state = "raised"
				}
				a.occurrence = a.state + "@" + strconv.FormatInt(int64(h), 10)
			} else {
				a.occurrence = occurrence(r, h)
				if n.hits < int64(r.Times) || fired[a.occurrence] {
					continue
				}
				fired[a.occurrence] = true
			}
			all = append(all, a)
		}
	}
	return all
}

// longestHours is longer than any rule's hours are away, in microseconds.
const longestHours = 16 * 24 * 3600 * 1_000_000

// windowSum adds up the steps that begin at from or later.
func windowSum(starts []schemas.Timestamp, steps map[schemas.Timestamp]stepSum, from schemas.Timestamp) (n stepSum) {
	for _, start := range slices.Backward(starts) {
		if start < from {
			break
		}
		n.hits, n.base = n.hits+steps[start].hits, n.base+steps[start].base
	}
	return n
}

// raisedBy tells whether a rate is raised after a window.
func raisedBy(r *trigger.Rule, raised bool, n stepSum) bool {
	const million = 1_000_000
	if raised {
		return n.hits*million > r.ClearBelow*n.base
	}
	return n.base >= r.Minimum && n.hits*million > r.Above*n.base
}
