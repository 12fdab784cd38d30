package provider

import (
	"testing"

	"github.com/posthorn/posthorn/schemas"
)

func TestNativeType(t *testing.T) {
	for name, want := range map[string]schemas.EventType{
		"opened": schemas.EventTypeOpened, "open": schemas.EventTypeOpened, "email.opened": schemas.EventTypeOpened, "Email Opened": schemas.EventTypeOpened,
		"EmailOpened": schemas.EventTypeOpened, "message_open": schemas.EventTypeOpened, "email:message:click": schemas.EventTypeClicked, "Email Link Clicked": schemas.EventTypeClicked,
		"hard_bounce": schemas.EventTypeBounced, "hardBounce": schemas.EventTypeBounced, "bounced.soft": schemas.EventTypeBounced, "bounce.blocked": schemas.EventTypeBounced, "spam.bounce": schemas.EventTypeBounced,
		"email.delivery_delayed": schemas.EventTypeDeferred, "delivery_failed": schemas.EventTypeFailed, "not_delivered": schemas.EventTypeUnknown,
		"Email Marked as Spam": schemas.EventTypeComplained, "spam": schemas.EventTypeComplained, "unsub": schemas.EventTypeUnsubscribed, "resubscribed": schemas.EventTypeSubscribed,
		"dropped": schemas.EventTypeRejected, "processed": schemas.EventTypeQueued, "sent": schemas.EventTypeSent, "auto-reply": schemas.EventTypeAutoresponded,
		"email": schemas.EventTypeUnknown, ".": schemas.EventTypeUnknown, "unknown": schemas.EventTypeUnknown, "user.created": schemas.EventTypeUnknown,
		"a.b.c.d.e.f.g.h.opened": schemas.EventTypeUnknown,
	} {
		if got, _ := nativeType(name); got != want {
			t.Errorf("%q is %s, want %s", name, got, want)
		}
	}
	for i := range 14 { // Every type goes by its own name.
		kind := schemas.EventType(i)
		if got, _ := nativeType(kind.String()); got != kind {
			t.Errorf("%q is %s", kind, got)
		}
	}
	for name, want := range map[string]string{"hard_bounce": "hard", "softbounced": "soft", "bounced.permanent": "hard", "bounce.blocked": "block", "bounce": "", "opened.hard": ""} {
		if _, got := nativeType(name); got != want {
			t.Errorf("%q is of class %q, want %q", name, got, want)
		}
	}
}

