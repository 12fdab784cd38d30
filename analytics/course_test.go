package analytics

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// A course has a number for each day, of the latest snapshots alone.
func TestCourse(t *testing.T) {
	conn := migrated(t)
	midnight := time.Now().UTC().Truncate(24 * time.Hour)
	at := func(campaign string, ago time.Duration, opens int64) schemas.Record {
		return &schemas.CampaignStatistics{Tenant: "default", CampaignID: campaign, Basis: schemas.BasisEventTime,
			WindowStart: schemas.FromTime(midnight.Add(-ago)), WindowSeconds: 300, Counters: schemas.Counters{Opens: opens, Clicks: opens * 2}}
	}
	life := func(campaign string) schemas.Record {
		return &schemas.CampaignStatistics{Tenant: "default", CampaignID: campaign, Basis: schemas.BasisLifetime, Counters: schemas.Counters{Messages: 1},
			LastEventAt: schemas.FromTime(midnight)}
	}
	fill(t, conn, schemas.TopicStatistics, life("7"), life("8"), at("7", 0, 5), at("7", 0, 6),
		at("7", 5*time.Minute, 2), at("7", 24*time.Hour, 3), at("7", 24*time.Hour+5*time.Minute, 99), at("8", 0, 1))
	var list CampaignList
	ask(t, NewAPI(APIConfig{Conn: conn}), "/v1/campaigns?course=2", &list)
	for _, c := range list.Campaigns {
		want := map[string]string{"7": "[5 6] [10 12]", "8": "[0 1] [0 2]"}[c.ID]
		if got := fmt.Sprint(c.Course.Opens, c.Course.Clicks); got != want || !c.Course.Since.Equal(midnight.AddDate(0, 0, -1)) {
			t.Errorf("campaign %s: %s since %v, want %s", c.ID, got, c.Course.Since, want)
		}
	}
	var plain CampaignList
	ask(t, NewAPI(APIConfig{Conn: conn}), "/v1/campaigns", &plain)
	if len(plain.Campaigns) != 2 || plain.Campaigns[0].Course != nil {
		t.Errorf("%d campaigns, or a course that nobody asked for", len(plain.Campaigns))
	}
	for _, bad := range []string{"-1", "93", "x"} {
		if w := ask(t, NewAPI(APIConfig{Conn: conn}), "/v1/campaigns?course="+bad, nil); w.Code != http.StatusBadRequest {
			t.Errorf("course=%s: %d", bad, w.Code)
		}
	}
}

// Who comes while as many answers are worked out as may be waits, and is told when
// it takes too long.
func TestQueriesAreBounded(t *testing.T) {
	conn := migrated(t)
	api := NewAPI(APIConfig{Conn: conn, MaxQueries: 1, Timeout: 100 * time.Millisecond})
	api.queries <- struct{}{}
	if w := ask(t, api, "/v1/campaigns", nil); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
		t.Errorf("one too many: %d %v", w.Code, w.Header())
	}
	<-api.queries
	if w := ask(t, api, "/v1/campaigns", nil); w.Code != http.StatusOK {
		t.Errorf("after it: %d %s", w.Code, w.Body)
	}
}
