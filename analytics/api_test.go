package analytics

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/schemas"
)

// fill inserts records straight into their table.
func fill(t testing.TB, conn driver.Conn, topic string, recs ...schemas.Record) {
	t.Helper()
	fillFrom(t, conn, topic, 0, recs...)
}

// fillGeneration is the generation whose tables fill writes.
var fillGeneration = schemas.FirstGeneration

// fillFrom inserts records as those from an offset on.
func fillFrom(t testing.TB, conn driver.Conn, topic string, offset int, recs ...schemas.Record) {
	t.Helper()
	for _, to := range tables(schemas.FirstGeneration) {
		if to.topic != topic {
			continue
		}
		var names []string
		for _, name := range to.names {
			names = append(names, fillGeneration.Table(name))
		}
		rows := to.rows(names)
		for i, rec := range recs {
			if err := rows.add(serde, &kgo.Record{Topic: topic, Offset: int64(offset + i), Value: serde.Append(nil, topic, rec)}); err != nil {
				t.Fatal(err)
			}
		}
		insert(t, conn, rows)
	}
}

var insertNumber atomic.Int64

// insert gives each block a token of its own: without one ClickHouse would drop
// what is the same as before.
func insert(t testing.TB, conn driver.Conn, rows rows) {
	t.Helper()
	for _, b := range rows.blocks() {
		if b.len() == 0 {
			continue
		}
		ctx := clickhouse.Context(t.Context(), clickhouse.WithSettings(insertSettings(fmt.Sprint("test ", insertNumber.Add(1)))))
		if err := b.insert(ctx, conn); err != nil {
			t.Fatal(err)
		}
	}
}

// addAt inserts a record into a table as one from an offset of partition 0.
func addAt(t testing.TB, conn driver.Conn, topic, table string, offset int64, rec schemas.Record) {
	t.Helper()
	for _, to := range tables(schemas.FirstGeneration) {
		if to.topic != topic {
			continue
		}
		rows := to.rows([]string{table})
		if err := rows.add(serde, &kgo.Record{Topic: topic, Offset: offset, Value: serde.Append(nil, topic, rec)}); err != nil {
			t.Fatal(err)
		}
		insert(t, conn, rows)
	}
}

func ask(t testing.TB, h http.Handler, path string, into any) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	if into != nil {
		if w.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
		if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	return w
}

func stats(id string, basis schemas.Basis, window time.Time, c schemas.Counters) *schemas.CampaignStatistics {
	return &schemas.CampaignStatistics{Tenant: "default", CampaignID: id, CampaignName: "n" + id, Basis: basis, WindowStart: schemas.FromTime(window),
		Counters: c, FirstEventAt: epoch, LastEventAt: epoch + 5, UpdatedAt: epoch}
}

func TestCampaignsPageByLastActivity(t *testing.T) {
	conn := migrated(t)
	var recs []schemas.Record
	for i := range 7 {
		s := stats(fmt.Sprint(i), schemas.BasisLifetime, time.Time{}, schemas.Counters{Messages: 1 + int64(i)})
		s.LastEventAt = epoch + schemas.Timestamp(i/2) // Two at a time are equal.
		recs = append(recs, s)
	}
	other := stats("x", schemas.BasisLifetime, time.Time{}, schemas.Counters{Messages: 1})
	other.Tenant = "other"
	emptied := stats("emptied", schemas.BasisLifetime, time.Time{}, schemas.Counters{})
	fill(t, conn, schemas.TopicStatistics, append(recs, other, emptied)...)
	api := NewAPI(APIConfig{Conn: conn})
	var seen []string
	for path := "/v1/campaigns?limit=3"; path != ""; {
		var page CampaignList
		ask(t, api, path, &page)
		for _, c := range page.Campaigns {
			seen = append(seen, c.ID)
		}
		if path = ""; page.Next != "" {
			path = "/v1/campaigns?limit=3&after=" + page.Next
		}
	}
	if got := strings.Join(seen, ""); got != "6543210" {
		t.Errorf("order %s", got)
	}
}

