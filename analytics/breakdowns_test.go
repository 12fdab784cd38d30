package analytics

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/posthorn/posthorn/schemas"
)

// expected is a breakdown worked out from messages.
type expected struct {
	items         []BreakdownItem
	others, total Counts
	values        int
	unknown       int64
}

// expect works a breakdown out, message by message.
func expect(messages []sentMessage, q *asked, d *dimension, order string, limit int) (e expected) {
	byValue, all := map[[2]string]*schemas.Counters{}, schemas.Counters{}
	for i := range messages {
		m := &messages[i]
		if !q.about(m) {
			continue
		}
		whole := m.whole()
		all.Add(&whole)
		for key, c := range m.values(d.by) {
			if byValue[key] == nil {
				byValue[key] = &schemas.Counters{}
			}
			byValue[key].Add(&c)
		}
	}
	e.others, e.total = Counts{}, Counts{}
	for key, c := range byValue {
		n := countsOf(c, d.counters)
		e.items = append(e.items, BreakdownItem{Value: key[0], Detail: key[1], Rated: Rated{Counters: n}})
		e.total.add(n)
		if key[0] == "" || d.by == "provider" && key[0] == "unknown" || d.by == "machine" && key[0] == "unknown" || d.by == "reason" && strings.HasSuffix(key[0], "//") {
			e.unknown += n[d.share]
		}
	}
	switch {
	case d.by == "reason":
		e.total["sent"] = all.Messages
	case !d.summed:
		e.total = countsOf(&all, append(d.counters, "messages", "delivered"))
	}
	slices.SortFunc(e.items, func(x, y BreakdownItem) int {
		if order != "value" && x.Counters[order] != y.Counters[order] {
			return int(y.Counters[order] - x.Counters[order])
		}
		return strings.Compare(x.Value+"\x00"+x.Detail, y.Value+"\x00"+y.Detail)
	})
	for _, item := range e.items[min(limit, len(e.items)):] {
		e.others.add(item.Counters)
		e.values++
	}
	e.items = e.items[:min(limit, len(e.items))]
	return e
}

// same compares what was counted, where nothing is as good as 0.
func same(got, want Counts) bool {
	for _, name := range slices.Concat(slices.Collect(maps.Keys(got)), slices.Collect(maps.Keys(want))) {
		if got[name] != want[name] {
			return false
		}
	}
	return true
}

// TestBreakdownsEqualReference compares breakdowns by everything with what is
// worked out from the messages, of one campaign, two and all, over periods.
func TestBreakdownsEqualReference(t *testing.T) {
	conn := migrated(t)
	messages := randomMessages(rand.New(rand.NewPCG(4, 8)), 600)
	fillWorld(t, conn, messages)
	api := NewAPI(APIConfig{Conn: conn})
	for n, d := range dimensions() {
		for i, q := range questions("breakdown") {
			for j, order := range []string{"", "value", d.counters[1]} {
				if (n+i+j)%3 != 0 { // A third of them is plenty.
					continue
				}
				limit := []int{20, 3, 2}[j]
				path := fmt.Sprintf("%s?by=%s&order=%s&limit=%d%s", q.path, d.by, order, limit, q.query)
				var got Breakdown
				ask(t, api, path, &got)
				if order == "" {
					order = d.counters[0]
				}
				want := expect(messages, &q, &d, order, limit)
				compareBreakdown(t, path, &got, &want, &d)
			}
		}
	}
}

func compareBreakdown(t *testing.T, path string, got *Breakdown, want *expected, d *dimension) {
	t.Helper()
	if len(got.Items) != len(want.items) {
		t.Errorf("%s: %d items, want %d", path, len(got.Items), len(want.items))
		return
	}
	for i := range want.items {
		g, w := &got.Items[i], &want.items[i]
		if g.Value != w.Value || g.Detail != w.Detail || !same(g.Counters, w.Counters) {
			t.Errorf("%s: item %d is %s %s %v, want %s %s %v", path, i, g.Value, g.Detail, g.Counters, w.Value, w.Detail, w.Counters)
		}
		for name := range g.Counters {
			if !slices.Contains(d.counters, name) {
				t.Errorf("%s has the counter %s", path, name)
			}
		}
	}
	if (got.Others == nil) != (want.values == 0) || got.Others != nil && (got.Others.Count != int64(want.values) || !same(got.Others.Counters, want.others)) {
		t.Errorf("%s: others %+v, want %d, %v", path, got.Others, want.values, want.others)
	}
	if !same(got.Total.Counters, want.total) {
		t.Errorf("%s: total %v, want %v", path, got.Total.Counters, want.total)
	}
	var share *float64
	if n := want.total[d.share]; n != 0 {
		v := float64(want.unknown) / float64(n)
		share = &v
	}
	if fmt.Sprint(realCell(got.UnknownShare)) != fmt.Sprint(realCell(share)) {
		t.Errorf("%s: unknown share %v, want %v", path, realCell(got.UnknownShare), realCell(share))
	}
}

