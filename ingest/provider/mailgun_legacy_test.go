package provider

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/posthorn/posthorn/schemas"
)

// asObject renders a form as JSON: a list where a name comes several times.
func asObject(t testing.TB, fields ...string) string {
	t.Helper()
	m := map[string]any{}
	for i := 0; i < len(fields); i += 2 {
		switch old := m[fields[i]].(type) {
		case nil:
			m[fields[i]] = fields[i+1]
		case string:
			m[fields[i]] = []string{old, fields[i+1]}
		case []string:
			m[fields[i]] = append(old, fields[i+1])
		}
	}
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestMailgunLegacy(t *testing.T) {
	headers := `[["Message-Id","<9@example.org>"],["X-Mailgun-Tag","a"],["X-Mailgun-Tag","b"],["X-Mailgun-Variables","{\"order\": 7}"],["x-mailgun-variables","{\"x\":\"y\"}"],["Content-Type",["a",{"b":"c"}]],7,["Empty"]]`
	for _, c := range []struct {
		name   string
		fields []string
		want   schemas.Event
	}{
		{"delivered", []string{"event", "delivered", "Message-Id", "<1.2@example.org>", "domain", "example.org", "X-Mailgun-Sid", "s", "message-headers", headers, "order", "7"}, schemas.Event{
			Type: schemas.EventTypeDelivered, ProviderType: "delivered", ProviderEventID: "t-1", OccurredAt: 1772359200000000, OccurredPrecisionMS: 1000, MessageID: "1.2@example.org", RFCMessageID: "<1.2@example.org>",
			Tags: []string{"a", "b"}, Metadata: map[string]string{"order": "7", "x": "y"}}},
		{"message id in the headers", []string{"event", "delivered", "message-headers", headers}, schemas.Event{Type: schemas.EventTypeDelivered, ProviderType: "delivered", MessageID: "9@example.org",
			Metadata: map[string]string{"order": "7", "x": "y"}}},
		{"bounced", []string{"event", "bounced", "code", "550", "error", "5.1.1 nobody", "notification", "n", "X-Mailgun-Tag", "a"}, schemas.Event{Type: schemas.EventTypeBounced, ProviderType: "bounced",
			BounceClass: "hard", RejectReason: "bounced", SMTPCode: 550, SMTPEnhanced: "5.1.1", MTAResponse: "5.1.1 nobody", Tags: []string{"a"}}},
		{"bounced by a policy", []string{"event", "bounced", "code", "5.7.1", "error", "smtp; 554 5.7.1 no"}, schemas.Event{Type: schemas.EventTypeBounced, ProviderType: "bounced",
			BounceClass: "block", RejectReason: "bounced", SMTPCode: 554, SMTPEnhanced: "5.7.1"}},
		{"bounced without a code", []string{"event", "bounced", "code", "soon"}, schemas.Event{Type: schemas.EventTypeBounced, ProviderType: "bounced", RejectReason: "other"}},
		{"dropped, bounced before", []string{"event", "dropped", "reason", "hardfail", "code", "605", "description", "d"}, schemas.Event{Type: schemas.EventTypeRejected, ProviderType: "dropped:hardfail", RejectReason: "bounced", Description: "d"}},
		{"dropped, unsubscribed", []string{"event", "dropped", "reason", "hardfail", "code", "606"}, schemas.Event{Type: schemas.EventTypeRejected, ProviderType: "dropped:hardfail", RejectReason: "unsubscribed"}},
		{"dropped, complained before", []string{"event", "dropped", "code", "607"}, schemas.Event{Type: schemas.EventTypeRejected, ProviderType: "dropped", RejectReason: "spam"}},
		{"dropped, no server", []string{"event", "dropped", "code", "499"}, schemas.Event{Type: schemas.EventTypeRejected, ProviderType: "dropped", RejectReason: "timed_out"}},
		{"dropped by the provider", []string{"event", "dropped", "reason", "espblock", "code", "421"}, schemas.Event{Type: schemas.EventTypeRejected, ProviderType: "dropped:espblock", RejectReason: "blocked", SMTPCode: 421}},
		{"complained", []string{"event", "complained", "campaign-id", "c1", "campaign-name", "Spring"}, schemas.Event{Type: schemas.EventTypeComplained, ProviderType: "complained", CampaignID: "c1", CampaignName: "Spring"}},
		{"opened", []string{"event", "opened", "message-id", "1.2@example.org", "ip", "192.0.2.7", "country", "fr", "region", "Bretagne", "city", "unknown", "user-agent", "Mozilla/5.0", "device-type", "desktop",
			"client-type", "browser", "client-name", "Firefox", "client-os", "Linux", "mailing-list", "news@example.org", "tag", "a", "tag", "b", "h", "x", "order", "7"}, schemas.Event{
			Type: schemas.EventTypeOpened, ProviderType: "opened", MessageID: "1.2@example.org", IP: "192.0.2.7", Country: "FR", Region: "Bretagne", ClientName: "Firefox", ClientOS: "Linux", DeviceType: "desktop",
			UserAgent: "Mozilla/5.0", Machine: schemas.MachineMachine, MachineReasons: reasonAppleMPP, ListID: "news@example.org", Tags: []string{"a", "b"}, Metadata: map[string]string{"order": "7"}}},
		{"clicked, with data of Mailgun's names", []string{"event", "clicked", "event", "own event", "recipient", "own recipient", "url", "https://example.com/", "url", "own url", "ordinary", "o"}, schemas.Event{
			Type: schemas.EventTypeClicked, ProviderType: "clicked", URL: "https://example.com/",
			Metadata: map[string]string{"event": "own event", "recipient": "own recipient", "url": "own url", "ordinary": "o", "token": "own token", "timestamp": "own time", "signature": "own signature"}}},
		{"unsubscribed", []string{"event", "unsubscribed"}, schemas.Event{Type: schemas.EventTypeUnsubscribed, ProviderType: "unsubscribed"}},
		{"headers that are none", []string{"event", "delivered", "message-headers", "["}, schemas.Event{Type: schemas.EventTypeDelivered, ProviderType: "delivered"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			fields := slices.Concat([]string{"recipient", "ann@example.com"}, c.fields)
			if c.want.Metadata["token"] != "" {
				fields = append(fields, "token", "own token", "timestamp", "own time", "signature", "own signature")
			}
			fields = append(fields, "timestamp", "1772359200", "token", "t-1", "signature", "00")
			c.want.Recipient = "ann@example.com"
			kind, parts := inParts(t, fields...)
			for _, w := range []*schemas.Webhook{
				hook(Mailgun{}, formType, urlEncoded(fields...)), hook(Mailgun{}, kind, parts), hook(Mailgun{}, "", parts), hook(Mailgun{}, "application/json", asObject(t, fields...)),
			} {
				got := events(t, Mailgun{}, w)
				if len(got) != 1 {
					t.Fatalf("%d events", len(got))
				}
				expect(t, got[0], c.want)
				if want := c.want.Metadata; !maps.Equal(got[0].Metadata, want) {
					t.Errorf("metadata %v, want %v", got[0].Metadata, want)
				}
			}
		})
	}
}

// TestMailgunLegacyRenderings: lists and numbers where a form has text.
func TestMailgunLegacyRenderings(t *testing.T) {
	body := `{"event":["opened","own"],"recipient":"ann@example.com","timestamp":1772359200,"token":["own","t"],"message-headers":[["X-Mailgun-Variables",{"a":1}]],"attachment-count":null}`
	ev := events(t, Mailgun{}, hook(Mailgun{}, "", body))[0]
	expect(t, ev, schemas.Event{Type: schemas.EventTypeOpened, ProviderEventID: "t", OccurredAt: 1772359200000000, Recipient: "ann@example.com", Metadata: map[string]string{"a": "1"}})
}

func TestMailgunSamples(t *testing.T) {
	all := samples(t, "mailgun")
	const token, recipient = "1234567890abcdef1234567890abcdef", "recipient@example.com"
	const greylisted = "Recipient address rejected: Greylisted"
	for file, want := range map[string]schemas.Event{
		"alt_smtp_code.json": {Type: schemas.EventTypeBounced, ProviderType: "bounced", ProviderEventID: token, OccurredAt: 1234567890000000, OccurredPrecisionMS: 1000, Recipient: "noreply@example.com",
			BounceClass: "hard", RejectReason: "bounced", SMTPCode: 550, SMTPEnhanced: "5.1.1", MTAResponse: "smtp;550 5.1.1 RESOLVER.ADR.RecipNotFound; not found"},
		"clicked.json": {Type: schemas.EventTypeClicked, ProviderType: "clicked", OccurredAt: 1534109600089676, OccurredPrecisionMS: 1, Recipient: recipient, URL: "https://example.com/test"},
		"complained.json": {Type: schemas.EventTypeComplained, ProviderType: "complained", ProviderEventID: "ncV2XwymRUKbPek_MIM-Gw", OccurredAt: 1377214260049634, Recipient: recipient,
			MessageID: "20130718032413.263EE2E0926@example.org"},
		"delivered-2.json": {Type: schemas.EventTypeDelivered, ProviderType: "delivered", OccurredAt: 1461261330000000, Recipient: recipient, MessageID: "20160421175529.19495.89030.B3AE3728@example.com",
			RFCMessageID: "<20160421175529.19495.89030.B3AE3728@example.com>"},
		"delivered.json": {Type: schemas.EventTypeDelivered, ProviderType: "delivered", ProviderEventID: "hTWCTD81RtiDN-...", OccurredAt: 1534108637153125, Recipient: recipient,
			MessageID: "20180812211713.1.DF5966851B4BAA99@example.org", SMTPCode: 250, MTAResponse: "OK", Attempt: 1},
		"docs_opened_bot_apple.json": {Type: schemas.EventTypeOpened, ProviderType: "opened", OccurredAt: 1652883435279025, Recipient: "bot@apple.com", Country: "US", UserAgent: "Mozilla/5.0",
			Machine: schemas.MachineMachine, MachineReasons: []string{"mailgun_bot:apple", "apple_mail_privacy_protection"}},
		"dropped_bounce.json": {Type: schemas.EventTypeRejected, ProviderType: "dropped:hardfail", OccurredAt: 1461261330000000, Recipient: "bounce@example.com", RejectReason: "bounced",
			MessageID: "20160421180324.70521.79375.96884DDB@example.com", Description: "Not delivering to previously bounced address"},
		"dropped_spam.json":      {Type: schemas.EventTypeRejected, ProviderType: "dropped:hardfail", Recipient: "complaint@example.com", RejectReason: "spam", Description: "Not delivering to a user who marked your messages as spam"},
		"dropped_timed_out.json": {Type: schemas.EventTypeRejected, ProviderType: "dropped:old", Recipient: "complaint@example.com", RejectReason: "timed_out", Description: "Unable to connect to MX servers: [example.com]"},
		"failed_greylisted.json": {Type: schemas.EventTypeDeferred, ProviderType: "failed:temporary:greylisted", OccurredAt: 1534111899659519, Recipient: "undeliverable@mx.example.com",
			MessageID: "20180812214638.1.4A7D468E9BC18C5D@example.org", SMTPCode: 450, MTAResponse: greylisted, Description: greylisted, Attempt: 1},
		"failed_permanent.json": {Type: schemas.EventTypeBounced, ProviderType: "failed:permanent:bounce", OccurredAt: 1534110422389832, Recipient: "invalid@example.com",
			MessageID: "20180812214658.1.0DF563D0B3597700@example.org", BounceClass: "hard", RejectReason: "bounced", SMTPCode: 550, SMTPEnhanced: "5.1.1", Attempt: 1},
		"failed_temporary.json": {Type: schemas.EventTypeDeferred, ProviderType: "failed:temporary:generic", OccurredAt: 1534111899659519, Recipient: "undeliverable@nomx.example.com",
			MessageID: "20180812214638.1.4A7D468E9BC18C5D@example.org", Description: "No MX for nomx.example.com", Attempt: 3},
		"invalid_mailbox.json": {Type: schemas.EventTypeBounced, ProviderType: "bounced", Recipient: "noreply@example.com", BounceClass: "hard", RejectReason: "bounced", SMTPCode: 550, SMTPEnhanced: "5.1.1"},
		"metadata_key_conflicts.json": {Type: schemas.EventTypeClicked, ProviderType: "clicked", ProviderEventID: "actual-event-token", OccurredAt: 1461261330000000, Recipient: "actual-recipient@example.com",
			URL: "http://clicked.example.com/actual/event/param", Tags: []string{"actual-tag-1", "actual-tag-2"}},
		"opened.json": {Type: schemas.EventTypeOpened, ProviderType: "opened", OccurredAt: 1534109600089676, Recipient: recipient, MessageID: "20180812213139.1.BC6694A917BB7E6A@example.org",
			Tags: []string{"welcome", "variation-A"}, Metadata: map[string]string{"cohort": "2018-08-B", "user_id": "123456"}, Country: "US", Region: "CA", City: "San Francisco",
			ClientName: "Chrome", ClientOS: "OS X", DeviceType: "desktop", Machine: schemas.MachineHuman},
		"rejected.json": {Type: schemas.EventTypeRejected, ProviderType: "rejected", OccurredAt: 1529704976104692, Recipient: "recipient@example.org", RejectReason: "other",
			MessageID: "20180622220256.1.B31A451A2E5422BB@sandbox55887.mailgun.org", Description: "Sandbox subdomains are for test purposes only."},
		"unsubscribed.json": {Type: schemas.EventTypeUnsubscribed, ProviderType: "unsubscribed", ProviderEventID: "W3X4JOhFT-OZidZGKKr9iA", OccurredAt: 1377213791421473, Recipient: recipient,
			MessageID: "20130822232216.13966.79700@samples.mailgun.org"},
	} {
		t.Run(file, func(t *testing.T) {
			expect(t, events(t, Mailgun{}, hook(Mailgun{}, "application/json", all[file]))[0], want)
		})
	}
}

// TestMailgunSamplesOfParts: samples that say neither whom nor what message they are
// about tell of an event that can't be placed; with a recipient they are read.
func TestMailgunSamplesOfParts(t *testing.T) {
	all := samples(t, "mailgun")
	if got := summary(t, Mailgun{}, hook(Mailgun{}, "", all["misconfigured_inbound.json"])); got != "0 missing_field event" {
		t.Errorf("received mail: %s", got)
	}
	custom := map[string]string{"custom1": "value1", "custom2": `{"key":"value"}`}
	tags := []string{"tag1", "tag2"}
	for file, want := range map[string]schemas.Event{
		"delivery_status_is_none.json":  {Type: schemas.EventTypeQueued},
		"metadata_message_headers.json": {Type: schemas.EventTypeDelivered, Metadata: custom},
		"metadata_post_fields.json":     {Type: schemas.EventTypeClicked, Metadata: custom},
		"tags.json":                     {Type: schemas.EventTypeOpened, Tags: tags},
		"x_tags.json":                   {Type: schemas.EventTypeDelivered, Tags: tags},
	} {
		t.Run(file, func(t *testing.T) {
			if got := summary(t, Mailgun{}, hook(Mailgun{}, "", all[file])); got != "0 missing_field recipient" {
				t.Errorf("got %s", got)
			}
			expect(t, unplaced(t, Mailgun{}, all[file])[0], want)
		})
	}
}
