package provider

import (
	"testing"

	"github.com/posthorn/posthorn/schemas"
)

func brevoBody(name, fields string) string {
	return `{"event":"` + name + `","email":"ann@example.com","id":11,"message-id":"<b1@example.org>","ts":1772359201,"ts_event":1772359202,"ts_epoch":1772359200250` + fields + `}`
}

func TestBrevo(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       schemas.Event
	}{
		{"all of it", brevoBody("request", `,"tag":"[\"a\",\"b\"]","X-Mailin-custom":"{\"order\":7}"`), schemas.Event{
			Type: schemas.EventTypeQueued, ProviderType: "request", MessageID: "<b1@example.org>", RFCMessageID: "<b1@example.org>", OccurredAt: 1772359200250000, OccurredPrecisionMS: 1,
			Tags: []string{"a", "b"}, Metadata: map[string]string{"order": "7"}}},
		{"data that is no JSON", brevoBody("delivered", `,"X-Mailin-custom":"x:y","tag":"one","tags":[]`), schemas.Event{
			Type: schemas.EventTypeDelivered, ProviderType: "delivered", Tags: []string{"one"}, Metadata: map[string]string{"payload": "x:y"}}},
		{"deferred", brevoBody("deferred", `,"reason":"421 4.7.0 come back"`), schemas.Event{
			Type: schemas.EventTypeDeferred, ProviderType: "deferred", SMTPCode: 421, SMTPEnhanced: "4.7.0", MTAResponse: "421 4.7.0 come back"}},
		{"camel case", brevoBody("hardBounce", `,"reason":"550 RecipientError: 550 5.1.1 no such user"`), schemas.Event{
			Type: schemas.EventTypeBounced, ProviderType: "hardBounce", BounceClass: "hard", RejectReason: "bounced", SMTPCode: 550, SMTPEnhanced: "5.1.1"}},
		{"open by proxy", brevoBody("proxy_open", `,"user_agent":"Mozilla/5.0 (via ggpht.com GoogleImageProxy)","ip":"192.0.2.3","device_used":"DESKTOP"`), schemas.Event{
			Type: schemas.EventTypeOpened, ProviderType: "proxy_open", Machine: schemas.MachineProxy, MachineReasons: []string{"brevo_proxy"}, IP: "192.0.2.3", DeviceType: "desktop"}},
		{"open by Apple's proxy", brevoBody("unique_proxy_open", `,"user_agent":"Mozilla/5.0"`), schemas.Event{
			Type: schemas.EventTypeOpened, ProviderType: "unique_proxy_open", First: true, Machine: schemas.MachineMachine, MachineReasons: []string{"brevo_proxy", "apple_mail_privacy_protection"}}},
		{"click of a campaign", `{"event":"click","email":"ann@example.com","camp_id":5,"campaign name":"Spring","list_id":[3,4],"ts_event":1772359202,"date_event":"2026-03-01 11:00:02","URL":"https://example.com/"}`, schemas.Event{
			Type: schemas.EventTypeClicked, ProviderType: "click", CampaignID: "5", CampaignName: "Spring", ListID: "3", OccurredAt: 1772359202000000, OccurredPrecisionMS: 1000, URL: "https://example.com/"}},
		{"a date alone is in no known zone", `{"event":"opened","email":"ann@example.com","date":"2026-03-01 10:00:00","ts_epoch":"2026-03-01 10:00:00"}`, schemas.Event{Type: schemas.EventTypeOpened, ProviderType: "opened"}},
		{"of tomorrow", brevoBody("teleported", `,"tags":{"a":1},"reason":[]`), schemas.Event{ProviderType: "teleported"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := events(t, Brevo{}, hook(Brevo{}, "application/json", c.body))
			if len(got) != 1 {
				t.Fatalf("%d events", len(got))
			}
			c.want.Recipient = "ann@example.com"
			expect(t, got[0], c.want)
		})
	}
}

func TestBrevoBatches(t *testing.T) {
	two := brevoBody("delivered", "") + "," + brevoBody("opened", "")
	for _, body := range []string{"[" + two + "]", `{"items":[` + two + `]}`, `{"events":[` + two + `]}`} {
		got := events(t, Brevo{}, hook(Brevo{}, "", body))
		if len(got) != 2 || got[1].RawRef.Index != 1 || got[1].Type != schemas.EventTypeOpened {
			t.Errorf("%s gives %+v", body, got)
		}
	}
	if got := outcomes(t, Brevo{}, hook(Brevo{}, "", `[7,`+brevoBody("spam", "")+`,{"email":"ann@example.com"},{"event":"spam"}]`)); len(got) != 4 ||
		got[0].err == nil || got[1].err != nil || got[2].err == nil || got[3].err == nil {
		t.Errorf("a batch with three that are no events gives %+v", got)
	}
}

// TestBrevoID: frozen.
func TestBrevoID(t *testing.T) {
	var ids []string
	for _, body := range []string{brevoBody("click", `,"link":"https://example.com/a"`), brevoBody("click", `,"link":"https://example.com/b"`)} {
		ids = append(ids, events(t, Brevo{}, hook(Brevo{}, "", body))[0].EventID.String())
	}
	wantIDs(t, ids, "31bb5978-b3bb-f076-1ed7-b504eefa2181", "f4d3d3ff-8b70-3de5-c247-31284343cdd8")
}

