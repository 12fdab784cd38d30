package engagement

import (
	"strconv"

	"github.com/posthorn/posthorn/schemas"
)

// breakdowns are the changes that are not to campaigns, and memory for them that
// is used again.
type breakdowns struct {
	tenants table[string, tenantChange]
	acts    actCounts
	// redacted are links as cells have them, by what they were.
	redacted map[string]string

	free       []*campaignChange
	windows    table[windowKey, schemas.Counters]
	cells      []schemas.BreakdownCell
	recipients []schemas.RecipientDelta
}

func (b *breakdowns) tenant(tenant string) *tenantChange { return b.tenants.at(tenant) }

// maxFreeCampaigns is how many campaigns of a transaction leave their memory to
// the next.
const maxFreeCampaigns = 64

// fresh returns an empty change of a campaign.
func (b *breakdowns) fresh() *campaignChange {
	last := len(b.free) - 1
	if last < 0 {
		return new(campaignChange)
	}
	c := b.free[last]
	b.free = b.free[:last]
	return c
}

// reset forgets all changes.
func (c *changes) reset() {
	c.tenants.reset((*tenantChange).reset)
	for _, change := range c.campaigns {
		if len(c.free) < maxFreeCampaigns {
			change.reset()
			c.free = append(c.free, change)
		}
	}
	clear(c.campaigns)
	c.last, c.lastKey = nil, campaignKey{}
}

func (c *campaignChange) reset() {
	c.tenant, c.name, c.firstEventAt, c.lastEventAt = nil, "", 0, 0
	c.rules = nil
	c.grains.reset((*grain).reset)
	c.days.reset((*dayCells).reset)
}

// tenantChange is what is above campaigns.
type tenantChange struct {
	grains     table[grainKey, grain] // summed up at the end
	domains    table[domainKey, schemas.Counters]
	recipients table[schemas.ID, recipientChange]
}

type domainKey struct {
	day    schemas.Timestamp
	domain string
}

func (t *tenantChange) reset() {
	t.grains.reset((*grain).reset)
	t.domains.reset(nil)
	t.recipients.reset(nil)
}

// drain writes what is above campaigns.
func (t *tenantChange) drain(w *breakdownWriter, sum *table[windowKey, schemas.Counters]) {
	t.drainAbove(w, sum)
	for _, e := range t.domains.all() {
		w.cell(schemas.DimensionDomain, e.key.domain, "", windowKey{schemas.BasisSendTime, e.key.day}, &e.value)
	}
	for _, e := range t.recipients.all() {
		w.recipient(e.value.delta(e.key))
	}
}

// recipientChange is the change of a recipient.
type recipientChange struct {
	counters                        schemas.Counters
	domain                          string
	firstEventAt, lastEventAt       schemas.Timestamp
	sentAt, openedAt, lastClickedAt schemas.Timestamp // the latest
}

// see takes in what a message counts. Times are of messages as they are now: what
// they were before told as much already.
func (r *recipientChange) see(m *schemas.Message, s *state, domain string, n *schemas.Counters, sign int64) {
	r.counters.Add(n)
	if domain != "" {
		r.domain = domain
	}
	if sign < 0 {
		return
	}
	if r.firstEventAt == 0 || m.FirstEventAt < r.firstEventAt {
		r.firstEventAt = m.FirstEventAt
	}
	r.lastEventAt, r.sentAt = max(r.lastEventAt, m.LastEventAt), max(r.sentAt, m.SentAt)
	if m.Opens+m.Clicks == 0 {
		return
	}
	for i := range s.events {
		switch e := &s.events[i]; e.Type {
		case schemas.EventTypeOpened:
			r.openedAt = max(r.openedAt, e.OccurredAt)
		case schemas.EventTypeClicked:
			r.lastClickedAt = max(r.lastClickedAt, e.OccurredAt)
		}
	}
}

func (r *recipientChange) delta(id schemas.ID) schemas.RecipientDelta {
	return schemas.RecipientDelta{RecipientID: id, RecipientDomain: r.domain, Counters: r.counters,
		FirstEventAt: r.firstEventAt, LastEventAt: r.lastEventAt, LastSentAt: r.sentAt,
		LastOpenedAt: r.openedAt, LastClickedAt: r.lastClickedAt}
}

// dayCells are the cells of a campaign, of the messages sent on one day.
type dayCells struct {
	domains     table[string, schemas.Counters]
	reasons     table[reasonKey, schemas.Counters]
	links       table[linkKey, schemas.Counters]
	acts        [actTexts]table[string, schemas.Counters]
	machines    table[schemas.Machine, schemas.Counters]
	openDelays  table[int64, schemas.Counters] // by where buckets begin, in ms
	clickDelays table[int64, schemas.Counters]
	age         table[string, schemas.Counters]
	paths       table[path, schemas.Counters]
}

type reasonKey struct {
	domain        string
	outcome       schemas.Outcome
	class, reason string
}

type linkKey struct {
	link  string
	index int32
}

func (d *dayCells) reset() {
	d.domains.reset(nil)
	d.reasons.reset(nil)
	d.links.reset(nil)
	for i := range d.acts {
		d.acts[i].reset(nil)
	}
	d.machines.reset(nil)
	d.openDelays.reset(nil)
	d.clickDelays.reset(nil)
	d.age.reset(nil)
	d.paths.reset(nil)
}

// drain writes the cells of the day.
func (d *dayCells) drain(w *breakdownWriter, day schemas.Timestamp) {
	itself := func(value string) (string, string) { return value, "" }
	bucket := func(ms int64) (string, string) { return schemas.DelayValue(ms), "" }
	drainCells(w, &d.domains, schemas.DimensionDomain, day, itself)
	drainCells(w, &d.reasons, schemas.DimensionReason, day, func(k reasonKey) (string, string) {
		return k.domain, k.outcome.String() + "/" + k.class + "/" + k.reason
	})
	drainCells(w, &d.links, schemas.DimensionLink, day, func(k linkKey) (string, string) {
		if k.index == 0 {
			return k.link, ""
		}
		return k.link, strconv.Itoa(int(k.index))
	})
	for i := range d.acts {
		drainCells(w, &d.acts[i], actDimensions[i], day, itself)
	}
	drainCells(w, &d.machines, schemas.DimensionMachine, day, func(m schemas.Machine) (string, string) { return m.String(), "" })
	drainCells(w, &d.openDelays, schemas.DimensionOpenDelay, day, bucket)
	drainCells(w, &d.clickDelays, schemas.DimensionClickDelay, day, bucket)
	drainCells(w, &d.age, schemas.DimensionAge, day, itself)
	drainCells(w, &d.paths, schemas.DimensionPath, day, func(p path) (string, string) { return p.String(), "" })
}

// drainCells writes the cells of one dimension; text is a key's value and detail.
func drainCells[K comparable](w *breakdownWriter, cells *table[K, schemas.Counters], dimension schemas.Dimension,
	day schemas.Timestamp, text func(K) (value, detail string)) {
	for _, e := range cells.all() {
		if e.value != (schemas.Counters{}) {
			value, detail := text(e.key)
			w.cell(dimension, value, detail, windowKey{schemas.BasisSendTime, day}, &e.value)
		}
	}
}
