package analytics

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/posthorn/posthorn/schemas"
)

// TestRecipient pages through a timeline in which events share an instant, beside
// other recipients'.
func TestRecipient(t *testing.T) {
	conn := migrated(t)
	who := numbered(7)
	var recs []schemas.Record
	for i := range 25 {
		e := event(97*i + 7) // of recipient 7
		if e.OccurredAt = epoch + schemas.Timestamp(i/3)*1e6; i%5 == 0 {
			e.Type, e.URL, e.Recipient = schemas.EventTypeClicked, "https://example.org/a?email=ann@example.org", "ann@example.org"
		}
		recs = append(recs, e, event(97*i+8))
	}
	fill(t, conn, schemas.TopicEvents, recs...)
	message := func(id string, revision int64, opens int64) *schemas.Message {
		return &schemas.Message{Tenant: "default", Account: "acc", MessageID: id, RecipientID: who, CampaignID: "c", Opens: opens, Revision: revision,
			Outcome: schemas.OutcomeDelivered, DeliveredAt: epoch, FirstEventAt: epoch, LastEventAt: epoch + schemas.Timestamp(revision), LastArrivedAt: epoch}
	}
	fillFrom(t, conn, schemas.TopicMessages, 7, message("m1", 3, 3), message("m2", 9, 5))
	fill(t, conn, schemas.TopicMessages, message("m1", 2, 2)) // an earlier record, read again
	trigger := fired(1, "discount", "c", schemas.TriggerStatusFired)
	trigger.RecipientID = who
	fill(t, conn, schemas.TopicTriggers, trigger, fired(2, "discount", "c", schemas.TriggerStatusFired))
	fill(t, conn, schemas.TopicDeliveries,
		&schemas.Delivery{TriggerID: trigger.TriggerID, Tenant: "default", Rule: "discount", AttemptedAt: epoch, StatusCode: 204},
		&schemas.Delivery{TriggerID: numbered(2), Tenant: "default", Rule: "discount", AttemptedAt: epoch, StatusCode: 500})
	fill(t, conn, schemas.TopicSuppressions, &schemas.Suppression{Tenant: "default", RecipientID: who, Recipient: "ann@example.org", Scope: "list:3", Active: true, Since: epoch, UpdatedAt: epoch})
	for _, n := range []int{2, 1} { // two parts that are not merged
		if err := conn.Exec(t.Context(), `INSERT INTO recipients (tenant, recipient_id, recipient_domain, messages, delivered, human_opened, first_event_at, last_event_at, last_opened_at)
SELECT 'default', ?, 'example.org', ?, 1, 1, fromUnixTimestamp(?), fromUnixTimestamp(?), fromUnixTimestamp(?)`, uuid.UUID(who), n, 1000*n, 1000*n, 3000*(2-n)); err != nil {
			t.Fatal(err)
		}
	}
	api := NewAPI(APIConfig{Conn: conn})
	var first Recipient
	path := "/v1/recipients/" + who.String()
	w := ask(t, api, path+"?limit=10", &first)
	if strings.Contains(w.Body.String(), "ann@") || strings.Contains(w.Body.String(), "ann%40") {
		t.Errorf("an address is shown: %s", w.Body)
	}
	if s := first.Summary; s == nil || s.Counters["messages"] != 3 || s.Counters["delivered"] != 2 || *s.Rates["human_opened"] != 1 || s.Domain != "example.org" ||
		s.FirstEventAt.Unix() != 1000 || s.LastEventAt.Unix() != 2000 || s.LastOpenedAt.Unix() != 3000 || s.LastClickedAt != nil || s.LastSentAt != nil {
		t.Errorf("summary %+v", first.Summary)
	}
	if _, ok := first.Summary.Counters["deferred"]; ok || first.Summary.Rates["deferred"] != nil {
		t.Error("what is not counted by recipient is 0")
	}
	if m := first.Messages; len(m) != 2 || m[0].MessageID != "m2" || m[1].Opens != 3 || m[1].Outcome != "delivered" || m[1].DeliveredAt == nil || m[1].BouncedAt != nil {
		t.Errorf("messages %+v", m)
	}
	if len(first.Triggers) != 1 || len(first.Deliveries) != 1 || first.Deliveries[0].StatusCode != 204 || len(first.Suppressions) != 1 || first.Suppressions[0].Scope != "list:3" {
		t.Errorf("%+v\n%+v\n%+v", first.Triggers, first.Deliveries, first.Suppressions)
	}
	seen := map[uuid.UUID]bool{}
	events, page := first.Events, first
	for pages := 1; page.Next != ""; pages++ {
		var more Recipient
		ask(t, api, path+"?limit=10&after="+page.Next, &more)
		if events, page = append(events, more.Events...), more; more.Messages != nil || more.Summary != nil || pages > 3 {
			t.Fatalf("page %d: %+v", pages, more)
		}
	}
	for i, e := range events {
		if seen[e.ID] = true; i > 0 && e.OccurredAt.After(events[i-1].OccurredAt) {
			t.Errorf("event %d is later than the one before", i)
		}
	}
	if len(events) != 25 || len(seen) != 25 {
		t.Errorf("%d events, %d of them different", len(events), len(seen))
	}
	var some Recipient
	ask(t, api, path+"?"+url.Values{"since": {epoch.Time().Add(2 * time.Second).Format(time.RFC3339)}, "until": {epoch.Time().Add(3 * time.Second).Format(time.RFC3339)}}.Encode(), &some)
	if len(some.Events) != 3 {
		t.Errorf("within a second: %d events", len(some.Events))
	}
	if rows := first.sheet(); len(rows.rows) != 10 || rows.next != first.Next || rows.check() != nil {
		t.Errorf("rows %v", rows.check())
	}
}

