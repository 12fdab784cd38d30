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

// DaySelection is what an answer of days of the send counts.
type DaySelection struct {
	// Campaigns are those that are counted; null is all of the tenant.
	Campaigns []string `json:"campaigns"`
	// Since and Until are the first day of the send, in UTC, and the one behind
	// the last; null is no bound. Without both, messages whose send is unknown are
	// counted too.
	Since *string `json:"since"`
	Until *string `json:"until"`
}

// dayCells are cells of breakdowns that lie by days of the send.
type dayCells struct {
	DaySelection
	since, until int64 // Unix seconds; 0 is none
}

// dayCellsOf reads the parameters, beside which there may be more.
func dayCellsOf(r *http.Request, more ...string) (d dayCells, err error) {
	known := append([]string{"since", "until"}, more...)
	id := r.PathValue("id")
	if id == "" {
		known = append(known, "campaigns")
	}
	if err := knownParams(r, known...); err != nil {
		return d, err
	}
	if id != "" {
		d.Campaigns = []string{id}
	} else if d.Campaigns, err = campaignsOf(r); err != nil {
		return d, err
	}
	if d.since, d.Since, err = dayOf(r, "since"); err != nil {
		return d, err
	}
	if d.until, d.Until, err = dayOf(r, "until"); err != nil {
		return d, err
	}
	if d.Since != nil && d.Until != nil && d.since >= d.until {
		return d, badParam("until", "must be later than since")
	}
	return d, nil
}

// dayOf reads a day of UTC.
func dayOf(r *http.Request, name string) (unix int64, day *string, err error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return 0, nil, nil
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil || t.Unix() < 86400 || t.Unix() > lastTime {
		return 0, nil, badParam(name, "want a day of UTC as 2026-01-31, from 1970-01-02 to 2106-02-07")
	}
	return t.Unix(), &text, nil
}

// filter returns what the sort key of breakdowns serves.
func (d *dayCells) filter(tenant string, dimensions ...string) (f filter) {
	f.add("tenant = ?", tenant)
	f.in("dimension", dimensions)
	if d.Campaigns != nil {
		f.in("campaign_id", d.Campaigns)
	}
	f.add("basis = ?", schemas.BasisSendTime.String())
	f.between(d.since, d.until)
	if d.until > 0 && d.since == 0 {
		f.add("window_start > fromUnixTimestamp(0)") // Those without a send are of no day.
	}
	return f
}

// eachCell calls each for the sums by columns, which name texts or, as window,
// the day.
func (a *API) eachCell(ctx context.Context, what string, f filter, columns, counters []string, each func(rows driver.Rows) error) error {
	by := strings.Join(columns, ", ")
	query := fmt.Sprint("SELECT ", by, ", sum(", strings.Join(counters, "), sum("), ") FROM breakdowns WHERE ", f.String(), " GROUP BY ", by)
	return a.each(ctx, what, query, f.args, each)
}
