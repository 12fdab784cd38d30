package main

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/posthorn/posthorn/analytics/dashboard"
)

// endpoint is a request of a page, with places to be filled.
type endpoint struct{ page, path string }

// overviewPath is the request for one campaign's overview.
const overviewPath = "/v1/campaigns/{campaign}"

// apiOnly is the page of requests that no page of the dashboard makes.
const apiOnly = "(API only)"

// endpoints lists the requests that the pages of the dashboard make, and those
// that only users of the API do.
func endpoints() []endpoint {
	var list []endpoint
	for _, page := range dashboard.Pages {
		for _, r := range page.Requests {
			// What follows never ends, and /readyz and /status read no tables.
			if !r.Follows && strings.HasPrefix(r.Path, "/v1/") {
				list = append(list, endpoint{page.Name, r.Path})
			}
		}
	}
	for _, path := range []string{
		overviewPath, "/v1/campaigns/{campaign}?step=5m", "/v1/campaigns/{campaign}/series?resolution=day&basis=send&tz=Europe/Paris",
		"/v1/campaigns/{campaign}/breakdown?by=domain", "/v1/campaigns/{campaign}/breakdown?by=reason",
		"/v1/campaigns/{campaign}/heatmap?tz=Europe/Paris", "/v1/campaigns/{campaign}/cohorts",
		"/v1/series?resolution=hour&campaigns={a},{b}", "/v1/series?resolution=hour&since={week_ago}", "/v1/series?resolution=5m&since={day_ago}",
		"/v1/breakdown?by=link", "/v1/breakdown?by=country", "/v1/breakdown?by=client", "/v1/breakdown?by=os", "/v1/breakdown?by=device",
		"/v1/breakdown?by=machine", "/v1/breakdown?by=domain", "/v1/breakdown?by=domain&since={since}", "/v1/breakdown?by=reason",
		"/v1/bounces", "/v1/deliverability?by=domain&resolution=week", "/v1/mailbox-providers",
		"/v1/delays", "/v1/funnel", "/v1/heatmap", "/v1/cohorts?by=day&since={since}", "/v1/anomalies?resolution=hour&since={week_ago}",
		"/v1/triggers?recipient={recipient}", "/v1/deliveries?recipient={recipient}", "/v1/triggers", "/v1/deliveries", "/v1/suppressions",
	} {
		list = append(list, endpoint{apiOnly, path})
	}
	return list
}

// filler puts what a user would ask for into requests. It is not safe for
// concurrent use.
type filler struct {
	rng       *rand.Rand
	world     *world
	campaigns []string  // by size
	shares    []float64 // cumulative, by Zipf
	now       time.Time
}

func newFiller(seed uint64, m *manifest) *filler {
	f := &filler{
		rng: rand.New(rand.NewPCG(seed, 0x7175657279)), now: m.end(),
		world: newWorld(m.Load.Seed, worldEvents(m.Load), worldDays(m.Load)),
	}
	known := slices.DeleteFunc(slices.Clone(f.world.campaigns), func(c *mailing) bool { return c.id == "" || c.start > m.Load.Days*day })
	slices.SortStableFunc(known, func(a, b *mailing) int { return cmp.Compare(b.messages(f.world), a.messages(f.world)) })
	sum := 0.0
	for i, c := range known {
		sum += 1 / math.Pow(float64(i+1), campaignSkew)
		f.campaigns, f.shares = append(f.campaigns, c.id), append(f.shares, sum)
	}
	return f
}

// messages is how many it sends in all of the world.
func (c *mailing) messages(w *world) float64 {
	if c.stream {
		return c.rate * w.seconds
	}
	return float64(c.size)
}

// largest is the largest campaign.
func (f *filler) largest() string { return f.campaigns[0] }

func (f *filler) campaign() string { return f.campaigns[draw(f.shares, f.rng.Uint64())] }

func (f *filler) fill(path string) string { return f.fillWith(path, f.campaign()) }

func (f *filler) fillWith(path, campaign string) string {
	another := f.campaign()
	for another == campaign {
		another = f.campaign()
	}
	person := f.world.person(f.rng.Uint64() % f.world.people)
	ago := func(d time.Duration) string { return f.now.Add(-d).Format(time.RFC3339) }
	places := dashboard.Places{Campaign: campaign, A: campaign, B: another, Recipient: person.id.String(), Now: f.now}
	filled := strings.NewReplacer("{day_ago}", ago(24*time.Hour), "{week_ago}", ago(7*24*time.Hour)).Replace(places.Fill(path))
	if strings.Contains(filled, "{") {
		panic(fmt.Sprintf("nothing fills %s", filled))
	}
	return filled
}
