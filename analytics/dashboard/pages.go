package dashboard

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Page is a page and what it asks the API for.
type Page struct {
	Name string
	// Route is what stands behind / in the browser.
	Route string
	// Requests are made while the page loads, each once.
	Requests []Request
}

// Request is one to the API.
type Request struct {
	Method string
	// Path has the query.
	Path string
	// Follows: the answer does not end, as of server-sent events.
	Follows bool
}

// Pages lists all pages as they are when nothing is chosen but the time zone.
// Paths and routes have placeholders, see [Places].
var Pages = []Page{
	{"campaigns", "#/campaigns?tz=UTC", gets(
		"/v1/campaigns?course=30&limit=25",
		"/v1/series?resolution=day&tz=UTC&since={since}",
		"/v1/anomalies?metric=hard_bounced&resolution=day&tz=UTC&since={since}",
	)},
	{"campaign", "#/campaign/{campaign}?tz=UTC", gets(
		"/v1/campaigns/{campaign}?step=1d&tz=UTC",
		"/v1/campaigns/{campaign}/series?resolution=hour&tz=UTC",
		"/v1/campaigns/{campaign}/anomalies?metric=hard_bounced&resolution=hour&tz=UTC",
		"/v1/campaigns/{campaign}/funnel",
		"/v1/campaigns/{campaign}/delays",
		"/v1/campaigns/{campaign}/breakdown?by=link",
		"/v1/campaigns/{campaign}/breakdown?by=provider",
		"/v1/campaigns/{campaign}/breakdown?by=country",
		"/v1/campaigns/{campaign}/breakdown?by=client",
		"/v1/campaigns/{campaign}/breakdown?by=os",
		"/v1/campaigns/{campaign}/breakdown?by=device",
		"/v1/campaigns/{campaign}/breakdown?by=machine",
		"/v1/campaigns/{campaign}/bounces?limit=20",
		"/v1/triggers?campaign={campaign}&limit=12",
		"/v1/deliveries?campaign={campaign}&limit=12",
	)},
	{"compare", "#/compare?a={a}&b={b}&tz=UTC", gets(
		"/v1/campaigns?limit=100",
		"/v1/compare?campaigns={a}%2C{b}&metric=human_opened",
	)},
	{"recipient", "#/recipient/{recipient}?tz=UTC", gets(
		"/v1/recipients/{recipient}",
	)},
	{"deliverability", "#/deliverability?tz=UTC", gets(
		"/v1/deliverability?by=provider&resolution=day&since={since90}&limit=6",
		"/v1/breakdown?by=provider",
		"/v1/bounces?limit=20",
	)},
	{"engagement", "#/engagement?tz=UTC", gets(
		"/v1/heatmap?since={since}&basis=event&tz=UTC",
		"/v1/cohorts?since={since}&by=week",
		"/v1/funnel?since={since}",
		"/v1/delays?since={since}",
		"/v1/hygiene",
	)},
	{"live", "#/live?tz=UTC", []Request{{http.MethodGet, "/v1/events/tail", true}}},
	{"system", "#/system?tz=UTC", gets(
		"/readyz",
		"/status",
		"/v1/rules",
		"/v1/rejections?limit=20",
	)},
}

func gets(paths ...string) []Request {
	requests := make([]Request, len(paths))
	for i, path := range paths {
		requests[i] = Request{Method: http.MethodGet, Path: path}
	}
	return requests
}

// Places are what stands for the placeholders of a route or path: {campaign}, {a}
// and {b} ids of campaigns, {recipient} that of a recipient, {since} and
// {since90} the first of the last 30 and 90 days.
type Places struct {
	Campaign, A, B, Recipient string
	Now                       time.Time
}

// Fill puts them into a route or path.
func (p Places) Fill(text string) string {
	return strings.NewReplacer(
		"{campaign}", url.PathEscape(p.Campaign), "{a}", url.QueryEscape(p.A), "{b}", url.QueryEscape(p.B),
		"{recipient}", url.PathEscape(p.Recipient), "{since}", p.Now.UTC().AddDate(0, 0, -29).Format(time.DateOnly), "{since90}", p.Now.UTC().AddDate(0, 0, -89).Format(time.DateOnly),
	).Replace(text)
}
