package analytics

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/posthorn/posthorn/schemas"
)

func TestRejectionsFilteredAndPaged(t *testing.T) {
	conn := migrated(t)
	for n := range 12 {
		tenant := "default"
		if n == 11 {
			tenant = "other"
		}
		fillFrom(t, conn, schemas.TopicRejected, n, &schemas.Rejection{Tenant: tenant, Source: []string{"mj", "sg"}[n%2], Reason: []string{"bad_json", "no_recipient", "bad_time"}[n%3], Detail: fmt.Sprint(n),
			ReceivedAt: epoch + schemas.Timestamp(n/4)*1_000_000, ArrivedAt: epoch, Offset: int64(n)})
	}
	api := NewAPI(APIConfig{Conn: conn})
	for query, want := range map[string]string{
		"": "10 9 8 7 6 5 4 3 2 1 0", "source=mj": "10 8 6 4 2 0", "reason=bad_time": "8 5 2", "reason=none": "", "source=sg&reason=bad_json": "9 3",
		"since=" + rfc(epoch+1e6) + "&until=" + rfc(epoch+2e6): "7 6 5 4",
	} {
		var seen []string
		for path := "/v1/rejections?limit=2&" + query; path != ""; {
			var page RejectionList
			ask(t, api, path, &page)
			for _, r := range page.Rejections {
				seen = append(seen, r.Detail)
			}
			if path = ""; page.Next != "" {
				path = "/v1/rejections?limit=2&" + query + "&after=" + page.Next
			}
		}
		if got := strings.Join(seen, " "); got != want {
			t.Errorf("%q: %s, want %s", query, got, want)
		}
	}
}

func TestMailboxProvidersFilteredAndPaged(t *testing.T) {
	conn := migrated(t)
	for _, rows := range []string{
		`('a.de', 'Old', 'mx', '2026-01-01 00:00:00'), ('b.de', 'One', 'mx', '2026-01-01 00:00:00'), ('gmail.com', 'Gmail', 'table', '2026-01-01 00:00:00'), ('none.de', '', 'mx', '2026-01-01 00:00:00')`,
		`('a.de', 'One', 'mx', '2026-02-01 00:00:00')`,
	} {
		if err := conn.Exec(t.Context(), `INSERT INTO mailbox_providers VALUES `+rows); err != nil {
			t.Fatal(err)
		}
	}
	api := NewAPI(APIConfig{Conn: conn})
	for query, want := range map[string]string{
		"": "a.de=One/mx b.de=One/mx gmail.com=Gmail/table none.de=/mx", "provider=One": "a.de=One/mx b.de=One/mx", "provider=Old": "", "told_by=table": "gmail.com=Gmail/table", "domain=a.de": "a.de=One/mx",
	} {
		var seen []string
		for path := "/v1/mailbox-providers?limit=1&" + query; path != ""; {
			var page MailboxProviderList
			ask(t, api, path, &page)
			for _, p := range page.Domains {
				seen = append(seen, p.Domain+"="+p.Provider+"/"+p.ToldBy)
			}
			if path = ""; page.Next != "" {
				path = "/v1/mailbox-providers?limit=1&" + query + "&after=" + page.Next
			}
		}
		if got := strings.Join(seen, " "); got != want {
			t.Errorf("%q: %s, want %s", query, got, want)
		}
	}
}

