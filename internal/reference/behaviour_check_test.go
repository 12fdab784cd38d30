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

	"github.com/google/uuid"

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

type comparedMetric struct {
	Name      string
	Campaigns []struct {
		ID        string
		Low, High *float64
	}
	Pairs []struct {
		A, B                        string
		Difference, Low, High, Z, P *float64
		Adjusted                    *float64 `json:"p_adjusted"`
		Enough, Significant         bool
	}
}

// comparisonsAgree compares intervals and tests of rates between campaigns.
func comparisonsAgree(t *testing.T, x *expected) {
	ids := []string{"autumn", "rare", "spring", "summer", "tiny", "winter"}
	var metrics []comparedMetric
	for name := range rates {
		if strings.HasSuffix(name, "_delay") || strings.HasSuffix(name, "_per_message") {
			continue // no shares
		}
		var got struct{ Metrics []comparedMetric }
		x.ask(t, "/v1/compare", &got, "campaigns", strings.Join(ids, ","), "metric", name)
		metrics = append(metrics, got.Metrics...)
	}
	if len(metrics) != 13 {
		t.Errorf("%d metrics are compared", len(metrics))
	}
	fisher, enough := 0, 0
	for _, m := range metrics {
		shares := map[string]reference.Share{}
		for _, id := range ids {
			c := total(x.of(id))
			n, all := rates[m.Name](&c)
			shares[id] = reference.Share{N: n, All: all}
		}
		valid := func(s reference.Share) bool { return s.All > 0 && s.N >= 0 && s.N <= s.All }
		for _, c := range m.Campaigns {
			s := shares[c.ID]
			if !valid(s) {
				if c.Low != nil {
					t.Errorf("%s of %s has an interval", m.Name, c.ID)
				}
				continue
			}
			if low, high := s.Wilson(); !near(c.Low, low) || !near(c.High, high) {
				t.Errorf("%s of %s: %s to %s, want %g to %g", m.Name, c.ID, text(c.Low), text(c.High), low, high)
			}
		}
		var ps []float64
		for _, p := range m.Pairs {
			a, b := shares[p.A], shares[p.B]
			if !valid(a) || !valid(b) {
				continue
			}
			low, high := reference.Newcombe(a, b)
			want := float64(a.N)/float64(a.All) - float64(b.N)/float64(b.All)
			if !near(p.Difference, want) || !near(p.Low, low) || !near(p.High, high) {
				t.Errorf("%s of %s and %s: %s (%s to %s), want %g (%g to %g)", m.Name, p.A, p.B, text(p.Difference), text(p.Low), text(p.High), want, low, high)
			}
			if p.Enough != reference.Enough(a, b) {
				t.Errorf("%s of %s and %s: enough is %v", m.Name, p.A, p.B, p.Enough)
			}
			pWant := 0.0
			if p.Enough {
				enough++
				var z float64
				if z, pWant = reference.Z(a, b); !near(p.Z, z) {
					t.Errorf("%s of %s and %s: z is %s, want %g", m.Name, p.A, p.B, text(p.Z), z)
				}
			} else {
				fisher++
				pWant = reference.Fisher(a, b)
			}
			ps = append(ps, pWant)
			if p.P == nil || math.Abs(*p.P-pWant) > 1e-6*pWant+1e-12 {
				t.Errorf("%s of %s and %s: p is %s, want %g", m.Name, p.A, p.B, text(p.P), pWant)
			}
		}
		adjusted, i := reference.Holm(ps), 0
		for _, p := range m.Pairs {
			if !valid(shares[p.A]) || !valid(shares[p.B]) {
				continue
			}
			if want := adjusted[i]; p.Adjusted == nil || math.Abs(*p.Adjusted-want) > 1e-6*want+1e-12 || p.Significant != (want < 0.05) {
				t.Errorf("%s of %s and %s: adjusted p is %s, want %g", m.Name, p.A, p.B, text(p.Adjusted), want)
			}
			i++
		}
	}
	if fisher == 0 || enough == 0 {
		t.Errorf("%d exact tests, %d others", fisher, enough)
	}
}

// peopleAgree compares what some recipients were sent and did.
func peopleAgree(t *testing.T, x *expected) {
	people := reference.People(x.messages)
	ids := slices.SortedFunc(maps.Keys(people), func(a, b schemas.ID) int { return strings.Compare(string(a[:]), string(b[:])) })
	for _, id := range ids[:min(60, len(ids))] {
		var got struct {
			Summary struct {
				Domain   string
				Counters map[string]int64
				First    *time.Time `json:"first_event_at"`
				Last     *time.Time `json:"last_event_at"`
				Sent     *time.Time `json:"last_sent_at"`
				Opened   *time.Time `json:"last_opened_at"`
				Clicked  *time.Time `json:"last_clicked_at"`
			}
			Messages []struct {
				ID       string `json:"message_id"`
				Campaign string `json:"campaign_id"`
				Outcome  string
				Opens    int64
			}
			Events []struct{ Type string }
		}
		x.ask(t, "/v1/recipients/"+uuid.UUID(id).String(), &got, "limit", "1000")
		p := people[id]
		if got.Summary.Domain != p.Domain {
			t.Errorf("%s: domain %s, want %s", id, got.Summary.Domain, p.Domain)
		}
		for name, n := range got.Summary.Counters {
			if want := named(p.Counters)[name]; n != want {
				t.Errorf("%s: %s is %d, want %d", id, name, n, want)
			}
		}
		limits := x.limits(id)
		for name, at := range map[string]struct {
			got         *time.Time
			want, limit schemas.Timestamp
		}{
			"first event": {got.Summary.First, p.FirstEvent, limits.FirstEvent}, "last event": {got.Summary.Last, p.LastEvent, limits.LastEvent},
			"last sent": {got.Summary.Sent, p.LastSent, limits.LastSent}, "last opened": {got.Summary.Opened, p.LastOpened, limits.LastOpened},
			"last clicked": {got.Summary.Clicked, p.LastClicked, limits.LastClicked},
		} {
			low, high := min(at.want, at.limit).Time().Unix(), max(at.want, at.limit).Time().Unix()
			if at.want == 0 != (at.got == nil) || at.got != nil && (at.got.Unix() < low || at.got.Unix() > high) {
				t.Errorf("%s: %s at %v, want %s (up to %s)", id, name, at.got, at.want, at.limit)
			}
		}
		messages := map[string]*reference.Message{}
		events := 0
		for _, m := range x.messages {
			if m.Recipient == id {
				messages[m.Account+m.ID] = m
				events += len(m.Events)
			}
		}
		if len(got.Messages) != len(messages) || len(got.Events) != events {
			t.Errorf("%s: %d messages and %d events, want %d and %d", id, len(got.Messages), len(got.Events), len(messages), events)
		}
	}
}

