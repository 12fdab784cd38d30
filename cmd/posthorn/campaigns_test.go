package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/analytics"
)

// TestCampaignAsks: with --by another route is asked than without, in its own words.
func TestCampaignAsks(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, c := range []struct {
		args, path string
		query      url.Values
	}{
		{"a/b --by day --tz Asia/Kathmandu --basis send --from 2026-01-01 --to 2026-01-02", "/v1/campaigns/a%2Fb/series",
			url.Values{"resolution": {"day"}, "tz": {"Asia/Kathmandu"}, "basis": {"send"}, "since": {"2026-01-01"}, "until": {"2026-01-02"}}},
		{"7 --by 5m --basis event_time", "/v1/campaigns/7/series", url.Values{"resolution": {"5m"}, "basis": {"event"}}},
		{"7 --step 1d --basis send --from 2026-01-01", "/v1/campaigns/7", url.Values{"step": {"1d"}, "basis": {"send_time"}, "from": {"2026-01-01"}}},
		{"7 --basis event_time", "/v1/campaigns/7", url.Values{"basis": {"event_time"}}},
	} {
		asked := ""
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked = r.URL.EscapedPath() + "?" + r.URL.Query().Encode()
			if strings.HasSuffix(r.URL.Path, "/series") {
				start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
				_ = json.NewEncoder(w).Encode(analytics.TimeSeries{Resolution: "day", TZ: "UTC", Buckets: []analytics.Bucket{{Start: start, Seconds: 86400}}})
				return
			}
			_ = json.NewEncoder(w).Encode(analytics.CampaignDetail{Campaign: analytics.Campaign{ID: "7"}})
		}))
		args := append([]string{"campaign", "--api", strings.TrimPrefix(server.URL, "http://")}, strings.Fields(c.args)...)
		code, out, errOut := posthorn(t, args...)
		server.Close()
		if want := c.path + "?" + c.query.Encode(); code != 0 || asked != want || out == "" {
			t.Errorf("%s: code %d %s\nasked %s\n want %s", c.args, code, errOut, asked, want)
		}
	}
	if code, _, errOut := posthorn(t, "campaign", "7", "--by", "day", "--step", "1d"); code == 0 || !strings.Contains(errOut, "[by step]") {
		t.Errorf("both: code %d %s", code, errOut)
	}
}
