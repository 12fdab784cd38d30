package reconcile

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/internal/mailjetapi"
	"github.com/posthorn/posthorn/internal/mailjetapi/mailjettest"
	"github.com/posthorn/posthorn/schemas"
)

// kept is what is counted here.
type kept struct {
	campaigns map[string]analytics.Campaign
	hours     map[string]map[time.Time]schemas.Counters
	asked     []string // campaigns that were named
	err       error
}

func (k *kept) Campaigns(_ context.Context, _ time.Time, ids ...string) (map[string]analytics.Campaign, error) {
	k.asked = ids
	return k.campaigns, k.err
}

func (k *kept) Hours(_ context.Context, campaign string, _, _ time.Time) (map[time.Time]schemas.Counters, error) {
	return k.hours[campaign], nil
}

func known(id string, c own) analytics.Campaign {
	return analytics.Campaign{ID: id, Name: "name of " + id, LastEventAt: noon, Totals: c}
}

// two has campaign 7301, which agrees, and 7302, of which an hour is missing; 7303
// came with no webhook, 7304 is not Mailjet's, and "spring" has no number.
func two() (*kept, mailjettest.Statistics) {
	ours := &kept{
		campaigns: map[string]analytics.Campaign{
			"7301": known("7301", own{Messages: 3, Delivered: 3}), "7302": known("7302", own{Messages: 5, Delivered: 5, Opened: 2, Opens: 2}),
			"7304": known("7304", own{Messages: 1}), "spring": known("spring", own{Messages: 1}),
		},
		hours: map[string]map[time.Time]schemas.Counters{
			"":     {at(0): {Delivered: 8}, at(1): {Opens: 2}},
			"7302": {at(0): {Delivered: 5}, at(1): {Opens: 2}},
		},
	}
	theirs := mailjettest.Statistics{
		Campaigns: []mailjettest.Campaign{{ID: 7301, SendStartAt: noon}, {ID: 7302, SendStartAt: noon}, {ID: 7303, Subject: "Autumn\x1b[2Jmn", SendStartAt: noon}},
		Lifetime: map[int64]mailjettest.Counters{
			7301: {"Total": 3, "MessageSentCount": 3}, 7303: {"Total": 2, "MessageSentCount": 2},
			7302: {"Total": 5, "MessageSentCount": 5, "MessageOpenedCount": 3, "EventOpenedCount": 6},
		},
		Hours: map[int64]map[time.Time]mailjettest.Counters{
			0:    {at(0): {"MessageSentCount": 10}, at(1): {"EventOpenedCount": 2}, at(2): {"EventOpenedCount": 4}},
			7302: {at(0): {"MessageSentCount": 5}, at(1): {"EventOpenedCount": 2}, at(2): {"EventOpenedCount": 4}},
			7303: {at(0): {"MessageSentCount": 2}},
		},
	}
	return ours, theirs
}