func TestCampaignShowsTheLatestSnapshot(t *testing.T) {
	conn := migrated(t)
	day := time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC) // Clocks change in Europe.
	fill(t, conn, schemas.TopicStatistics,
		stats("a/b", schemas.BasisLifetime, time.Time{}, schemas.Counters{Messages: 5, Delivered: 4}),
		stats("a/b", schemas.BasisLifetime, time.Time{}, schemas.Counters{Messages: 10, Delivered: 8, Opened: 4, Clicked: 1, Opens: 6, OpenDelayMS: 8000, OpenDelays: 4}),
		stats("a/b", schemas.BasisEventTime, day.Add(-65*time.Minute), schemas.Counters{Opens: 1}),
		stats("a/b", schemas.BasisEventTime, day.Add(-55*time.Minute), schemas.Counters{Opens: 2}),
		stats("a/b", schemas.BasisEventTime, day.Add(-55*time.Minute), schemas.Counters{Opens: 3}),
		stats("a/b", schemas.BasisEventTime, day.Add(21*time.Hour+55*time.Minute), schemas.Counters{Opens: 10}),
		stats("a/b", schemas.BasisEventTime, day.Add(22*time.Hour), schemas.Counters{Opens: 20}),
		stats("a/b", schemas.BasisSendTime, day, schemas.Counters{Opens: 34}),
		stats("a/b", schemas.BasisSendTimeLate, time.Time{}, schemas.Counters{Opens: 4}),
		stats("a/b", schemas.BasisSendTimeLate, time.Time{}, schemas.Counters{Opens: 1500, Queued: -1}),
		stats("a/b", schemas.BasisEventTimeLate, time.Time{}, schemas.Counters{}),
	)
	api := NewAPI(APIConfig{Conn: conn})
	var d CampaignDetail
	ask(t, api, "/v1/campaigns/a%2Fb?step=1d&tz=Europe/Paris", &d)
	if d.Totals.Messages != 10 || d.Name != "na/b" {
		t.Errorf("got %+v", d.Campaign)
	}
	rates := map[string]Rate{}
	for _, r := range d.Rates {
		rates[r.Name] = r
	}
	for name, want := range map[string]float64{"delivered": .8, "opened": .5, "clicked": .25, "delivered_clicked": .125, "opens_per_message": 1.5, "open_delay": 2} {
		if v := rates[name].Value; v == nil || *v != want {
			t.Errorf("%s = %v, want %v", name, v, want)
		}
	}
	if v := rates["human_opens_per_message"].Value; v != nil {
		t.Errorf("a rate over nothing is %v, want null", *v)
	}
	// Days of Paris: one begins at 23:00 UTC, the next, after the change, at 22:00.
	series := func(d CampaignDetail) string {
		var s []string
		for _, p := range d.Series.Points {
			s = append(s, fmt.Sprint(p.Start.Format("01-02T15:04Z07:00"), "=", p.Opens))
		}
		return strings.Join(s, " ")
	}
	if got, want := series(d), "03-28T00:00+01:00=1 03-29T00:00+01:00=13 03-30T00:00+02:00=20"; got != want {
		t.Errorf("days %s, want %s", got, want)
	}
	for query, want := range map[string]string{
		"step=1h":                   "03-28T22:00Z=1 03-28T23:00Z=3 03-29T21:00Z=10 03-29T22:00Z=20",
		"step=15m&to=2026-03-29":    "03-28T22:45Z=1 03-28T23:00Z=3",
		"step=5m&from=2026-03-29":   "03-29T21:55Z=10 03-29T22:00Z=20",
		"step=1h&tz=Asia/Kolkata":   "03-29T04:00+05:30=4 03-30T03:00+05:30=30",
		"step=1h&basis=send_time":   "03-29T00:00Z=34",
		"from=2027-01-01T00:00:00Z": "",
	} {
		var d CampaignDetail
		ask(t, api, "/v1/campaigns/a%2Fb?"+query, &d)
		if got := series(d); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	if d.Series.Late != nil {
		t.Errorf("late by event time: %+v", d.Series.Late)
	}
	var sent CampaignDetail
	ask(t, api, "/v1/campaigns/a%2Fb?basis=send_time", &sent)
	if want := (schemas.Counters{Opens: 1500, Queued: -1}); sent.Series.Late == nil || *sent.Series.Late != want {
		t.Errorf("late by send time: %+v, want %+v", sent.Series.Late, want)
	}
}

func TestProblems(t *testing.T) {
	conn := migrated(t)
	api := NewAPI(APIConfig{Conn: conn})
	for path, status := range map[string]int{
		"/v1/campaigns/none":                            404,
		"/v1/other":                                     404,
		"/v1/campaigns?limit=0":                         400,
		"/v1/campaigns?limit=x":                         400,
		"/v1/campaigns?after=!":                         400,
		"/v1/campaigns/1?step=2m":                       400,
		"/v1/campaigns/1?basis=x":                       400,
		"/v1/campaigns/1?tz=Nowhere/Town":               400,
		"/v1/campaigns/1?from=yesterday":                400,
		"/v1/campaigns/1?from=2026-02-02&to=2026-02-01": 400,
		"/v1/triggers?limit=5000":                       400,
	} {
		w := ask(t, api, path, nil)
		var p Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != status || p.Status != status || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if err := conn.Exec(t.Context(), "DROP TABLE campaign_statistics"); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/v1/campaigns", "/v1/campaigns/1"} {
		if w := ask(t, api, path, nil); w.Code != 503 || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s without its table: %d %s", path, w.Code, w.Body)
		}
	}
	if w := ask(t, api, "/", nil); w.Code != 200 || !strings.Contains(w.Body.String(), "<title>Posthorn") {
		t.Errorf("dashboard: %d", w.Code)
	}
}

func TestLatestTriggersAndDeliveries(t *testing.T) {
	conn := migrated(t)
	for i := range 3 {
		fill(t, conn, schemas.TopicTriggers, &schemas.Trigger{TriggerID: numbered(i), Tenant: "default", Rule: "r", ArrivedAt: epoch + schemas.Timestamp(i), Evidence: []schemas.Evidence{{Type: "opened"}}})
		fill(t, conn, schemas.TopicDeliveries, &schemas.Delivery{TriggerID: numbered(i), Tenant: "default", AttemptedAt: epoch + schemas.Timestamp(i), StatusCode: 204})
	}
	api := NewAPI(APIConfig{Conn: conn})
	var tl TriggerList
	ask(t, api, "/v1/triggers?limit=2", &tl)
	var dl DeliveryList
	ask(t, api, "/v1/deliveries?limit=2", &dl)
	if len(tl.Triggers) != 2 || tl.Triggers[0].ID.String() != numbered(2).String() || len(tl.Triggers[0].Evidence) != 1 || tl.Triggers[0].AnchorAt != nil {
		t.Errorf("triggers %+v", tl)
	}
	if len(dl.Deliveries) != 2 || dl.Deliveries[0].TriggerID.String() != numbered(2).String() || dl.Deliveries[0].StatusCode != 204 {
		t.Errorf("deliveries %+v", dl)
	}
}
