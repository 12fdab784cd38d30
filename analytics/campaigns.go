package analytics

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// CampaignList is a page of campaigns, the one with the latest event first.
type CampaignList struct {
	Campaigns []Campaign `json:"campaigns"`
	// Next is the value of after for the next page; empty at the end.
	Next string `json:"next,omitempty"`
}

// Campaign is what is known of a campaign over its lifetime.
type Campaign struct {
	ID string `json:"id"`
	// Name is empty where the provider tells none.
	Name         string    `json:"name"`
	FirstEventAt time.Time `json:"first_event_at"`
	LastEventAt  time.Time `json:"last_event_at"`
	// UpdatedAt is how far in arrival time the figures are.
	UpdatedAt time.Time        `json:"updated_at"`
	Totals    schemas.Counters `json:"totals"`
	Rates     []Rate           `json:"rates"`
	// Course is there where it was asked for.
	Course *Course `json:"course,omitempty"`
}

// lifetimeColumns reads the latest version of every lifetime row by argMax,
// which measured far cheaper than FINAL over many campaigns.
var lifetimeColumns = latest("campaign_name", "first_event_at", "last_event_at", "updated_at") + ", " + latest(strings.Fields(counterColumns)...)

func latest(columns ...string) string {
	parts := make([]string, len(columns))
	for i, c := range columns {
		parts[i] = fmt.Sprintf("argMax(s.%s, s.version) AS %s", c, c)
	}
	return strings.Join(parts, ", ")
}

func (a *API) campaigns(ctx context.Context, r *http.Request) (CampaignList, error) {
	list := CampaignList{Campaigns: []Campaign{}}
	if err := knownParams(r, "q", "sort", "limit", "after", "course"); err != nil {
		return list, err
	}
	limit, err := limitOf(r, 50, 500)
	if err != nil {
		return list, err
	}
	days, err := daysOf(r, "course", maxCourse)
	if err != nil {
		return list, err
	}
	selected, err := campaignsSelected(r)
	if err != nil {
		return list, err
	}
	args := append([]any{a.cfg.Tenant}, selected.having.args...)
	rows, err := a.cfg.Conn.Query(ctx, `SELECT campaign_id, `+lifetimeColumns+`
FROM campaign_statistics AS s
WHERE tenant = ? AND basis = 'lifetime'
GROUP BY campaign_id HAVING `+selected.having.String()+`
ORDER BY `+selected.order.expression+` DESC, campaign_id DESC
LIMIT `+fmt.Sprint(limit+1), args...)
	if err != nil {
		return list, fmt.Errorf("listing campaigns: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		c, err := scanCampaign(rows.Scan)
		if err != nil {
			return list, fmt.Errorf("listing campaigns: %w", err)
		}
		list.Campaigns = append(list.Campaigns, c)
	}
	if err := rows.Err(); err != nil {
		return list, fmt.Errorf("listing campaigns: %w", err)
	}
	if len(list.Campaigns) > limit {
		list.Campaigns = list.Campaigns[:limit]
		list.Next = pageKey(selected.order.after(&list.Campaigns[limit-1]))
	}
	return list, a.courses(ctx, list.Campaigns, days)
}

func scanCampaign(scan func(...any) error) (Campaign, error) {
	var c Campaign
	dest := append([]any{&c.ID, &c.Name, &c.FirstEventAt, &c.LastEventAt, &c.UpdatedAt}, counterFields(&c.Totals)...)
	if err := scan(dest...); err != nil {
		return c, err
	}
	c.Rates = Rates(c.Totals)
	return c, nil
}
