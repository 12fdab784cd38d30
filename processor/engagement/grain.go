package engagement

import (
	"cmp"
	"slices"

	"github.com/posthorn/posthorn/schemas"
)

// grainKey says which messages of a campaign count together: what they sum up to
// above campaigns is what it is in them, in every window.
type grainKey struct {
	account, source, list string
	above                 bool // it counts above campaigns too
}

// grain are the windows of such messages.
type grain struct {
	windows table[windowKey, schemas.Counters]
}

type windowKey struct {
	basis schemas.Basis
	start schemas.Timestamp
}

// grain returns where the message m counts if it belongs to that campaign, and if
// it is what the state makes it.
func (c *changes) grain(m *schemas.Message, campaign string, s *state, above bool) *grain {
	key := grainKey{account: m.Account, source: s.source(), list: s.list(), above: above}
	return c.campaign(m.Tenant, campaign).grains.at(key)
}

func (g *grain) window(basis schemas.Basis, at schemas.Timestamp) *schemas.Counters {
	key := windowKey{basis: basis}
	if basis.Windowed() {
		key.start = windowStart(at)
	}
	return g.windows.at(key)
}

// windows are the changes of a campaign that are not zero, lifetime first. It
// reuses memory of the table sum.
func (c *campaignChange) windows(sum *table[windowKey, schemas.Counters]) []schemas.WindowDelta {
	of := sum
	if grains := c.grains.all(); len(grains) == 1 {
		of = &grains[0].value.windows
	} else {
		for _, g := range grains {
			for _, w := range g.value.windows.all() {
				sum.at(w.key).Add(&w.value)
			}
		}
	}
	windows := make([]schemas.WindowDelta, 0, of.n)
	for _, w := range of.all() {
		if w.value != (schemas.Counters{}) {
			windows = append(windows, schemas.WindowDelta{Basis: w.key.basis, WindowStart: w.key.start, Counters: w.value})
		}
	}
	sum.reset(nil)
	slices.SortFunc(windows, func(a, b schemas.WindowDelta) int {
		return cmp.Or(cmp.Compare(a.Basis, b.Basis), cmp.Compare(a.WindowStart, b.WindowStart))
	})
	return windows
}

// aboveKey is a window of what is above campaigns.
type aboveKey struct {
	dimension schemas.Dimension
	value     string
	windowKey
}

func (k *aboveKey) compare(o *aboveKey) int {
	return cmp.Or(cmp.Compare(k.dimension, o.dimension), cmp.Compare(k.value, o.value),
		cmp.Compare(k.basis, o.basis), cmp.Compare(k.start, o.start))
}

// sumAbove adds the windows of a campaign to those of its tenant, accounts,
// sources and lists.
func (t *tenantChange) sumAbove(c *campaignChange) {
	for _, g := range c.grains.all() {
		if !g.key.above {
			continue
		}
		for _, w := range g.value.windows.all() {
			if w.value == (schemas.Counters{}) {
				continue
			}
			add := func(dimension schemas.Dimension, value string) {
				if value != "" || dimension == schemas.DimensionTenant {
					t.above.at(aboveKey{dimension, value, w.key}).Add(&w.value)
				}
			}
			add(schemas.DimensionTenant, "")
			add(schemas.DimensionAccount, g.key.account)
			add(schemas.DimensionSource, g.key.source)
			add(schemas.DimensionList, g.key.list)
		}
	}
}
