package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/analytics/dashboard"
)

// shown is a dashboard with campaigns, seen by a browser.
type shown struct {
	t            *testing.T
	api, gateway string
	places       dashboard.Places
}

// Names that are markup: nothing of them may ever become any.
const (
	hostileName = `<img src=x onerror="document.title='owned'">`
	hostileID   = `<b>7"&'/..`
	hostileURL  = `https://shop.example/"><script>document.title='owned'</script>`
	mallory     = "mallory@xss.example"
)

// startShown starts a whole Posthorn and fills it.
func startShown(t *testing.T, fill func(*allInOne, *shown)) *shown {
	t.Helper()
	up := startUp(t)
	s := &shown{t: t, api: up.api, gateway: up.gateway}
	fill(up, s)
	if out, err := run(t, 3*time.Minute, "verify", "--config", up.config, "--quiet"); err != nil {
		t.Fatalf("posthorn verify: %v\n%s", err, out)
	}
	var list analytics.CampaignList
	s.ask("/v1/campaigns?sort=messages", &list)
	if len(list.Campaigns) < 2 {
		t.Fatalf("%d campaigns, want two at least", len(list.Campaigns))
	}
	var triggers analytics.TriggerList
	s.ask("/v1/triggers?limit=1&campaign="+url.QueryEscape(list.Campaigns[0].ID), &triggers)
	s.places = dashboard.Places{Campaign: list.Campaigns[0].ID, A: list.Campaigns[0].ID, B: list.Campaigns[1].ID,
		Recipient: triggers.Triggers[0].RecipientID.String(), Now: time.Now()}
	return s
}

// in is the same in another test.
func (s *shown) in(t *testing.T) *shown {
	return &shown{t, s.api, s.gateway, s.places}
}

// hostile posts messages of which everything that a sender chooses is markup.
func (s *shown) hostile(messages int) {
	s.t.Helper()
	var body strings.Builder
	at := time.Now().Add(-time.Hour)
	for i := range messages {
		for j, kind := range []string{"sent", "delivered", "opened", "clicked"} {
			line, err := json.Marshal(map[string]any{
				"type": kind, "recipient": mallory, "message_id": fmt.Sprintf("<i>%d", i), "occurred_at": at.Add(time.Duration(j) * time.Minute).Format(time.RFC3339),
				"campaign_id": hostileID, "campaign_name": hostileName, "url": hostileURL, "client_name": hostileName, "country": "FR",
			})
			if err != nil {
				s.t.Fatal(err)
			}
			body.Write(append(line, '\n'))
		}
	}
	postNative(s.t, s.gateway, "own-sender", body.String())
}

// ask asks the API.
func (s *shown) ask(path string, into any) {
	s.t.Helper()
	resp, err := http.Get(s.api + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: %s", path, resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		s.t.Fatalf("%s: %v", path, err)
	}
}

// TestDashboard looks at every page with a real browser, beside a whole Posthorn.
func TestDashboard(t *testing.T) {
	browser := startBrowser(t)
	s := startShown(t, func(up *allInOne, s *shown) {
		up.posted(1, 6_000)
		up.posted(2, 6_000)
		s.hostile(3)
	})
	on := func(name string, test func(*testing.T, *shown, *tab)) {
		t.Run(name, func(t *testing.T) { test(t, s.in(t), openTab(t, browser, s.api)) })
	}
	on("pages ask for what is listed", testRequests)
	on("figures are those of the API", testFigures)
	on("what fails is unknown", testFailures)
	on("names are not markup", testHostile)
	on("axe finds no violation", testAccessible)
	on("keys", testKeys)
	on("themes", testThemes)
	on("a phone", testPhone)
	on("zone and machines are in the URL", testShared)
	on("recipients are found without their address in a URL", testLookup)
	on("live", testLive)
	on("speed", testSpeed)
}

// testRequests: each page asks for exactly what dashboard.Pages lists, nobody else
// is asked for anything, and nothing is wrong.
func testRequests(t *testing.T, s *shown, p *tab) {
	for _, page := range dashboard.Pages {
		p.open(s.places.Fill(page.Route))
		problems, requests := p.told()
		if len(problems) > 0 {
			t.Errorf("%s: %s", page.Name, strings.Join(problems, "\n"))
		}
		var asked, want []string
		for _, r := range requests {
			path, ours := strings.CutPrefix(r.url, s.api)
			switch {
			case strings.HasPrefix(r.url, "data:"):
			case !ours:
				t.Errorf("%s asks %s", page.Name, r.url)
			case strings.HasPrefix(path, "/v1/") || path == "/status" || path == "/readyz":
				asked = append(asked, r.method+" "+path)
			case path != "/" && !strings.HasPrefix(path, dashboard.Prefix):
				t.Errorf("%s asks for %s", page.Name, path)
			}
		}
		for _, r := range page.Requests {
			want = append(want, r.Method+" "+s.places.Fill(r.Path))
		}
		slices.Sort(asked)
		slices.Sort(want)
		if !slices.Equal(asked, want) {
			t.Errorf("%s asks for\n%s\nwant\n%s", page.Name, strings.Join(asked, "\n"), strings.Join(want, "\n"))
		}
		if text := eval[string](p, `[...document.querySelectorAll(".failure")].map(f => f.closest("section").innerText).join("\n")`); text != "" {
			t.Errorf("%s: %s", page.Name, text)
		}
	}
}

// testSpeed says how long the slowest page takes, from the first byte asked for to
// the last part drawn, without anything kept from before.
func testSpeed(t *testing.T, s *shown, p *tab) {
	slowest, which := time.Duration(0), ""
	for _, page := range dashboard.Pages {
		var took []time.Duration
		for range 3 {
			took = append(took, p.fresh().open(s.places.Fill(page.Route)))
		}
		slices.Sort(took)
		t.Logf("%s: %d ms", page.Name, took[1].Milliseconds())
		if took[1] > slowest {
			slowest, which = took[1], page.Name
		}
	}
	fmt.Printf("RESULT slowest_page %d ms (%s)\n", slowest.Milliseconds(), which)
	if limit := 5 * time.Second; os.Getenv("CI") == "" && slowest > limit {
		t.Errorf("%s takes %s", which, slowest)
	}
}