// limits are the farthest times that any version of a recipient's events told: a
// first or last time can't be taken back when a message is revised.
func (x *expected) limits(id schemas.ID) (p reference.Person) {
	for i := range x.events {
		e := &x.events[i]
		if e.RecipientID != id {
			continue
		}
		at := e.OccurredAt
		if p.FirstEvent == 0 || at < p.FirstEvent {
			p.FirstEvent = at
		}
		p.LastEvent = max(p.LastEvent, at)
		switch e.Type {
		case schemas.EventTypeQueued, schemas.EventTypeSent, schemas.EventTypeDelivered:
			p.LastSent = max(p.LastSent, at)
		case schemas.EventTypeOpened:
			p.LastOpened = max(p.LastOpened, at)
		case schemas.EventTypeClicked:
			p.LastClicked = max(p.LastClicked, at)
		}
	}
	return p
}

// anomaliesAgree compares what stands out.
func anomaliesAgree(t *testing.T, x *expected) {
	type point struct {
		Start                  time.Time
		Numerator, Denominator int64
		Judged, Anomaly        bool
		Expected, Low, High, Z *float64
	}
	judged, marked := 0, 0
	for resolution, rule := range map[string]reference.AnomalyRule{
		"day":  {Window: 28, Baseline: 7, Least: 20, Z: 4, Messages: 5},
		"hour": {Window: 168, Baseline: 24, Least: 20, Z: 4, Messages: 5},
	} {
		for _, metric := range []string{"hard_bounced", "delivered", "opened", "human_opened"} {
			for _, scope := range x.scopes(reference.ByEvent) {
				params := append(slices.Clone(scope.params), "resolution", resolution, "metric", metric, "tz", newYork.String())
				if resolution == "hour" {
					params = append(params, "since", clockChanges()[0].Add(-30*time.Hour).Format(time.RFC3339), "until", clockChanges()[0].Add(40*time.Hour).Format(time.RFC3339))
				}
				var got struct{ Points []point }
				x.ask(t, scope.anomalies, &got, params...)
				starts, course := anomalyCourse(scope.counts, resolution, metric)
				want := map[int64]int{}
				for i, at := range starts {
					want[at.Unix()] = i
				}
				said := reference.Anomalies(course, rule)
				for _, p := range got.Points {
					i, ok := want[p.Start.Unix()]
					if !ok || course[i] != (reference.Share{N: p.Numerator, All: p.Denominator}) {
						t.Errorf("%s %v: %s: %d of %d, want %+v", scope.name, params, p.Start, p.Numerator, p.Denominator, course[i])
						continue
					}
					w := said[i]
					if p.Judged != w.Judged || p.Anomaly != w.Marked || w.Judged && (!near(p.Expected, w.Expected) || !near(p.Low, w.Low) || !near(p.High, w.High) || !near(p.Z, w.Z)) {
						t.Errorf("%s %v: %s: %+v, want %+v (expected %s, z %s)", scope.name, params, p.Start, p, w, text(p.Expected), text(p.Z))
					}
					if w.Judged {
						judged++
					}
					if w.Marked {
						marked++
					}
				}
				if t.Failed() {
					return
				}
			}
		}
	}
	if judged < 100 || marked == 0 {
		t.Errorf("%d points are judged, %d marked", judged, marked)
	}
}

// anomalyCourse is the rate in each bucket from the first that was counted to the
// last.
func anomalyCourse(c *reference.Counts, resolution, metric string) (starts []time.Time, course []reference.Share) {
	of, next := reference.LocalDay(newYork), func(at time.Time) time.Time { return at.In(newYork).AddDate(0, 0, 1) }
	if resolution == "hour" {
		of, next = reference.LocalHour(newYork), func(at time.Time) time.Time { return at.Add(time.Hour) }
	}
	buckets := reference.Buckets(c, of)
	first := slices.MinFunc(slices.Collect(maps.Keys(buckets)), time.Time.Compare)
	last := slices.MaxFunc(slices.Collect(maps.Keys(buckets)), time.Time.Compare)
	for at := first; !at.After(last); at = next(at) {
		n := buckets[at.UTC()]
		hits, all := rates[metric](&n)
		starts, course = append(starts, at), append(course, reference.Share{N: hits, All: all})
	}
	return starts, course
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
