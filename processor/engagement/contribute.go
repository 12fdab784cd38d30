package engagement

import (
	"cmp"
	"slices"

	"github.com/posthorn/posthorn/schemas"
)

// changes are the signed changes to campaigns in one transaction.
type changes struct {
	retention schemas.Timestamp // of windows, in microseconds
	campaigns map[campaignKey]*campaignChange
	last      *campaignChange // the campaign asked for last
	lastKey   campaignKey
}

type campaignKey struct{ tenant, campaign string }

type campaignChange struct {
	name                      string
	firstEventAt, lastEventAt schemas.Timestamp
	windows                   map[windowKey]*schemas.Counters
	rules                     map[ruleStep]*schemas.RuleDelta
}

type windowKey struct {
	basis schemas.Basis
	start schemas.Timestamp
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
		change = &campaignChange{windows: map[windowKey]*schemas.Counters{}}
		c.campaigns[key] = change
	}
	c.last, c.lastKey = change, key
	return change
}

func (c *campaignChange) window(basis schemas.Basis, at schemas.Timestamp) *schemas.Counters {
	key := windowKey{basis: basis}
	if basis.Windowed() {
		key.start = windowStart(at)
	}
	w := c.windows[key]
	if w == nil {
		w = new(schemas.Counters)
		c.windows[key] = w
	}
	return w
}

// add counts what a message contributes now.
func (c *changes) add(m *schemas.Message, s *state) {
	change := c.campaign(m.Tenant, m.CampaignID)
	change.name = max(change.name, m.CampaignName)
	if change.firstEventAt == 0 || m.FirstEventAt < change.firstEventAt {
		change.firstEventAt = m.FirstEventAt
	}
	change.lastEventAt = max(change.lastEventAt, m.LastEventAt)
	c.count(m, s, 1)
}

// remove takes back what a message contributed.
func (c *changes) remove(m *schemas.Message, s *state) { c.count(m, s, -1) }

// count adds sign times what a message contributes.
func (c *changes) count(m *schemas.Message, s *state, sign int64) {
	if m.LastArrivedAt >= c.closing(windowStart(m.FirstEventAt)) {
		c.countLate(m, s, sign)
		return
	}
	change := c.campaign(m.Tenant, m.CampaignID)
	t := tally{change: change, lifetime: change.window(schemas.BasisLifetime, 0)}
	t.send = &t.nowhere
	if m.SentAt != 0 {
		t.send = change.window(schemas.BasisSendTime, m.SentAt)
	}
	t.count(m, s, sign)
}

// tally is where one message counts: for its lifetime, by send time, and by
// event time.
type tally struct {
	lifetime, send *schemas.Counters
	// event are the counters of the window asked for last, which begins at start.
	// Without change it is the only one; what happened at other times counts
	// nowhere, unless all is set.
	event   *schemas.Counters
	start   schemas.Timestamp
	change  *campaignChange
	all     bool
	nowhere schemas.Counters
}

// at returns the counters for something that happened at t.
func (t *tally) at(at schemas.Timestamp) [3]*schemas.Counters {
	switch start := windowStart(at); {
	case t.change != nil:
		if t.event == nil || start != t.start {
			t.event, t.start = t.change.window(schemas.BasisEventTime, at), start
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
			n.Opens += sign * w.opens
			n.HumanOpens += sign * w.humanOpens
			n.Clicks += sign * w.clicks
			n.HumanClicks += sign * w.humanClicks
			n.Unsubscribes += sign * w.unsubscribes
			n.Complaints += sign * w.complaints
		}
	}
}

func (t *tally) outcome(m *schemas.Message, sign int64) {
	if m.Outcome == schemas.OutcomeUnknown {
		return
	}
	for _, n := range t.at(m.OutcomeAt) {
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

// maxWindows bounds the windows of one CampaignDelta, and so the record's size:
// about 50 bytes each. maxRules bounds its steps of rules: about 80 bytes each at
// most.
const (
	maxWindows = 4096
	maxRules   = 2048
)

// drain calls emit for each campaign, in order, with its changes that are not
// zero, lifetime first, and forgets them.
func (c *changes) drain(emit func(*schemas.CampaignDelta)) {
	keys := make([]campaignKey, 0, len(c.campaigns))
	for k := range c.campaigns {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b campaignKey) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.campaign, b.campaign))
	})
	for _, k := range keys {
		change := c.campaigns[k]
		d := schemas.CampaignDelta{Tenant: k.tenant, CampaignID: k.campaign, CampaignName: change.name,
			FirstEventAt: change.firstEventAt, LastEventAt: change.lastEventAt}
		windows, rules := change.sorted(), change.sortedRules()
		for len(windows) > maxWindows || len(rules) > maxRules {
			d.Windows, windows = firstOf(windows, maxWindows)
			d.Rules, rules = firstOf(rules, maxRules)
			emit(&d)
		}
		if d.Windows, d.Rules = windows, rules; len(windows)+len(rules) > 0 || d.FirstEventAt != 0 {
			emit(&d)
		}
	}
	*c = changes{retention: c.retention}
}

// firstOf cuts off the first n elements of a slice, or all.
func firstOf[T any](all []T, n int) (first, rest []T) {
	n = min(n, len(all))
	return all[:n:n], all[n:]
}

func (c *campaignChange) sorted() []schemas.WindowDelta {
	windows := make([]schemas.WindowDelta, 0, len(c.windows))
	for k, n := range c.windows {
		if *n != (schemas.Counters{}) {
			windows = append(windows, schemas.WindowDelta{Basis: k.basis, WindowStart: k.start, Counters: *n})
		}
	}
	slices.SortFunc(windows, func(a, b schemas.WindowDelta) int {
		return cmp.Or(cmp.Compare(a.Basis, b.Basis), cmp.Compare(a.WindowStart, b.WindowStart))
	})
	return windows
}
