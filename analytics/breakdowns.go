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

// breakdownRoutes are the paths of what is broken down by link, place, client,
// mailbox provider and reason, and of lists of recipients.
func (a *API) breakdownRoutes() []route {
	return []route{
		{"GET /v1/campaigns/{id}/breakdown", serveJSON(a, a.breakdown)},
		{"GET /v1/breakdown", serveJSON(a, a.breakdown)},
		{"GET /v1/campaigns/{id}/bounces", serveJSON(a, a.bounces)},
		{"GET /v1/bounces", serveJSON(a, a.bounces)},
		{"GET /v1/deliverability", serveJSON(a, a.deliverability)},
		{"GET /v1/hygiene", serveJSON(a, a.hygiene)},
		{"GET /v1/rejections", serveJSON(a, a.rejections)},
		{"GET /v1/mailbox-providers", serveJSON(a, a.mailboxProviders)},
	}
}

// SentPeriod says of whose messages, and sent when, an answer is.
type SentPeriod struct {
	// Campaigns are those that are counted; null is all of the tenant.
	Campaigns []string `json:"campaigns"`
	// Since and Until are days of UTC on which messages were sent: from since,
	// before until. A message whose send is unknown counts on the day of its first
	// event.
	Since *string `json:"since"`
	Until *string `json:"until"`

	from, to int64 // Unix seconds; 0 is none
}

// secondsOfDay is the length of a day of UTC, of which the cells are.
const secondsOfDay = 24 * 60 * 60

// sentPeriodOf reads campaigns, or the campaign of the path, since and until.
func (a *API) sentPeriodOf(ctx context.Context, r *http.Request) (p SentPeriod, err error) {
	if id := r.PathValue("id"); id != "" {
		p.Campaigns = []string{id}
	} else if p.Campaigns, err = campaignsOf(r); err != nil {
		return p, err
	}
	for _, bound := range []struct {
		name  string
		unix  *int64
		shown **string
	}{{"since", &p.from, &p.Since}, {"until", &p.to, &p.Until}} {
		t, err := timeOf(r, bound.name, time.UTC)
		switch {
		case err != nil:
			return p, err
		case t.IsZero():
			continue
		case t.Unix()%secondsOfDay != 0 || t.Nanosecond() != 0:
			return p, badParam(bound.name, "want a day of UTC as 2026-01-31: this is counted by the day of the send")
		case t.Unix() < secondsOfDay || t.Unix() > lastTime:
			return p, badParam(bound.name, "want a day from 1970-01-02 to 2106-02-07")
		}
		day := t.UTC().Format(time.DateOnly)
		*bound.unix, *bound.shown = t.Unix(), &day
	}
	if p.from > 0 && p.to > 0 && p.from >= p.to {
		return p, badParam("until", "must be later than since")
	}
	return p, a.knownCampaigns(ctx, p.Campaigns)
}

// sentCellsOf reads the parameters of an answer that has no other but some more.
func (a *API) sentCellsOf(ctx context.Context, r *http.Request, more ...string) (SentPeriod, error) {
	if err := knownParams(r, sentPeriodParams(r, more...)...); err != nil {
		return SentPeriod{}, err
	}
	return a.sentPeriodOf(ctx, r)
}

// sentPeriodParams are the parameters that sentPeriodOf reads, and more.
func sentPeriodParams(r *http.Request, more ...string) []string {
	known := append([]string{"since", "until"}, more...)
	if r.PathValue("id") == "" {
		known = append(known, "campaigns")
	}
	return known
}

// bounded tells whether there is a period.
func (p *SentPeriod) bounded() bool { return p.from > 0 || p.to > 0 }

// filter returns what leads to the cells of a dimension, as the sort key of
// breakdowns has it. Domains have cells of the tenant besides; everything else
// of the tenant is that of all campaigns.
func (p *SentPeriod) filter(tenant string, dimension schemas.Dimension) (f filter) {
	f.add("tenant = ?", tenant)
	f.add("dimension = ?", dimension.String())
	switch {
	case p.Campaigns != nil:
		f.add("campaign_id IN (?)", p.Campaigns)
	case dimension == schemas.DimensionDomain:
		f.add("campaign_id = ''")
	}
	p.bound(&f)
	return f
}

// bound leaves the cells of the days of a period, where there is one.
func (p *SentPeriod) bound(f *filter) {
	if p.bounded() {
		// No message is of day 0.
		f.between(max(p.from, secondsOfDay), p.to)
	}
}

// eachCell calls each for the sums by columns, which name texts or, as window,
// the day.
func (a *API) eachCell(ctx context.Context, what string, f filter, columns, counters []string, each func(rows driver.Rows) error) error {
	by := strings.Join(columns, ", ")
	query := fmt.Sprint("SELECT ", by, ", sum(", strings.Join(counters, "), sum("), ") FROM breakdowns WHERE ", f.String(), " GROUP BY ", by)
	return a.each(ctx, what, query, f.args, each)
}

// countedOnce sums all counters of the messages of a period, each message once:
// what is broken down by link or place has a message with two of them twice.
//
// Ages have the messages by the day of their send.
func (a *API) countedOnce(ctx context.Context, p *SentPeriod) (c schemas.Counters, err error) {
	var query string
	var args []any
	if p.bounded() {
		f := p.filter(a.cfg.Tenant, schemas.DimensionAge)
		query, args = "SELECT "+counterSums+" FROM breakdowns WHERE "+f.String(), f.args
	} else {
		query, args = subject{scope: ScopeTenant, campaigns: p.Campaigns}.windows(a.cfg.Tenant, schemas.BasisLifetime, 0, 0, counterNames...)
		query = "SELECT " + counterSums + " FROM (" + query + ")" + seriesSettings
	}
	if err = a.cfg.Conn.QueryRow(ctx, query, args...).Scan(counterFields(&c)...); err != nil {
		return c, fmt.Errorf("reading totals: %w", err)
	}
	return c, nil
}

// providers is a query for the mailbox provider of each domain that has one.
// What Posthorn brings wins over what was looked up.
const providers = "SELECT domain, argMax(provider, (told_by = 'table', looked_up_at)) AS of FROM mailbox_providers GROUP BY domain"

// Mailbox providers that are none.
const (
	providerOther   = "other"   // of a domain of which none is known
	providerUnknown = "unknown" // of a message without a domain
)

// providerOf is the mailbox provider of a domain, of a query that joins providers
// as p.
func providerOf(domain string) string {
	return "multiIf(" + domain + " = '', '" + providerUnknown + "', p.of = '', '" + providerOther + "', p.of)"
}