func TestNative(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       schemas.Event
	}{
		{"every field", `{"type":"bounced","recipient":"ann@example.com","message_id":9007199254740993,"occurred_at":"2026-03-01T10:00:00.5Z","event_id":"ev-1","campaign_id":7,"campaign_name":"Spring",
			"contact_id":"c","list_id":"l","custom_id":"u","message_uuid":"mu","rfc_message_id":"<r@example.com>","tags":["a","b"],"metadata":{"order":7},"url":"https://example.com/","link_index":2,
			"ip":"192.0.2.1","user_agent":"Lynx","country":"at","region":"Tyrol","city":"Hall","client_name":"Lynx","client_os":"Linux","device_type":"desktop","machine":"proxy","machine_reasons":["x"],
			"first":true,"bounce_class":"block","reject_reason":"spam","description":"no","smtp_code":554,"smtp_enhanced":"5.7.1","mta_response":"554 5.7.1 no","complaint_source":"fbl","attempt":3}`,
			schemas.Event{Type: schemas.EventTypeBounced, ProviderType: "bounced", MessageID: "9007199254740993", OccurredAt: 1772359200500000, OccurredPrecisionMS: 1, ProviderEventID: "ev-1",
				CampaignID: "7", CampaignName: "Spring", ContactID: "c", ListID: "l", CustomID: "u", MessageUUID: "mu", RFCMessageID: "<r@example.com>", Tags: []string{"a", "b"},
				Metadata: map[string]string{"order": "7"}, URL: "https://example.com/", LinkIndex: 2, IP: "192.0.2.1", UserAgent: "Lynx", Country: "AT", Region: "Tyrol", City: "Hall",
				ClientName: "Lynx", ClientOS: "Linux", DeviceType: "desktop", Machine: schemas.MachineProxy, MachineReasons: []string{"x"}, First: true, BounceClass: "block", RejectReason: "spam",
				Description: "no", SMTPCode: 554, SMTPEnhanced: "5.7.1", MTAResponse: "554 5.7.1 no", ComplaintSource: "fbl", Attempt: 3}},
		{"other names", `{"event":"email.clicked","email":"ann@example.com","messageId":"m","time":1772359200,"link":"https://example.com/","ipAddress":"192.0.2.1","userAgent":"curl/8","bot":true,"tag":"x","id":"e"}`,
			schemas.Event{Type: schemas.EventTypeClicked, ProviderType: "email.clicked", MessageID: "m", ProviderEventID: "e", OccurredAt: 1772359200000000, OccurredPrecisionMS: 1000, URL: "https://example.com/",
				IP: "192.0.2.1", Machine: schemas.MachineMachine, MachineReasons: []string{"sender"}, Tags: []string{"x"}}},
		{"milliseconds, and id is the message", `{"type":"open","to":["Ann <ann@example.com>","bob@example.org"],"id":"m","timestamp":1772359200250}`,
			schemas.Event{Type: schemas.EventTypeOpened, ProviderType: "open", MessageID: "m", OccurredAt: 1772359200250000, OccurredPrecisionMS: 1, RecipientAmbiguous: true}},
		{"envelope", `{"type":"email.opened","id":"evt","timestamp":"2026-03-01T10:00:00Z","data":{"type":"html","created_at":"2026-02-01T00:00:00Z","id":"m","email":"ann@example.com"}}`,
			schemas.Event{Type: schemas.EventTypeOpened, ProviderType: "email.opened", MessageID: "m", ProviderEventID: "evt", OccurredAt: 1772359200000000}},
		{"data knows the time better", `{"type":"email.opened","timestamp":"2026-03-01T11:00:00Z","data":{"occurred_at":"2026-03-01 10:00:00","email":"ann@example.com"}}`,
			schemas.Event{Type: schemas.EventTypeOpened, ProviderType: "email.opened", OccurredAt: 1772359200000000}},
		{"class from the code", `{"type":"bounce","email":"ann@example.com","reason":"450 4.2.2 full"}`,
			schemas.Event{Type: schemas.EventTypeBounced, ProviderType: "bounce", BounceClass: "soft", RejectReason: "bounced", SMTPCode: 450, SMTPEnhanced: "4.2.2"}},
		{"a reason of ours", `{"type":"dropped","email":"ann@example.com","reason":"Unsubscribed"}`,
			schemas.Event{Type: schemas.EventTypeRejected, ProviderType: "dropped", RejectReason: "unsubscribed", Description: "Unsubscribed"}},
		{"nulls leave the place to others", `{"type":null,"event":"click","recipient":"","email":"ann@example.com","url":null,"link":"u"}`,
			schemas.Event{Type: schemas.EventTypeClicked, ProviderType: "click", URL: "u"}},
		{"odd fields cost themselves", `{"type":"delivered","email":"ann@example.com","occurred_at":[],"ip":"x","smtp_code":"many","attempt":-1,"link_index":1.5,"machine":{},"metadata":7,"country":"EU"}`,
			schemas.Event{Type: schemas.EventTypeDelivered, ProviderType: "delivered", Metadata: map[string]string{"payload": "7"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := events(t, JSON{}, hook(JSON{}, "application/json", c.body))
			if len(got) != 1 {
				t.Fatalf("%d events", len(got))
			}
			c.want.Recipient = "ann@example.com"
			expect(t, got[0], c.want)
		})
	}
	for _, body := range []string{`{}`, `{"type":"opened"}`, `{"email":"ann@example.com"}`, `{"type":[],"email":"a@b"}`, `7`, `[null]`, ``} {
		if got := outcomes(t, JSON{}, hook(JSON{}, "", body)); len(got) != 1 || got[0].err == nil {
			t.Errorf("%s gives %+v, want one refusal", body, got)
		}
	}
}

// TestNativeNames: each name is written as foldName writes it, and fits its buffer.
func TestNativeNames(t *testing.T) {
	seen := map[nativeField]bool{}
	for name, slot := range nativeSlots {
		seen[slot.field] = true
		if len(name) >= 32 {
			t.Errorf("%s is too long", name)
		}
	}
	if len(seen) != int(nativeFieldCount) {
		t.Errorf("%d of %d fields have names", len(seen), nativeFieldCount)
	}
}

// TestNativeID: frozen.
func TestNativeID(t *testing.T) {
	two := `[{"type":"open","email":"ann@example.com","time":1772359200},{"type":"open","email":"ann@example.com","time":1772359201}]`
	var ids []string
	for _, ev := range events(t, JSON{}, hook(JSON{}, "", two)) {
		ids = append(ids, ev.EventID.String())
	}
	w := hook(StandardWebhooks{}, "", two)
	w.Headers = map[string]string{"webhook-id": "msg_1"}
	for _, ev := range events(t, StandardWebhooks{}, w) {
		ids = append(ids, ev.EventID.String())
	}
	ids = append(ids, events(t, JSON{}, hook(JSON{}, "", `{"type":"open","email":"ann@example.com","event_id":"e"}`))[0].EventID.String())
	wantIDs(t, ids, "17423ffc-24af-37bb-c483-994f75af60dd", "231b8bfe-3188-e987-f9f1-a3b8298c3124",
		"2914b7b7-35ed-dc60-0639-7dc97a7b194e", "d6e508fe-4cf4-9d77-f7a1-6302fb72f63c", "f76bd85e-1ccb-39f1-12f6-e2714e76a7a4")
}

func FuzzNative(f *testing.F) {
	fuzzProvider(f, StandardWebhooks{}, "application/json",
		`{"type":"email.bounced.hard","timestamp":"2026-03-01T10:00:00Z","data":{"email":["a@b","c"],"id":1,"smtp_code":550,"tags":"[1]","metadata":"{\"a\":1}"}}`,
		`{"events":[{"Event":"open","e-mail":"x","time":1.77e12,"machine":true}]}`, `{"type":"click","to":"<a@b>","occurred_at":"2026-03-01 10:00:00"}`)
}
