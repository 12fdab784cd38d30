package provider

import (
	"testing"

	"github.com/posthorn/posthorn/schemas"
)

func postmarkBody(record, fields string) string {
	return `{"RecordType":"` + record + `","MessageStream":"outbound","ServerID":9,"MessageID":"m-1","Tag":"welcome","Metadata":{"order":7}` + fields + `}`
}

func TestPostmark(t *testing.T) {
	const ann = `,"Recipient":"ann@example.com"`
	for _, c := range []struct {
		name, body string
		want       schemas.Event
	}{
		{"delivered", postmarkBody("Delivery", ann+`,"DeliveredAt":"2026-03-01T10:00:00Z","Details":"smtp;250 2.0.0 OK"`), schemas.Event{
			Type: schemas.EventTypeDelivered, ProviderType: "Delivery", OccurredAt: 1772359200000000, OccurredPrecisionMS: 1000, SMTPCode: 250, SMTPEnhanced: "2.0.0",
			Tags: []string{"welcome"}, Metadata: map[string]string{"order": "7"}}},
		{"second open", postmarkBody("Open", ann+`,"FirstOpen":false,"ReceivedAt":"2026-03-01T11:00:00.5+01:00","Platform":"Mobile","Client":{"Name":"Mail"},"OS":{"Name":"iOS"},"UserAgent":"Mozilla/5.0","Geo":{"IP":"192.0.2.1","CountryISOCode":"de","Region":"Hesse","City":"Kassel"}`), schemas.Event{
			Type: schemas.EventTypeOpened, ProviderType: "Open", OccurredAt: 1772359200500000, DeviceType: "mobile", ClientName: "Mail", ClientOS: "iOS",
			IP: "192.0.2.1", Country: "DE", Region: "Hesse", City: "Kassel", Machine: schemas.MachineMachine, MachineReasons: reasonAppleMPP}},
		{"open without its parts", postmarkBody("Open", ann+`,"FirstOpen":"true","Geo":null,"Client":7,"OS":[],"UserAgent":null,"Platform":"Unknown"`), schemas.Event{
			Type: schemas.EventTypeOpened, ProviderType: "Open", First: true}},
		{"click", postmarkBody("Click", ann+`,"OriginalLink":"https://example.com/","UserAgent":"Lynx"`), schemas.Event{
			Type: schemas.EventTypeClicked, ProviderType: "Click", URL: "https://example.com/", Machine: schemas.MachineHuman}},
		{"suppressed by hand", postmarkBody("SubscriptionChange", ann+`,"SuppressSending":true,"SuppressionReason":"ManualSuppression"`), schemas.Event{
			Type: schemas.EventTypeUnsubscribed, ProviderType: "SubscriptionChange:ManualSuppression", RejectReason: "unsubscribed"}},
		{"suppressed after a complaint", postmarkBody("SubscriptionChange", ann+`,"SuppressSending":true,"SuppressionReason":"SpamComplaint"`), schemas.Event{
			Type: schemas.EventTypeComplained, ProviderType: "SubscriptionChange:SpamComplaint", RejectReason: "spam"}},
		{"suppressed for a new reason", postmarkBody("SubscriptionChange", ann+`,"SuppressSending":true,"SuppressionReason":"Moon"`), schemas.Event{
			Type: schemas.EventTypeUnsubscribed, ProviderType: "SubscriptionChange:Moon", RejectReason: "unsubscribed"}},
		{"subscription without a word", postmarkBody("SubscriptionChange", ann), schemas.Event{ProviderType: "SubscriptionChange"}},
		{"subscription without a message", `{"RecordType":"SubscriptionChange","MessageID":"00000000-0000-0000-0000-000000000000","Recipient":"ann@example.com","SuppressSending":false}`, schemas.Event{
			Type: schemas.EventTypeSubscribed, ProviderType: "SubscriptionChange"}},
		{"old bounce", `{"ID":901,"Type":"HardBounce","Email":"ann@example.com","BouncedAt":"2026-03-01T10:00:00Z","MessageID":"m-1"}`, schemas.Event{
			Type: schemas.EventTypeBounced, ProviderType: "Bounce:HardBounce", ProviderEventID: "901", BounceClass: "hard", RejectReason: "bounced"}},
		{"inbound", `{"FromFull":{"Email":"x@example.org"},"OriginalRecipient":"ann@example.com","MessageID":"m-2"}`, schemas.Event{ProviderType: "Inbound"}},
		{"API error", postmarkBody("SMTPApiError", ann), schemas.Event{Type: schemas.EventTypeFailed, ProviderType: "SMTPApiError", RejectReason: "other"}},
		{"of tomorrow", postmarkBody("Teleport", ann), schemas.Event{ProviderType: "Teleport"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := events(t, Postmark{}, hook(Postmark{}, "application/json", c.body))
			if len(got) != 1 {
				t.Fatalf("%d events", len(got))
			}
			c.want.Recipient = "ann@example.com"
			expect(t, got[0], c.want)
		})
	}
	for _, body := range []string{`{}`, `{"RecordType":"Open"}`, `{"RecordType":null}`, `7`, `["x"]`, `{`} {
		if got := outcomes(t, Postmark{}, hook(Postmark{}, "", body)); len(got) != 1 || got[0].err == nil {
			t.Errorf("%s gives %+v, want one refusal", body, got)
		}
	}
}

