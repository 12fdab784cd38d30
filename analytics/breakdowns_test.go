package analytics

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"
)

func TestSmoke(t *testing.T) {
	conn := migrated(t)
	largeWorld(t, conn, 100_000, 20_000)
	if err := conn.Exec(t.Context(), `INSERT INTO campaign_statistics (tenant, campaign_id, basis, messages, delivered, opens, clicks, opened, clicked, version)
SELECT 'default', campaign_id, 'lifetime', sum(messages), sum(delivered), sum(opens), sum(clicks), sum(opened), sum(clicked), 1 FROM breakdowns WHERE dimension = 'age' GROUP BY campaign_id`); err != nil {
		t.Fatal(err)
	}
	api := NewAPI(APIConfig{Conn: conn})
	for _, path := range []string{
		"/v1/breakdown?by=link&limit=2", "/v1/breakdown?by=country&limit=2", "/v1/breakdown?by=machine", "/v1/breakdown?by=domain&limit=2", "/v1/breakdown?by=provider&limit=2", "/v1/breakdown?by=reason",
		"/v1/breakdown?by=domain&limit=2&since=2026-09-03&until=2026-09-20&order=opened", "/v1/campaigns/7340100/breakdown?by=domain&limit=2", "/v1/campaigns/7340100/breakdown?by=provider&limit=2",
		"/v1/campaigns/7340100/breakdown?by=link&limit=2&since=2026-09-03",
		"/v1/bounces?limit=2", "/v1/campaigns/7340100/bounces?limit=2",
		"/v1/deliverability?limit=1&resolution=week", "/v1/deliverability?by=domain&limit=1&resolution=week", "/v1/deliverability?by=domain&limit=1&campaigns=7340100",
		"/v1/hygiene?inactive_days=20", "/v1/rejections", "/v1/mailbox-providers?limit=2",
	} {
		began := time.Now()
		w := ask(t, api, path, nil)
		var v any
		_ = json.Unmarshal(w.Body.Bytes(), &v)
		b := w.Body.String()
		t.Logf("%v %s\n%d %.1500s", time.Since(began), path, w.Code, b)
		if w.Code != http.StatusOK {
			t.Error(path)
		}
	}
}