// TestRecipientByIndex: the indexes lead to a recipient, whatever the order of the
// tables is.
func TestRecipientByIndex(t *testing.T) {
	conn := migrated(t)
	for _, c := range []struct{ table, index, column, rows string }{
		{"events", "recipient", "recipient_id", "(tenant, campaign_id, occurred_at, received_at, arrived_at, recipient_id) SELECT 'default', 'c', now64(6), now64(6), now64(6), generateUUIDv4()"},
		{"messages", "recipient", "recipient_id", "(tenant, message_id, recipient_id) SELECT 'default', toString(number), generateUUIDv4()"},
		{"triggers", "recipient", "recipient_id", "(tenant, arrived_at, recipient_id) SELECT 'default', now64(6), generateUUIDv4()"},
		{"deliveries", "trigger", "trigger_id", "(tenant, attempted_at, trigger_id) SELECT 'default', now64(6), generateUUIDv4()"},
	} {
		table, index, column := c.table, c.index, c.column
		if err := conn.Exec(t.Context(), "INSERT INTO "+table+" "+c.rows+" FROM numbers(200000)"); err != nil {
			t.Fatal(err)
		}
		rows, err := conn.Query(t.Context(), fmt.Sprintf("EXPLAIN indexes = 1 SELECT count() FROM %s WHERE tenant = 'default' AND %s = ?", table, column), uuid.New())
		if err != nil {
			t.Fatal(err)
		}
		var plan strings.Builder
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				t.Fatal(err)
			}
			plan.WriteString(line + "\n")
		}
		_ = rows.Close()
		if _, skip, ok := strings.Cut(plan.String(), "Name: "+index+"\n"); !ok || strings.Count(skip, "Granules: ") == 0 || strings.Contains(skip, "Granules: 25/25") {
			t.Errorf("%s is read without its index:\n%s", table, plan.String())
		}
	}
}

// TestLookUpRecipient: an address leads to its id, and is in no log and no answer.
func TestLookUpRecipient(t *testing.T) {
	var log bytes.Buffer
	secret := []byte("0123456789abcdef")
	api := NewAPI(APIConfig{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		RecipientID: func(address string) uuid.UUID { return uuid.UUID(schemas.RecipientID(secret, address)) }})
	post := func(h *API, body string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", "/v1/recipients/lookup", strings.NewReader(body)))
		return w
	}
	var found RecipientLookup
	w := post(api, `{"address": " Ann@Example.org "}`)
	if err := json.Unmarshal(w.Body.Bytes(), &found); err != nil || found.ID.String() != schemas.RecipientID(secret, "ann@example.org").String() {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for _, body := range []string{`{"ann@example.org": 1}`, `{"address": "ann"}`, `{"address": "ann@example.org"`, `ann@example.org`, ``, `{"address":"ann@example.org` + strings.Repeat(" ", maxLookupBody) + `"}`} {
		w := post(api, body)
		if w.Code != 400 || strings.Contains(strings.ReplaceAll(w.Body.String(), `\"ann@example.org\"`, ""), "ann") {
			t.Errorf("%.40s: %d %s", body, w.Code, w.Body)
		}
	}
	if w := post(NewAPI(APIConfig{}), `{"address": "ann@example.org"}`); w.Code != 501 || !strings.Contains(w.Body.String(), "recipient_secret") {
		t.Errorf("without the secret: %d %s", w.Code, w.Body)
	}
	if log.Len() > 0 {
		t.Errorf("logged: %s", log.String())
	}
}
