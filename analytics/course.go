package analytics

import (
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// maxCourse is how many days a course has at most.
const maxCourse = 92

// Course is what happened on each of the last days of UTC, today last: as much as
// a line in a list can show.
type Course struct {
	Since  time.Time `json:"since"`
	Opens  []int64   `json:"opens"`
	Clicks []int64   `json:"clicks"`
}

// courses adds to each campaign its course over that many days.
func (a *API) courses(ctx context.Context, campaigns []Campaign, days int) error {
	if days == 0 || len(campaigns) == 0 {
		return nil
	}
	since := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 1-days)
	byID, ids := map[string]*Course{}, make([]string, len(campaigns))
	for i := range campaigns {
		c := &Course{Since: since, Opens: make([]int64, days), Clicks: make([]int64, days)}
		campaigns[i].Course, byID[campaigns[i].ID], ids[i] = c, c, campaigns[i].ID
	}
	var f filter
	f.add("tenant = ?", a.cfg.Tenant)
	f.add("basis = 'event_time'")
	f.add("campaign_id IN (?)", ids)
	f.between(since.Unix(), 0)
	query := "SELECT campaign_id, intDiv(toInt64(toUnixTimestamp(window_start)) - ?, 86400) AS day, sum(opens), sum(clicks)\nFROM (SELECT campaign_id, window_start, " +
		latest("opens", "clicks") + " FROM campaign_statistics AS s WHERE " + f.String() +
		" GROUP BY tenant, basis, campaign_id, window_start)\nGROUP BY campaign_id, day" + seriesSettings
	return a.each(ctx, "courses", query, append([]any{since.Unix()}, f.args...), func(rows driver.Rows) error {
		var id string
		var day, opens, clicks int64
		if err := rows.Scan(&id, &day, &opens, &clicks); err != nil {
			return err
		}
		// What a sender's clock has put after today is on no day yet.
		if c := byID[id]; c != nil && day >= 0 && day < int64(days) {
			c.Opens[day], c.Clicks[day] = opens, clicks
		}
		return nil
	})
}
