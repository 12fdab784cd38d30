package analytics

import (
	"math/rand/v2"
	"net/url"
	"testing"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// TestHeatMapEqualsReference puts each window where the local clock says, over
// changes of the clock in all zones of testZones.
func TestHeatMapEqualsReference(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	conn := migrated(t)
	tr, recs := randomWindows(rng, []string{"2026-03-06", "2026-03-28", "2026-10-24", "2026-10-31", "2026-04-03", "2018-11-02", "2018-02-16", "2011-12-28"})
	fill(t, conn, schemas.TopicStatistics, recs...)
	fillCells(t, conn, tr.cells(rng)...)
	api := NewAPI(APIConfig{Conn: conn})
	for i, name := range testZones {
		subjects := []struct {
			path      string
			campaigns map[string]bool
		}{
			{"/v1/heatmap?", nil},
			{"/v1/campaigns/c%2Fd/heatmap?", map[string]bool{"c/d": true}},
			{"/v1/heatmap?scope=account&id=x&", map[string]bool{"a": true}},
		}
		asked := subjects[i%len(subjects)]
		basis, code := "send", schemas.BasisSendTime
		if i%2 == 0 {
			basis, code = "event", schemas.BasisEventTime
		}
		query := url.Values{"basis": {basis}, "tz": {name}}
		since, until := int64(0), int64(1<<40)
		if i%4 > 1 { // hours from half past
			query.Set("since", "2018-11-03T00:00:00Z")
			query.Set("until", "2026-10-25T12:00:00Z")
			g := grid{ResolutionHour, zone(t, name)}
			since, until = g.floor(unix(t, "2018-11-03T00:00:00Z")), g.ceil(unix(t, "2026-10-25T12:00:00Z"))
		}
		var want [hoursOfWeek]schemas.Counters
		var total schemas.Counters
		for k, c := range tr {
			if k.basis != code || asked.campaigns != nil && !asked.campaigns[k.campaign] || k.window < since || k.window >= until {
				continue
			}
			local := time.Unix(k.window, 0).In(zone(t, name))
			want[(int(local.Weekday())+6)%7*24+local.Hour()].Add(&c)
			total.Add(&c)
		}
		var m HeatMap
		path := asked.path + query.Encode()
		ask(t, api, path, &m)
		if len(m.Cells) != hoursOfWeek || m.Total.Counters != total || m.Late.Counters != tr.sum(code.Late(), asked.campaigns) {
			t.Fatalf("%s: %d cells, total %+v, want %+v", path, len(m.Cells), m.Total.Counters, total)
		}
		for i, c := range m.Cells {
			if c.Weekday != 1+i/24 || c.Hour != i%24 || c.Counters != want[i] {
				t.Fatalf("%s: cell %d is %+v, want %+v", path, i, c, want[i])
			}
		}
	}
}

// TestHeatMapRates: the rates are those of the cell's sums, and null where nothing
// was sent; the tenant's zone is the standard.
func TestHeatMapRates(t *testing.T) {
	conn := migrated(t)
	for i := range int64(3) { // Mondays at 23:30 UTC are Tuesdays, 05:15, in Kathmandu
		fillCells(t, conn, madeCell{dimension: ScopeTenant, basis: schemas.BasisSendTime, window: unix(t, "2026-01-05T23:30:00Z") + i*7*86400,
			counts: schemas.Counters{Delivered: 10, HumanOpened: i}})
	}
	var m HeatMap
	ask(t, NewAPI(APIConfig{Conn: conn, TimeZone: zone(t, "Asia/Kathmandu")}), "/v1/heatmap", &m)
	c := m.Cells[24+5]
	if m.TZ != "Asia/Kathmandu" || c.Weekday != 2 || c.Hour != 5 || c.Counters.Delivered != 30 || *c.Rates["human_opened"] != .1 {
		t.Errorf("%+v", c)
	}
	if m.Cells[0].Rates["human_opened"] != nil || m.Since.Format(time.RFC3339) != "2026-01-06T05:00:00+05:45" || m.Until.Format(time.RFC3339) != "2026-01-20T06:00:00+05:45" {
		t.Errorf("%v %v", m.Since, m.Until)
	}
	if rows := m.sheet().rows; len(rows) != hoursOfWeek || rows[29][0] != int64(2) {
		t.Error("rows")
	}
	var none HeatMap
	if ask(t, NewAPI(APIConfig{Conn: conn}), "/v1/heatmap?since=2027-01-01", &none); none.Since != nil || len(none.Cells) != hoursOfWeek {
		t.Errorf("of nothing: %+v", none.Since)
	}
}
