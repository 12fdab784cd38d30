package analytics

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// TestDelaysWithinError compares with the delays themselves, from milliseconds to
// months: no percentile is further off than the answer says, and the mean of all
// is exact.
func TestDelaysWithinError(t *testing.T) {
	conn := migrated(t)
	sums := map[string]schemas.Counters{} // by campaign
	rng := rand.New(rand.NewPCG(1, 2))
	delays := map[string][]float64{} // by campaign and person
	var cells []madeCell
	for i := range 4000 {
		campaign, human := []string{"a", "b"}[rng.IntN(2)], rng.IntN(3) > 0
		ms := int64(math.Exp(rng.Float64() * 22)) // up to 41 days
		if i%50 == 0 {
			ms = rng.Int64N(70)
		}
		c := schemas.Counters{Opened: 1}
		if delays[campaign] = append(delays[campaign], float64(ms)); human {
			c.HumanOpened = 1
			delays[campaign+" human"] = append(delays[campaign+" human"], float64(ms))
		}
		day := fmt.Sprintf("2026-01-%02d", 1+rng.IntN(5))
		of := sums[campaign]
		of.OpenDelays, of.OpenDelayMS = of.OpenDelays+1, of.OpenDelayMS+ms
		sums[campaign] = of
		cells = append(cells, madeCell{dimension: ScopeTenant, basis: schemas.BasisLifetime, counts: schemas.Counters{OpenDelays: 1, OpenDelayMS: ms}},
			daily("open_delay", campaign, schemas.DelayValue(ms), day, c),
			daily("domain", campaign, "x.org", day, schemas.Counters{OpenDelays: 1, OpenDelayMS: ms}),
			daily("domain", "", "x.org", day, schemas.Counters{OpenDelays: 1, OpenDelayMS: ms}))
	}
	fillCells(t, conn, cells...)
	for id, c := range sums {
		fill(t, conn, schemas.TopicStatistics, stats(id, schemas.BasisLifetime, time.Time{}, c))
	}
	api := NewAPI(APIConfig{Conn: conn})
	delays["all"], delays["all human"] = slices.Concat(delays["a"], delays["b"]), slices.Concat(delays["a human"], delays["b human"])
	for name, path := range map[string]string{"a": "/v1/campaigns/a/delays", "all": "/v1/delays", "b": "/v1/delays?campaigns=b&since=2026-01-01&until=2026-01-06"} {
		var d Delays
		ask(t, api, path, &d)
		equalDelays(t, path, d.Open, delays[name])
		equalDelays(t, path+" human", d.HumanOpen, delays[name+" human"])
		sum := 0.0
		for _, ms := range delays[name] {
			sum += ms
		}
		if want := sum / float64(len(delays[name])) / 1000; !d.Open.MeanExact || math.Abs(*d.Open.MeanSeconds/want-1) > 1e-12 {
			t.Errorf("%s: mean %v, want %v", path, *d.Open.MeanSeconds, want)
		}
		var all, human int64
		for _, b := range d.Open.Histogram {
			all, human = all+b.Messages, human+b.Human
		}
		if all != d.Open.Messages || human != d.HumanOpen.Messages || d.HumanOpen.Histogram != nil {
			t.Errorf("%s: the histogram has %d and %d", path, all, human)
		}
		if d.Click.Messages != 0 || d.Click.MeanSeconds != nil || d.Click.Percentiles["p50"] != nil || d.Click.MeanExact {
			t.Errorf("%s: clicks %+v", path, d.Click)
		}
	}
	var none Delays
	if ask(t, api, "/v1/delays?since=2026-02-01", &none); none.Open.Messages != 0 || none.Open.MeanSeconds != nil || len(none.Open.Histogram) != 0 {
		t.Errorf("later: %+v", none.Open)
	}
}

func equalDelays(t *testing.T, what string, d Delay, ms []float64) {
	t.Helper()
	slices.Sort(ms)
	if d.Messages != int64(len(ms)) {
		t.Fatalf("%s: %d messages, want %d", what, d.Messages, len(ms))
	}
	for _, p := range delayPercentiles {
		want := ms[int(math.Ceil(float64(p)/100*float64(len(ms))))-1] / 1000
		got := d.Percentiles[fmt.Sprint("p", p)]
		if got == nil || math.Abs(*got-want) > delayError*want+1e-9 {
			t.Errorf("%s: p%d is %v, want %v", what, p, *got, want)
		}
	}
	sum := 0.0
	for _, n := range ms {
		sum += n / 1000
	}
	if want := sum / float64(len(ms)); math.Abs(*d.MeanSeconds-want) > delayError*want {
		t.Errorf("%s: mean %v, want %v", what, *d.MeanSeconds, want)
	}
}

// TestDelaysOfClicks: clicks are not mixed with opens, and a bucket that is none is
// an error, not a wrong figure.
func TestDelaysOfClicks(t *testing.T) {
	conn := migrated(t)
	fillCells(t, conn,
		daily("open_delay", "a", schemas.DelayValue(1000), "2026-01-01", schemas.Counters{Opened: 5}),
		daily("click_delay", "a", "63", "2026-01-01", schemas.Counters{Clicked: 3, HumanClicked: 1}),
		madeCell{dimension: ScopeTenant, basis: schemas.BasisLifetime, counts: schemas.Counters{ClickDelays: 3, ClickDelayMS: 189}})
	api := NewAPI(APIConfig{Conn: conn})
	var d Delays
	ask(t, api, "/v1/delays", &d)
	if d.Open.Messages != 5 || d.Click.Messages != 3 || d.HumanClick.Messages != 1 || *d.Click.MeanSeconds != .063 || *d.Click.Percentiles["p99"] != .063 || *d.HumanClick.MeanSeconds != .063 {
		t.Errorf("%+v", d)
	}
	if rows := d.sheet().rows; len(rows) != 2 || rows[1][0] != "click" || rows[1][3] != int64(3) {
		t.Errorf("rows %v", rows)
	}
	fillCells(t, conn, daily("click_delay", "a", "129", "2026-01-01", schemas.Counters{Clicked: 3}))
	if w := ask(t, api, "/v1/delays", nil); w.Code != 503 {
		t.Errorf("a bucket from 129 ms: %d", w.Code)
	}
}
