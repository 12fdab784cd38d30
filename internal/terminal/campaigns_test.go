package terminal

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/schemas"
)

func TestCampaigns(t *testing.T) {
	totals := schemas.Counters{Messages: 10, Delivered: 8, Opened: 4}
	c := analytics.Campaign{ID: "a/b", Totals: totals, Rates: analytics.Rates(totals), Course: &analytics.Course{Opens: []int64{0, 1, 8}}}
	detail := analytics.CampaignDetail{Campaign: c, Series: analytics.Series{Basis: "send_time", Step: "1h", TZ: "UTC",
		Points: []analytics.Point{{Start: time.Unix(1_800_000_000, 0), Counters: schemas.Counters{Opens: 3}}},
		Late:   &schemas.Counters{Opens: 1500, Queued: -1}}}
	var out strings.Builder
	err := errors.Join(PrintCampaign(&out, detail), PrintCampaigns(&out, analytics.CampaignList{Campaigns: []analytics.Campaign{c}, Next: "zz"}),
		PrintCampaigns(&out, analytics.CampaignList{}))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Campaign a/b", "50.00 %", "opened / delivered", "█", "Late: 1,500 opens", "by the time of the send", "·▁█", "--after zz", "No campaigns yet."} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("tables lack %q:\n%s", want, &out)
		}
	}
}