func TestProblemsOfBreakdowns(t *testing.T) {
	conn := migrated(t)
	fill(t, conn, schemas.TopicStatistics, stats("7", schemas.BasisLifetime, epoch.Time(), schemas.Counters{Messages: 1}))
	api := NewAPI(APIConfig{Conn: conn})
	paths := []string{
		"/v1/breakdown", "/v1/campaigns/7/breakdown?by=domain", "/v1/breakdown?by=provider", "/v1/campaigns/7/bounces", "/v1/bounces", "/v1/deliverability", "/v1/deliverability?by=domain", "/v1/hygiene",
		"/v1/rejections", "/v1/mailbox-providers",
	}
	for path, param := range map[string]string{
		"/v1/breakdown?by=colour":                          "by",
		"/v1/breakdown?order=messages":                     "order", // Links have none.
		"/v1/breakdown?limit=1001":                         "limit",
		"/v1/breakdown?since=yesterday":                    "since",
		"/v1/breakdown?since=2026-01-01T12:00:00Z":         "since",
		"/v1/breakdown?since=2026-01-02&until=2026-01-02":  "until",
		"/v1/breakdown?campaigns=7,,8":                     "campaigns",
		"/v1/campaigns/7/breakdown?campaigns=7":            "campaigns",
		"/v1/campaigns/7/bounces?by=link":                  "by",
		"/v1/deliverability?resolution=hour":               "resolution",
		"/v1/deliverability?limit=51":                      "limit",
		"/v1/hygiene?min_messages=0":                       "min_messages",
		"/v1/hygiene?inactive_days=3651":                   "inactive_days",
		"/v1/hygiene?campaigns=7":                          "campaigns",
		"/v1/rejections?after=!":                           "after",
		"/v1/rejections?since=2026-01-02&until=2026-01-01": "until",
		"/v1/mailbox-providers?told_by=hearsay":            "told_by",
	} {
		var p Problem
		if w := ask(t, api, path, nil); w.Code != 400 || json.Unmarshal(w.Body.Bytes(), &p) != nil || p.Param != param || len(p.Detail) < len(param)+10 {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	for _, path := range []string{"/v1/campaigns/8/breakdown", "/v1/breakdown?campaigns=7,8", "/v1/campaigns/8/bounces", "/v1/deliverability?campaigns=8"} {
		if w := ask(t, api, path, nil); w.Code != 404 || !strings.Contains(w.Body.String(), `no campaign \"8\"`) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	// With nothing in the tables there are no figures, and no zeros as rates.
	for _, path := range paths {
		w := ask(t, api, path, &map[string]any{})
		if strings.Contains(w.Body.String(), "NaN") {
			t.Errorf("%s: %s", path, w.Body)
		}
	}
	api = NewAPI(APIConfig{Conn: conn}) // that keeps nothing
	for _, table := range []string{"breakdowns", "recipients", "rejections", "mailbox_providers"} {
		if err := conn.Exec(t.Context(), "DROP TABLE "+table); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range paths {
		if w := ask(t, api, path, nil); w.Code != 503 {
			t.Errorf("%s without its table: %d %s", path, w.Code, w.Body)
		}
	}
}

// Every answer is given as rows too.
func TestBreakdownsAsRows(t *testing.T) {
	conn := migrated(t)
	fill(t, conn, schemas.TopicStatistics, stats("7", schemas.BasisLifetime, epoch.Time(), schemas.Counters{Messages: 1}))
	exampleBreakdowns(t, conn)
	api := NewAPI(APIConfig{Conn: conn})
	for path, want := range map[string]string{
		"/v1/breakdown?by=link&limit=1":          "part,value,detail,clicks,human_clicks,clicked,human_clicked,messages,delivered,click_share_rate",
		"/v1/breakdown?by=domain":                "value,dead.de,,5,0,0,4,0,0,1,",
		"/v1/campaigns/7/bounces":                "Provider of gmail.com,bounced,hard,invalid,5,0,1",
		"/v1/deliverability?by=domain&limit=1":   "others,," + epoch.Time().Format("2006-01-02") + ",5,0,0,4,",
		"/v1/hygiene?min_domain_recipients=1":    "dead_domain,dead.de,1,0.5,1,1,0,0," + epoch.Time().Format("2006-01-02"),
		"/v1/rejections?limit=1":                 "mj,,,bad_json,,,00000000-0000-0000-0000-000000000000,",
		"/v1/mailbox-providers?domain=gmail.com": "gmail.com,Provider of gmail.com,mx,",
	} {
		w := ask(t, api, path+"&format=csv", nil)
		if path == "/v1/campaigns/7/bounces" {
			w = ask(t, api, path+"?format=csv", nil)
		}
		if w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d\n%s", path, w.Code, w.Body)
		}
		for _, form := range []string{"ndjson", "parquet", "arrow"} {
			join := map[bool]string{true: "&", false: "?"}[strings.Contains(path, "?")]
			if w := ask(t, api, path+join+"format="+form, nil); w.Code != 200 || w.Body.Len() == 0 {
				t.Errorf("%s as %s: %d %s", path, form, w.Code, w.Body)
			}
		}
	}
}
