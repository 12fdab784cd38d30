package engagement

import (
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

const discount = `
rules:
  - name: discount-24h
    within: {event: opened, of: send, duration: 24h}
    when: message.campaign_id == "spring"
    call: shop
    once_per: `

func TestTriggerRecord(t *testing.T) {
	rules := mustRules(t, discount+"message")
	h := newHarness(t, rules)
	s := &story{}
	h.process(s.event(opened, time.Hour, noCampaign))
	h.commit()
	h.process(s.event(delivered, 0, arrives(2*time.Hour), func(e *schemas.Event) { e.CustomID, e.CampaignName = "order-1", "Spring" }))
	h.commit()
	recipient := schemas.ID{7}
	id := trigger.ID("default", "discount-24h", "main\x00m1\x00"+string(recipient[:]), "once")
	want := schemas.Trigger{
		TriggerID: id, Tenant: "default", Rule: "discount-24h", RuleVersion: rules.Rules()[0].Version, Kind: "within", Occurrence: "once",
		Status: schemas.TriggerStatusFired, OncePer: "message", Account: "main", RecipientID: schemas.ID{7}, Recipient: "ada@example.org",
		CampaignID: "spring", CampaignName: "Spring", MessageID: "m1", CustomID: "order-1",
		AnchorAt: at(0), OccurredAt: at(time.Hour), ArrivedAt: at(2 * time.Hour), Endpoint: "shop",
		Evidence: []schemas.Evidence{
			{EventID: schemas.ID{2}, Type: "delivered", OccurredAt: at(0), Machine: "unknown"},
			{EventID: schemas.ID{1}, Type: "opened", OccurredAt: at(time.Hour), Machine: "unknown"}},
	}
	got := h.out.triggers[id]
	if !slices.Equal(got.Evidence, want.Evidence) {
		t.Errorf("evidence %+v", got.Evidence)
	}
	if string(got.AppendAvro(nil)) != string(want.AppendAvro(nil)) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestOncePer(t *testing.T) {
	of := func(message, campaign string, recipient byte) func(*schemas.Event) {
		return func(e *schemas.Event) {
			e.MessageID, e.CampaignID, e.RecipientID = message, campaign, schemas.ID{recipient}
			if recipient == 0 {
				e.Recipient = ""
			}
		}
	}
	rule := `rules: [{name: r, within: {event: opened, of: send, duration: 24h}, once_per: `
	for once, want := range map[string]int{"message": 6, "recipient": 2, "campaign": 3} {
		h := newHarness(t, mustRules(t, rule+once+"}]"))
		s := &story{}
		for _, m := range []func(*schemas.Event){of("m1", "spring", 1), of("m2", "spring", 1), of("m3", "autumn", 1), of("m4", "", 1),
			of("m1", "spring", 2), of("m5", "spring", 0)} {
			h.process(s.event(delivered, 0, m), s.event(opened, time.Minute, m))
			h.commit()
			h.process(s.event(opened, 2*time.Minute, m))
			h.commit()
		}
		if len(h.out.triggers) != want || h.out.fired != want {
			t.Errorf("once per %s: %d triggers, %d records, want %d", once, len(h.out.triggers), h.out.fired, want)
		}
	}
}

// An expired firing uses its key up for expired ones only.
func TestExpiredThenLive(t *testing.T) {
	for _, once := range []string{"message", "recipient"} {
		h := newHarness(t, mustRules(t, discount+once))
		s := &story{}
		h.process(s.event(delivered, 0), s.event(opened, time.Hour, arrives(100*time.Hour)))
		h.commit()
		h.process(s.event(opened, 2*time.Hour, arrives(100*time.Hour)))
		h.commit()
		if h.out.fired != 1 || statuses(h.out)[firedKey{"discount-24h", keyOf(once)}] != schemas.TriggerStatusExpired {
			t.Fatalf("once per %s: %d records, %v", once, h.out.fired, statuses(h.out))
		}
		h.process(s.event(opened, 3*time.Hour))
		h.commit()
		h.process(s.event(opened, 4*time.Hour))
		h.commit()
		if h.out.fired != 2 || statuses(h.out)[firedKey{"discount-24h", keyOf(once)}] != schemas.TriggerStatusFired {
			t.Errorf("once per %s: %d records, %v", once, h.out.fired, statuses(h.out))
		}
	}
}

func keyOf(once string) string {
	if once == "message" {
		return schemas.ID{7}.String() + "/m1"
	}
	return schemas.ID{7}.String()
}

func TestPoison(t *testing.T) {
	h := newHarness(t, nil)
	if err := h.driver.Process(&kgo.Record{Value: []byte("no event")}); !stream.IsPermanent(err) {
		t.Errorf("got %v, want a permanent error", err)
	}
}

func TestEventsWithoutMessage(t *testing.T) {
	h := newHarness(t, nil)
	s := &story{}
	h.process(s.event(schemas.EventTypeUnsubscribed, 0, func(e *schemas.Event) { e.MessageID = "" }))
	h.commit()
	if m := h.out.messages["default/main/~spring/"+schemas.ID{7}.String()]; m.MessageID != "~spring" || m.Unsubscribes != 1 {
		t.Errorf("messages %+v", h.out.messages)
	}
}

// What is passed on keeps the bytes of its input.
func TestEventIsPassedOn(t *testing.T) {
	h := newHarness(t, nil)
	e := (&story{}).event(opened, 0)
	in := record(&e)
	if err := h.driver.Process(in); err != nil {
		t.Fatal(err)
	}
	if err := h.driver.Commit(); err != nil {
		t.Fatal(err)
	}
	out := h.driver.Take(schemas.TopicEvents)
	if want := serde.Append(nil, schemas.TopicEvents, &e); len(out) != 1 || string(out[0].Value) != string(want) {
		t.Errorf("got %v", out)
	}
}
