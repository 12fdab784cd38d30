package analytics

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

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
	found := false
	rows, err := a.cfg.Conn.Query(ctx, `SELECT campaign_id, `+lifetimeColumns+`
FROM campaign_statistics AS s
WHERE tenant = ? AND basis = 'lifetime' AND campaign_id = ?
GROUP BY campaign_id`, a.cfg.Tenant, id)
	if err != nil {
		return detail, fmt.Errorf("reading campaign: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if detail.Campaign, err = scanCampaign(rows.Scan); err != nil {
			return detail, fmt.Errorf("reading campaign: %w", err)
		}
		found = true
	}
	if err := rows.Err(); err != nil {
		return detail, fmt.Errorf("reading campaign: %w", err)
	}
	if !found {
		return detail, &Problem{Title: "Not found", Status: http.StatusNotFound, Detail: fmt.Sprintf("no campaign %q", id)}
	}
	detail.Series = series
	if err := a.fill(ctx, id, loc, &detail.Series); err != nil {
		return detail, fmt.Errorf("reading time series: %w", err)
	}
	if err := a.late(ctx, id, &detail.Series); err != nil {
		return detail, fmt.Errorf("reading late counts: %w", err)
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

// fill sums the five-minute windows of one campaign. FINAL is narrow here: one
// campaign and basis, which are the front of the sort key.
func (a *API) fill(ctx context.Context, id string, loc *time.Location, s *Series) error {
	sums := make([]string, 0, 32)
	for _, c := range strings.Fields(counterColumns) {
		sums = append(sums, fmt.Sprintf("sum(%s)", c))
	}
	where, args := "", []any{s.TZ, a.cfg.Tenant, id, s.Basis}
	if s.From != nil {
		where += " AND window_start >= fromUnixTimestamp(?)"
		args = append(args, max(0, s.From.Unix()))
	}
	if s.To != nil {
		where += " AND window_start < fromUnixTimestamp(?)"
		args = append(args, max(0, s.To.Unix()))
	}
	rows, err := a.cfg.Conn.Query(ctx, `SELECT toInt64(toUnixTimestamp(`+steps[s.Step]+`)) AS start, `+strings.Join(sums, ", ")+`
FROM campaign_statistics FINAL
WHERE tenant = ? AND campaign_id = ? AND basis = ?`+where+`
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

// late reads what is in no window of one campaign and basis.
func (a *API) late(ctx context.Context, id string, s *Series) error {
	var late schemas.Counters
	err := a.cfg.Conn.QueryRow(ctx, `SELECT `+latest(strings.Fields(counterColumns)...)+`
FROM campaign_statistics AS s
WHERE tenant = ? AND campaign_id = ? AND basis = ?`, a.cfg.Tenant, id, s.Basis+"_late").Scan(counterFields(&late)...)
	if err != nil {
		return err
	}
	if late != (schemas.Counters{}) {
		s.Late = &late
	}
	return nil
}
