package reference_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/internal/reference"
	"github.com/posthorn/posthorn/schemas"
)

// retention is that of the stages: 90 days.
const retention = 90 * 24 * time.Hour

// TestStatisticsAreWhatTheyMean compares every statistic that the API gives of
// 200,000 events, over the stages, the sink and ClickHouse, with its definition.
func TestStatisticsAreWhatTheyMean(t *testing.T) {
	n := 200_000
	if testing.Short() {
		n = 20_000
	}
	events := world(1, n)
	x := &expected{served: serve(t, events), events: events, messages: reference.Messages(events), counted: map[reference.Basis][]scope{}}
	x.know(t, mailboxes)
	for _, check := range []struct {
		name string
		run  func(*testing.T, *expected)
	}{
		{"campaigns", campaignsAgree},
		{"series", seriesAgree},
		{"breakdowns", breakdownsAgree},
		{"bounces", bouncesAgree},
		{"deliverability", deliverabilityAgrees},
		{"hygiene", hygieneAgrees},
		{"delays", delaysAgree},
		{"funnels", funnelsAgree},
		{"heat maps", heatMapsAgree},
		{"cohorts", cohortsAgree},
		{"comparisons", comparisonsAgree},
		{"recipients", peopleAgree},
		{"anomalies", anomaliesAgree},
	} {
		t.Run(check.name, func(t *testing.T) { check.run(t, x) })
	}
}

// expected is what the statistics follow from, beside what is served.
type expected struct {
	*served
	events   []schemas.Event
	messages []*reference.Message
	counted  map[reference.Basis][]scope
}

// ask asks the API, as part of a test.
func (x *expected) ask(t *testing.T, path string, into any, params ...string) {
	t.Helper()
	q := url.Values{}
	for i := 0; i+1 < len(params); i += 2 {
		if params[i+1] != "" {
			q.Set(params[i], params[i+1])
		}
	}
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	s := *x.served
	s.t = t
	s.get(path, into)
}

// of are the messages of some campaigns; none: of all.
func (x *expected) of(campaigns ...string) []*reference.Message {
	if len(campaigns) == 0 {
		return x.messages
	}
	return filtered(x.messages, func(m *reference.Message) bool { return slices.Contains(campaigns, m.Campaign) })
}

func filtered(messages []*reference.Message, keep func(*reference.Message) bool) (kept []*reference.Message) {
	for _, m := range messages {
		if keep(m) {
			kept = append(kept, m)
		}
	}
	return kept
}

// sentWithin are those sent on days of UTC from since and before until.
func sentWithin(messages []*reference.Message, since, until time.Time) []*reference.Message {
	if since.IsZero() && until.IsZero() {
		return messages
	}
	return filtered(messages, func(m *reference.Message) bool {
		return (since.IsZero() || !m.SentOn().Time().Before(since)) && (until.IsZero() || m.SentOn().Time().Before(until))
	})
}

func total(messages []*reference.Message) (c schemas.Counters) {
	for _, m := range messages {
		reference.Add(&c, reference.Count(m, reference.Ever))
	}
	return c
}

func campaignIDs(messages []*reference.Message) []string {
	ids := map[string]bool{}
	for _, m := range messages {
		ids[m.Campaign] = true
	}
	return slices.Sorted(maps.Keys(ids))
}

// near tells whether a quotient is what is wanted, but for rounding.
func near(got *float64, want float64) bool {
	if got == nil {
		return math.IsNaN(want)
	}
	return math.Abs(*got-want) <= 1e-9*max(1, math.Abs(want))
}

func campaignsAgree(t *testing.T, x *expected) {
	for _, id := range campaignIDs(x.messages) {
		var d struct {
			Totals schemas.Counters `json:"totals"`
		}
		x.ask(t, "/v1/campaigns/"+url.PathEscape(id), &d)
		if want := total(x.of(id)); d.Totals != want {
			t.Errorf("campaign %s: %+v, want %+v", id, d.Totals, want)
		}
	}
}

// bucket is one of a series.
type bucket struct {
	Start    time.Time           `json:"start"`
	Seconds  int64               `json:"seconds"`
	Counters schemas.Counters    `json:"counters"`
	Rates    map[string]*float64 `json:"rates"`
}

type series struct {
	Buckets []bucket `json:"buckets"`
	Total   bucket   `json:"total"`
	Late    *bucket  `json:"late"`
	Since   *time.Time
	Until   *time.Time
}

// seriesAgree compares courses over time: of all scopes and both bases, by all
// resolutions in three places.
func seriesAgree(t *testing.T, x *expected) {
	for basis, name := range map[reference.Basis]string{reference.ByEvent: "event", reference.BySend: "send"} {
		for _, scope := range x.scopes(basis) {
			t.Run(name+" "+scope.name, func(t *testing.T) {
				for _, loc := range []*time.Location{time.UTC, katmandu, newYork} {
					compareSeries(t, x, scope.series, append(slices.Clone(scope.params), "basis", name, "tz", loc.String()), scope.counts, loc)
				}
			})
		}
	}
}

