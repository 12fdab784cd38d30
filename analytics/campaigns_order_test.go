package analytics

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

func TestCampaignsFoundAndSorted(t *testing.T) {
	conn := migrated(t)
	var recs []schemas.Record
	for i, c := range []schemas.Counters{
		{Messages: 10, Delivered: 8, Opened: 4}, // 0: a half
		{Messages: 30, Delivered: 0},            // 1: no rate
		{Messages: 20, Delivered: 3, Opened: 1}, // 2: a third
		{Messages: 20, Delivered: 6, Opened: 2}, // 3: the same third
		{Messages: 5, Delivered: 1, Opened: 1},  // 4: all
	} {
		s := stats(fmt.Sprint(i), schemas.BasisLifetime, time.Time{}, c)
		s.CampaignName, s.LastEventAt = [...]string{"Été", "spring", "SPRING 50%_off", "x", "<img onerror>"}[i], epoch+schemas.Timestamp(i)
		recs = append(recs, s)
	}
	fill(t, conn, schemas.TopicStatistics, recs...)
	api := NewAPI(APIConfig{Conn: conn})
	for query, want := range map[string]string{
		"":                        "4 3 2 1 0",
		"sort=last_event":         "4 3 2 1 0",
		"sort=messages":           "1 3 2 0 4",
		"sort=opened":             "4 0 3 2 1",
		"q=spring":                "2 1",
		"q=SPRING&sort=delivered": "2 1",
		"q=été":                   "0",
		"q=50%25_":                "2",
		"q=<img":                  "4",
		"q=3":                     "3",
		"q=none":                  "",
	} {
		for _, limit := range []int{500, 1, 2} {
			var got []string
			for after := ""; ; {
				var page CampaignList
				ask(t, api, "/v1/campaigns?"+strings.ReplaceAll(query, "<", "%3C")+fmt.Sprintf("&limit=%d", limit)+after, &page)
				for _, c := range page.Campaigns {
					got = append(got, c.ID)
				}
				if page.Next == "" {
					break
				}
				after = "&after=" + page.Next
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%s, %d a page: %s, want %s", query, limit, strings.Join(got, " "), want)
			}
		}
	}
	var page CampaignList
	ask(t, api, "/v1/campaigns?limit=1&sort=opened", &page)
	for _, path := range []string{"/v1/campaigns?sort=open_delay", "/v1/campaigns?sort=messages&after=" + page.Next, "/v1/campaigns?after=" + page.Next} {
		if w := ask(t, api, path, nil); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}
