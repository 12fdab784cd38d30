package engagement

import "github.com/posthorn/posthorn/schemas"

// changes are the signed changes to campaigns, and to what is above and below
// them, in one transaction.
type changes struct {
	retention schemas.Timestamp // of windows, in microseconds
	campaigns map[campaignKey]*campaignChange
	last      *campaignChange // the campaign asked for last
	lastKey   campaignKey
	tally     tally // of the message in work
	breakdowns
}

type campaignKey struct{ tenant, campaign string }

type campaignChange struct {
	tenant                    *tenantChange
	name                      string
	firstEventAt, lastEventAt schemas.Timestamp
	grains                    table[grainKey, grain]
	rules                     map[ruleStep]*schemas.RuleDelta
	days                      table[schemas.Timestamp, dayCells]
}

func (c *changes) campaign(tenant, campaign string) *campaignChange {
	key := campaignKey{tenant, campaign}
	if key.campaign == "" {
		key.campaign = NoCampaign
	}
	if c.last != nil && c.lastKey == key {
		return c.last
	}
	if c.campaigns == nil {
		c.campaigns = map[campaignKey]*campaignChange{}
	}
	change := c.campaigns[key]
	if change == nil {
		change = c.fresh()
		change.tenant = c.tenant(tenant)
		c.campaigns[key] = change
	}
	c.last, c.lastKey = change, key
	return change
}

// add counts what a message contributes now.
func (c *changes) add(m *schemas.Message, s *state) {
	change := c.campaign(m.Tenant, m.CampaignID)
	change.name = max(change.name, m.CampaignName)
	if change.firstEventAt == 0 || m.FirstEventAt < change.firstEventAt {
		change.firstEventAt = m.FirstEventAt
	}
	change.lastEventAt = max(change.lastEventAt, m.LastEventAt)
	c.count(change, m, s, 1)
}

// remove takes back what a message contributed.
func (c *changes) remove(m *schemas.Message, s *state) {
	c.count(c.campaign(m.Tenant, m.CampaignID), m, s, -1)
}

// count adds sign times what a message of a campaign contributes.
func (c *changes) count(change *campaignChange, m *schemas.Message, s *state, sign int64) {
	if !s.uncounted {
		c.breakDown(change, m, s, sign)
	}
	if m.LastArrivedAt >= c.closing(windowStart(m.FirstEventAt)) {
		c.countLate(change, m, s, sign)
		return
	}
	g := change.grain(m, s, !s.uncounted)
	t := &c.tally
	t.grain, t.lifetime, t.event = g, g.window(schemas.BasisLifetime, 0), nil
	t.send = &t.nowhere
	if m.SentAt != 0 {
		t.send = g.window(schemas.BasisSendTime, m.SentAt)
	}
	t.count(m, s, sign)
}

// tally is where one message counts: for its lifetime, by send time, and by
// event time.
type tally struct {
	lifetime, send *schemas.Counters
	// event are the counters of the window asked for last, which begins at start.
	// Without grain it is the only one; what happened at other times counts
	// nowhere, unless all is set.
	event   *schemas.Counters
	start   schemas.Timestamp
	grain   *grain
	all     bool
	nowhere schemas.Counters
}

// at returns the counters for something that happened at t.
func (t *tally) at(at schemas.Timestamp) [3]*schemas.Counters {
	switch start := windowStart(at); {
	case t.grain != nil:
		if t.event == nil || start != t.start {
			t.event, t.start = t.grain.window(schemas.BasisEventTime, at), start
		}
	case !t.all && start != t.start:
		return [3]*schemas.Counters{t.lifetime, t.send, &t.nowhere}
	}
	return [3]*schemas.Counters{t.lifetime, t.send, t.event}
}

// count adds sign times what a message contributes.
func (t *tally) count(m *schemas.Message, s *state, sign int64) {
	for _, n := range t.at(m.FirstEventAt) {
		n.Messages += sign
	}
	t.outcome(m, sign)
	t.engagement(m, sign)
	for i := range s.events {
		e := &s.events[i]
		human := int64(0)
		if s.human(i) {
			human = sign
		}
		switch e.Type {
		case schemas.EventTypeOpened:
			for _, n := range t.at(e.OccurredAt) {
				n.Opens += sign
				n.HumanOpens += human
			}
		case schemas.EventTypeClicked:
			for _, n := range t.at(e.OccurredAt) {
				n.Clicks += sign
				n.HumanClicks += human
			}
		case schemas.EventTypeUnsubscribed:
			for _, n := range t.at(e.OccurredAt) {
				n.Unsubscribes += sign
			}
		case schemas.EventTypeComplained:
			for _, n := range t.at(e.OccurredAt) {
				n.Complaints += sign
			}
		}
	}
	for i := range s.folded.windows {
		w := &s.folded.windows[i]
		for _, n := range t.at(w.start) {
			w.addTo(n, sign)
		}
	}
}

func (t *tally) outcome(m *schemas.Message, sign int64) {
	if m.Outcome == schemas.OutcomeUnknown {
		return
	}
	for _, n := range t.at(m.OutcomeAt) {
		countOutcome(n, m, sign)
	}
}

// countOutcome counts how a message ended.
func countOutcome(n *schemas.Counters, m *schemas.Message, sign int64) {
	switch m.Outcome {
	case schemas.OutcomeQueued:
		n.Queued += sign
	case schemas.OutcomeDeferred:
		n.Deferred += sign
	case schemas.OutcomeDelivered:
		n.Delivered += sign
	case schemas.OutcomeRejected:
		n.Rejected += sign
	case schemas.OutcomeFailed:
		n.Failed += sign
	case schemas.OutcomeBounced:
		if m.BounceClass == bounceHard {
			n.HardBounced += sign
		} else {
			n.SoftBounced += sign
		}
	}
	if m.LateBounce {
		n.LateBounces += sign
	}
}

// engagement counts what a message counts once, however often it happened.
func (t *tally) engagement(m *schemas.Message, sign int64) {
	if m.FirstOpenedAt != 0 {
		for _, n := range t.at(m.FirstOpenedAt) {
			n.Opened += sign
			if m.OpenDelayMS.Valid {
				n.OpenDelays += sign
				n.OpenDelayMS += sign * m.OpenDelayMS.Int64
			}
		}
	}
	if m.FirstHumanOpenedAt != 0 {
		for _, n := range t.at(m.FirstHumanOpenedAt) {
			n.HumanOpened += sign
		}
	}
	if m.FirstClickedAt != 0 {
		for _, n := range t.at(m.FirstClickedAt) {
			n.Clicked += sign
			if m.ClickDelayMS.Valid {
				n.ClickDelays += sign
				n.ClickDelayMS += sign * m.ClickDelayMS.Int64
			}
		}
	}
	if m.FirstHumanClickedAt != 0 {
		for _, n := range t.at(m.FirstHumanClickedAt) {
			n.HumanClicked += sign
		}
	}
	if m.UnsubscribedAt != 0 {
		for _, n := range t.at(m.UnsubscribedAt) {
			n.Unsubscribed += sign
		}
	}
	if m.ComplainedAt != 0 {
		for _, n := range t.at(m.ComplainedAt) {
			n.Complained += sign
		}
	}
}