func compareSeries(t *testing.T, x *expected, path string, params []string, want *reference.Counts, loc *time.Location) {
	t.Helper()
	changes := clockChanges()
	for resolution, of := range map[string]func(schemas.Timestamp) time.Time{
		"day": reference.LocalDay(loc), "hour": reference.LocalHour(loc), "5m": reference.FiveMinutes,
	} {
		for _, change := range changes {
			since, until := change.Add(-5*24*time.Hour), change.Add(5*24*time.Hour)
			if resolution == "day" { // all of it
				since, until = time.Time{}, time.Time{}
			}
			asked := append(slices.Clone(params), "resolution", resolution)
			if !since.IsZero() {
				asked = append(asked, "since", since.Format(time.RFC3339), "until", until.Format(time.RFC3339))
			}
			var got series
			x.ask(t, path, &got, asked...)
			what := strings.Join(asked, " ")
			compareBuckets(t, what, got.Buckets, reference.Buckets(want, of), since, until)
			late := want.Late()
			if got.Late == nil || got.Late.Counters != late {
				t.Errorf("%s: late: %s", what, differ(got.Late, late))
			}
			if t.Failed() {
				return
			}
		}
	}
	var got series
	x.ask(t, path, &got, append(slices.Clone(params), "resolution", "lifetime")...)
	if len(got.Buckets) != 1 || got.Buckets[0].Counters != want.Lifetime {
		t.Errorf("%v: lifetime %+v, want %+v", params, got.Buckets, want.Lifetime)
	}
}

// compareBuckets compares the buckets of a period: there is one for each stretch of
// time, and no gap between them.
func compareBuckets(t *testing.T, what string, got []bucket, want map[time.Time]schemas.Counters, since, until time.Time) {
	t.Helper()
	problems := 0
	problem := func(format string, args ...any) {
		if problems++; problems <= 5 {
			t.Errorf(what+": "+format, args...)
		}
	}
	seen := map[time.Time]bool{}
	for i, b := range got {
		at := b.Start.UTC()
		seen[at] = true
		if b.Counters != want[at] {
			problem("%s: %s", b.Start, differ(&b, want[at]))
		}
		if i > 0 && !got[i-1].Start.Add(time.Duration(got[i-1].Seconds)*time.Second).Equal(b.Start) {
			problem("a gap before %s", b.Start)
		}
		checkRates(t, what, b.Counters, b.Rates)
	}
	for at, c := range want {
		if !seen[at] && c != (schemas.Counters{}) && !at.Before(since) && (until.IsZero() || at.Before(until)) {
			problem("no bucket at %s: %+v", at, c)
		}
	}
}

// rates are numerator and denominator by name; Mailjet's, and those without
// machines.
var rates = map[string]func(*schemas.Counters) (n, d int64){
	"delivered":                func(c *schemas.Counters) (n, d int64) { return c.Delivered, c.Messages },
	"blocked":                  func(c *schemas.Counters) (n, d int64) { return c.Rejected, c.Messages },
	"hard_bounced":             func(c *schemas.Counters) (n, d int64) { return c.HardBounced, c.Messages },
	"soft_bounced":             func(c *schemas.Counters) (n, d int64) { return c.SoftBounced, c.Messages },
	"deferred":                 func(c *schemas.Counters) (n, d int64) { return c.Deferred, c.Messages },
	"opened":                   func(c *schemas.Counters) (n, d int64) { return c.Opened, c.Delivered },
	"human_opened":             func(c *schemas.Counters) (n, d int64) { return c.HumanOpened, c.Delivered },
	"clicked":                  func(c *schemas.Counters) (n, d int64) { return c.Clicked, c.Opened },
	"human_clicked":            func(c *schemas.Counters) (n, d int64) { return c.HumanClicked, c.HumanOpened },
	"delivered_clicked":        func(c *schemas.Counters) (n, d int64) { return c.Clicked, c.Delivered },
	"human_delivered_clicked":  func(c *schemas.Counters) (n, d int64) { return c.HumanClicked, c.Delivered },
	"unsubscribed":             func(c *schemas.Counters) (n, d int64) { return c.Unsubscribed, c.Delivered },
	"spam":                     func(c *schemas.Counters) (n, d int64) { return c.Complained, c.Delivered },
	"opens_per_message":        func(c *schemas.Counters) (n, d int64) { return c.Opens, c.Opened },
	"human_opens_per_message":  func(c *schemas.Counters) (n, d int64) { return c.HumanOpens, c.HumanOpened },
	"clicks_per_message":       func(c *schemas.Counters) (n, d int64) { return c.Clicks, c.Clicked },
	"human_clicks_per_message": func(c *schemas.Counters) (n, d int64) { return c.HumanClicks, c.HumanClicked },
	"open_delay":               func(c *schemas.Counters) (n, d int64) { return c.OpenDelayMS, c.OpenDelays * 1000 },
	"click_delay":              func(c *schemas.Counters) (n, d int64) { return c.ClickDelayMS, c.ClickDelays * 1000 },
}

// checkRates compares all rates; where nothing is divided by they are unknown.
func checkRates(t *testing.T, what string, c schemas.Counters, got map[string]*float64) {
	t.Helper()
	for name, of := range rates {
		n, d := of(&c)
		want := math.NaN()
		if d != 0 {
			want = float64(n) / float64(d)
		}
		if value, ok := got[name]; !ok || !near(value, want) {
			t.Errorf("%s: rate %s is %s, want %g", what, name, text(value), want)
		}
	}
}

// differ names the counters that differ.
func differ(got *bucket, want schemas.Counters) string {
	if got == nil {
		return "there is none"
	}
	return counterDiff(got.Counters, want)
}

func counterDiff(got, want schemas.Counters) string {
	g, w := named(got), named(want)
	var list []string
	for _, name := range slices.Sorted(maps.Keys(w)) {
		if g[name] != w[name] {
			list = append(list, fmt.Sprintf("%s is %d, want %d", name, g[name], w[name]))
		}
	}
	return strings.Join(list, ", ")
}

// named are counters by their names.
func named(c schemas.Counters) map[string]int64 {
	b, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	var m map[string]int64
	if err := json.Unmarshal(b, &m); err != nil {
		panic(err)
	}
	return m
}

func text(v *float64) string {
	if v == nil {
		return "null"
	}
	return fmt.Sprint(*v)
}
