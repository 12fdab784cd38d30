package analytics

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestDeliverabilityEqualsReference compares courses of providers and domains by
// day and week with what is worked out from the messages.
func TestDeliverabilityEqualsReference(t *testing.T) {
	conn := migrated(t)
	messages := randomMessages(rand.New(rand.NewPCG(5, 9)), 600)
	fillWorld(t, conn, messages)
	api := NewAPI(APIConfig{Conn: conn})
	for _, by := range []string{"provider", "domain"} {
		for _, resolution := range []string{"day", "week"} {
			for i, q := range questions("deliverability") {
				if strings.HasPrefix(q.path, "/v1/campaigns/") {
					q.path, q.query = "/v1/deliverability", q.query+"&campaigns="+q.campaigns[0]
				}
				for _, limit := range []int{2, 20}[i%2 : i%2+1] {
					path := fmt.Sprintf("%s?by=%s&resolution=%s&limit=%d%s", q.path, by, resolution, limit, q.query)
					var got Deliverability
					ask(t, api, path, &got)
					compareCourses(t, path, &got, coursesIn(messages, &q, by, resolution), limit)
				}
			}
		}
	}
}

// bucketName is the day on which a day's bucket begins.
func bucketName(day, resolution string) string {
	at, _ := time.Parse(time.DateOnly, day)
	for resolution == "week" && at.Weekday() != time.Monday {
		at = at.AddDate(0, 0, -1)
	}
	return at.Format(time.DateOnly)
}

// coursesIn are counters by value and bucket; those of "total" are of all.
func coursesIn(messages []sentMessage, q *asked, by, resolution string) map[string]map[string]Counts {
	want := map[string]map[string]Counts{"total": {}}
	for i := range messages {
		m := &messages[i]
		if !q.about(m) || m.day == "" {
			continue
		}
		for key, c := range m.values(by) {
			for _, value := range []string{"=" + key[0], "total"} {
				if want[value] == nil {
					want[value] = map[string]Counts{}
				}
				at := bucketName(m.day, resolution)
				if want[value][at] == nil {
					want[value][at] = Counts{}
				}
				want[value][at].add(countsOf(&c, deliverabilityCounters))
			}
		}
	}
	return want
}

func compareCourses(t *testing.T, path string, got *Deliverability, want map[string]map[string]Counts, limit int) {
	t.Helper()
	if n := len(want) - 1; len(got.Items) != min(limit, n) || (got.Others == nil) != (n <= limit) || got.Others != nil && got.Others.Count != int64(n-limit) {
		t.Errorf("%s: %d items of %d, others %v", path, len(got.Items), n, got.Others != nil)
		return
	}
	for i := 1; i < len(got.Starts); i++ {
		if step := map[string]int{"day": 1, "week": 7}[got.Resolution]; bucketAfter(got.Starts[i-1], step) != got.Starts[i] {
			t.Errorf("%s: after %s comes %s", path, got.Starts[i-1], got.Starts[i])
		}
	}
	compare := func(name string, item *DeliverabilityItem, want map[string]Counts) {
		for at := range want {
			if !slices.Contains(got.Starts, at) {
				t.Errorf("%s: %s: there is no %s", path, name, at)
			}
		}
		sum := Counts{}
		for i, at := range got.Starts {
			point := &item.Points[i]
			sum.add(point.Counters)
			if !same(point.Counters, want[at]) {
				t.Errorf("%s: %s on %s: %v, want %v", path, name, at, point.Counters, want[at])
			}
			of, all := point.Counters["messages"], got.Total.Points[i].Counters["messages"]
			if share := point.Rates["share"]; (share == nil) != (all == 0) || share != nil && *share != float64(of)/float64(all) {
				t.Errorf("%s: %s on %s has a share of %v", path, name, at, realCell(share))
			}
		}
		if !same(sum, item.Counters) {
			t.Errorf("%s: %s: points add up to %v, in all %v", path, name, sum, item.Counters)
		}
	}
	rest := map[string]Counts{}
	for at, n := range want["total"] {
		rest[at] = Counts{}
		rest[at].add(n)
	}
	last := int64(1 << 60)
	for i := range got.Items {
		item := &got.Items[i]
		compare(item.Value, item, want["="+item.Value])
		for at, n := range want["="+item.Value] {
			for name, v := range n {
				rest[at][name] -= v
			}
		}
		if n := item.Counters["messages"]; n > last {
			t.Errorf("%s: %s is out of order", path, item.Value)
		} else {
			last = n
		}
	}
	if got.Others != nil {
		compare("others", got.Others, rest)
	}
	compare("total", &got.Total, want["total"])
}

func bucketAfter(day string, days int) string {
	at, _ := time.Parse(time.DateOnly, day)
	return at.AddDate(0, 0, days).Format(time.DateOnly)
}

func TestDeliverabilityIsBounded(t *testing.T) {
	conn := migrated(t)
	fillWorld(t, conn, randomMessages(rand.New(rand.NewPCG(5, 9)), 50))
	api := NewAPI(APIConfig{Conn: conn})
	if w := ask(t, api, "/v1/deliverability?since=2001-01-01", nil); w.Code != 400 || !strings.Contains(w.Body.String(), "resolution=week") {
		t.Errorf("25 years of days: %d %s", w.Code, w.Body)
	}
	var d Deliverability
	ask(t, api, "/v1/deliverability?since=2026-02-27&until=2026-03-03", &d)
	if fmt.Sprint(d.Starts) != "[2026-02-27 2026-02-28 2026-03-01 2026-03-02]" || len(d.Total.Points) != 4 || d.Total.Points[0].Rates["delivered"] != nil {
		t.Errorf("buckets %v, first %+v", d.Starts, d.Total.Points)
	}
}
