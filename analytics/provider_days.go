package analytics

import (
	"context"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/posthorn/posthorn/schemas"
)

// providerDay are the messages to a mailbox provider that were sent on a day.
type providerDay struct {
	provider string
	day      int64 // Unix seconds; 0 where the send is unknown
	counters schemas.Counters
}

// providerDays returns the days of a period by provider, and as of when they are.
// Those of the tenant are sums over all domains and days, a million rows for
// 20 million events, and are kept; those of campaigns are read.
func (a *API) providerDays(ctx context.Context, p *SentPeriod) (days []providerDay, at time.Time, err error) {
	if p.Campaigns != nil {
		at = time.Now()
		f := p.filter(a.cfg.Tenant, schemas.DimensionDomain)
		days, err = a.readProviderDays(ctx, f)
		return days, at, err
	}
	all, at, err := a.tenantDays.get(ctx)
	if err != nil || !p.bounded() {
		return all, at, err
	}
	for _, d := range all {
		if d.day >= max(p.from, secondsOfDay) && (p.to == 0 || d.day < p.to) {
			days = append(days, d)
		}
	}
	return days, at, nil
}

// readTenantDays is the work of tenantDays. One core is left to those who ask.
func (a *API) readTenantDays(ctx context.Context) ([]providerDay, error) {
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"max_threads": 1}))
	return a.readProviderDays(ctx, (&SentPeriod{}).filter(a.cfg.Tenant, schemas.DimensionDomain))
}

func (a *API) readProviderDays(ctx context.Context, f filter) ([]providerDay, error) {
	cells := "SELECT value AS domain, window_start, " + strings.Join(counterNames, ", ") + " FROM breakdowns WHERE " + f.String()
	query := "SELECT provider, toInt64(toUnixTimestamp(window_start)) AS day, " + counterSums +
		"\nFROM (" + withProvider(cells, "window_start, "+strings.Join(counterNames, ", ")) + ") GROUP BY provider, day"
	var days []providerDay
	err := a.each(ctx, "providers by day", query, f.args, func(rows driver.Rows) error {
		var d providerDay
		err := rows.Scan(append([]any{&d.provider, &d.day}, counterFields(&d.counters)...)...)
		if d.counters != (schemas.Counters{}) {
			days = append(days, d)
		}
		return err
	})
	return days, err
}
