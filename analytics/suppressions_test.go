package analytics

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

func suppression(n int, scope string, reason schemas.SuppressionReason, active bool) *schemas.Suppression {
	return &schemas.Suppression{
		Tenant: "default", RecipientID: numbered(n), Recipient: fmt.Sprintf("r%d@example.org", n), Scope: scope, Reason: reason, Active: active,
		Since: epoch + schemas.Timestamp(n)*1e6, EventID: numbered(1000 + n), Account: "main", CampaignID: "spring", Revision: 1, UpdatedAt: epoch + schemas.Timestamp(n)*2e6,
	}
}

// suppressed fills a table with 20 hard bounces, of which the even ones have been
// lifted since, an unsubscription of list 7 of every fifth recipient, and one
// complaint of another tenant.
func suppressed(t *testing.T) *API {
	t.Helper()
	conn := migrated(t)
	var recs []schemas.Record
	for n := range 20 {
		recs = append(recs, suppression(n, "all", schemas.SuppressionReasonHardBounce, true))
		if n%5 == 0 {
			recs = append(recs, suppression(n, "list:7", schemas.SuppressionReasonUnsubscribe, true))
		}
	}
	other := suppression(99, "all", schemas.SuppressionReasonComplaint, true)
	other.Tenant = "other"
	fill(t, conn, schemas.TopicSuppressions, append(recs, other)...)
	recs = nil
	for n := 0; n < 20; n += 2 {
		lifted := suppression(n, "all", schemas.SuppressionReasonHardBounce, false)
		lifted.Revision, lifted.LiftedAt, lifted.UpdatedAt = 2, epoch+1e9, epoch+1e9
		recs = append(recs, lifted)
	}
	fill(t, conn, schemas.TopicSuppressions, recs...)
	return NewAPI(APIConfig{Conn: conn})
}

func TestSuppressions(t *testing.T) {
	api := suppressed(t)
	for query, want := range map[string]int{
		"":                   10 + 4,
		"active=any":         20 + 4,
		"active=false":       10,
		"reason=hard_bounce": 10,
		"reason=unsubscribe": 4,
		"reason=complaint":   0,
		"scope=all":          10,
		"scope=list:7":       4,
		"scope=list:8":       0,
		"active=any&scope=all&since=" + rfc(epoch+10e6):                         10,
		"active=any&scope=all&updated_after=" + rfc(epoch+30e6):                 10 + 2, // lifted, 17 and 19
		"active=any&updated_after=" + rfc(epoch+1e9):                            0,
		"active=false&reason=hard_bounce&scope=all&updated_after=" + rfc(epoch): 10,
	} {
		for _, limit := range []int{3, 1000} {
			seen := map[string]Suppression{}
			path := fmt.Sprintf("/v1/suppressions?limit=%d&%s", limit, query)
			for next := path; next != ""; {
				var page SuppressionList
				ask(t, api, next, &page)
				for _, s := range page.Suppressions {
					if _, twice := seen[s.Address+s.Scope]; twice {
						t.Errorf("%s: %s %s twice", query, s.Address, s.Scope)
					}
					seen[s.Address+s.Scope] = s
				}
				if len(page.Suppressions) > limit {
					t.Errorf("%s: a page of %d", query, len(page.Suppressions))
				}
				if next = ""; page.Next != "" {
					next = path + "&after=" + page.Next
				}
			}
			if len(seen) != want {
				t.Errorf("%s in pages of %d: %d, want %d", query, limit, len(seen), want)
			}
		}
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/v1/suppressions?"+query, nil)
		r.Header.Set("Accept", "text/csv")
		api.ServeHTTP(w, r)
		rows, err := csv.NewReader(w.Body).ReadAll()
		if err != nil || len(rows) != want+1 || rows[0][0] != "address" || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/csv") {
			t.Errorf("%s as CSV: %d rows, want %d with a header: %v", query, len(rows), want+1, err)
		}
	}
	var page SuppressionList
	ask(t, api, "/v1/suppressions?active=false&limit=1", &page)
	s := page.Suppressions[0]
	if s.Active || s.LiftedAt == nil || s.LiftedAt.UnixMicro() != int64(epoch+1e9) || s.Account != "main" || s.CampaignID != "spring" || s.Since.UnixMicro() < int64(epoch) {
		t.Errorf("got %+v", s)
	}
}

func rfc(t schemas.Timestamp) string { return url.QueryEscape(t.Time().UTC().Format(time.RFC3339)) }

func TestSuppressionsCSVHasALimit(t *testing.T) {
	api := suppressed(t)
	for query, want := range map[string]int{"format=csv": 14, "format=csv&limit=5": 5} {
		w := ask(t, api, "/v1/suppressions?"+query, nil)
		if rows, err := csv.NewReader(w.Body).ReadAll(); err != nil || len(rows) != want+1 {
			t.Errorf("%s: %d rows: %v", query, len(rows), err)
		}
	}
}

func post(h http.Handler, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", path, strings.NewReader(body)))
	return w
}

