package main

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// endpoint is a request of a page, with places to be filled.
type endpoint struct{ page, path string }

// overviewPath is the request for one campaign's overview.
const overviewPath = "/v1/campaigns/{campaign}"

// endpoints lists every request of the API that reads tables, by the page that
// it would be on.
func endpoints() []endpoint {
	var list []endpoint
	add := func(page string, paths ...string) {
		for _, p := range paths {
			list = append(list, endpoint{page, p})
		}
	}
	add("campaigns", "/v1/campaigns?limit=50", "/v1/series?resolution=day", "/v1/series?resolution=hour&since={week_ago}", "/v1/series?resolution=5m&since={day_ago}")
	add("campaign", overviewPath, "/v1/campaigns/{campaign}?step=5m", "/v1/campaigns/{campaign}/series?resolution=hour", "/v1/campaigns/{campaign}/series?resolution=day&basis=send&tz=Europe/Paris",
		"/v1/campaigns/{campaign}/funnel", "/v1/campaigns/{campaign}/delays", "/v1/campaigns/{campaign}/cohorts", "/v1/campaigns/{campaign}/heatmap?tz=Europe/Paris", "/v1/campaigns/{campaign}/anomalies?resolution=hour")
	for _, by := range []string{"link", "country", "client", "os", "device", "machine", "domain", "provider", "reason"} {
		add("campaign", "/v1/campaigns/{campaign}/breakdown?by="+by)
		add("breakdowns", "/v1/breakdown?by="+by, "/v1/breakdown?by="+by+"&since={month_ago_day}")
	}
	add("campaign", "/v1/campaigns/{campaign}/bounces")
	add("compare", "/v1/compare?campaigns={campaign},{another}", "/v1/series?resolution=hour&campaigns={campaign},{another}")
	add("deliverability", "/v1/bounces", "/v1/deliverability?by=provider&resolution=day", "/v1/deliverability?by=domain&resolution=week", "/v1/hygiene", "/v1/rejections", "/v1/mailbox-providers")
	add("behaviour", "/v1/delays", "/v1/funnel", "/v1/heatmap", "/v1/cohorts?by=week", "/v1/cohorts?by=day&since={month_ago_day}", "/v1/anomalies?resolution=day", "/v1/anomalies?resolution=hour&since={week_ago}")
	add("recipient", "/v1/recipients/{recipient}", "/v1/triggers?recipient={recipient}", "/v1/deliveries?recipient={recipient}")
	add("rules", "/v1/triggers", "/v1/deliveries", "/v1/rules", "/v1/suppressions", "/v1/suppressions?reason=hard_bounce&limit=100")
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
	filled := strings.NewReplacer(
		"{campaign}", campaign, "{another}", another, "{recipient}", person.id.String(),
		"{day_ago}", ago(24*time.Hour), "{week_ago}", ago(7*24*time.Hour),
		"{month_ago_day}", f.now.Add(-30*24*time.Hour).Format(time.DateOnly),
	).Replace(path)
	if strings.Contains(filled, "{") {
		panic(fmt.Sprintf("nothing fills %s", filled))
	}
	return filled
}
