package analytics

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/posthorn/posthorn/schemas"
)

// Account reads what is counted of one account at a provider, as far as the
// provider can tell the same.
type Account struct {
	Conn   driver.Conn
	Tenant string
	// Name is the account's name in the configuration, which all its sources share.
	Name string
}

// Campaigns returns, by id, the lifetimes of the campaigns of which something
// happened since a time, and of those of some ids that the account has. Messages
// without a campaign are left out.
//
// Statistics are kept by tenant and campaign: where another account of the tenant
// has a campaign of the same id, both are counted in it.
func (a *Account) Campaigns(ctx context.Context, since time.Time, ids ...string) (map[string]Campaign, error) {
	which, args := "occurred_at >= fromUnixTimestamp64Micro(toInt64(?))", []any{a.Tenant, a.Tenant, a.Name, since.UnixMicro()}
	if len(ids) > 0 {
		which, args = which+" OR campaign_id IN (?)", append(args, ids)
	}
	rows, err := a.Conn.Query(ctx, `SELECT campaign_id, `+lifetimeColumns+`
FROM campaign_statistics AS s
WHERE tenant = ? AND basis = 'lifetime' AND campaign_id IN (
	SELECT DISTINCT campaign_id FROM events
	WHERE tenant = ? AND account = ? AND campaign_id != '' AND (`+which+`))
GROUP BY campaign_id`, args...)
	if err != nil {
		return nil, fmt.Errorf("reading campaigns: %w", err)
	}
	defer func() { _ = rows.Close() }()
	found := map[string]Campaign{}
	for rows.Next() {
		c, err := scanCampaign(rows.Scan)
		if err != nil {
			return nil, fmt.Errorf("reading campaigns: %w", err)
		}
		found[c.ID] = c
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading campaigns: %w", err)
	}
	return found, nil
}

// Hours counts the events of each hour from one up to another, by event time: of
// one campaign, or with an empty id of the whole account. They are counted in the
// table of events, where no window is ever closed. Only what can be told of an
// event alone is counted: delivered, rejected, hard_bounced, opens, clicks,
// unsubscribes and complaints.
func (a *Account) Hours(ctx context.Context, campaign string, from, to time.Time) (map[time.Time]schemas.Counters, error) {
	where, args := "", []any{a.Tenant, a.Name, from.UnixMicro(), to.UnixMicro()}
	if campaign != "" {
		where, args = " AND campaign_id = ?", append(args, campaign)
	}
	rows, err := a.Conn.Query(ctx, `SELECT toInt64(toUnixTimestamp(toStartOfHour(occurred_at, 'UTC'))) AS hour,
	toInt64(countIf(type = 'delivered')), toInt64(countIf(type = 'rejected')), toInt64(countIf(type = 'bounced' AND bounce_class = 'hard')),
	toInt64(countIf(type = 'opened')), toInt64(countIf(type = 'clicked')), toInt64(countIf(type = 'unsubscribed')), toInt64(countIf(type = 'complained'))
FROM events
WHERE tenant = ? AND account = ?
	AND occurred_at >= fromUnixTimestamp64Micro(toInt64(?)) AND occurred_at < fromUnixTimestamp64Micro(toInt64(?))`+where+`
GROUP BY hour`, args...)
	if err != nil {
		return nil, fmt.Errorf("counting events by hour: %w", err)
	}
	defer func() { _ = rows.Close() }()
	hours := map[time.Time]schemas.Counters{}
	for rows.Next() {
		var at int64
		var c schemas.Counters
		if err := rows.Scan(&at, &c.Delivered, &c.Rejected, &c.HardBounced, &c.Opens, &c.Clicks, &c.Unsubscribes, &c.Complaints); err != nil {
			return nil, fmt.Errorf("counting events by hour: %w", err)
		}
		hours[time.Unix(at, 0).UTC()] = c
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("counting events by hour: %w", err)
	}
	return hours, nil
}
