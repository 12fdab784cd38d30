package verify

import (
	"slices"

	"github.com/posthorn/posthorn/schemas"
)

// windowLength is the length of a window in microseconds.
const windowLength = 300 * 1_000_000

// noCampaign counts messages that have none.
const noCampaign = "-"

// windowKey tells counts apart, as the key of posthorn.statistics does.
type windowKey struct {
	tenant, campaign string
	basis            schemas.Basis
	start            schemas.Timestamp // zero where there is no window
}

func campaignOf(m *schemas.Message) string {
	if m.CampaignID == "" {
		return noCampaign
	}
	return m.CampaignID
}

// bucketSums are what the messages of a bucket of recipients count.
type bucketSums struct {
	campaigns map[windowKey]*schemas.Counters
	cells     cellSums
}

// add adds counts of a window to its campaign and to what is above campaigns.
func (n *bucketSums) add(of scopes, k windowKey, c *schemas.Counters) {
	sum(counters(n.campaigns, k), c)
	n.cells.countScopes(of, k, c)
}

// contribute adds what one message counts: all its events in its lifetime, in a
// window those that had arrived when it was closed, and what is missing in the
// windows in the late totals. It returns what counts in the lifetime.
func (v *verifier) contribute(to *bucketSums, m *schemas.Message, events []*schemas.Event, folded set) (lifetime *schemas.Counters) {
	of := scopesOf(m.Account, events, folded)
	all := map[windowKey]*schemas.Counters{}
	tally(all, m, events, folded)
	lifetime = all[windowKey{m.Tenant, campaignOf(m), schemas.BasisLifetime, 0}]
	windows, earliest := map[schemas.Timestamp]bool{}, m.FirstEventAt
	for _, e := range events {
		windows[windowOf(e.OccurredAt)] = true
		earliest = min(earliest, e.OccurredAt)
	}
	if m.LastArrivedAt < v.closing(windowOf(earliest)) {
		for k, c := range all {
			to.add(of, k, c)
		}
		return lifetime
	}
	for k, c := range all {
		to.add(of, k.late(), c)
	}
	for start := range windows {
		closing := v.closing(start)
		inTime := slices.DeleteFunc(slices.Clone(events), func(e *schemas.Event) bool { return e.ArrivedAt >= closing })
		if len(inTime) == 0 {
			continue
		}
		then := map[windowKey]*schemas.Counters{}
		tally(then, derive(messageKey{tenant: m.Tenant}, inTime, folded), inTime, folded)
		of := scopesOf(m.Account, inTime, folded)
		for k, c := range then {
			if k.basis == schemas.BasisLifetime || k.start != start {
				continue
			}
			to.add(of, k, c)
			for _, n := range counterValues(c) {
				*n = -*n
			}
			to.add(of, k.late(), c)
		}
	}
	return lifetime
}

// closing is the arrival time from which on a window does not change.
func (v *verifier) closing(start schemas.Timestamp) schemas.Timestamp {
	return start + windowLength + schemas.Timestamp(v.cfg.Retention.Microseconds())
}

// late returns where something counts that came too late for a window.
func (k windowKey) late() windowKey {
	switch k.basis {
	case schemas.BasisEventTime:
		k.basis, k.start = schemas.BasisEventTimeLate, 0
	case schemas.BasisSendTime:
		k.basis, k.start = schemas.BasisSendTimeLate, 0
	}
	return k
}

// hasWindow tells whether it is the key of a window.
func (k windowKey) hasWindow() bool {
	return k.basis == schemas.BasisEventTime || k.basis == schemas.BasisSendTime
}