func TestSuppressionCheck(t *testing.T) {
	api := suppressed(t)
	for _, c := range []struct {
		address, list string
		suppressed    bool
		found         int
	}{
		{"r1@example.org", "", true, 1},
		{" R1@Example.ORG ", "", true, 1},
		{"r2@example.org", "", false, 0},
		{"r5@example.org", "", true, 2},
		{"r10@example.org", "", false, 1},
		{"r10@example.org", "7", true, 1},
		{"r10@example.org", "8", false, 1},
		{"r99@example.org", "", false, 0}, // of another tenant
		{"nobody' OR 1=1 --", "", false, 0},
	} {
		var got SuppressionCheck
		ask(t, api, "/v1/suppressions/check?"+url.Values{"address": {c.address}, "list": {c.list}}.Encode(), &got)
		if got.Suppressed != c.suppressed || len(got.Suppressions) != c.found || got.Address != c.address {
			t.Errorf("%+v: %+v", c, got)
		}
		body, _ := json.Marshal(map[string]string{"address": c.address, "list": c.list}) // Texts never fail.
		var posted SuppressionCheck
		if w := post(api, "/v1/suppressions/check", string(body)); json.Unmarshal(w.Body.Bytes(), &posted) != nil || posted.Suppressed != c.suppressed || len(posted.Suppressions) != c.found {
			t.Errorf("%+v by POST: %d %s", c, w.Code, w.Body)
		}
	}
	w := post(api, "/v1/suppressions/check", `{"addresses":["r1@example.org","r2@example.org","R1@example.org"]}`)
	var all SuppressionChecks
	if err := json.Unmarshal(w.Body.Bytes(), &all); err != nil || len(all.Results) != 3 || !all.Results[0].Suppressed || all.Results[1].Suppressed || !all.Results[2].Suppressed {
		t.Errorf("several: %d %s", w.Code, w.Body)
	}
}

func TestSuppressionProblems(t *testing.T) {
	conn := migrated(t)
	api := NewAPI(APIConfig{Conn: conn})
	problem := func(w *httptest.ResponseRecorder, what, param string, status int) {
		t.Helper()
		var p Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != status || p.Param != param || len(p.Detail) < 10 {
			t.Errorf("%s: %d %s", what, w.Code, w.Body)
		}
	}
	for query, param := range map[string]string{
		"reason=spam":            "reason",
		"scope=7":                "scope",
		"scope=list:":            "scope",
		"active=yes":             "active",
		"since=yesterday":        "since",
		"since=9999-01-01":       "since",
		"updated_after=1":        "updated_after",
		"limit=0":                "limit",
		"limit=10001":            "limit",
		"after=!":                "after",
		"format=xml":             "format",
		"reasn=complaint":        "reasn",
		"format=csv&reason=spam": "reason",
	} {
		problem(ask(t, api, "/v1/suppressions?"+query, nil), query, param, 400)
	}
	for query, param := range map[string]string{"": "address", "address=+": "address", "adress=a": "adress"} {
		problem(ask(t, api, "/v1/suppressions/check?"+query, nil), query, param, 400)
	}
	for _, body := range []string{"", "{", "{}", `{"address":""}`, `{"address":"a","addresses":["b"]}`, `{"adress":"a"}`, `{"addresses":7}`,
		`{"addresses":["` + strings.Repeat(`a","`, 1000) + `b"]}`, `{"address":"` + strings.Repeat("a", maxCheckBody) + `"}`} {
		problem(post(api, "/v1/suppressions/check", body), body[:min(len(body), 40)], "", 400)
	}
	for range maxExports {
		api.exports <- struct{}{}
	}
	problem(ask(t, api, "/v1/suppressions?format=csv", nil), "too many exports", "", 429)
	<-api.exports
	if err := conn.Exec(t.Context(), "DROP TABLE suppressions"); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/v1/suppressions", "/v1/suppressions?format=csv", "/v1/suppressions/check?address=a"} {
		if w := ask(t, api, path, nil); w.Code != 503 {
			t.Errorf("%s without its table: %d %s", path, w.Code, w.Body)
		}
	}
}

// brokenWriter fails after the first parts.
type brokenWriter struct {
	*httptest.ResponseRecorder
	parts int
}

func (w *brokenWriter) Write(b []byte) (int, error) {
	if w.parts--; w.parts < 0 {
		return 0, context.Canceled
	}
	return w.ResponseRecorder.Write(b)
}

// TestSuppressionExportBreaksOff: half a list does not pass for a whole one, and
// leaves its place to the next.
func TestSuppressionExportBreaksOff(t *testing.T) {
	conn := migrated(t)
	var recs []schemas.Record
	for n := range 3 * exportBuffer {
		recs = append(recs, suppression(n, "all", schemas.SuppressionReasonComplaint, true))
	}
	fill(t, conn, schemas.TopicSuppressions, recs...)
	api := NewAPI(APIConfig{Conn: conn})
	func() {
		defer func() {
			if recover() != http.ErrAbortHandler {
				t.Error("it ended as if it were whole")
			}
		}()
		api.ServeHTTP(&brokenWriter{httptest.NewRecorder(), 2}, httptest.NewRequest("GET", "/v1/suppressions?format=csv", nil))
	}()
	if len(api.exports) != 0 {
		t.Error("its place is still taken")
	}
	w := ask(t, api, "/v1/suppressions?format=csv", nil)
	if rows, err := csv.NewReader(w.Body).ReadAll(); err != nil || len(rows) != len(recs)+1 {
		t.Errorf("%d rows: %v", len(rows), err)
	}
}
