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

func (g *grain) reset() { g.windows.reset(nil) }

type windowKey struct {
	basis schemas.Basis
	start schemas.Timestamp
}

// grain returns where the message m counts if it is what the state makes it.
func (c *campaignChange) grain(m *schemas.Message, s *state, above bool) *grain {
	return c.grains.at(grainKey{account: m.Account, source: s.source(), list: s.list(), above: above})
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

// sumAbove adds the windows of a campaign to those above it, by grain.
func (t *tenantChange) sumAbove(c *campaignChange) {
	for _, g := range c.grains.all() {
		if !g.key.above {
			continue
		}
		sum := t.grains.at(g.key)
		for _, w := range g.value.windows.all() {
			if w.value != (schemas.Counters{}) {
				sum.windows.at(w.key).Add(&w.value)
			}
		}
	}
}

// above are the dimensions of what is above campaigns, and what of a grain is
// their value; no value: it counts in none, but in the tenant.
var above = [...]struct {
	dimension schemas.Dimension
	value     func(*grainKey) string
}{
	{schemas.DimensionTenant, func(*grainKey) string { return "" }},
	{schemas.DimensionAccount, func(k *grainKey) string { return k.account }},
	{schemas.DimensionSource, func(k *grainKey) string { return k.source }},
	{schemas.DimensionList, func(k *grainKey) string { return k.list }},
}

// drainAbove writes the windows of what is above campaigns. Nearly always there is
// one grain, which is all there is of its account and source: that is not summed
// up again.
func (t *tenantChange) drainAbove(w *breakdownWriter, sum *table[windowKey, schemas.Counters]) {
	for i := range above {
		dimension, of := above[i].dimension, above[i].value
		var values table[string, []*grain]
		for _, g := range t.grains.all() {
			if value := of(&g.key); value != "" || dimension == schemas.DimensionTenant {
				grains := values.at(value)
				*grains = append(*grains, &g.value)
			}
		}
		for _, v := range values.sorted(func(a, b *string) int { return cmp.Compare(*a, *b) }) {
			windows := &v.value[0].windows
			if len(v.value) > 1 {
				windows = sum
				for _, g := range v.value {
					for _, e := range g.windows.all() {
						sum.at(e.key).Add(&e.value)
					}
				}
			}
			for _, e := range windows.sorted((*windowKey).compare) {
				w.cell(dimension, v.key, "", e.key, &e.value)
			}
			sum.reset(nil)
		}
	}
}

func (k *windowKey) compare(o *windowKey) int {
	return cmp.Or(cmp.Compare(k.basis, o.basis), cmp.Compare(k.start, o.start))
}
