package provider

import (
	"testing"

	"github.com/posthorn/posthorn/schemas"
)

func resendBody(kind, data string) string {
	return `{"type":"` + kind + `","created_at":"2026-03-01T10:00:00.250Z","data":{"email_id":"e-1","message_id":"<m1@example.com>","broadcast_id":"b-1","to":["Ann <ann@example.com>"]` + data + `}}`
}

func TestResend(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       schemas.Event // its fields that are not zero
	}{
		{"delivered", resendBody("email.delivered", `,"tags":[{"name":"kind","value":"welcome"}]`), schemas.Event{
			Type: schemas.EventTypeDelivered, ProviderType: "email.delivered", MessageID: "e-1", RFCMessageID: "<m1@example.com>",
			CampaignID: "b-1", Tags: []string{"welcome"}, Metadata: map[string]string{"kind": "welcome"},
		}},
		{"soft bounce with the server's reply", resendBody("email.bounced", `,"bounce":{"type":"Transient","subType":"MailboxFull","message":"full","diagnosticCode":["smtp; 552 5.2.2 over quota"]}`), schemas.Event{
			Type: schemas.EventTypeBounced, ProviderType: "email.bounced:Transient:MailboxFull", BounceClass: "soft", RejectReason: "bounced",
			SMTPCode: 552, SMTPEnhanced: "5.2.2", MTAResponse: "smtp; 552 5.2.2 over quota", Description: "full",
		}},
		{"bounce in an odd form", resendBody("email.bounced", `,"bounce":"gone","tags":7`), schemas.Event{
			Type: schemas.EventTypeBounced, ProviderType: "email.bounced", RejectReason: "bounced"}},
		{"clicked", resendBody("email.clicked", `,"click":{"ipAddress":"192.0.2.7","link":"https://example.com/x","timestamp":"2026-03-01T09:59:59.5Z","userAgent":"curl/8"}`), schemas.Event{
			Type: schemas.EventTypeClicked, ProviderType: "email.clicked", IP: "192.0.2.7", URL: "https://example.com/x", UserAgent: "curl/8",
			Machine: schemas.MachineMachine, MachineReasons: []string{"scanner_agent:curl"}, OccurredAt: 1772359199500000,
		}},
		{"failed", resendBody("email.failed", `,"failed":{"reason":"invalid_from"}`), schemas.Event{
			Type: schemas.EventTypeFailed, ProviderType: "email.failed", Description: "invalid_from", RejectReason: "other"}},
		{"several recipients", `{"type":"email.opened","created_at":"2026-03-01T10:00:00Z","data":{"email_id":"e-1","to":["ann@example.com","bob@example.org"]}}`, schemas.Event{
			Type: schemas.EventTypeOpened, ProviderType: "email.opened", RecipientAmbiguous: true}},
		{"of tomorrow", resendBody("email.teleported", ``), schemas.Event{ProviderType: "email.teleported"}},
		{"contact", `{"type":"contact.updated","created_at":"2026-03-01T10:00:00Z","data":{"id":"c-1","audience_id":"a-1","email":"ann@example.com","unsubscribed":true}}`, schemas.Event{
			ProviderType: "contact.updated", ContactID: "c-1", ListID: "a-1"}},
		{"old headers", resendBody("email.sent", `,"headers":[{"name":"X-Metadata","value":"{\"order\":7}"},{"name":"X-Tags","value":"[\"a\",\"b\"]"},7]`), schemas.Event{
			Type: schemas.EventTypeSent, ProviderType: "email.sent", Metadata: map[string]string{"order": "7"}, Tags: []string{"a", "b"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := hook(Resend{}, "application/json", c.body)
			w.Headers = map[string]string{"svix-id": "msg_1"}
			got := events(t, Resend{}, w)
			if len(got) != 1 {
				t.Fatalf("%d events", len(got))
			}
			c.want.Recipient, c.want.ProviderEventID = "ann@example.com", "msg_1"
			expect(t, got[0], c.want)
		})
	}
	if got := outcomes(t, Resend{}, hook(Resend{}, "", `{"type":"domain.updated","created_at":"2026-03-01T10:00:00Z","data":{"id":"d-1","name":"example.com"}}`)); len(got) != 0 {
		t.Errorf("a domain gives %+v", got)
	}
	for _, body := range []string{`{"data":{}}`, `{"type":{}}`, `{"type":"email.sent"}`, `7`, `[8]`, `{`} {
		if got := outcomes(t, Resend{}, hook(Resend{}, "", body)); len(got) != 1 || got[0].err == nil {
			t.Errorf("%s gives %+v, want one refusal", body, got)
		}
	}
}

