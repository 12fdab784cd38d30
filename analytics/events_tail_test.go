package analytics

import (
	"bufio"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/posthorn/posthorn/schemas"
)

// arrived makes the n-th event as one that arrived so long ago.
func arrived(n int, ago time.Duration) *schemas.Event {
	e := event(n)
	e.Recipient, e.RecipientDomain = "ann@example.org", "example.org"
	e.ArrivedAt = schemas.FromTime(time.Now().Add(-ago))
	e.ReceivedAt = e.ArrivedAt
	return e
}

func addEvents(t *testing.T, conn driver.Conn, offset int, events ...*schemas.Event) {
	t.Helper()
	recs := make([]schemas.Record, len(events))
	for i := range events {
		recs[i] = events[i]
	}
	fillFrom(t, conn, schemas.TopicEvents, offset, recs...)
}

// nextEvent reads the next event, and checks that it is the n-th.
func nextEvent(t *testing.T, lines *bufio.Scanner, n int) {
	t.Helper()
	data := next(t, lines, "data: ")
	var e Event
	if err := json.Unmarshal([]byte(data), &e); err != nil || e.ID != uuid.UUID(numbered(n)) || strings.Contains(data, "ann@") {
		t.Fatalf("got %s, want event %d: %v", data, n, err)
	}
}

func TestEventsTail(t *testing.T) {
	conn := migrated(t)
	addEvents(t, conn, 0, arrived(1, 10*time.Second), arrived(2, 90*time.Second))
	api := NewAPI(APIConfig{Conn: conn, tailInterval: 20 * time.Millisecond, heartbeat: 50 * time.Millisecond})
	server := httptest.NewServer(api)
	defer server.Close()
	defer api.Close()
	all := followPath(t, server, "/v1/events/tail")
	some := followPath(t, server, "/v1/events/tail?type=clicked,complained&campaign=3&provider=mailjet")
	wanted := arrived(10, 0) // campaign 3
	wanted.Type = schemas.EventTypeClicked
	addEvents(t, conn, 2, arrived(3, time.Second), wanted)
	nextEvent(t, all, 3)
	nextEvent(t, all, 10)
	nextEvent(t, some, 10)
	next(t, all, ": heartbeat")

	// What arrived long before the newest is not shown, nor are more than 100 at once.
	addEvents(t, conn, 4, arrived(11, 2*time.Hour))
	var burst []*schemas.Event
	for n := range 250 {
		burst = append(burst, arrived(1000+n, time.Duration(250-n)*time.Millisecond))
	}
	addEvents(t, conn, 5, burst...)
	next(t, all, "event: skipped")
	if left := next(t, all, "data: "); left != `{"events":150}` {
		t.Errorf("left out: %s", left)
	}
	for n := 150; n < 250; n++ {
		nextEvent(t, all, 1000+n)
	}
	last := arrived(17, 0) // campaign 3 too
	last.Type = schemas.EventTypeComplained
	addEvents(t, conn, 255, last)
	nextEvent(t, some, 17)
	nextEvent(t, all, 17)
}

// TestEventsTailBegins: where nothing came lately, older events are found so that
// they are not taken for new.
func TestEventsTailBegins(t *testing.T) {
	conn := migrated(t)
	addEvents(t, conn, 0, arrived(1, 30*time.Minute), arrived(2, 3*time.Hour))
	api := NewAPI(APIConfig{Conn: conn})
	f := &follower{API: api, followed: followed{table: "events", ages: tailEventAges, slack: tailEventSlack, received: true, look: latestEvents}}
	f.filter.add("tenant = ?", "default")
	if err := f.locate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if f.positions[0] != 0 || time.Since(f.newest) < 29*time.Minute || time.Since(f.since(f.newest)) > 32*time.Minute {
		t.Errorf("at %v, newest %v, from %v", f.positions, f.newest, f.since(f.newest))
	}
	addEvents(t, conn, 2, arrived(3, 30*time.Minute), arrived(4, 32*time.Minute))
	found, err := f.fresh(t.Context())
	if err != nil || len(found) != 1 || found[0].id != uuid.UUID(numbered(3)) {
		t.Errorf("%v %v", found, err)
	}
	if again, err := f.fresh(t.Context()); err != nil || len(again) != 0 {
		t.Errorf("shown again: %v %v", again, err)
	}
}
