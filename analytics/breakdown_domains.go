package analytics

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/posthorn/posthorn/schemas"
)

// providerParts sums the days of each provider of the tenant.
func (a *API) providerParts(ctx context.Context, b *Breakdown, of *parts, limit int) error {
	days, at, err := a.providerDays(ctx, &b.SentPeriod)
	if err != nil {
		return err
	}
	b.ComputedAt = at.UTC()
	providers := map[string]*schemas.Counters{}
	for i := range days {
		sum := providers[days[i].provider]
		if sum == nil {
			sum = &schemas.Counters{}
			providers[days[i].provider] = sum
		}
		sum.Add(&days[i].counters)
	}
	var all []BreakdownItem
	for name, sum := range providers {
		item := BreakdownItem{Value: name, Rated: Rated{Counters: countsOf(sum, b.Counters)}}
		of.total.add(item.Counters)
		all = append(all, item)
	}
	if c := providers[providerUnknown]; c != nil {
		of.unknown = c.Messages
	}
	slices.SortFunc(all, func(x, y BreakdownItem) int {
		if b.Order == "value" {
			return cmp.Compare(x.Value, y.Value)
		}
		return cmp.Or(cmp.Compare(y.Counters[b.Order], x.Counters[b.Order]), cmp.Compare(x.Value, y.Value))
	})
	shown := min(limit, len(all))
	of.values, of.others = int64(len(all)-shown), Counts{}
	for _, item := range all[shown:] {
		of.others.add(item.Counters)
	}
	b.Items = append(b.Items, all[:shown]...)
	return nil
}

// domainsAsked is a question for the domains of the tenant.
type domainsAsked struct {
	order    string
	limit    int
	from, to int64
}

// domainsFound is the answer.
type domainsFound struct {
	parts
	items []BreakdownItem
}

// domainParts answers for the domains of the tenant from what is kept.
func (a *API) domainParts(ctx context.Context, b *Breakdown, of *parts, limit int) error {
	found, at, err := a.tenantDomains.get(ctx, domainsAsked{b.Order, limit, b.from, b.to})
	if err != nil {
		return err
	}
	b.ComputedAt = at.UTC()
	b.Items = append(b.Items, found.items...) // Their rates are set: those kept are another's too.
	*of = found.parts
	return nil
}

// readTenantDomains is the work of tenantDomains: it ranks the domains, reads the
// first of them, and takes the others from the total, since summing all counters
// of all costs twice as much.
func (a *API) readTenantDomains(ctx context.Context, asked domainsAsked) (found domainsFound, err error) {
	p := SentPeriod{from: asked.from, to: asked.to}
	found.total, found.others = countsOf(&schemas.Counters{}, counterNames), Counts{}
	top, err := a.topDomains(ctx, p.filter(a.cfg.Tenant, schemas.DimensionDomain), asked.order, asked.limit)
	if err != nil || len(top.domains) == 0 {
		return found, err
	}
	f := p.filter(a.cfg.Tenant, schemas.DimensionDomain)
	f.add("value IN (?)", top.domains)
	shown := make(map[string]Counts, len(top.domains))
	query := "SELECT value, " + counterSums + " FROM breakdowns WHERE " + f.String() + " GROUP BY value"
	if err := a.each(ctx, "domains", query, f.args, func(rows driver.Rows) error {
		var domain string
		n, err := scanCounters(rows, counterNames, &domain)
		shown[domain] = n
		return err
	}); err != nil {
		return found, err
	}
	// The total is read last, so that it has what those shown have.
	total, err := a.tenantTotal(ctx, &p)
	if err != nil {
		return found, err
	}
	found.total, found.others = countsOf(&total, counterNames), countsOf(&total, counterNames)
	found.unknown, found.values = top.unknown, top.count-int64(len(top.domains))
	for _, domain := range top.domains {
		found.items = append(found.items, BreakdownItem{Value: domain, Rated: Rated{Counters: shown[domain]}})
		for name, n := range shown[domain] {
			found.others[name] -= n
		}
	}
	return found, nil
}

// tenantTotal is countedOnce of the tenant, with the delays of a period, which
// ages do not tell: they are summed over the domains.
func (a *API) tenantTotal(ctx context.Context, p *SentPeriod) (schemas.Counters, error) {
	c, err := a.countedOnce(ctx, p)
	if err != nil || !p.bounded() {
		return c, err
	}
	f := p.filter(a.cfg.Tenant, schemas.DimensionDomain)
	err = a.cfg.Conn.QueryRow(ctx, "SELECT sum(open_delay_ms), sum(open_delays), sum(click_delay_ms), sum(click_delays) FROM breakdowns WHERE "+f.String(), f.args...).
		Scan(&c.OpenDelayMS, &c.OpenDelays, &c.ClickDelayMS, &c.ClickDelays)
	if err != nil {
		return c, fmt.Errorf("reading delays: %w", err)
	}
	return c, nil
}
