package analytics

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/posthorn/posthorn/schemas"
)

// providerParts sums the days of each provider.
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

// domainParts ranks the domains of the tenant, reads the first of them, and takes
// the others from the total: summing all counters of all costs twice as much.
func (a *API) domainParts(ctx context.Context, b *Breakdown, of *parts, limit int) error {
	top, err := a.topDomains(ctx, b.filter(a.cfg.Tenant, schemas.DimensionDomain), b.Order, limit)
	if err != nil || len(top.domains) == 0 {
		return err
	}
	f := b.filter(a.cfg.Tenant, schemas.DimensionDomain)
	f.add("value IN (?)", top.domains)
	found := make(map[string]Counts, len(top.domains))
	query := "SELECT value, " + sumsOf(b.Counters, "") + " FROM breakdowns WHERE " + f.String() + " GROUP BY value"
	if err := a.each(ctx, "domains", query, f.args, func(rows driver.Rows) error {
		var domain string
		n, err := scanCounters(rows, b.Counters, &domain)
		found[domain] = n
		return err
	}); err != nil {
		return err
	}
	// The total is read last, so that it has what those shown have.
	total, err := a.tenantTotal(ctx, &b.SentPeriod)
	if err != nil {
		return err
	}
	of.total = countsOf(&total, b.Counters)
	of.unknown, of.values, of.others = top.unknown, top.count-int64(len(top.domains)), countsOf(&total, b.Counters)
	for _, domain := range top.domains {
		b.Items = append(b.Items, BreakdownItem{Value: domain, Rated: Rated{Counters: found[domain]}})
		for name, n := range found[domain] {
			of.others[name] -= n
		}
	}
	return nil
}

// tenantTotal is countedOnce of the tenant, with the delays of a period, which
// ages do not tell: they are of the windows of the send, and so without what came
// after those were closed.
func (a *API) tenantTotal(ctx context.Context, p *SentPeriod) (schemas.Counters, error) {
	c, err := a.countedOnce(ctx, p)
	if err != nil || !p.bounded() {
		return c, err
	}
	f := p.filter(a.cfg.Tenant, schemas.DimensionTenant)
	f.add("basis = ?", schemas.BasisSendTime.String())
	err = a.cfg.Conn.QueryRow(ctx, "SELECT sum(open_delay_ms), sum(open_delays), sum(click_delay_ms), sum(click_delays) FROM breakdowns WHERE "+f.String(), f.args...).
		Scan(&c.OpenDelayMS, &c.OpenDelays, &c.ClickDelayMS, &c.ClickDelays)
	if err != nil {
		return c, fmt.Errorf("reading delays: %w", err)
	}
	return c, nil
}