func TestPostmarkBounces(t *testing.T) {
	for _, c := range []struct {
		kind          string
		event         schemas.EventType
		class, reason string
	}{
		{"HardBounce", schemas.EventTypeBounced, "hard", "bounced"}, {"SoftBounce", schemas.EventTypeBounced, "soft", "bounced"},
		{"Undeliverable", schemas.EventTypeBounced, "soft", "bounced"}, {"Blocked", schemas.EventTypeBounced, "block", "blocked"},
		{"DMARCPolicy", schemas.EventTypeBounced, "block", "blocked"}, {"VirusNotification", schemas.EventTypeBounced, "block", "other"},
		{"Unknown", schemas.EventTypeBounced, "", "other"}, {"OfTomorrow", schemas.EventTypeBounced, "", "other"}, {"", schemas.EventTypeBounced, "", "other"},
		{"Transient", schemas.EventTypeDeferred, "", ""}, {"DnsError", schemas.EventTypeDeferred, "", ""}, {"OpenRelayTest", schemas.EventTypeDeferred, "", ""},
		{"BadEmailAddress", schemas.EventTypeRejected, "", "invalid"}, {"ManuallyDeactivated", schemas.EventTypeRejected, "", "blocked"}, {"Unconfirmed", schemas.EventTypeRejected, "", "other"},
		{"SMTPApiError", schemas.EventTypeFailed, "", "other"}, {"TemplateRenderingFailed", schemas.EventTypeFailed, "", "other"},
		{"SpamNotification", schemas.EventTypeComplained, "", "spam"}, {"SpamComplaint", schemas.EventTypeComplained, "", "spam"},
		{"Unsubscribe", schemas.EventTypeUnsubscribed, "", "unsubscribed"}, {"ManualSuppression", schemas.EventTypeUnsubscribed, "", "unsubscribed"}, {"Subscribe", schemas.EventTypeSubscribed, "", ""},
		{"AutoResponder", schemas.EventTypeAutoresponded, "", ""}, {"AddressChange", schemas.EventTypeAutoresponded, "", ""}, {"ChallengeVerification", schemas.EventTypeAutoresponded, "", ""},
		{"InboundError", schemas.EventTypeUnknown, "", ""},
	} {
		body := postmarkBody("Bounce", `,"ID":4,"Type":"`+c.kind+`","Name":"name","Email":"ann@example.com","Details":"smtp;554 5.7.1 no","BouncedAt":"2026-03-01T10:00:00.1234567Z"`)
		expect(t, events(t, Postmark{}, hook(Postmark{}, "", body))[0], schemas.Event{
			Type: c.event, ProviderType: withSubtypes("Bounce", c.kind), ProviderEventID: "4", BounceClass: c.class, RejectReason: c.reason, Recipient: "ann@example.com",
			MTAResponse: "smtp;554 5.7.1 no", Description: "name", SMTPCode: 554, SMTPEnhanced: "5.7.1", OccurredAt: 1772359200123456,
		})
	}
}

// TestPostmarkID: frozen.
func TestPostmarkID(t *testing.T) {
	open := postmarkBody("Open", `,"Recipient":"ann@example.com","ReceivedAt":"2026-03-01T10:00:00Z","ReadSeconds":1`)
	later := postmarkBody("Open", `,"Recipient":"ann@example.com","ReceivedAt":"2026-03-01T10:00:01Z"`)
	var ids []string
	for _, body := range []string{open, later} {
		ids = append(ids, events(t, Postmark{}, hook(Postmark{}, "", body))[0].EventID.String())
	}
	wantIDs(t, ids, "7586d34d-61f0-6887-caec-87dbf947057b", "76b85dcb-3f40-a67b-d247-df64c21d8285")
}

