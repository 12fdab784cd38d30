package analytics

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// judged runs a course of n of a denominator each through a judge.
func judged(method AnomalyMethod, counts, of []int64) (points []AnomalyPoint) {
	j := anomalyJudge{method: method}
	for i := range counts {
		points = append(points, j.next(rateOf(schemas.Counters{Messages: of[i], HardBounced: counts[i]}, "hard_bounced"), 0))
	}
	return points
}

func repeated(n int, value int64) []int64 {
	list := make([]int64, n)
	for i := range list {
		list[i] = value
	}
	return list
}

// TestAnomalyFalseAlarms: of 20,000 days of nothing but chance, at most a few are
// marked: z is 4, and days are skewed where few of many bounce.
func TestAnomalyFalseAlarms(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	method := anomalyMethods[ResolutionDay]
	for _, c := range []struct {
		share float64
		of    int64
		most  int
	}{{.3, 500, 10}, {.02, 2000, 10}, {.001, 1000, 20}, {.0005, 200, 5}} {
		counts, of := make([]int64, 20_000), repeated(20_000, c.of)
		for i := range counts {
			for range c.of {
				if rng.Float64() < c.share {
					counts[i]++
				}
			}
		}
		marked := 0
		for _, p := range judged(method, counts, of) {
			if p.Anomaly {
				marked++
			}
		}
		if marked > c.most {
			t.Errorf("%v of %d: %d of 20,000 marked", c.share, c.of, marked)
		}
	}
}

// TestAnomalies: what is marked, which way, and what is not judged.
func TestAnomalies(t *testing.T) {
	method := anomalyMethods[ResolutionDay]
	steady := repeated(28, 20)
	of := repeated(60, 1000)
	for name, c := range map[string]struct {
		counts []int64
		of     []int64
		want   string // of the last one
	}{
		"in line":                   {append(steady, 24), of, "in line"},
		"three times as many":       {append(steady, 60), of, "high: 0.06 of 1000, where about 0.02"},
		"none":                      {append(repeated(28, 40), 0), of, "low: 0 of 1000, where about 0.04"},
		"few messages":              {append(steady, 19), append(repeated(28, 1000), 19), "not judged: messages is below 20"},
		"nothing to compare":        {append(repeated(6, 20), 60), of, "not judged: 6 of the 28 buckets before have enough, 7 must"},
		"first in a thousand":       {append(repeated(28, 0), 1), of, "in line"}, // by less than 5 messages
		"bounces out of none":       {append(repeated(28, 0), 9), of, "high"},
		"after one bad day":         {append(append(steady[:27:27], 500), 60), of, "high"},
		"after three terrible ones": {append(append(repeated(25, 2), 500, 500, 500), 20), of, "high"},
		"wild before":               {append([]int64{10, 90, 30, 70, 20, 80, 40, 60, 10, 90}, 100), of, "in line"},
		"after a lasting change":    {append(append(repeated(14, 20), repeated(15, 60)...), 60), of, "in line"},
		"small days":                {append(repeated(28, 1), 2), repeated(29, 20), "in line"},
	} {
		points := judged(method, c.counts, c.of)
		last := points[len(points)-1]
		if !strings.HasPrefix(last.Why, c.want) || last.Anomaly != (last.Direction != "") || last.Judged != (last.Expected != nil) {
			t.Errorf("%s: %+v", name, last)
		}
		if last.Judged && last.Anomaly == (*last.Low < last.Rate && last.Rate < *last.High) {
			t.Errorf("%s: %v is marked %v from %v to %v", name, last.Rate, last.Anomaly, *last.Low, *last.High)
		}
	}
}

// TestAnomaliesOfSeries asks for two days of which one is out of line; the days
// before count, and are not shown.
func TestAnomaliesOfSeries(t *testing.T) {
	conn := migrated(t)
	noon := unix(t, "2026-03-01T12:00:00Z")
	for day := range int64(60) { // over the change of the clock
		c := schemas.Counters{Messages: 1000, Delivered: 900, HardBounced: 20 + day%3, HumanOpened: 300}
		if day == 50 {
			c.HardBounced = 90
		}
		if day == 58 {
			c.HumanOpened = 10
		}
		for _, basis := range []schemas.Basis{schemas.BasisEventTime, schemas.BasisSendTime} {
			fillCells(t, conn, madeCell{dimension: ScopeTenant, basis: basis, window: noon + 86400*day, counts: c})
		}
	}
	api := NewAPI(APIConfig{Conn: conn, TimeZone: zone(t, "Europe/Paris"), now: func() time.Time { return time.Unix(noon+60*86400, 0) }})
	var a Anomalies
	ask(t, api, "/v1/anomalies?since=2026-04-20&until=2026-04-22", &a)
	var got []string
	for _, p := range a.Points {
		got = append(got, fmt.Sprint(p.Start.Format(time.RFC3339), " ", p.Numerator, " ", p.Judged, " ", p.Direction))
	}
	if want := "2026-04-20T00:00:00+02:00 90 true high, 2026-04-21T00:00:00+02:00 20 true "; strings.Join(got, ", ") != want || a.Marked != 1 {
		t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), want)
	}
	var all Anomalies
	if ask(t, api, "/v1/anomalies", &all); len(all.Points) != 60 || all.Marked != 1 || all.Points[6].Judged || !all.Points[7].Judged {
		t.Errorf("%d points, %d marked", len(all.Points), all.Marked)
	}
	// By send, the latest days are still being opened: the low one is not judged.
	var sent Anomalies
	ask(t, api, "/v1/anomalies?metric=human_opened&basis=send", &sent)
	if p := sent.Points[58]; sent.Marked != 0 || p.Judged || !strings.Contains(p.Why, "still to come") || !sent.Points[55].Judged {
		t.Errorf("%d marked, %+v", sent.Marked, p)
	}
	if rows := all.sheet(); len(rows.rows) != 60 || rows.check() != nil {
		t.Errorf("rows: %v", rows.check())
	}
}
