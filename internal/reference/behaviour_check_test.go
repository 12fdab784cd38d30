package reference_test

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/internal/reference"
	"github.com/posthorn/posthorn/schemas"
)

// ofDays asks something of all, of one campaign and of two, of all days and some.
func ofDays(x *expected, name string, f func(what, path string, params []string, messages []*reference.Message)) {
	for _, campaigns := range [][]string{nil, {"spring"}, {"rare", "-"}} {
		for _, p := range periods() {
			path, params := "/v1/"+name, append(p.params(), "campaigns", strings.Join(campaigns, ","))
			if len(campaigns) == 1 {
				path, params = "/v1/campaigns/"+url.PathEscape(campaigns[0])+"/"+name, p.params()
			}
			f(fmt.Sprint(name, " of ", campaigns, " from ", p.since, " until ", p.until), path, params, sentWithin(x.of(campaigns...), p.since, p.until))
		}
	}
}

type delays struct {
	Messages    int64
	Mean        *float64 `json:"mean_seconds"`
	Exact       bool     `json:"mean_exact"`
	Percentiles map[string]*float64
	Histogram   []struct {
		From     float64 `json:"from_seconds"`
		To       float64 `json:"to_seconds"`
		Messages int64
		Human    int64
	}
}

// delaysAgree compares delays: how many exactly, percentiles within the error that
// is stated.
func delaysAgree(t *testing.T, x *expected) {
	ofDays(x, "delays", func(what, path string, params []string, messages []*reference.Message) {
		var got struct {
			Open, Click delays
			HumanOpen   delays `json:"human_open"`
			HumanClick  delays `json:"human_click"`
			Error       float64
		}
		x.ask(t, path, &got, params...)
		compareDelays(t, what+": open", &got.Open, reference.OpenDelays(messages, false), reference.OpenDelays(messages, true), got.Error)
		compareDelays(t, what+": human open", &got.HumanOpen, reference.OpenDelays(messages, true), nil, got.Error)
		compareDelays(t, what+": click", &got.Click, reference.ClickDelays(messages, false), reference.ClickDelays(messages, true), got.Error)
		compareDelays(t, what+": human click", &got.HumanClick, reference.ClickDelays(messages, true), nil, got.Error)
	})
}

func compareDelays(t *testing.T, what string, got *delays, want, human reference.Delays, wrong float64) {
	t.Helper()
	if got.Messages != int64(len(want)) {
		t.Errorf("%s: %d messages, want %d", what, got.Messages, len(want))
		return
	}
	if len(want) == 0 {
		return
	}
	within := func(name string, got *float64, want, wrong float64) {
		// A millisecond is the least that is told apart.
		if got == nil || math.Abs(*got-want) > wrong*want+0.001 {
			t.Errorf("%s: %s is %s, want %g", what, name, text(got), want)
		}
	}
	if got.Exact {
		within("mean", got.Mean, want.Mean(), 1e-9)
	} else {
		within("mean", got.Mean, want.Mean(), wrong)
	}
	for _, p := range []float64{5, 10, 25, 50, 75, 90, 95, 99} {
		within(fmt.Sprint("percentile ", p), got.Percentiles["p"+fmt.Sprint(p)], want.Percentile(p), wrong)
	}
	if strings.Contains(what, "human") {
		return
	}
	type bucket struct{ from, to int64 }
	all, byPeople := map[bucket]int64{}, map[bucket]int64{}
	for _, ms := range want {
		from, to := reference.DelayBucket(ms)
		all[bucket{from, to}]++
	}
	for _, ms := range human {
		from, to := reference.DelayBucket(ms)
		byPeople[bucket{from, to}]++
	}
	for _, h := range got.Histogram {
		k := bucket{int64(math.Round(h.From * 1000)), int64(math.Round(h.To * 1000))}
		if h.Messages != all[k] || h.Human != byPeople[k] {
			t.Errorf("%s: bucket %v: %d and %d, want %d and %d", what, k, h.Messages, h.Human, all[k], byPeople[k])
		}
		delete(all, k)
		delete(byPeople, k)
	}
	if len(all)+len(byPeople) > 0 {
		t.Errorf("%s: buckets are missing: %v %v", what, all, byPeople)
	}
}