// TestResendID: frozen.
func TestResendID(t *testing.T) {
	w := hook(Resend{}, "", resendBody("email.opened", ""))
	without := events(t, Resend{}, w)[0].EventID.String()
	w.Headers = map[string]string{"svix-id": "msg_1"}
	with := events(t, Resend{}, w)[0].EventID.String()
	w.Headers = map[string]string{"webhook-id": "msg_1"}
	if other := events(t, Resend{}, w)[0].EventID.String(); other != with {
		t.Errorf("%s under webhook-id, %s under svix-id", other, with)
	}
	wantIDs(t, []string{without, with}, "b1c0130e-59f5-cadd-bdb4-2942546fd072", "4442d6f3-5cc3-04c0-c7fa-33963c3c1acb")
}

func TestResendSamples(t *testing.T) {
	all := samples(t, "resend")
	base := schemas.Event{MessageID: "56761188-7520-42d8-8898-ff6fc54ce618", RFCMessageID: "<111-222-333@email.example.com>", Recipient: "delivered@resend.dev"}
	const november, february = 1732318872126000, 1708645272126000
	for _, c := range []struct {
		file string
		want schemas.Event
	}{
		{"docs_bounced.json", schemas.Event{Type: schemas.EventTypeBounced, ProviderType: "email.bounced:Permanent:Suppressed", OccurredAt: november, BounceClass: "hard", RejectReason: "blocked",
			Description: "The recipient's email address is on the suppression list because it has a recent history of producing hard bounces."}},
		{"docs_clicked.json", schemas.Event{Type: schemas.EventTypeClicked, ProviderType: "email.clicked", OccurredAt: 1732424457163000, IP: "122.115.53.11", URL: "https://resend.com", Machine: schemas.MachineHuman}},
		{"docs_complained.json", schemas.Event{Type: schemas.EventTypeComplained, ProviderType: "email.complained", OccurredAt: february}},
		{"docs_delivered.json", schemas.Event{Type: schemas.EventTypeDelivered, ProviderType: "email.delivered", OccurredAt: february}},
		{"docs_delivery_delayed.json", schemas.Event{Type: schemas.EventTypeDeferred, ProviderType: "email.delivery_delayed", OccurredAt: february}},
		{"docs_failed.json", schemas.Event{Type: schemas.EventTypeFailed, ProviderType: "email.failed", OccurredAt: november, Description: "reached_daily_quota", RejectReason: "other"}},
		{"docs_opened.json", schemas.Event{Type: schemas.EventTypeOpened, ProviderType: "email.opened", OccurredAt: february}},
		{"docs_received.json", schemas.Event{ProviderType: "email.received", OccurredAt: february, RFCMessageID: "<example+123>"}},
		{"docs_scheduled.json", schemas.Event{Type: schemas.EventTypeQueued, ProviderType: "email.scheduled", OccurredAt: february}},
		{"docs_sent.json", schemas.Event{Type: schemas.EventTypeSent, ProviderType: "email.sent", OccurredAt: february}},
		{"docs_suppressed.json", schemas.Event{Type: schemas.EventTypeRejected, ProviderType: "email.suppressed:OnAccountSuppressionList", OccurredAt: november, RejectReason: "blocked"}},
	} {
		t.Run(c.file, func(t *testing.T) {
			got := events(t, Resend{}, hook(Resend{}, "application/json", all[c.file]))
			if len(got) != 1 {
				t.Fatalf("%d events", len(got))
			}
			c.want.MessageID, c.want.Recipient, c.want.OccurredPrecisionMS = base.MessageID, base.Recipient, 1
			if c.file != "docs_received.json" {
				c.want.RFCMessageID, c.want.CampaignID = base.RFCMessageID, "8b146471-e88e-4322-86af-016cd36fd216"
				c.want.Tags, c.want.Metadata = []string{"confirm_email"}, map[string]string{"category": "confirm_email"}
			}
			expect(t, got[0], c.want)
		})
	}
}

func FuzzResend(f *testing.F) {
	fuzzProvider(f, Resend{}, "application/json", resendBody("email.bounced", `,"bounce":{"type":"Permanent","diagnosticCode":["550 5.1.1"]}`),
		resendBody("email.clicked", `,"click":{"timestamp":"2026-03-01T09:59:59.5Z"},"tags":[{"name":"a","value":1}],"headers":[{"name":"x-tags","value":"[1]"}]`),
		`{"type":"contact.created","data":{"email":"<>"}}`, `{"type":"email.sent","data":{"to":"a <b@c>"}}`)
}