// Rates are what their formulas say, and none divides by nothing.
func TestRatesOfBreakdown(t *testing.T) {
	conn := migrated(t)
	messages := []sentMessage{
		{campaign: "r", domain: "gmail.com", day: "2026-03-01", counters: schemas.Counters{Messages: 1, Delivered: 1}, deeds: []deed{
			{machine: "human", country: "FR"}, {machine: "proxy", country: "FR"}, {machine: "human", click: true, country: "FR", link: "https://a.example/"},
			{machine: "human", click: true, country: "FR", link: "https://a.example/"}}},
		{campaign: "r", domain: "gmail.com", day: "2026-03-01", counters: schemas.Counters{Messages: 1, Delivered: 1}, deeds: []deed{{machine: "human", country: "DE"}, {machine: "human", country: "FR"}}},
		{campaign: "r", domain: "web.de", day: "2026-03-01", counters: schemas.Counters{Messages: 1, HardBounced: 1}, reason: "bounced/hard/invalid"},
		{campaign: "r", domain: "web.de", day: "2026-03-02", counters: schemas.Counters{Messages: 1, Delivered: 1}},
	}
	fillWorld(t, conn, append(messages, randomMessages(rand.New(rand.NewPCG(1, 1)), 20)...))
	api := NewAPI(APIConfig{Conn: conn})
	for path, want := range map[string]map[string]float64{
		"by=country FR":                  {"open_share": 3. / 4, "human_open_share": 2. / 3, "click_share": 1, "opened": 2. / 3, "human_opened": 2. / 3, "clicked": 1. / 3, "machine_opens": 1. / 3, "machine_clicks": 0},
		"by=country DE":                  {"open_share": 1. / 4, "opened": 1. / 3, "click_share": 0, "machine_clicks": math.NaN()},
		"by=link https://a.example/":     {"click_share": 1, "clicked": 1. / 3, "clicks_per_message": 2},
		"by=machine proxy":               {"open_share": 1. / 4, "opened_share": 1. / 2, "click_share": 0},
		"by=domain web.de":               {"delivered": .5, "hard_bounced": .5, "share": .5, "opened": 0, "clicked": math.NaN(), "attempted_opened": 0},
		"by=provider Gmail":              {"delivered": 1, "opened": 1, "clicked": .5, "human_delivered_clicked": .5, "share": .5, "attempted_opened": 1, "opens_per_message": 2},
		"by=reason bounced/hard/invalid": {"share": 1, "of_sent": .25},
	} {
		query, value, _ := strings.Cut(path, " ")
		var b Breakdown
		ask(t, api, "/v1/campaigns/r/breakdown?until=2026-03-03&"+query, &b)
		at := slices.IndexFunc(b.Items, func(i BreakdownItem) bool { return i.Value == value })
		if at < 0 {
			t.Errorf("%s: there is no %q", query, value)
			continue
		}
		for name, rate := range want {
			got, defined := b.Items[at].Rates[name]
			if !defined || (got == nil) != math.IsNaN(rate) || got != nil && math.Abs(*got-rate) > 1e-12 {
				t.Errorf("%s: %s is %v, want %v", path, name, realCell(got), rate)
			}
			if !slices.ContainsFunc(b.Definitions, func(d RateDefinition) bool { return d.Name == name && strings.Contains(d.Formula, " / "+d.Denominator) }) {
				t.Errorf("%s: %s is not defined", path, name)
			}
		}
	}
}
