package trigger

import (
	"testing"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

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
		{`message.metadata["level"] == "gold"`, false, false, 0},
		{`message.metadata["level"].size() > 3`, false, false, 1},
		{`"spring" == message.campaign_id && message.metadata.tier in ["silver", "gold"]`, true, false, 0},
		{`message.campaign_id == "spring" && event.country != "US"`, true, false, 0},
		{`message.campaign_id == "spring" && event.country != ""`, false, false, 0},
		{`message.campaign_id != "spring" && message.metadata.level != "gold"`, false, false, 0},
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
