package analytics

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// behaviourPaths are those that count a campaign, or all of the tenant.
var behaviourPaths = []string{"delays", "funnel", "heatmap", "cohorts", "anomalies"}

// TestBehaviourProblems: what all paths have in common.
func TestBehaviourProblems(t *testing.T) {
	conn := migrated(t)
	known(t, conn, "a", "b")
	api := NewAPI(APIConfig{Conn: conn})
	type asked struct {
		path   string
		status int
		param  string
	}
	var list []asked
	for _, name := range behaviourPaths {
		list = append(list,
			asked{"/v1/" + name, 200, ""},
			asked{"/v1/" + name + "?campaigns=a,b&since=2026-01-01&until=2026-02-01", 200, ""},
			asked{"/v1/campaigns/a/" + name, 200, ""},
			asked{"/v1/campaigns/none/" + name, 404, ""},
			asked{"/v1/campaigns/a/" + name + "?campaigns=a", 400, "campaigns"},
			asked{"/v1/" + name + "?campaigns=a,none", 404, ""},
			asked{"/v1/" + name + "?campaigns=a,", 400, "campaigns"},
			asked{"/v1/" + name + "?day=1", 400, "day"},
			asked{"/v1/" + name + "?since=soon", 400, "since"},
			asked{"/v1/" + name + "?since=2026-01-02&until=2026-01-02", 400, "until"},
			asked{"/v1/" + name + "?until=1960-01-02", 400, "until"},
		)
	}
	list = append(list,
		asked{"/v1/delays?since=2026-01-01T01:00:00Z", 400, "since"},
		asked{"/v1/cohorts?by=hour", 400, "by"},
		asked{"/v1/heatmap?basis=event_time", 400, "basis"},
		asked{"/v1/heatmap?tz=Mars", 400, "tz"},
		asked{"/v1/heatmap?scope=source", 400, "id"},
		asked{"/v1/anomalies?resolution=5m", 400, "resolution"},
		asked{"/v1/anomalies?metric=open_delay", 400, "metric"},
		asked{"/v1/compare", 400, "campaigns"},
		asked{"/v1/compare?campaigns=a", 400, "campaigns"},
		asked{"/v1/compare?campaigns=a,a", 400, "campaigns"},
		asked{"/v1/compare?campaigns=" + numbers(maxCompared+1), 400, "campaigns"},
		asked{"/v1/compare?campaigns=a,none", 404, ""},
		asked{"/v1/compare?campaigns=a,b&metric=opens_per_message", 400, "metric"},
		asked{"/v1/compare?campaigns=a,b&metric=opened,spam", 200, ""},
		asked{"/v1/recipients/lookup", 400, "recipient id"},
		asked{"/v1/recipients/" + numbered(1).String(), 404, ""},
		asked{"/v1/recipients/" + numbered(1).String() + "?after=x", 400, "after"},
		asked{"/v1/recipients/" + numbered(1).String() + "?limit=1001", 400, "limit"},
		asked{"/v1/events/tail?type=open", 400, "type"},
		asked{"/v1/events/tail?recipient=" + uuid.NewString(), 400, "recipient"},
	)
	for _, c := range list {
		w := ask(t, api, c.path, nil)
		var p Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != c.status || p.Param != c.param || w.Code == 400 && !strings.HasPrefix(p.Detail, c.param) {
			t.Errorf("%s: %d %.300s", c.path, w.Code, w.Body)
		}
	}
	for _, table := range []string{"campaign_statistics", "breakdowns", "events"} {
		if err := conn.Exec(t.Context(), "DROP TABLE "+table+" SYNC"); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"/v1/delays", "/v1/funnel", "/v1/heatmap", "/v1/cohorts", "/v1/anomalies", "/v1/compare?campaigns=a,b",
		"/v1/recipients/" + numbered(1).String(), "/v1/events/tail"} {
		if w := ask(t, api, path, nil); w.Code != 503 {
			t.Errorf("%s without its tables: %d %s", path, w.Code, w.Body)
		}
	}
}
