package reference_test

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/internal/reference"
	"github.com/posthorn/posthorn/schemas"
)

// mailboxes are the mailbox providers of the world's domains; others have none.
var mailboxes = map[string]string{
	"gmail.com": "gmail", "outlook.com": "microsoft", "hotmail.fr": "microsoft", "yahoo.com": "yahoo", "icloud.com": "apple", "gmx.de": "gmx", "orange.fr": "orange",
}

// counted is what answers say of one value.
type counted struct {
	Value    string              `json:"value"`
	Detail   string              `json:"detail"`
	Count    int64               `json:"count"`
	Counters map[string]int64    `json:"counters"`
	Rates    map[string]*float64 `json:"rates"`
	Points   []counted           `json:"points"`
}

type breakdown struct {
	Items        []counted `json:"items"`
	Others       *counted  `json:"others"`
	Total        counted   `json:"total"`
	UnknownShare *float64  `json:"unknown_share"`
	Definitions  []struct {
		Name    string `json:"name"`
		Formula string `json:"formula"`
	} `json:"definitions"`
}

// period is a period of days of the send.
type period struct{ since, until time.Time }

// periods are all there is, around the first change of the clock, and from a day on.
func periods() []period {
	day := clockChanges()[1].UTC().Truncate(24 * time.Hour)
	return []period{{}, {day.Add(-24 * time.Hour), day.Add(48 * time.Hour)}, {since: day}, {until: day}}
}

func (p period) params() []string {
	day := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.Format(time.DateOnly)
	}
	return []string{"since", day(p.since), "until", day(p.until)}
}

// breakdownsAgree compares breakdowns by each dimension, of campaigns and of all,
// of all days and some.
func breakdownsAgree(t *testing.T, x *expected) {
	for by, of := range map[string]func([]*reference.Message) reference.Breakdown{
		"link": reference.Links, "country": reference.Countries, "client": reference.Clients, "os": reference.Systems,
		"device": reference.Devices, "machine": reference.Machines, "domain": reference.Domains,
		"provider": func(m []*reference.Message) reference.Breakdown { return reference.Providers(m, mailboxes) },
		"reason":   reasonsAlone,
	} {
		for _, campaigns := range [][]string{nil, {"spring"}, {"rare", "-"}} {
			for _, p := range periods() {
				what := fmt.Sprint(by, " of ", campaigns, " from ", p.since, " until ", p.until)
				messages := sentWithin(x.of(campaigns...), p.since, p.until)
				path, params := "/v1/breakdown", append(p.params(), "by", by, "campaigns", strings.Join(campaigns, ","))
				if len(campaigns) == 1 {
					path, params = "/v1/campaigns/"+url.PathEscape(campaigns[0])+"/breakdown", append(p.params(), "by", by)
				}
				var all, some breakdown
				x.ask(t, path, &all, append(slices.Clone(params), "limit", "1000")...)
				compareBreakdown(t, what, &all, of(messages), total(messages))
				x.ask(t, path, &some, append(slices.Clone(params), "limit", "3")...)
				compareOthers(t, what, &some, &all)
			}
		}
	}
}

// reasonsAlone are reasons over all domains.
func reasonsAlone(messages []*reference.Message) reference.Breakdown {
	alone := reference.Breakdown{}
	for v, c := range reference.Reasons(messages) {
		n := alone[reference.Value{Value: v.Detail}]
		reference.Add(&n, c)
		alone[reference.Value{Value: v.Detail}] = n
	}
	return alone
}

func compareBreakdown(t *testing.T, what string, got *breakdown, want reference.Breakdown, total schemas.Counters) {
	t.Helper()
	seen := map[reference.Value]bool{}
	for _, item := range got.Items {
		v := reference.Value{Value: item.Value, Detail: item.Detail}
		seen[v] = true
		if problem := countersDiffer(item.Counters, want[v]); problem != "" {
			t.Errorf("%s: %q: %s", what, v, problem)
		}
		for _, d := range got.Definitions {
			if value, ok := item.Rates[d.Name]; ok {
				checkFormula(t, what+": "+item.Value+": "+d.Name, d.Formula, value, item.Counters, got.Total.Counters)
			}
		}
	}
	for v, c := range want {
		if !seen[v] && c != (schemas.Counters{}) {
			t.Errorf("%s: %q is missing: %+v", what, v, c)
		}
	}
	if got.Others != nil {
		t.Errorf("%s: there are others: %+v", what, got.Others)
	}
	// Of the total each message counts once, whatever the number of its values.
	once := named(total)
	if strings.HasPrefix(what, "reason") {
		for name := range once {
			once[name] = 0
		}
		for _, c := range want {
			for name, n := range named(c) {
				once[name] += n
			}
		}
		once["sent"] = total.Messages
	}
	for name, n := range got.Total.Counters {
		if n != once[name] {
			t.Errorf("%s: total %s is %d, want %d", what, name, n, once[name])
		}
	}
}

