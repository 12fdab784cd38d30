package e2e

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/posthorn/posthorn/analytics"
)

// content is what a page shows.
type content struct {
	Figures map[string]string     `json:"figures"`
	Tables  map[string][][]string `json:"tables"`
}

// content reads the page, tables behind pictures included.
func (p *tab) content() content {
	p.t.Helper()
	eval[int](p, `document.querySelectorAll("details").forEach(d => { d.open = true; }), 0`)
	p.until(`[...document.querySelectorAll("details.behind")].every(d => d.children.length > 1)`)
	return eval[content](p, `({
		figures: Object.fromEntries([...document.querySelectorAll("[data-figure]")].map(e => [e.dataset.figure, e.querySelector("b").textContent])),
		tables: Object.fromEntries([...document.querySelectorAll("table")].map(t => [t.caption.textContent, [...t.tBodies[0].rows].map(r => [...r.cells].map(c => c.textContent.trim()))])),
	})`)
}

// number and percent write as the pages do.
func number(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

func percent(v *float64) string {
	if v == nil {
		return "none"
	}
	p := 100 * *v
	switch {
	case p != 0 && math.Abs(p) < 0.1:
		return fmt.Sprintf("%.3f %%", p)
	case math.Abs(p) < 10:
		return fmt.Sprintf("%.2f %%", p)
	}
	return fmt.Sprintf("%.1f %%", p)
}

func share(part, all int64) string {
	if all == 0 {
		return "none"
	}
	v := float64(part) / float64(all)
	return percent(&v)
}

// same compares a table with the wanted rows: of each row the cells that are not
// "*".
func same(t *testing.T, what string, got [][]string, want [][]string) {
	t.Helper()
	if len(got) != len(want) || len(want) == 0 {
		t.Errorf("%s: %d rows, want %d:\n%v", what, len(got), len(want), got)
		return
	}
	for i := range want {
		for j, cell := range want[i] {
			if cell != "*" && (j >= len(got[i]) || got[i][j] != cell) {
				t.Errorf("%s, row %d: %q, want %q", what, i, got[i], want[i])
				break
			}
		}
	}
}

func (c content) figure(t *testing.T, name, want string) {
	t.Helper()
	if got, ok := c.Figures[name]; !ok || got != want {
		t.Errorf("figure %s is %q, want %q", name, got, want)
	}
}

// testFigures: what is shown is what the API says.
func testFigures(t *testing.T, s *shown, p *tab) {
	figuresOfCampaigns(t, s, p)
	figuresOfCampaign(t, s, p)
	figuresOfCompare(t, s, p)
	figuresOfDeliverability(t, s, p)
	figuresOfEngagement(t, s, p)
	figuresOfRecipient(t, s, p)
	p.quiet("figures")
}

func figuresOfCampaigns(t *testing.T, s *shown, p *tab) {
	var list analytics.CampaignList
	s.ask("/v1/campaigns?sort=human_opened", &list)
	p.open("#/campaigns?tz=UTC&sort=human_opened")
	var want [][]string
	for _, c := range list.Campaigns {
		rate := map[string]string{}
		for _, r := range c.Rates {
			rate[r.Name] = percent(r.Value)
		}
		want = append(want, []string{c.Name + " " + c.ID, "*", number(c.Totals.Messages), rate["delivered"], rate["human_opened"], rate["human_delivered_clicked"],
			rate["hard_bounced"], rate["spam"], c.LastEventAt.UTC().Format("2006-01-02 15:04")})
	}
	same(t, "campaigns", p.content().Tables["Campaigns"], want)
	p.open("#/campaigns?tz=UTC&q=zzz")
	if text := eval[string](p, `document.querySelector("section").innerText`); !strings.Contains(text, "No campaign has “zzz”") {
		t.Errorf("a search that finds nothing says %s", text)
	}
}

func figuresOfCampaign(t *testing.T, s *shown, p *tab) {
	base := s.places.Fill("/v1/campaigns/{campaign}")
	var c analytics.CampaignDetail
	s.ask(base, &c)
	p.open(s.places.Fill("#/campaign/{campaign}?tz=UTC"))
	got := p.content()
	got.figure(t, "counter.messages", number(c.Totals.Messages))
	got.figure(t, "counter.human_opens", number(c.Totals.HumanOpens))
	var rates [][]string
	for _, r := range c.Rates {
		if r.Unit == analytics.UnitRatio {
			if want, shown := percent(r.Value), got.Figures["rate."+r.Name]; shown != "" && shown != want {
				t.Errorf("rate %s is %s, want %s", r.Name, shown, want)
			}
			rates = append(rates, []string{"*", percent(r.Value), r.Formula, number(r.Numerator), number(r.Denominator)})
		} else {
			rates = append(rates, []string{"*", "*", r.Formula, number(r.Numerator), number(r.Denominator)})
		}
	}
	same(t, "rates", got.Tables["Rates with their formulas"], rates)

	var series analytics.TimeSeries
	s.ask(base+"/series?resolution=hour", &series)
	var hours [][]string
	for _, b := range series.Buckets {
		n := b.Counters
		hours = append(hours, []string{b.Start.UTC().Format("2006-01-02 15:04"), number(n.Messages), number(n.Delivered), number(n.HumanOpens), number(n.HumanClicks), number(n.HardBounced)})
	}
	same(t, "hours", got.Tables["Over time"], hours)
	for by, table := range map[string]string{"link": "Links", "country": "Countries", "device": "Devices", "client": "Mail clients and browsers", "os": "Operating systems", "provider": "Mailbox providers"} {
		var b analytics.Breakdown
		s.ask(base+"/breakdown?by="+by, &b)
		same(t, table, got.Tables[table], breakdownRows(by, &b))
	}
	var funnel analytics.Funnel
	s.ask(base+"/funnel", &funnel)
	var steps [][]string
	for _, step := range funnel.Human {
		steps = append(steps, []string{"*", "*", number(step.Messages), percent(step.OfPrevious), percent(step.OfDelivered)})
	}
	same(t, "funnel", got.Tables["Funnel"], steps)
	var bounces analytics.Bounces
	s.ask(base+"/bounces", &bounces)
	got.figure(t, "bounce.hard_bounced", number(bounces.Total.Counters["hard_bounced"]))
	var reasons [][]string
	for _, provider := range bounces.Providers {
		for _, r := range provider.Reasons {
			reasons = append(reasons, []string{provider.Provider, r.Outcome, "*", "*", number(r.Messages), percent(r.Share)})
		}
	}
	same(t, "bounces", got.Tables["Bounces and refusals"], reasons)

	p.open(s.places.Fill("#/campaign/{campaign}?tz=UTC&machines=in"))
	got = p.content()
	got.figure(t, "counter.opens", number(c.Totals.Opens))
}

func breakdownRows(by string, b *analytics.Breakdown) (rows [][]string) {
	for _, item := range b.Items {
		n, all := item.Counters, b.Total.Counters
		switch by {
		case "link":
			rows = append(rows, []string{item.Value, "*", number(n["human_clicked"]), share(n["human_clicked"], all["human_clicked"]), "", number(n["human_clicks"])})
		case "provider":
			rows = append(rows, []string{item.Value, number(n["messages"]), "", share(n["delivered"], n["messages"]), share(n["hard_bounced"], n["messages"]), share(n["soft_bounced"], n["messages"]), share(n["human_opened"], n["delivered"])})
		default:
			value := item.Value
			if value == "" {
				value = "*"
			}
			rows = append(rows, []string{value, number(n["human_opened"]), share(n["human_opened"], all["human_opened"]), "", number(n["human_clicked"])})
		}
	}
	return rows
}

func figuresOfCompare(t *testing.T, s *shown, p *tab) {
	var c analytics.Comparison
	s.ask(s.places.Fill("/v1/compare?campaigns={a},{b}&metric=human_opened"), &c)
	p.open(s.places.Fill("#/compare?a={a}&b={b}&tz=UTC"))
	var want [][]string
	for _, r := range c.Metrics[0].Campaigns {
		want = append(want, []string{"*", percent(r.Rate), number(r.Numerator), number(r.Denominator), percent(r.Low), percent(r.High)})
	}
	same(t, "compare", p.content().Tables["Rates with their intervals"], want)
	pair := c.Metrics[0].Pairs[0]
	verdict := map[bool]string{true: "More than chance.", false: "May be chance."}[pair.Significant]
	if text := eval[string](p, `document.querySelector("[data-pair]").innerText`); !strings.Contains(text, verdict) || !strings.Contains(text, fmt.Sprintf("%.2f points", 100**pair.Difference)) {
		t.Errorf("the pair %+v is shown as %s", pair, text)
	}
}

func figuresOfDeliverability(t *testing.T, s *shown, p *tab) {
	var d analytics.Deliverability
	s.ask(s.places.Fill("/v1/deliverability?by=provider&resolution=day&limit=6&since={since90}"), &d)
	p.open("#/deliverability?tz=UTC")
	got := p.content()
	var want [][]string
	for i, start := range d.Starts {
		row := []string{start + " 00:00"}
		for _, item := range d.Items {
			row = append(row, percent(item.Points[i].Rates["delivered"]))
		}
		want = append(want, row)
	}
	same(t, "deliverability", got.Tables["delivered by mailbox provider"], want)
	var b analytics.Breakdown
	s.ask("/v1/breakdown?by=provider", &b)
	same(t, "providers of all", got.Tables["Mailbox providers"], breakdownRows("provider", &b))
}

func figuresOfEngagement(t *testing.T, s *shown, p *tab) {
	p.open("#/engagement?tz=Asia/Kathmandu")
	got := p.content()
	var h analytics.HeatMap
	s.ask(s.places.Fill("/v1/heatmap?since={since}&basis=event&tz=Asia/Kathmandu"), &h)
	cells := got.Tables["opens by people by weekday and hour"]
	for _, c := range h.Cells {
		// From a thousand on cells are short, as 1.2K.
		if n := c.Counters.HumanOpens; n < 1000 && (len(cells) != 7 || cells[c.Weekday-1][c.Hour+1] != number(n)) {
			t.Errorf("weekday %d at %d: want %d, in %v", c.Weekday, c.Hour, n, cells)
			break
		}
	}
	var hygiene analytics.Hygiene
	s.ask("/v1/hygiene", &hygiene)
	for _, c := range hygiene.Conditions {
		got.figure(t, "hygiene."+c.Name, number(hygiene.Counters[c.Name]))
	}
	var cohorts analytics.Cohorts
	s.ask(s.places.Fill("/v1/cohorts?since={since}&by=week"), &cohorts)
	var want [][]string
	for _, c := range append(cohorts.Cohorts, cohorts.All) {
		want = append(want, []string{"*", number(c.Sent["delivered"])})
	}
	same(t, "cohorts", got.Tables["Share opened by people by age"], want)
}

func figuresOfRecipient(t *testing.T, s *shown, p *tab) {
	var r struct {
		Summary struct{ Counters map[string]int64 }
		Events  []struct{}
	}
	s.ask(s.places.Fill("/v1/recipients/{recipient}"), &r)
	p.open(s.places.Fill("#/recipient/{recipient}?tz=UTC"))
	got := p.content()
	got.figure(t, "counter.messages", number(r.Summary.Counters["messages"]))
	got.figure(t, "counter.human_opens", number(r.Summary.Counters["human_opens"]))
	if n := eval[int](p, `document.querySelectorAll(".timeline li").length`); n != len(r.Events) || n == 0 {
		t.Errorf("%d events of %d are shown", n, len(r.Events))
	}
}