func account(t *testing.T, st mailjettest.Statistics) (*mailjettest.Server, *mailjetapi.Client) {
	t.Helper()
	s := mailjettest.Start(t)
	s.SetStatistics(st)
	c, err := mailjetapi.New(mailjetapi.Config{PublicKey: mailjettest.PublicKey, PrivateKey: mailjettest.PrivateKey, BaseURL: s.URL, FirstPause: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

func TestRun(t *testing.T) {
	ours, st := two()
	s, client := account(t, st)
	s.Fail(func(n int, _ *http.Request, after int) int {
		if after == 0 && n%3 == 1 {
			return http.StatusTooManyRequests
		}
		return 0
	})
	var done []int64
	r, err := Run(t.Context(), Config{Ours: ours, Theirs: client, From: at(0), To: at(4), Progress: func(_ string, n, of int64) { done = append(done, n, of) }})
	if err != nil {
		t.Fatal(err)
	}
	r.Source = "shop"
	var b strings.Builder
	if err := r.Print(&b, true); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(b.String()), " ")
	for _, want := range []string{
		"│ 7302 │ name of 7302 │ opened │ 2 │ 3 │ -1 │ missing │",
		"│ opens │ 2 │ 6 │ -4 │ missing │",
		"│ 7303 │ Autumn [2Jmn │ messages │ 0 │ 2 │ -2 │ missing │",
		"│ 7304 │ name of 7304 │ messages │ 1 │ 0 │ +1 │ more │",
		"events of the API key differ (ours of Mailjet's, UTC): 2026-11-24 12:00 webhooks are missing: delivered 8 of 10 2026-11-24 14:00 webhooks are missing: opens 0 of 4",
		"events of campaign 7302 differ: 2026-11-24 14:00 webhooks are missing: opens 0 of 4",
		"events of campaign 7303 differ: 2026-11-24 12:00 webhooks are missing: delivered 0 of 2",
		"Campaign 7303: no webhook of it came.",
		"Campaign 7304: Mailjet has no such campaign under this API key.",
		"Campaign spring: not compared",
		"3 of 4 campaigns differ; of 4 hours 2 differ, and in 2 of them webhooks are missing.",
		"RESULT reconcile_differences 7 count",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "7301") {
		t.Errorf("what agrees is printed:\n%s", b.String())
	}
	if !slices.Equal(ours.asked, []string{"7301", "7302", "7303"}) || !slices.Equal(done, []int64{1, 5, 2, 5, 3, 5, 4, 5, 5, 5}) {
		t.Errorf("asked for %v, progress %v", ours.asked, done)
	}
}

func TestRunWithoutDifferences(t *testing.T) {
	ours, st := two()
	ours.campaigns = map[string]analytics.Campaign{"7301": ours.campaigns["7301"]}
	ours.hours[""] = map[time.Time]schemas.Counters{at(0): {Delivered: 3}}
	st.Campaigns, st.Hours = append(st.Campaigns[:1:1], mailjettest.Campaign{ID: 7309, SendStartAt: noon}), map[int64]map[time.Time]mailjettest.Counters{0: {at(0): {"MessageSentCount": 3}}}
	_, client := account(t, st)
	r, err := Run(t.Context(), Config{Ours: ours, Theirs: client, From: at(0), To: at(4)})
	if err != nil || r.Differences() != 0 || len(r.Campaigns) != 2 || r.Campaigns[1].Note != "" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestCampaignsUnderWayAreMarked(t *testing.T) {
	ours, st := two()
	c := ours.campaigns["7301"]
	c.LastEventAt = at(5)
	ours.campaigns["7301"] = c
	_, client := account(t, st)
	r, err := Run(t.Context(), Config{Ours: ours, Theirs: client, From: at(0), To: at(4)})
	if err != nil || r.Campaigns[0].ID != "7301" || r.Campaigns[0].Note != UnderWay {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestRunFails(t *testing.T) {
	ours, st := two()
	s, client := account(t, st)
	if _, err := Run(t.Context(), Config{Ours: ours, Theirs: client, From: at(0).Add(time.Minute), To: at(1)}); err == nil || !strings.Contains(err.Error(), "whole hours") {
		t.Errorf("half an hour: %v", err)
	}
	ours.err = errors.New("no database")
	if _, err := Run(t.Context(), Config{Ours: ours, Theirs: client, From: at(0), To: at(1)}); !errors.Is(err, ours.err) {
		t.Errorf("no database: %v", err)
	}
	// One campaign that can't be read fails it all: what is unknown is not equal.
	ours.err = nil
	s.Fail(func(_ int, r *http.Request, after int) int {
		if after == 0 && r.URL.Query().Get("SourceID") == "7302" {
			return http.StatusForbidden
		}
		return 0
	})
	if _, err := Run(t.Context(), Config{Ours: ours, Theirs: client, From: at(0), To: at(1)}); err == nil || !strings.Contains(err.Error(), "campaign 7302") {
		t.Errorf("a campaign that is refused: %v", err)
	}
}