// countersDiffer compares those counters that there are; others must be 0.
func countersDiffer(got map[string]int64, want schemas.Counters) string {
	var list []string
	for name, n := range named(want) {
		if g, ok := got[name]; ok && g != n {
			list = append(list, fmt.Sprintf("%s is %d, want %d", name, g, n))
		} else if !ok && n != 0 {
			list = append(list, fmt.Sprintf("%s is not there, want %d", name, n))
		}
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// checkFormula works a formula out: a counter or a difference, over a counter;
// total. is of the total.
func checkFormula(t *testing.T, what, formula string, got *float64, own, total map[string]int64) {
	t.Helper()
	term := func(text string) (n int64) {
		for i, name := range strings.Split(strings.Trim(text, "()"), " - ") {
			of := own
			if rest, ok := strings.CutPrefix(name, "total."); ok {
				name, of = rest, total
			}
			value, ok := of[name]
			if !ok {
				t.Fatalf("%s: %s names %s, which is not counted", what, formula, name)
			}
			if i > 0 {
				value = -value
			}
			n += value
		}
		return n
	}
	parts := strings.Split(formula, " / ")
	want := math.NaN()
	if d := term(parts[1]); d != 0 {
		want = float64(term(parts[0])) / float64(d)
	}
	if len(parts) == 3 {
		want /= 1000 // milliseconds
	}
	if !near(got, want) {
		t.Errorf("%s: %s is %s, want %g", what, formula, text(got), want)
	}
}

// compareOthers checks that the first items are the first of all, and the others
// the rest.
func compareOthers(t *testing.T, what string, some, all *breakdown) {
	t.Helper()
	if len(all.Items) <= 3 {
		return
	}
	rest := map[string]int64{}
	for i, item := range all.Items {
		if i < 3 {
			if some.Items[i].Value != item.Value || some.Items[i].Detail != item.Detail {
				t.Errorf("%s: item %d is %q, want %q", what, i, some.Items[i].Value, item.Value)
			}
			continue
		}
		for name, n := range item.Counters {
			rest[name] += n
		}
	}
	if some.Others == nil || some.Others.Count != int64(len(all.Items)-3) {
		t.Errorf("%s: others %+v, want %d", what, some.Others, len(all.Items)-3)
		return
	}
	for name, n := range rest {
		if some.Others.Counters[name] != n {
			t.Errorf("%s: others: %s is %d, want %d", what, name, some.Others.Counters[name], n)
		}
	}
}

// bouncesAgree compares why messages to each mailbox provider were not delivered.
func bouncesAgree(t *testing.T, x *expected) {
	type provider struct {
		Provider string           `json:"provider"`
		Counters map[string]int64 `json:"counters"`
		Reasons  []struct {
			Outcome     string
			Messages    int64
			LateBounces int64  `json:"late_bounces"`
			Class       string `json:"bounce_class"`
			Why         string `json:"reject_reason"`
		} `json:"reasons"`
	}
	for _, campaigns := range [][]string{nil, {"spring"}} {
		for _, p := range periods() {
			messages := sentWithin(x.of(campaigns...), p.since, p.until)
			want := map[string]reference.Breakdown{}
			for _, name := range append(slices.Collect(valuesOf(mailboxes)), "other", "unknown") {
				want[name] = reasonsAlone(filtered(messages, func(m *reference.Message) bool { return reference.Provider(m, mailboxes) == name }))
			}
			var got struct {
				Providers []provider
				Total     provider
			}
			x.ask(t, "/v1/bounces", &got, append(p.params(), "campaigns", strings.Join(campaigns, ","))...)
			check := func(name string, g provider, want reference.Breakdown) {
				if len(g.Reasons) != len(want) {
					t.Errorf("%v %v: provider %s: %d reasons, want %d", campaigns, p, name, len(g.Reasons), len(want))
				}
				for _, r := range g.Reasons {
					c := want[reference.Value{Value: r.Outcome + "/" + r.Class + "/" + r.Why}]
					if r.Messages != c.Messages || r.LateBounces != c.LateBounces {
						t.Errorf("%v %v: provider %s: %+v, want %+v", campaigns, p, name, r, c)
					}
				}
			}
			for _, g := range got.Providers {
				check(g.Provider, g, want[g.Provider])
				delete(want, g.Provider)
			}
			for name, b := range want {
				if len(b) > 0 {
					t.Errorf("%v %v: provider %s is missing", campaigns, p, name)
				}
			}
			check("total", got.Total, reasonsAlone(messages))
			if got.Total.Counters["sent"] != int64(len(messages)) {
				t.Errorf("%v %v: sent %d, want %d", campaigns, p, got.Total.Counters["sent"], len(messages))
			}
		}
	}
}

func valuesOf(m map[string]string) func(func(string) bool) {
	seen := map[string]bool{}
	return func(yield func(string) bool) {
		for _, v := range m {
			if !seen[v] {
				seen[v] = true
				if !yield(v) {
					return
				}
			}
		}
	}
}

// deliverabilityAgrees compares courses by provider and domain, by days and weeks.
func deliverabilityAgrees(t *testing.T, x *expected) {
	for by, of := range map[string]func(*reference.Message) string{
		"provider": func(m *reference.Message) string { return reference.Provider(m, mailboxes) },
		"domain":   func(m *reference.Message) string { return m.Domain },
	} {
		for resolution, in := range map[string]func(time.Time) time.Time{"day": reference.DayOf, "week": reference.WeekOf} {
			for _, campaigns := range [][]string{nil, {"spring", "summer"}} {
				p := periods()[1]
				want := reference.Courses(sentWithin(x.of(campaigns...), p.since, p.until), of, in)
				var got struct {
					Starts []string
					Items  []counted
					Others *counted
					Total  counted
				}
				x.ask(t, "/v1/deliverability", &got, append(p.params(), "by", by, "resolution", resolution, "campaigns", strings.Join(campaigns, ","), "limit", "50")...)
				what := fmt.Sprint(by, " ", resolution, " ", campaigns)
				if len(got.Items) != len(want) || got.Others != nil {
					t.Errorf("%s: %d items, want %d", what, len(got.Items), len(want))
				}
				totals := make([]schemas.Counters, len(got.Starts))
				for _, item := range got.Items {
					for i, point := range item.Points {
						at, err := time.Parse(time.DateOnly, got.Starts[i])
						if err != nil {
							t.Fatal(err)
						}
						c := want[item.Value][at]
						reference.Add(&totals[i], c)
						for name, n := range point.Counters {
							if n != named(c)[name] {
								t.Errorf("%s: %s on %s: %s is %d, want %d", what, item.Value, got.Starts[i], name, n, named(c)[name])
							}
						}
					}
				}
				for i := range totals {
					for name, n := range got.Total.Points[i].Counters {
						if n != named(totals[i])[name] {
							t.Errorf("%s: total on %s: %s is %d, want %d", what, got.Starts[i], name, n, named(totals[i])[name])
						}
					}
				}
			}
		}
	}
}

// hygieneAgrees compares who should no longer be mailed.
func hygieneAgrees(t *testing.T, x *expected) {
	people := reference.People(x.messages)
	for _, asked := range [][2]int{{3, 180}, {1, 30}, {10, 60}} {
		var got struct {
			InactiveSince string `json:"inactive_since"`
			Counters      map[string]int64
			Dead          []struct {
				Domain     string
				Recipients int64
			} `json:"dead_domains"`
		}
		x.ask(t, "/v1/hygiene", &got, "min_messages", fmt.Sprint(asked[0]), "inactive_days", fmt.Sprint(asked[1]))
		since, err := time.Parse(time.DateOnly, got.InactiveSince)
		if err != nil {
			t.Fatal(err)
		}
		if days := time.Since(since).Hours() / 24; days < float64(asked[1]) || days > float64(asked[1])+1.1 {
			t.Errorf("%v: inactive since %s", asked, got.InactiveSince)
		}
		h := reference.HygieneOf(people, int64(asked[0]), schemas.FromTime(since))
		for name, n := range map[string]int64{
			"recipients": h.Recipients, "delivered": h.Delivered, "undelivered": h.Undelivered, "enough": h.Enough, "never_engaged": h.NeverEngaged,
			"inactive": h.Inactive, "active": h.Active, "hard_bounced": h.HardBounced, "complained": h.Complained, "unsubscribed": h.Unsubscribed,
		} {
			if g, ok := got.Counters[name]; !ok || g != n {
				t.Errorf("%v: %s is %d, want %d", asked, name, g, n)
			}
		}
		want := reference.DeadDomains(people)
		if len(got.Dead) != len(want) {
			t.Errorf("dead domains %+v, want %v", got.Dead, want)
		}
		for _, d := range got.Dead {
			if want[d.Domain] != d.Recipients {
				t.Errorf("dead domain %+v, want %d", d, want[d.Domain])
			}
		}
	}
}
