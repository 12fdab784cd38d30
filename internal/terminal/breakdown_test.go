package terminal

import (
	"strings"
	"testing"

	"github.com/posthorn/posthorn/analytics"
)

func TestBreakdown(t *testing.T) {
	half, day := 0.5, "2026-11-01"
	rated := func(n int64) analytics.Rated {
		return analytics.Rated{Counters: analytics.Counts{"clicks": n, "human_clicks": n / 2}, Rates: map[string]*float64{"click_share": &half, "clicked": nil}}
	}
	b := analytics.Breakdown{By: "link", SentPeriod: analytics.SentPeriod{Campaigns: []string{"7"}, Since: &day}, Order: "clicks", Counters: []string{"clicks", "human_clicks"},
		Definitions: []analytics.RateDefinition{{Name: "click_share", Formula: "clicks / total.clicks", Unit: analytics.UnitRatio}},
		Items:       []analytics.BreakdownItem{{Value: "https://shop.example/", Detail: "2", Rated: rated(4000)}, {Value: "", Rated: rated(2)}},
		Others:      &analytics.BreakdownOthers{Count: 12, Rated: rated(3)}, Total: rated(4005), UnknownShare: &half}
	var out strings.Builder
	if err := PrintBreakdown(&out, b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Campaign 7 by link, of messages sent from 2026-11-01 (UTC)", "https://shop.example/ #2", "(unknown)", "4,000", "50.00 %", "-",
		"12 others", "total, each message once", "click share is clicks / total.clicks", "Of 50.00 % it is not known", "█"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, &out)
		}
	}
	out.Reset()
	if err := PrintBreakdown(&out, analytics.Breakdown{By: "os"}); err != nil || !strings.Contains(out.String(), "Nothing was counted") {
		t.Errorf("of nothing: %s, %v", &out, err)
	}
}
