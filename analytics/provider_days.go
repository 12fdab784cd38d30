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
	day      int64 // Unix seconds
	counters schemas.Counters
}

// providerDays returns the days of a period by provider, and as of when they are.
// They are sums over all domains and days, a million cells of a tenant for 20
// million events, and are kept.
func (a *API) providerDays(ctx context.Context, p *SentPeriod) (days []providerDay, at time.Time, err error) {
	all, at, err := a.daysByProvider.get(ctx, strings.Join(p.Campaigns, keyJoin))
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

// keyJoin joins the campaigns of a key; no id has it.
const keyJoin = "\x00"

// readDays is the work of daysByProvider: campaigns are joined, none are all of the
// tenant. One core is left to those who ask.
func (a *API) readDays(ctx context.Context, campaigns string) ([]providerDay, error) {
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"max_threads": 1}))
	var p SentPeriod
	if campaigns != "" {
		p.Campaigns = strings.Split(campaigns, keyJoin)
	}
	return a.readProviderDays(ctx, p.filter(a.cfg.Tenant, schemas.DimensionDomain))
}

func (a *API) readProviderDays(ctx context.Context, f filter) ([]providerDay, error) {
	query := "SELECT " + providerOf("value") + " AS provider, toInt64(toUnixTimestamp(window_start)) AS day, " + counterSums +
		"\nFROM breakdowns LEFT ANY JOIN (" + providers + ") AS p ON value = p.domain WHERE " + f.String() + " GROUP BY provider, day"
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
