package trigger

import (
	"math"
	"testing"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

var base = schemas.FromTime(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))

func at(d time.Duration) schemas.Timestamp { return base + schemas.Timestamp(d.Microseconds()) }

// ev is an event that arrives as it occurs.
func ev(id byte, t schemas.EventType, d time.Duration) Event {
	return Event{ID: schemas.ID{id}, Type: t, OccurredAt: at(d), ArrivedAt: at(d)}
}

func message() *Message {
	return &Message{Tenant: "default", Account: "main", MessageID: "m1", RecipientID: schemas.ID{9}, Recipient: "a@example.org", CampaignID: "spring"}
}

func TestWithin(t *testing.T) {
	const h = time.Hour
	const openOfSend = "within: {event: opened, of: send, duration: 24h}"
	const clickOfOpen = "within: {event: clicked, of: opened, duration: 1h}"
	for _, tt := range []struct {
		name   string
		rule   string
		events []Event
		want   byte // id of the evidence, 0: none
		anchor byte
		status schemas.TriggerStatus
	}{
		{name: "no events", rule: openOfSend},
		{name: "no send", rule: openOfSend, events: []Event{ev(1, opened, h)}},
		{name: "in time", rule: openOfSend, events: []Event{ev(1, delivered, 0), ev(2, opened, h)}, want: 2, anchor: 1},
		{name: "any order", rule: openOfSend, events: []Event{ev(2, opened, h), ev(1, delivered, 0)}, want: 2, anchor: 1},
		{name: "at the end", rule: openOfSend, events: []Event{ev(1, delivered, 0), ev(2, opened, 24*h)}, want: 2, anchor: 1},
		{name: "too late", rule: openOfSend, events: []Event{ev(1, delivered, 0), ev(2, opened, 24*h+time.Microsecond)}},
		{name: "same instant", rule: openOfSend, events: []Event{ev(1, delivered, 0), ev(2, opened, 0)}, want: 2, anchor: 1},
		{name: "before", rule: openOfSend, events: []Event{ev(1, delivered, h), ev(2, opened, 0)}},
		{name: "earliest open", rule: openOfSend, events: []Event{ev(1, delivered, 0), ev(3, opened, 2*h), ev(2, opened, h)}, want: 2, anchor: 1},
		{name: "tie by id", rule: openOfSend, events: []Event{ev(1, delivered, 0), ev(3, opened, h), ev(2, opened, h)}, want: 2, anchor: 1},
		{name: "machine open", rule: openOfSend, events: []Event{ev(1, delivered, 0), machine(ev(2, opened, h))}},
		{name: "machine then human", rule: openOfSend, events: []Event{ev(1, delivered, 0), machine(ev(2, opened, h)), ev(3, opened, 2*h)}, want: 3, anchor: 1},
		{name: "a machine's send", rule: openOfSend, events: []Event{machine(ev(1, queued, 0)), ev(2, opened, h)}, want: 2, anchor: 1},
		{name: "machines too", rule: openOfSend + "\nhuman_only: false", events: []Event{ev(1, delivered, 0), machine(ev(2, opened, h))}, want: 2, anchor: 1},
		{name: "send is the earliest", rule: openOfSend, events: []Event{ev(1, delivered, 20*h), ev(3, queued, 0), ev(2, opened, 30*h)}},
		{name: "delivered is any", rule: "within: {event: opened, of: delivered, duration: 1h}",
			events: []Event{ev(1, delivered, 0), ev(3, delivered, 10*h), ev(2, opened, 10*h)}, want: 2, anchor: 3},
		{name: "click of a later open", rule: clickOfOpen, events: []Event{ev(1, opened, 0), ev(2, opened, 9*h), ev(3, clicked, 9*h)}, want: 3, anchor: 2},
		{name: "click of a machine's open", rule: clickOfOpen, events: []Event{machine(ev(1, opened, 0)), ev(3, clicked, 0)}},
		{name: "second open", rule: "within: {event: opened, of: opened, duration: 1h}", events: []Event{ev(1, opened, 0)}},
		{name: "second open, there", rule: "within: {event: opened, of: opened, duration: 1h}", events: []Event{ev(1, opened, 0), ev(2, opened, 0)}, want: 1, anchor: 2},
		{name: "open from the future", rule: openOfSend,
			events: []Event{arrived(ev(1, delivered, -10*h), -10*h), arrived(ev(2, opened, 100*h), 0)}, want: 2, anchor: 1},
		{name: "send from the future", rule: openOfSend,
			events: []Event{arrived(ev(1, delivered, 50*time.Minute), 0), ev(2, opened, time.Minute)}, want: 2, anchor: 1},
		{name: "old evidence", rule: openOfSend, events: []Event{ev(1, delivered, 0), arrived(ev(2, opened, h), 50*h)},
			want: 2, anchor: 1, status: schemas.TriggerStatusExpired},
		{name: "just not old", rule: openOfSend, events: []Event{ev(1, delivered, 0), arrived(ev(2, opened, h), 49*h)}, want: 2, anchor: 1},
		{name: "late send", rule: openOfSend, events: []Event{arrived(ev(1, delivered, 0), 50*h), ev(2, opened, h)},
			want: 2, anchor: 1, status: schemas.TriggerStatusExpired},
		{name: "live before expired", rule: openOfSend, events: []Event{ev(1, delivered, 0), arrived(ev(2, opened, h), 50*h), ev(3, opened, 2*h)},
			want: 3, anchor: 1},
		{name: "live anchor before expired", rule: clickOfOpen + "\nmax_age: 1h",
			events: []Event{arrived(ev(1, opened, 0), 5*h), ev(2, opened, time.Minute), ev(3, clicked, 2*time.Minute)}, want: 3, anchor: 2},
		{name: "shadow", rule: openOfSend + "\nmode: shadow", events: []Event{ev(1, delivered, 0), ev(2, opened, h)},
			want: 2, anchor: 1, status: schemas.TriggerStatusShadow},
		{name: "condition", rule: openOfSend + "\nwhen: event.country == \"FR\"", events: []Event{ev(1, delivered, 0), ev(2, opened, h)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := mustRule(t, tt.rule)
			firings, next := r.Judge(message(), tt.events, math.MaxInt64)
			if len(firings) > 1 || len(firings) == 1 != (tt.want != 0) || next != 0 {
				t.Fatalf("%d firings, next %s, want %t", len(firings), next, tt.want != 0)
			}
			if tt.want == 0 {
				return
			}
			f := firings[0]
			if f.Evidence[1].ID[0] != tt.want || f.Anchor.ID[0] != tt.anchor || f.Status != tt.status {
				t.Errorf("evidence %d, anchor %d, %s; want %d, %d, %s", f.Evidence[1].ID[0], f.Anchor.ID[0], f.Status, tt.want, tt.anchor, tt.status)
			}
		})
	}
}
