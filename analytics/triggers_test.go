package analytics

import (
	"bufio"
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

func fired(n int, rule, campaign string, status schemas.TriggerStatus) *schemas.Trigger {
	return &schemas.Trigger{
		TriggerID: numbered(n), Tenant: "default", Rule: rule, RuleVersion: "v", Kind: "within", Status: status, OncePer: "recipient", Occurrence: "once",
		RecipientID: numbered(n % 3), Recipient: "secret@example.org", CampaignID: campaign, OccurredAt: epoch, ArrivedAt: epoch + schemas.Timestamp(n/2)*1e6,
		Evidence: []schemas.Evidence{{EventID: numbered(n), Type: "opened"}}, Endpoint: "shop",
	}
}

func TestTriggersFilteredAndPaged(t *testing.T) {
	conn := migrated(t)
	var recs []schemas.Record
	for n := range 12 {
		recs = append(recs, fired(n, []string{"a", "b"}[n%2], []string{"spring", "autumn"}[n/6], schemas.TriggerStatus(n%3)))
	}
	alarm := fired(100, "alarm", "spring", schemas.TriggerStatusFired)
	alarm.Kind, alarm.State, alarm.WindowStart, alarm.WindowEnd, alarm.Hits, alarm.Base, alarm.NotBefore = "rate", "raised", epoch, epoch+60e6, 5, 50, epoch+90e6
	alarm.RecipientID, alarm.Recipient, alarm.Evidence, alarm.Occurrence = schemas.ID{}, "", nil, "raised@7"
	other := fired(101, "a", "spring", schemas.TriggerStatusFired)
	other.Tenant = "other"
	fill(t, conn, schemas.TopicTriggers, append(recs, alarm, other)...)
	api := NewAPI(APIConfig{Conn: conn})
	for query, want := range map[string]int{
		"": 13, "rule=a": 6, "rule=c": 0, "campaign=autumn": 6, "recipient=" + numbered(1).String(): 4, "status=fired": 5, "status=shadow": 4, "rule=b&status=expired": 2,
		"since=" + rfc(epoch+3e6) + "&until=" + rfc(epoch+5e6): 4,
	} {
		seen := map[string]bool{}
		last := time.Now()
		for path := "/v1/triggers?limit=2&" + query; path != ""; {
			var page TriggerList
			w := ask(t, api, path, &page)
			if strings.Contains(w.Body.String(), "secret@") {
				t.Fatal("an address is shown")
			}
			for _, tr := range page.Triggers {
				if seen[tr.ID.String()] || tr.ArrivedAt.After(last) {
					t.Errorf("%s: %s twice, or out of order", query, tr.ID)
				}
				seen[tr.ID.String()], last = true, tr.ArrivedAt
			}
			if path = ""; page.Next != "" {
				path = "/v1/triggers?limit=2&" + query + "&after=" + page.Next
			}
		}
		if len(seen) != want {
			t.Errorf("%s: %d triggers, want %d", query, len(seen), want)
		}
	}
	var page TriggerList
	ask(t, api, "/v1/triggers?rule=alarm", &page)
	got := page.Triggers[0]
	if got.State != "raised" || got.Occurrence != "raised@7" || got.Window == nil || got.Window.Hits != 5 || got.Window.Base != 50 || got.Window.End.Sub(got.Window.Start) != time.Minute || got.NotBefore == nil {
		t.Errorf("the alarm is %+v", got)
	}
	var messages TriggerList
	ask(t, api, "/v1/triggers?rule=a&limit=1", &messages)
	if got := messages.Triggers[0]; got.Window != nil || got.NotBefore != nil || len(got.EventIDs) != 1 {
		t.Errorf("a trigger of a message is %+v", got)
	}
}

func TestDeliveriesFilteredAndInFull(t *testing.T) {
	conn := migrated(t)
	var recs []schemas.Record
	for n := range 8 {
		d := &schemas.Delivery{TriggerID: numbered(n / 2), Tenant: "default", Rule: "a", Endpoint: "shop", Action: "callback", URL: "https://shop.example/hook", RecipientID: numbered(n / 4), CampaignID: "spring",
			Attempt: int32(n%2) + 1, AttemptedAt: epoch + schemas.Timestamp(n)*1e6, Status: schemas.DeliveryStatusRetrying, StatusCode: 500, RequestMethod: "POST",
			RequestHeaders: map[string]string{"Webhook-Id": "x", "Webhook-Signature": "***"}, RequestBody: `{"n":1}`, ResponseHeaders: map[string]string{"Server": "s"}, Response: "no"}
		if n%2 == 1 {
			d.Status, d.StatusCode, d.Manual = schemas.DeliveryStatusSucceeded, 204, true
		}
		recs = append(recs, d)
	}
	recs = append(recs, &schemas.Delivery{Tenant: "default", Endpoint: "shop", AttemptedAt: epoch, Status: schemas.DeliveryStatusDisabled})
	fill(t, conn, schemas.TopicDeliveries, recs...)
	api := NewAPI(APIConfig{Conn: conn})
	for query, want := range map[string]int{
		"": 9, "rule=a": 8, "endpoint=shop": 9, "endpoint=x": 0, "status=succeeded": 4, "status=disabled": 1, "campaign=spring": 8,
		"trigger=" + numbered(1).String(): 2, "recipient=" + numbered(1).String(): 4, "since=" + rfc(epoch+6e6): 2, "until=" + rfc(epoch+1e6): 2,
	} {
		n := 0
		for path := "/v1/deliveries?limit=3&" + query; path != ""; {
			var page DeliveryList
			ask(t, api, path, &page)
			n += len(page.Deliveries)
			if path = ""; page.Next != "" {
				path = "/v1/deliveries?limit=3&" + query + "&after=" + page.Next
			}
		}
		if n != want {
			t.Errorf("%s: %d attempts, want %d", query, n, want)
		}
	}
	var detail DeliveryDetail
	ask(t, api, "/v1/deliveries/"+numbered(1).String(), &detail)
	if detail.Status != "succeeded" || detail.Endpoint != "shop" || len(detail.Attempts) != 2 || detail.Attempts[0].Attempt != 1 || !detail.Attempts[1].Manual {
		t.Fatalf("got %+v", detail)
	}
	if first := detail.Attempts[0]; first.Request.Method != "POST" || first.Request.Headers["Webhook-Signature"] != "***" || first.Request.Body != `{"n":1}` || first.Response.Headers["Server"] != "s" || first.Response.Body != "no" {
		t.Errorf("the first attempt is %+v", first)
	}
	if w := ask(t, api, "/v1/deliveries/"+numbered(77).String(), nil); w.Code != 404 {
		t.Errorf("of a trigger without a call: %d %s", w.Code, w.Body)
	}
	if w := ask(t, api, "/v1/deliveries/77", nil); w.Code != 400 {
		t.Errorf("of what is no id: %d %s", w.Code, w.Body)
	}
}

func TestTriggerProblems(t *testing.T) {
	api := NewAPI(APIConfig{Conn: migrated(t)})
	for path, param := range map[string]string{
		"triggers?status=live": "status", "triggers?recipient=7": "recipient", "triggers?since=x": "since", "triggers?since=2026-02-02&until=2026-02-01": "until", "triggers?after=x": "after", "triggers?rul=a": "rul",
		"triggers/tail?status=live": "status", "triggers/tail?since=2026-01-01": "since",
		"deliveries?status=done": "status", "deliveries?trigger=x": "trigger", "deliveries?recipient=x": "recipient", "deliveries?limit=x": "limit", "deliveries?x=1": "x",
		"rules?x=1": "x",
	} {
		w := ask(t, api, "/v1/"+path, nil)
		var p Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != 400 || p.Param != param || len(p.Detail) < 10 {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestRules(t *testing.T) {
	conn := migrated(t)
	now := schemas.FromTime(time.Now())
	var recs []schemas.Record
	for n, hours := range []int{1, 2, 30, 200} {
		tr := fired(n, "discount", "spring", schemas.TriggerStatusFired)
		tr.ArrivedAt = now - schemas.Timestamp(time.Duration(hours)*time.Hour/time.Microsecond)
		recs = append(recs, tr)
	}
	gone := fired(9, "gone", "spring", schemas.TriggerStatusShadow)
	gone.ArrivedAt = now - 1e6
	fill(t, conn, schemas.TopicTriggers, append(recs, gone)...)
	api := NewAPI(APIConfig{Conn: conn,
		Rules: func() []Rule {
			return []Rule{{"quiet", "rate", "1", "shadow", ""}, {"discount", "within", "2", "live", "shop"}}
		},
		Paused: func(rule string) *Pause {
			if rule == "discount" {
				return &Pause{By: "ann", Reason: "sold out"}
			}
			return nil
		}})
	var list RuleList
	ask(t, api, "/v1/rules", &list)
	var got []string
	for _, r := range list.Rules {
		got = append(got, strings.TrimSuffix(fmt.Sprintln(r.Name, r.Version, r.Configured, r.Mode, r.Paused != nil, r.Last24h, r.Last7d, r.LastFiredAt != nil), "\n"))
	}
	want := "discount 2 true live true map[fired:2] map[fired:3] true; gone v false  false map[shadow:1] map[shadow:1] true; quiet 1 true shadow false map[] map[] false"
	if got := strings.Join(got, "; "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// follow opens the tail of triggers and returns what comes, a line at a time.
func follow(t *testing.T, server *httptest.Server, query string) *bufio.Scanner {
	t.Helper()
	return followPath(t, server, "/v1/triggers/tail?"+query)
}

// followPath opens a stream and returns what comes, a line at a time.
func followPath(t *testing.T, server *httptest.Server, path string) *bufio.Scanner {
	t.Helper()
	resp, err := http.Get(server.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("following: %s", resp.Status)
	}
	lines := bufio.NewScanner(resp.Body)
	next(t, lines, ": from now on")
	return lines
}

// next reads up to a line that begins so and returns its rest.
func next(t *testing.T, lines *bufio.Scanner, prefix string) string {
	t.Helper()
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), prefix); ok {
			return rest
		}
	}
	t.Fatalf("the stream ended before %q: %v", prefix, lines.Err())
	return ""
}

func TestTriggersTail(t *testing.T) {
	conn := migrated(t)
	now := schemas.FromTime(time.Now())
	add := func(offset int, rule string) {
		t.Helper()
		tr := fired(offset, rule, "spring", schemas.TriggerStatusFired)
		tr.ArrivedAt = now
		addAt(t, conn, schemas.TopicTriggers, "triggers", int64(offset), tr)
	}
	add(0, "a")
	api := NewAPI(APIConfig{Conn: conn, tailInterval: 20 * time.Millisecond, heartbeat: 50 * time.Millisecond})
	server := httptest.NewServer(api)
	defer server.Close()
	defer api.Close()
	all, some := follow(t, server, ""), follow(t, server, url.Values{"rule": {"b"}}.Encode())
	want := func(lines *bufio.Scanner, offset int) {
		t.Helper()
		var tr Trigger
		if err := json.Unmarshal([]byte(next(t, lines, "data: ")), &tr); err != nil || tr.ID.String() != numbered(offset).String() {
			t.Fatalf("got %s, want %s: %v", tr.ID, numbered(offset), err)
		}
	}
	add(1, "a")
	want(all, 1)
	next(t, all, ": heartbeat")
	add(2, "b")
	want(all, 2)
	want(some, 2)
	add(3, "a")
	add(4, "b")
	want(some, 4)
	want(all, 3)
	want(all, 4)

	// Another generation goes live: what it has derived already is not news.
	if err := CreateTables(t.Context(), conn, 2, 1); err != nil {
		t.Fatal(err)
	}
	old := fired(50, "a", "spring", schemas.TriggerStatusFired)
	old.ArrivedAt = now
	addAt(t, conn, schemas.TopicTriggers, "triggers_2", 50, old)
	if err := Expose(t.Context(), conn, 2); err != nil {
		t.Fatal(err)
	}
	next(t, all, ": another generation is live")
	fresh := fired(51, "a", "spring", schemas.TriggerStatusFired)
	fresh.ArrivedAt = now
	addAt(t, conn, schemas.TopicTriggers, "triggers_2", 51, fresh)
	want(all, 51)

	// A service that stops ends them all, and takes no more.
	for len(api.tails) < maxTails {
		api.tails <- struct{}{}
	}
	if w := ask(t, api, "/v1/triggers/tail", nil); w.Code != 429 || w.Header().Get("Retry-After") == "" {
		t.Errorf("one too many: %d %s", w.Code, w.Body)
	}
	api.Close()
	for all.Scan() {
	}
	if err := all.Err(); err != nil {
		t.Errorf("the end: %v", err)
	}
}

// TestTriggersTailTellsProblems: a database that fails ends the stream with word
// of it, and not in silence.
func TestTriggersTailTellsProblems(t *testing.T) {
	conn := migrated(t)
	api := NewAPI(APIConfig{Conn: conn, tailInterval: 20 * time.Millisecond, heartbeat: time.Hour})
	server := httptest.NewServer(api)
	defer server.Close()
	lines := follow(t, server, "")
	if err := conn.Exec(t.Context(), "DROP TABLE triggers SYNC"); err != nil {
		t.Fatal(err)
	}
	next(t, lines, "event: problem")
	for lines.Scan() {
	}
	if w := ask(t, api, "/v1/triggers/tail", nil); w.Code != 503 {
		t.Errorf("without its table: %d", w.Code)
	}
}