// tally adds what one message counts, in its lifetime and in the windows of both
// bases.
func tally(to map[windowKey]*schemas.Counters, m *schemas.Message, events []*schemas.Event, folded set) {
	automated := automatedOf(events, folded)
	campaign := campaignOf(m)
	add := func(at schemas.Timestamp, apply func(c *schemas.Counters)) {
		at = windowOf(at)
		apply(counters(to, windowKey{m.Tenant, campaign, schemas.BasisLifetime, 0}))
		apply(counters(to, windowKey{m.Tenant, campaign, schemas.BasisEventTime, at}))
		if m.SentAt != 0 {
			apply(counters(to, windowKey{m.Tenant, campaign, schemas.BasisSendTime, windowOf(m.SentAt)}))
		}
	}
	once := func(at schemas.Timestamp, field func(c *schemas.Counters) *int64) {
		if at != 0 {
			add(at, func(c *schemas.Counters) { *field(c)++ })
		}
	}
	once(m.FirstEventAt, func(c *schemas.Counters) *int64 { return &c.Messages })
	once(m.OutcomeAt, outcomeField(m))
	once(m.FirstOpenedAt, func(c *schemas.Counters) *int64 { return &c.Opened })
	once(m.FirstHumanOpenedAt, func(c *schemas.Counters) *int64 { return &c.HumanOpened })
	once(m.FirstClickedAt, func(c *schemas.Counters) *int64 { return &c.Clicked })
	once(m.FirstHumanClickedAt, func(c *schemas.Counters) *int64 { return &c.HumanClicked })
	once(m.UnsubscribedAt, func(c *schemas.Counters) *int64 { return &c.Unsubscribed })
	once(m.ComplainedAt, func(c *schemas.Counters) *int64 { return &c.Complained })
	if m.LateBounce {
		once(m.OutcomeAt, func(c *schemas.Counters) *int64 { return &c.LateBounces })
	}
	if m.OpenDelayMS.Valid {
		add(m.FirstOpenedAt, func(c *schemas.Counters) { c.OpenDelays++; c.OpenDelayMS += m.OpenDelayMS.Int64 })
	}
	if m.ClickDelayMS.Valid {
		add(m.FirstClickedAt, func(c *schemas.Counters) { c.ClickDelays++; c.ClickDelayMS += m.ClickDelayMS.Int64 })
	}
	for _, e := range events {
		byHuman := e.Machine != schemas.MachineMachine && !automated[e].any()
		add(e.OccurredAt, func(c *schemas.Counters) {
			switch {
			case e.Type == schemas.EventTypeOpened && byHuman:
				c.Opens++
				c.HumanOpens++
			case e.Type == schemas.EventTypeOpened:
				c.Opens++
			case e.Type == schemas.EventTypeClicked && byHuman:
				c.Clicks++
				c.HumanClicks++
			case e.Type == schemas.EventTypeClicked:
				c.Clicks++
			case e.Type == schemas.EventTypeUnsubscribed:
				c.Unsubscribes++
			case e.Type == schemas.EventTypeComplained:
				c.Complaints++
			}
		})
	}
}

func outcomeField(m *schemas.Message) func(c *schemas.Counters) *int64 {
	return func(c *schemas.Counters) *int64 {
		switch m.Outcome {
		case schemas.OutcomeQueued:
			return &c.Queued
		case schemas.OutcomeDeferred:
			return &c.Deferred
		case schemas.OutcomeDelivered:
			return &c.Delivered
		case schemas.OutcomeRejected:
			return &c.Rejected
		case schemas.OutcomeFailed:
			return &c.Failed
		case schemas.OutcomeBounced:
			if m.BounceClass == "hard" {
				return &c.HardBounced
			}
			return &c.SoftBounced
		}
		return new(int64) // no outcome is counted
	}
}

// windowOf returns the start of the window that holds at.
func windowOf(at schemas.Timestamp) schemas.Timestamp {
	rest := at % windowLength
	if rest < 0 {
		rest += windowLength
	}
	return at - rest
}

func counters(of map[windowKey]*schemas.Counters, k windowKey) *schemas.Counters {
	c := of[k]
	if c == nil {
		c = &schemas.Counters{}
		of[k] = c
	}
	return c
}

// sum adds b to a, field by field.
func sum(a, b *schemas.Counters) {
	a.Messages += b.Messages
	a.Queued += b.Queued
	a.Deferred += b.Deferred
	a.Delivered += b.Delivered
	a.Rejected += b.Rejected
	a.Failed += b.Failed
	a.HardBounced += b.HardBounced
	a.SoftBounced += b.SoftBounced
	a.Opened += b.Opened
	a.HumanOpened += b.HumanOpened
	a.Opens += b.Opens
	a.HumanOpens += b.HumanOpens
	a.Clicked += b.Clicked
	a.HumanClicked += b.HumanClicked
	a.Clicks += b.Clicks
	a.HumanClicks += b.HumanClicks
	a.Unsubscribed += b.Unsubscribed
	a.Unsubscribes += b.Unsubscribes
	a.Complained += b.Complained
	a.Complaints += b.Complaints
	a.LateBounces += b.LateBounces
	a.OpenDelayMS += b.OpenDelayMS
	a.OpenDelays += b.OpenDelays
	a.ClickDelayMS += b.ClickDelayMS
	a.ClickDelays += b.ClickDelays
}
