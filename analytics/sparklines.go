package analytics

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// sparkParts is how many equal parts of its time a campaign's sparkline has.
const sparkParts = 24

// maxSparkTime is how far back a sparkline reaches.
const maxSparkTime = 90 * 24 * time.Hour

// Sparklines are the courses of several campaigns in few numbers each.
type Sparklines struct {
	// Parts is the number of values of each.
	Parts     int         `json:"parts"`
	Campaigns []Sparkline `json:"campaigns"`
}

// Sparkline is one campaign's course by event time, from its first event, or 90
// days before the last one, to the last.
type Sparkline struct {
	ID string `json:"id"`
	// Start is where the first part begins; Seconds is the length of each.
	Start   time.Time `json:"start"`
	Seconds int64     `json:"seconds"`
	// What came after its window was closed is in no part.
	HumanOpens  []int64 `json:"human_opens"`
	HumanClicks []int64 `json:"human_clicks"`
}

// sparklines answers with the courses of the named campaigns. One that is not
// known is left out.
func (a *API) sparklines(ctx context.Context, r *http.Request) (Sparklines, error) {
	answer := Sparklines{Parts: sparkParts, Campaigns: []Sparkline{}}
	if err := knownParams(r, "campaigns"); err != nil {
		return answer, err
	}
	ids, err := campaignsOf(r)
	if err != nil {
		return answer, err
	}
	if len(ids) == 0 {
		return answer, badParam("campaigns", "want ids as 7340112,7340113")
	}
	at := map[string]int{}
	err = a.each(ctx, "spans of campaigns", `SELECT campaign_id, argMax(s.first_event_at, s.version), argMax(s.last_event_at, s.version)
FROM campaign_statistics AS s WHERE tenant = ? AND basis = 'lifetime' AND campaign_id IN (?)
GROUP BY campaign_id ORDER BY campaign_id`, []any{a.cfg.Tenant, ids}, func(rows driver.Rows) error {
		var id string
		var first, last time.Time
		if err := rows.Scan(&id, &first, &last); err != nil {
			return err
		}
		at[id] = len(answer.Campaigns)
		answer.Campaigns = append(answer.Campaigns, newSparkline(id, first, last))
		return nil
	})
	if err != nil || len(at) == 0 {
		return answer, err
	}
	query, args := a.sparkQuery(answer.Campaigns)
	err = a.each(ctx, "sparklines", query, args, func(rows driver.Rows) error {
		var id string
		var part uint8
		var opens, clicks int64
		if err := rows.Scan(&id, &part, &opens, &clicks); err != nil {
			return err
		}
		s := &answer.Campaigns[at[id]]
		s.HumanOpens[part], s.HumanClicks[part] = opens, clicks
		return nil
	})
	return answer, err
}

// newSparkline cuts the time of a campaign into parts of whole windows.
func newSparkline(id string, first, last time.Time) Sparkline {
	const window = 5 * time.Minute
	if earliest := last.Add(-maxSparkTime); first.Before(earliest) {
		first = earliest
	}
	start := first.Truncate(window)
	windows := int64(last.Sub(start)/window) + 1
	part := (windows + sparkParts - 1) / sparkParts * int64(window/time.Second)
	return Sparkline{ID: id, Start: start, Seconds: part, HumanOpens: make([]int64, sparkParts), HumanClicks: make([]int64, sparkParts)}
}

// sparkQuery reads each campaign in its own time: a condition for each is what
// the sort key serves.
func (a *API) sparkQuery(list []Sparkline) (string, []any) {
	var starts, parts, spans []string
	args := []any{}
	for _, s := range list {
		starts = append(starts, fmt.Sprint(s.Start.Unix()))
		parts = append(parts, fmt.Sprint(s.Seconds))
	}
	ids := make([]string, 0, len(list))
	for _, s := range list {
		ids = append(ids, s.ID)
	}
	args = append(args, ids, ids, a.cfg.Tenant)
	for _, s := range list {
		spans = append(spans, "(campaign_id = ? AND window_start >= fromUnixTimestamp(?))")
		args = append(args, s.ID, s.Start.Unix())
	}
	return fmt.Sprintf(`SELECT campaign_id, toUInt8(least(%d, intDiv(toInt64(toUnixTimestamp(window_start)) - transform(campaign_id, ?, [%s], toInt64(0)), transform(campaign_id, ?, [%s], toInt64(1))))) AS part,
    sum(opens), sum(clicks)
FROM (
    SELECT campaign_id, window_start, argMax(s.human_opens, s.version) AS opens, argMax(s.human_clicks, s.version) AS clicks
    FROM campaign_statistics AS s WHERE tenant = ? AND basis = 'event_time' AND (%s)
    GROUP BY campaign_id, window_start)
GROUP BY campaign_id, part`, sparkParts-1, strings.Join(starts, ", "), strings.Join(parts, ", "), strings.Join(spans, " OR ")), args
}