// funnelsAgree compares steps and paths.
func funnelsAgree(t *testing.T, x *expected) {
	type step struct {
		Name        string
		Messages    int64
		OfPrevious  *float64 `json:"of_previous"`
		OfDelivered *float64 `json:"of_delivered"`
	}
	ofDays(x, "funnel", func(what, path string, params []string, messages []*reference.Message) {
		var got struct {
			Steps, Human []step
			Paths        []struct {
				Path     []string
				Messages int64
				Share    *float64
			}
		}
		x.ask(t, path, &got, params...)
		for name, of := range map[string]struct {
			steps []step
			want  reference.Funnel
		}{"all": {got.Steps, reference.FunnelOf(messages, false)}, "human": {got.Human, reference.FunnelOf(messages, true)}} {
			want := []int64{of.want.Messages, of.want.Delivered, of.want.Opened, of.want.Clicked}
			for i, s := range of.steps {
				if s.Messages != want[i] {
					t.Errorf("%s: %s: step %s is %d, want %d", what, name, s.Name, s.Messages, want[i])
				}
				if i > 0 && (!near(s.OfPrevious, float64(want[i])/float64(want[i-1])) || !near(s.OfDelivered, float64(want[i])/float64(want[1]))) {
					t.Errorf("%s: %s: step %s is %s of the one before, %s of the delivered", what, name, s.Name, text(s.OfPrevious), text(s.OfDelivered))
				}
			}
			if len(of.steps) != len(want) {
				t.Errorf("%s: %s: %d steps", what, name, len(of.steps))
			}
		}
		paths := reference.Paths(messages)
		for _, p := range got.Paths {
			name := cmp.Or(strings.Join(p.Path, "+"), "none")
			if p.Messages != paths[name] || !near(p.Share, float64(paths[name])/float64(len(messages))) {
				t.Errorf("%s: path %s is %d, want %d", what, name, p.Messages, paths[name])
			}
			delete(paths, name)
		}
		if len(paths) > 0 {
			t.Errorf("%s: paths are missing: %v", what, paths)
		}
	})
}

// heatMapsAgree compares the hours of the week in three places, of all scopes.
func heatMapsAgree(t *testing.T, x *expected) {
	type cell struct {
		Weekday, Hour int
		Counters      schemas.Counters
		Rates         map[string]*float64
	}
	for basis, name := range map[reference.Basis]string{reference.ByEvent: "event", reference.BySend: "send"} {
		for _, scope := range x.scopes(basis) {
			for _, loc := range []*time.Location{time.UTC, katmandu, newYork} {
				for _, p := range []period{{}, {clockChanges()[0].Truncate(time.Hour).Add(-30 * time.Hour), clockChanges()[0].Truncate(time.Hour).Add(30 * time.Hour)}} {
					params := append(slices.Clone(scope.params), "basis", name, "tz", loc.String())
					windows := scope.counts.Windows
					if !p.since.IsZero() {
						if loc == katmandu {
							continue // its hours do not begin there
						}
						params = append(params, "since", p.since.UTC().Format(time.RFC3339), "until", p.until.UTC().Format(time.RFC3339))
						windows = maps.Clone(windows)
						maps.DeleteFunc(windows, func(start schemas.Timestamp, _ schemas.Counters) bool {
							return start.Time().Before(p.since) || !start.Time().Before(p.until)
						})
					}
					want := reference.HeatMap(windows, loc)
					var got struct {
						Cells []cell
						Total cell
						Late  cell
					}
					x.ask(t, scope.heatmap, &got, params...)
					for _, c := range got.Cells {
						if w := want[reference.WeekHour{Weekday: c.Weekday, Hour: c.Hour}]; w != c.Counters {
							t.Errorf("%s %v: weekday %d hour %d: %s", scope.name, params, c.Weekday, c.Hour, counterDiff(c.Counters, w))
						}
						checkRates(t, scope.name, c.Counters, c.Rates)
					}
					var sum schemas.Counters
					for _, c := range want {
						reference.Add(&sum, c)
					}
					if len(got.Cells) != 168 || got.Total.Counters != sum {
						t.Errorf("%s %v: %d cells; total: %s", scope.name, params, len(got.Cells), counterDiff(got.Total.Counters, sum))
					}
					if late := scope.counts.Late(); got.Late.Counters != late {
						t.Errorf("%s %v: late: %s", scope.name, params, counterDiff(got.Late.Counters, late))
					}
					if t.Failed() {
						return
					}
				}
			}
		}
	}
}

