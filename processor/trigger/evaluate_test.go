package trigger

import (
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

func TestEvaluate(t *testing.T) {
	const h = time.Hour
	machine := func(e Event) Event { e.Machine = schemas.MachineMachine; return e }
	arrived := func(e Event, d time.Duration) Event { e.ArrivedAt = at(d); return e }
	const (
		delivered = schemas.EventTypeDelivered
		queued    = schemas.EventTypeQueued
		opened    = schemas.EventTypeOpened
		clicked   = schemas.EventTypeClicked
	)
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
			f, ok := r.Evaluate(message(), tt.events)
			if ok != (tt.want != 0) {
				t.Fatalf("fired %t, want %t", ok, tt.want != 0)
			}
			if ok && (f.Evidence[1].ID[0] != tt.want || f.Anchor.ID[0] != tt.anchor || f.Status != tt.status) {
				t.Errorf("evidence %d, anchor %d, %s; want %d, %d, %s", f.Evidence[1].ID[0], f.Anchor.ID[0], f.Status, tt.want, tt.anchor, tt.status)
			}
			if ok && !r.Possible(tt.events) {
				t.Error("not possible, but fired")
			}
		})
	}
}

func TestConditions(t *testing.T) {
	e := ev(1, schemas.EventTypeClicked, time.Hour)
	e.URL, e.Machine = "https://shop.example/sale?x=1", schemas.MachineProxy
	full := message()
	full.Tags, full.Metadata, full.SentAt = []string{"vip"}, map[string]string{"tier": "gold"}, base
	bare := &Message{Tenant: "default", Account: "main", MessageID: "m1"}
	for _, tt := range []struct {
		when       string
		full, bare bool
		failures   uint64
	}{
		{`true`, true, true, 0},
		{`event.type == "clicked" && event.machine == "proxy"`, true, true, 0},
		{`event.url.startsWith("https://shop.example/") && event.url.matches("x=[0-9]+")`, true, true, 0},
		{`event.country == "" && event.list_id == "" && event.bounce_class == "" && event.reject_reason == ""`, true, true, 0},
		{`!event.time_suspect && event.occurred_at > timestamp("2026-03-01T12:00:00Z")`, true, true, 0},
		{`event.occurred_at - message.sent_at <= duration("1h")`, true, false, 0},
		{`message.campaign_id == "spring"`, true, false, 0},
		{`message.campaign_id != "autumn"`, true, false, 0},
		{`message.campaign_id == ""`, false, false, 0},
		{`!(message.campaign_id == "autumn")`, true, false, 0},
		{`message.campaign_id == "spring" || event.type == "clicked"`, true, true, 0},
		{`"vip" in message.tags`, true, false, 0},
		{`!("vip" in message.tags)`, false, false, 0},
		{`message.tags.exists(t, t.startsWith("v"))`, true, false, 0},
		{`message.metadata["tier"] == "gold" && message.metadata.tier == "gold"`, true, false, 0},
		{`message.metadata["level"] == "gold"`, false, false, 1},
		{`"level" in message.metadata && message.metadata["level"] == "gold"`, false, false, 0},
		{`int(event.url) > 3`, false, false, 2},
		{`message.account == "main" && message.tenant == "default"`, true, true, 0},
	} {
		r := mustRule(t, "within: {event: clicked, of: send, duration: 1h}\nwhen: '"+tt.when+"'")
		if got := r.Holds(full, &e); got != tt.full {
			t.Errorf("%s: %t with all facts, want %t", tt.when, got, tt.full)
		}
		if got := r.Holds(bare, &e); got != tt.bare {
			t.Errorf("%s: %t with facts missing, want %t", tt.when, got, tt.bare)
		}
		if got := r.Failures(); got != tt.failures {
			t.Errorf("%s: %d failures, want %d", tt.when, got, tt.failures)
		}
	}
}

func TestConditionCostIsLimited(t *testing.T) {
	m := message()
	for range 200 {
		m.Tags = append(m.Tags, "x")
	}
	r := mustRule(t, "within: {event: opened, of: send, duration: 1h}\nwhen: message.tags.all(a, message.tags.all(b, message.tags.all(c, a == b && b == c)))")
	e := ev(1, schemas.EventTypeOpened, 0)
	if r.Holds(m, &e) || r.Failures() != 1 {
		t.Errorf("holds, or %d failures; want a failure", r.Failures())
	}
}

func TestOnceKeyAndID(t *testing.T) {
	anonymous, other := message(), message()
	anonymous.Recipient = ""
	other.CampaignID = ""
	for _, tt := range []struct {
		once                       string
		known, anonymous, campaign bool
	}{
		{"message", true, true, true},
		{"recipient", true, false, true},
		{"campaign", true, false, false},
	} {
		r := mustRule(t, "within: {event: opened, of: send, duration: 1h}\nonce_per: "+tt.once)
		_, a := r.OnceKey(message())
		_, b := r.OnceKey(anonymous)
		_, c := r.OnceKey(other)
		if a != tt.known || b != tt.anonymous || c != tt.campaign {
			t.Errorf("%s: %t %t %t", tt.once, a, b, c)
		}
	}
	if ID("a", "bc", "k", "once") == ID("ab", "c", "k", "once") {
		t.Error("ids do not tell tenant and rule apart")
	}
	// An id is for ever: it is what keeps a call from being made twice.
	if got, want := ID("default", "discount-24h", "key", "once").String(), "4f516205-ac15-92b1-74a5-ba86a7155753"; got != want {
		t.Errorf("id %s, want %s", got, want)
	}
}

func BenchmarkEvaluate(b *testing.B) {
	r := mustRule(b, "within: {event: opened, of: send, duration: 24h}\nwhen: event.machine != \"machine\" && message.campaign_id == \"spring\"")
	m := message()
	events := []Event{ev(1, schemas.EventTypeDelivered, 0), ev(2, schemas.EventTypeOpened, time.Hour)}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := r.Evaluate(m, events); !ok {
			b.Fatal("did not fire")
		}
	}
}