func TestPostmarkSamples(t *testing.T) {
	all := samples(t, "postmark")
	const john, guid, april, june = "john@example.com", "883953f4-6105-42a2-a16a-77a8eac79483", 1743870834907025, 1654449452000000
	customer := map[string]string{"customer_id": "12345"}
	example := map[string]string{"example": "value", "example_2": "value"}
	for file, want := range map[string]schemas.Event{
		"resubscribe.json": {Type: schemas.EventTypeSubscribed, ProviderType: "SubscriptionChange", OccurredAt: june, OccurredPrecisionMS: 1000,
			MessageID: "a4909a96-73d7-4c49-b148-a54522d3f7ac", Recipient: john, Tags: []string{"welcome-email"}, Metadata: example},
		"skills_bounce.json": {Type: schemas.EventTypeBounced, ProviderType: "Bounce:HardBounce", ProviderEventID: "42", OccurredAt: april, OccurredPrecisionMS: 1,
			MessageID: guid, Recipient: john, Tags: []string{"welcome-email"}, Metadata: customer, BounceClass: "hard", RejectReason: "bounced",
			SMTPCode: 550, SMTPEnhanced: "5.1.1", MTAResponse: "smtp;550 5.1.1 The email account that you tried to reach does not exist.",
			Description: "The server was unable to deliver your message (ex: unknown user, mailbox not found)."},
		"skills_click.json": {Type: schemas.EventTypeClicked, ProviderType: "Click", OccurredAt: april, MessageID: guid, Recipient: john, URL: "https://yourdomain.com/pricing",
			IP: "203.0.113.1", Country: "US", Region: "California", City: "San Francisco", ClientName: "Chrome", ClientOS: "macOS 14", DeviceType: "desktop", UserAgent: "Mozilla/5.0 ...", Machine: schemas.MachineHuman},
		"skills_delivery.json": {Type: schemas.EventTypeDelivered, ProviderType: "Delivery", OccurredAt: april, MessageID: guid, Recipient: john, MTAResponse: "Test delivery webhook details", Metadata: customer},
		"skills_open.json": {Type: schemas.EventTypeOpened, ProviderType: "Open", OccurredAt: april, MessageID: guid, Recipient: john, First: true,
			IP: "203.0.113.1", ClientName: "Gmail", ClientOS: "Windows 10", DeviceType: "webmail", Machine: schemas.MachineHuman},
		"skills_spamcomplaint.json": {Type: schemas.EventTypeComplained, ProviderType: "SpamComplaint", ProviderEventID: "42", OccurredAt: april, MessageID: guid, Recipient: john, RejectReason: "spam"},
		"skills_subscriptionchange.json": {Type: schemas.EventTypeUnsubscribed, ProviderType: "SubscriptionChange:ManualSuppression", OccurredAt: april, MessageID: guid,
			Recipient: john, RejectReason: "unsubscribed", Tags: []string{"newsletter"}},
		"spam.json": {Type: schemas.EventTypeComplained, ProviderType: "SpamComplaint", ProviderEventID: "901542550", OccurredAt: 1461788930396393, MessageID: "2706ee8a-737c-4285-b032-ccd317af53ed",
			Recipient: "spam@example.com", RejectReason: "spam", MTAResponse: "Test spam complaint details", Tags: []string{"Test"}},
		"subscription_change_bounce.json": {Type: schemas.EventTypeBounced, ProviderType: "SubscriptionChange:HardBounce", OccurredAt: june, MessageID: "b4cb783d-78ed-43f2-983b-63f55c712dc8",
			Recipient: john, BounceClass: "hard", RejectReason: "bounced", Tags: []string{"my-tag"}, Metadata: example},
	} {
		t.Run(file, func(t *testing.T) {
			expect(t, events(t, Postmark{}, hook(Postmark{}, "application/json", all[file]))[0], want)
		})
	}
}

func FuzzPostmark(f *testing.F) {
	fuzzProvider(f, Postmark{}, "application/json", postmarkBody("Bounce", `,"Type":"Transient","Details":"421 4.7.0"`), postmarkBody("Open", `,"Geo":{"IP":1}`),
		postmarkBody("SubscriptionChange", `,"SuppressSending":false`), `{"BouncedAt":0,"Email":"a<b>"}`)
}