// cohortsAgree compares what messages sent in a day, week or month did as they aged.
func cohortsAgree(t *testing.T, x *expected) {
	type age struct {
		From       int64 `json:"from_hours"`
		State      string
		Counters   map[string]int64
		Cumulative map[string]*float64
	}
	type cohort struct {
		Start *string
		Sent  map[string]int64
		Ages  []age
	}
	for by, of := range map[string]func(time.Time) time.Time{"day": reference.DayOf, "week": reference.WeekOf, "month": reference.MonthOf} {
		ofDays(x, "cohorts", func(what, path string, params []string, messages []*reference.Message) {
			want := reference.Cohorts(messages, of)
			var got struct{ Cohorts []cohort }
			x.ask(t, path, &got, append(slices.Clone(params), "by", by)...)
			if len(got.Cohorts) != len(want) {
				t.Errorf("%s: %d cohorts by %s, want %d", what, len(got.Cohorts), by, len(want))
			}
			for _, c := range got.Cohorts {
				start, err := time.Parse(time.DateOnly, *c.Start)
				if err != nil {
					t.Fatal(err)
				}
				w := want[start]
				if w == nil {
					t.Errorf("%s: no cohort begins on %s", what, start)
					continue
				}
				for name, n := range c.Sent {
					if n != named(w.Sent)[name] {
						t.Errorf("%s: sent %s: %s is %d, want %d", what, *c.Start, name, n, named(w.Sent)[name])
					}
				}
				sum := schemas.Counters{}
				for i, a := range c.Ages {
					if a.From != reference.AgeHours[i] {
						t.Errorf("%s: age %d, want %d", what, a.From, reference.AgeHours[i])
					}
					reference.Add(&sum, w.Ages[a.From])
					if problem := countersDiffer(a.Counters, w.Ages[a.From]); problem != "" && a.State != "future" {
						t.Errorf("%s: %s at %d hours: %s", what, *c.Start, a.From, problem)
					}
					for name, share := range a.Cumulative {
						if all := float64(w.Sent.Delivered); !near(share, float64(named(sum)[name])/all) && !(all == 0 && share == nil) {
							t.Errorf("%s: %s up to %d hours: %s of %s, want %d of %g", what, *c.Start, a.From, text(share), name, named(sum)[name], all)
						}
					}
				}
			}
		})
	}
}

// scope is something that is counted by windows, and where it is asked for.
type scope struct {
	name, series, heatmap, anomalies string
	params                           []string
	counts                           *reference.Counts
}

// scopes are the tenant, accounts, sources, lists and campaigns.
func (x *expected) scopes(basis reference.Basis) (all []scope) {
	if known := x.counted[basis]; known != nil {
		return known
	}
	defer func() { x.counted[basis] = all }()
	add := func(name string, of reference.Scope, id string, params ...string) {
		s := scope{name: strconv.Quote(name + " " + id), series: "/v1/series", heatmap: "/v1/heatmap", anomalies: "/v1/anomalies", params: params}
		if name == "campaign" {
			path := "/v1/campaigns/" + url.PathEscape(id)
			s.series, s.heatmap, s.anomalies = path+"/series", path+"/heatmap", path+"/anomalies"
		}
		s.counts = reference.CountsBy(x.messages, of, basis, retention)[id]
		all = append(all, s)
	}
	add("tenant", reference.Tenant, "tenant")
	add("account", reference.Account, "news", "scope", "account", "id", "news")
	add("source", reference.Source, "shop-backup", "scope", "source", "id", "shop-backup")
	add("list", reference.List, "7", "scope", "list", "id", "7")
	for _, id := range []string{"spring", "rare", "-"} {
		add("campaign", reference.Campaign, id)
	}
	return all
}
