package analytics

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/posthorn/posthorn/schemas"
)

// CampaignDetail is one campaign with its course over time.
type CampaignDetail struct {
	Campaign
	Series Series `json:"series"`
}

// Series is a course over time.
type Series struct {
	// Basis is event_time (each count at its event) or send_time (all counts of
	// a message at its send).
	Basis string `json:"basis"`
	// Step is the length of a window: 5m, 15m, 1h or 1d.
	Step string `json:"step"`
	// TZ is the time zone in which hours and days begin.
	TZ   string     `json:"tz"`
	From *time.Time `json:"from"`
	To   *time.Time `json:"to"`
	// Points are the windows with any count, in order; others are all 0.
	Points []Point `json:"points"`
	// Truncated is set when there were more windows than are given.
	Truncated bool `json:"truncated,omitempty"`
	// Late is what the totals count beyond all windows of the campaign: it came
	// after its window was closed. Counts that a closed window has too many are
	// negative.
	Late *schemas.Counters `json:"late,omitempty"`
}

// Point is one window.
type Point struct {
	Start            time.Time `json:"start"`
	schemas.Counters `json:"counters"`
}

// maxPoints bounds a series.
const maxPoints = 5000

// steps names what rounds a window's start down. The time zone comes last.
var steps = map[string]string{
	"5m":  "toStartOfFiveMinutes(toTimeZone(window_start, ?))",
	"15m": "toStartOfFifteenMinutes(toTimeZone(window_start, ?))",
	"1h":  "toStartOfHour(window_start, ?)",
	"1d":  "toStartOfDay(window_start, ?)",
}

func (a *API) campaign(ctx context.Context, r *http.Request) (CampaignDetail, error) {
	var detail CampaignDetail
	series, loc, err := seriesOf(r)
	if err != nil {
		return detail, err
	}
	id := r.PathValue("id")
	detail.Series = series
	if err := a.totals(ctx, id, &detail); err != nil {
		return detail, err
	}
	if err := a.fill(ctx, id, loc, &detail.Series); err != nil {
		return detail, fmt.Errorf("reading time series: %w", err)
	}
	return detail, nil
}

// seriesOf reads what series is asked for.
func seriesOf(r *http.Request) (Series, *time.Location, error) {
	if err := knownParams(r, "basis", "step", "tz", "from", "to"); err != nil {
		return Series{}, nil, err
	}
	q := r.URL.Query()
	s := Series{Basis: orElse(q.Get("basis"), "event_time"), Step: orElse(q.Get("step"), "1h"), TZ: orElse(q.Get("tz"), "UTC"), Points: []Point{}}
	if s.Basis != "event_time" && s.Basis != "send_time" {
		return s, nil, badParam("basis", "want event_time or send_time")
	}
	if steps[s.Step] == "" {
		return s, nil, badParam("step", "want 5m, 15m, 1h or 1d")
	}
	loc, err := time.LoadLocation(s.TZ)
	if err != nil || s.TZ == "Local" {
		return s, nil, badParam("tz", "want a time zone as Europe/Paris")
	}
	from, err := timeOf(r, "from", loc)
	if err != nil {
		return s, nil, err
	}
	to, err := timeOf(r, "to", loc)
	if err != nil {
		return s, nil, err
	}
	if !from.IsZero() {
		s.From = &from
	}
	if !to.IsZero() {
		s.To = &to
		if !from.IsZero() && !from.Before(to) {
			return s, nil, badParam("to", "must be after from")
		}
	}
	return s, loc, nil
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// fill sums the five-minute windows of one campaign, each by its latest version.
// They are the front of the sort key; FINAL would merge all rows of the granules
// that hold one of them, at twice the cost.
func (a *API) fill(ctx context.Context, id string, loc *time.Location, s *Series) error {
	sums := make([]string, 0, 32)
	for _, c := range strings.Fields(counterColumns) {
		sums = append(sums, fmt.Sprintf("sum(%s)", c))
	}
	where, args := "", []any{s.TZ, a.cfg.Tenant, s.Basis, id}
	if s.From != nil {
		where += " AND window_start >= fromUnixTimestamp(?)"
		args = append(args, max(0, s.From.Unix()))
	}
	if s.To != nil {
		where += " AND window_start < fromUnixTimestamp(?)"
		args = append(args, max(0, s.To.Unix()))
	}
	rows, err := a.cfg.Conn.Query(ctx, `SELECT toInt64(toUnixTimestamp(`+steps[s.Step]+`)) AS start, `+strings.Join(sums, ", ")+`
FROM (SELECT * FROM campaign_statistics WHERE tenant = ? AND basis = ? AND campaign_id = ?`+where+`
	ORDER BY window_start, version DESC LIMIT 1 BY window_start)
GROUP BY start ORDER BY start LIMIT `+fmt.Sprint(maxPoints+1), args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var p Point
		var start int64
		if err := rows.Scan(append([]any{&start}, counterFields(&p.Counters)...)...); err != nil {
			return err
		}
		p.Start = time.Unix(start, 0).In(loc)
		s.Points = append(s.Points, p)
	}
	if len(s.Points) > maxPoints {
		s.Points, s.Truncated = s.Points[:maxPoints], true
	}
	return rows.Err()
}

// totals reads the lifetime of a campaign, and what is in no window of the basis of
// its series.
func (a *API) totals(ctx context.Context, id string, detail *CampaignDetail) error {
	const columns = "campaign_id, campaign_name, first_event_at, last_event_at, updated_at"
	query := "SELECT basis, " + columns + ", " + strings.Join(counterNames, ", ") + " FROM (SELECT * FROM campaign_statistics" +
		" WHERE tenant = ? AND basis IN ('lifetime', ?) AND campaign_id = ? ORDER BY version DESC LIMIT 1 BY basis)"
	found := false
	err := a.each(ctx, "the totals of a campaign", query, []any{a.cfg.Tenant, detail.Series.Basis + "_late", id}, func(rows driver.Rows) error {
		var basis string
		c, err := scanCampaign(func(into ...any) error { return rows.Scan(append([]any{&basis}, into...)...) })
		switch {
		case err != nil:
			return err
		case basis == schemas.BasisLifetime.String():
			found, detail.Campaign = true, c
		case c.Totals != (schemas.Counters{}):
			detail.Series.Late = &c.Totals
		}
		return nil
	})
	if err == nil && !found {
		return &Problem{Title: "Not found", Status: http.StatusNotFound, Detail: fmt.Sprintf("no campaign %q", id)}
	}
	return err
}
