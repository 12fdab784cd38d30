package engagement

import (
	"cmp"
	"maps"
	"slices"

	"github.com/posthorn/posthorn/schemas"
)

// maxWindows bounds the windows of one CampaignDelta, and so the record's size:
// about 50 bytes each. maxRules bounds its steps of rules: about 80 bytes each at
// most.
const (
	maxWindows = 4096
	maxRules   = 2048
)

// drain calls campaign for each campaign, in order, with its changes that are not
// zero, lifetime first, then breakdown for each tenant and its campaigns, with
// about as many bytes as the record takes. It forgets the changes.
func (c *changes) drain(campaign func(*schemas.CampaignDelta), breakdown func(d *schemas.BreakdownDelta, size int)) {
	keys := slices.SortedFunc(maps.Keys(c.campaigns), func(a, b campaignKey) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.campaign, b.campaign))
	})
	for _, k := range keys {
		change := c.campaigns[k]
		change.drain(k, &c.windows, campaign)
		change.tenant.sumAbove(change)
	}
	w := breakdownWriter{emit: breakdown, d: schemas.BreakdownDelta{Cells: c.cells[:0], Recipients: c.recipients[:0]}}
	for i, k := range keys {
		if i == 0 || k.tenant != keys[i-1].tenant {
			w.of(k.tenant, "")
			c.campaigns[k].tenant.drain(&w, &c.windows)
		}
		w.of(k.tenant, k.campaign)
		for _, day := range c.campaigns[k].days.all() {
			day.value.drain(&w, day.key)
		}
	}
	w.flush()
	c.cells, c.recipients = w.d.Cells, w.d.Recipients
	c.reset()
}

// drain calls emit with the changes of one campaign.
func (c *campaignChange) drain(k campaignKey, sum *table[windowKey, schemas.Counters], emit func(*schemas.CampaignDelta)) {
	d := schemas.CampaignDelta{Tenant: k.tenant, CampaignID: k.campaign, CampaignName: c.name,
		FirstEventAt: c.firstEventAt, LastEventAt: c.lastEventAt}
	windows, rules := c.windows(sum), c.sortedRules()
	for len(windows) > maxWindows || len(rules) > maxRules {
		d.Windows, windows = firstOf(windows, maxWindows)
		d.Rules, rules = firstOf(rules, maxRules)
		emit(&d)
	}
	if d.Windows, d.Rules = windows, rules; len(windows)+len(rules) > 0 || d.FirstEventAt != 0 {
		emit(&d)
	}
}

// firstOf cuts off the first n elements of a slice, or all.
func firstOf[T any](all []T, n int) (first, rest []T) {
	n = min(n, len(all))
	return all[:n:n], all[n:]
}

// What one BreakdownDelta holds at most. Texts are up to 1,024 bytes long, but
// nearly all are short: so its size is bounded too.
const (
	maxCells          = 4096
	maxRecipients     = 8192
	maxBreakdownBytes = 1 << 20
)

// About how many bytes a cell and a recipient take beside their texts.
const (
	cellBytes      = 48
	recipientBytes = 80
)

// breakdownWriter cuts cells and recipients into records.
type breakdownWriter struct {
	emit func(d *schemas.BreakdownDelta, size int)
	d    schemas.BreakdownDelta
	size int
}

// of begins the records of a campaign.
func (w *breakdownWriter) of(tenant, campaign string) {
	w.flush()
	w.d.Tenant, w.d.CampaignID = tenant, campaign
}

func (w *breakdownWriter) flush() {
	if len(w.d.Cells)+len(w.d.Recipients) == 0 {
		return
	}
	w.emit(&w.d, w.size+len(w.d.Tenant)+len(w.d.CampaignID)+cellBytes)
	clear(w.d.Cells)
	clear(w.d.Recipients)
	w.d.Cells, w.d.Recipients, w.size = w.d.Cells[:0], w.d.Recipients[:0], 0
}

// cell adds a cell, if it changes at all.
func (w *breakdownWriter) cell(dimension schemas.Dimension, value, detail string, at windowKey, n *schemas.Counters) {
	if *n == (schemas.Counters{}) {
		return
	}
	w.d.Cells = append(w.d.Cells, schemas.BreakdownCell{})
	c := &w.d.Cells[len(w.d.Cells)-1]
	c.Dimension, c.Value, c.Detail, c.Basis, c.WindowStart, c.Counters = dimension, value, detail, at.basis, at.start, *n
	w.size += cellBytes + len(value) + len(detail)
	w.cut()
}

func (w *breakdownWriter) recipient(r schemas.RecipientDelta) {
	w.d.Recipients = append(w.d.Recipients, r)
	w.size += recipientBytes + len(r.RecipientDomain)
	w.cut()
}

func (w *breakdownWriter) cut() {
	if len(w.d.Cells) == maxCells || len(w.d.Recipients) == maxRecipients || w.size >= maxBreakdownBytes {
		w.flush()
	}
}