func TestBrevoSamples(t *testing.T) {
	all := samples(t, "brevo")
	const anymail, docs, fault = 1520363423000000, 1604933654000000, 1604933623000000
	const sent = "<201803011158.9876543210@smtp-relay.mailin.fr>"
	event := func(kind schemas.EventType, name, class, reason string) schemas.Event {
		return schemas.Event{Type: kind, ProviderType: name, Recipient: "recipient@example.com", MessageID: sent, RFCMessageID: sent, OccurredAt: anymail, OccurredPrecisionMS: 1, BounceClass: class, RejectReason: reason}
	}
	with := func(ev schemas.Event, change func(*schemas.Event)) schemas.Event { change(&ev); return ev }
	old := func(id string, at schemas.Timestamp) func(*schemas.Event) {
		return func(ev *schemas.Event) {
			ev.Recipient, ev.MessageID, ev.RFCMessageID, ev.OccurredAt, ev.OccurredPrecisionMS = "example@domain.com", id, id, at, 1000
			ev.Tags, ev.Metadata = []string{"transac_messages"}, map[string]string{"meta": "data"}
		}
	}
	proxied := func(first bool) func(*schemas.Event) {
		return func(ev *schemas.Event) {
			ev.Recipient, ev.MessageID, ev.RFCMessageID, ev.OccurredAt = "example@domain.com", "201798300811.5787683@relay.domain.com", "", 1534486682000000
			ev.Tags, ev.First, ev.Machine, ev.MachineReasons = []string{"transactionalTag"}, first, schemas.MachineProxy, []string{"brevo_proxy"}
		}
	}
	for file, want := range map[string]schemas.Event{
		"blocked.json": with(event(schemas.EventTypeRejected, "blocked", "", "blocked"), func(ev *schemas.Event) {
			ev.MTAResponse, ev.Description = "blocked : due to blacklist user", "blocked : due to blacklist user"
		}),
		"clicked.json":   with(event(schemas.EventTypeClicked, "click", "", ""), func(ev *schemas.Event) { ev.URL = "https://example.com/click/me" }),
		"complaint.json": with(event(schemas.EventTypeComplained, "complaint", "", "spam"), old("201798300811.5787683@relay.domain.com", docs)),
		"deferred.json": with(event(schemas.EventTypeDeferred, "deferred", "", ""), func(ev *schemas.Event) {
			ev.Recipient, ev.SMTPCode, ev.SMTPEnhanced = "notauser@example.com", 550, "5.1.1"
		}),
		"delivered.json":   event(schemas.EventTypeDelivered, "delivered", "", ""),
		"error_email.json": with(event(schemas.EventTypeFailed, "error", "", "other"), old("201798300811.5787683@relay.domain.com", fault)),
		"hard_bounce.json": with(event(schemas.EventTypeBounced, "hard_bounce", "hard", "bounced"), func(ev *schemas.Event) {
			ev.Recipient, ev.SMTPCode, ev.SMTPEnhanced, ev.Tags = "not-a-user@example.com", 550, "5.5.0", []string{"header-tag"}
		}),
		"invalid_email.json": event(schemas.EventTypeBounced, "invalid_email", "hard", "invalid"),
		"opened.json":        event(schemas.EventTypeOpened, "opened", "", ""),
		"proxy_open.json":    with(event(schemas.EventTypeOpened, "proxy_open", "", ""), proxied(false)),
		"sent.json": with(event(schemas.EventTypeQueued, "request", "", ""), func(ev *schemas.Event) {
			ev.MessageID, ev.RFCMessageID = "<201803062010.27287306012@smtp-relay.mailin.fr>", ""
			ev.Tags, ev.Metadata = []string{"tag1", "tag2"}, map[string]string{"meta": "data"}
		}),
		"soft_bounce.json": with(event(schemas.EventTypeBounced, "soft_bounce", "soft", "bounced"), func(ev *schemas.Event) {
			ev.Recipient, ev.Description = "recipient@no-mx.example.com", "undefined Unable to find MX of domain no-mx.example.com"
		}),
		"spam.json":              event(schemas.EventTypeComplained, "spam", "", "spam"),
		"unique_opened.json":     with(event(schemas.EventTypeOpened, "unique_opened", "", ""), func(ev *schemas.Event) { ev.First = true }),
		"unique_proxy_open.json": with(event(schemas.EventTypeOpened, "unique_proxy_open", "", ""), proxied(true)),
		"unsubscribe.json":       event(schemas.EventTypeUnsubscribed, "unsubscribe", "", ""),
	} {
		t.Run(file, func(t *testing.T) {
			expect(t, events(t, Brevo{}, hook(Brevo{}, "application/json", all[file]))[0], want)
		})
	}
}

func FuzzBrevo(f *testing.F) {
	fuzzProvider(f, Brevo{}, "application/json", brevoBody("proxy_open", `,"tag":"[1]","user_agent":"Mozilla/5.0"`), `{"items":[`+brevoBody("deferred", `,"reason":"x Error: 550 5.1.1"`)+`]}`,
		`{"event":"click","email":"a","ts_epoch":1e12,"list_id":[]}`)
}
