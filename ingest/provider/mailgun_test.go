package provider

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/posthorn/posthorn/schemas"
)

// mailgunEvent is the event of a body; fields are more members of it.
func mailgunEvent(name, fields string) string {
	return `{"id":"e-1","event":"` + name + `","timestamp":1772359200.25,"log-level":"info","recipient":"ann@example.com","recipient-domain":"example.com",` +
		`"message":{"headers":{"message-id":"1.2@example.org","to":"Ann <ann@example.com>","subject":"Hi"},"attachments":[],"size":9}` + fields + `}`
}

func mailgunBody(name, fields string) string {
	return `{"signature":{"timestamp":"1772359201","token":"t-1","signature":"00"},"event-data":` + mailgunEvent(name, fields) + `}`
}

func failed(severity, reason, status string) string {
	return `,"severity":"` + severity + `","reason":"` + reason + `","delivery-status":{` + status + `}`
}

func TestMailgun(t *testing.T) {
	client := func(bot, agent string) string {
		return `,"ip":"192.0.2.7","geolocation":{"country":"fr","region":"Unknown","city":"Brest"},"client-info":{"client-type":"browser","client-os":"Linux","client-name":"Firefox","device-type":"Desktop","user-agent":"` + agent + `","bot":` + bot + `}`
	}
	for _, c := range []struct {
		name, body string
		want       schemas.Event
	}{
		{"accepted", mailgunEvent("accepted", `,"tags":["a","b"],"user-variables":{"order":7,"x":"{\"y\":1}"},"campaigns":[{"id":"c1","name":"Spring"}],"delivery-status":null`), schemas.Event{
			Type: schemas.EventTypeQueued, ProviderType: "accepted", ProviderEventID: "e-1", OccurredAt: 1772359200250000, OccurredPrecisionMS: 1, MessageID: "1.2@example.org", RFCMessageID: "<1.2@example.org>",
			Tags: []string{"a", "b"}, Metadata: map[string]string{"order": "7", "x": `{"y":1}`}, CampaignID: "c1", CampaignName: "Spring"}},
		{"delivered", mailgunEvent("delivered", `,"user-variables":[],"campaigns":["spring"],"delivery-status":{"code":250,"message":"OK","description":null,"enhanced-code":"2.0.0","attempt-no":2}`), schemas.Event{
			Type: schemas.EventTypeDelivered, ProviderType: "delivered", SMTPCode: 250, SMTPEnhanced: "2.0.0", MTAResponse: "OK", Attempt: 2, CampaignID: "spring"}},
		{"own data as text", mailgunEvent("delivered", `,"user-variables":"{\"order\":7}","mailing-list":{"address":"news@example.org","list-id":"x"}`), schemas.Event{
			Type: schemas.EventTypeDelivered, ProviderType: "delivered", Metadata: map[string]string{"order": "7"}, ListID: "news@example.org"}},
		{"temporary", mailgunEvent("failed", failed("temporary", "generic", `"code":421,"message":"4.7.0 later","attempt-no":"1","retry-seconds":600`)), schemas.Event{
			Type: schemas.EventTypeDeferred, ProviderType: "failed:temporary:generic", SMTPCode: 421, SMTPEnhanced: "4.7.0", MTAResponse: "4.7.0 later", Attempt: 1}},
		{"permanent", mailgunEvent("failed", failed("permanent", "bounce", `"code":550,"message":"5.5.0 no","enhanced-code":"5.5.0","bounce-type":"hard"`)), schemas.Event{
			Type: schemas.EventTypeBounced, ProviderType: "failed:permanent:bounce", BounceClass: "hard", RejectReason: "bounced", SMTPCode: 550, SMTPEnhanced: "5.5.0", MTAResponse: "5.5.0 no"}},
		{"permanent but soft", mailgunEvent("failed", failed("permanent", "bounce", `"code":552,"bounce-type":"soft"`)), schemas.Event{
			Type: schemas.EventTypeBounced, ProviderType: "failed:permanent:bounce", BounceClass: "soft", RejectReason: "bounced", SMTPCode: 552}},
		{"blocked", mailgunEvent("failed", failed("permanent", "espblock", `"code":"554","bounce-type":"soft"`)), schemas.Event{
			Type: schemas.EventTypeBounced, ProviderType: "failed:permanent:espblock", BounceClass: "block", RejectReason: "blocked", SMTPCode: 554}},
		{"against a policy", mailgunEvent("failed", failed("permanent", "generic", `"code":550,"enhanced-code":"5.7.1"`)), schemas.Event{
			Type: schemas.EventTypeBounced, ProviderType: "failed:permanent:generic", BounceClass: "block", RejectReason: "other", SMTPCode: 550, SMTPEnhanced: "5.7.1"}},
		{"given up", mailgunEvent("failed", failed("permanent", "old", `"code":499,"description":"Too old"`)), schemas.Event{
			Type: schemas.EventTypeBounced, ProviderType: "failed:permanent:old", BounceClass: "soft", RejectReason: "timed_out", Description: "Too old"}},
		{"never tried", mailgunEvent("failed", failed("permanent", "suppress-bounce", `"code":605,"message":"","description":"Not delivering to previously bounced address"`)), schemas.Event{
			Type: schemas.EventTypeRejected, ProviderType: "failed:permanent:suppress-bounce", RejectReason: "bounced", Description: "Not delivering to previously bounced address"}},
		{"never tried after a complaint", mailgunEvent("failed", failed("permanent", "suppress-complaint", ``)), schemas.Event{
			Type: schemas.EventTypeRejected, ProviderType: "failed:permanent:suppress-complaint", RejectReason: "spam"}},
		{"never tried, unsubscribed", mailgunEvent("failed", failed("permanent", "suppress-unsubscribe", `"code":606`)), schemas.Event{
			Type: schemas.EventTypeRejected, ProviderType: "failed:permanent:suppress-unsubscribe", RejectReason: "unsubscribed"}},
		{"failed without a word", mailgunEvent("failed", `,"severity":null,"reason":7,"delivery-status":"x"`), schemas.Event{
			Type: schemas.EventTypeBounced, ProviderType: "failed:7", RejectReason: "other"}},
		{"rejected", mailgunEvent("rejected", `,"reject":{"reason":"No","description":"sandbox"}`), schemas.Event{
			Type: schemas.EventTypeRejected, ProviderType: "rejected", RejectReason: "other", Description: "No: sandbox"}},
		{"complained", mailgunEvent("complained", ""), schemas.Event{Type: schemas.EventTypeComplained, ProviderType: "complained"}},
		{"unsubscribed", mailgunEvent("unsubscribed", `,"storage":[]`+client("null", "X11")), schemas.Event{Type: schemas.EventTypeUnsubscribed, ProviderType: "unsubscribed", IP: "192.0.2.7", Machine: schemas.MachineHuman}},
		{"opened", mailgunEvent("opened", client(`""`, "X11")), schemas.Event{Type: schemas.EventTypeOpened, ProviderType: "opened", IP: "192.0.2.7", Country: "FR", City: "Brest",
			ClientName: "Firefox", ClientOS: "Linux", DeviceType: "desktop", UserAgent: "X11", Machine: schemas.MachineHuman}},
		{"opened by Apple's bot", mailgunEvent("opened", client(`"apple"`, "X11")), schemas.Event{
			Type: schemas.EventTypeOpened, ProviderType: "opened", Machine: schemas.MachineMachine, MachineReasons: []string{"mailgun_bot:apple"}}},
		{"opened by Gmail's proxy", mailgunEvent("opened", client(`"gmail"`, "Mozilla/5.0 (via ggpht.com GoogleImageProxy)")), schemas.Event{
			Type: schemas.EventTypeOpened, ProviderType: "opened", Machine: schemas.MachineProxy, MachineReasons: []string{"mailgun_bot:gmail", "google_image_proxy"}}},
		{"clicked by Gmail's bot", mailgunEvent("clicked", `,"url":"https:\/\/example.com\/"`+client(`"gmail"`, "")), schemas.Event{
			Type: schemas.EventTypeClicked, ProviderType: "clicked", URL: "https://example.com/", Machine: schemas.MachineMachine, MachineReasons: []string{"mailgun_bot:gmail"}}},
		{"clicked by another bot", mailgunEvent("clicked", client(`"generic"`, "python-requests/2")), schemas.Event{
			Type: schemas.EventTypeClicked, ProviderType: "clicked", Machine: schemas.MachineMachine, MachineReasons: []string{"mailgun_bot:generic", "scanner_agent:python-requests"}}},
		{"clicked by a library", mailgunEvent("clicked", `,"client-info":{"client-type":"library","user-agent":"x"}`), schemas.Event{
			Type: schemas.EventTypeClicked, ProviderType: "clicked", Machine: schemas.MachineMachine, MachineReasons: []string{"mailgun_client:library"}}},
		{"odd fields", mailgunEvent("opened", `,"tags":{"a":1},"ip":7,"geolocation":[],"client-info":"x","user-variables":7,"campaigns":{},"flags":null,"url":"x"`), schemas.Event{
			Type: schemas.EventTypeOpened, ProviderType: "opened", Metadata: map[string]string{"payload": "7"}}},
		{"stored", mailgunEvent("stored", ""), schemas.Event{ProviderType: "stored"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, body := range []string{c.body, `{"signature":{"token":"t-1"},"event-data":` + c.body + `}`, "[" + c.body + "]"} {
				got := events(t, Mailgun{}, hook(Mailgun{}, "application/json", body))
				if len(got) != 1 {
					t.Fatalf("%d events", len(got))
				}
				c.want.Recipient = "ann@example.com"
				expect(t, got[0], c.want)
			}
		})
	}
}

// TestMailgunRecipients: where it is not in its own field.
func TestMailgunRecipients(t *testing.T) {
	for _, c := range []struct{ fields, want string }{
		{`"recipient":"Ann <ann@example.com>"`, "ann@example.com false"},
		{`"message":{"headers":{"to":"\"Ann, B.\" <ann@example.com>"}}`, "ann@example.com false"},
		{`"message":{"headers":{"to":"ann@example.com, Bob <bob@example.com>"}}`, "ann@example.com true"},
		{`"message":{"headers":{"to":"Ann (x <ann@example.com>"}}`, "ann@example.com false"},
		{`"envelope":{"targets":"ann@example.com"},"message":{"headers":{"to":"list@example.com"}}`, "ann@example.com false"},
		{`"message":{"headers":{"to":"nobody","message-id":"m"}}`, " false"},
	} {
		ev := events(t, Mailgun{}, hook(Mailgun{}, "", `{"event":"rejected",`+c.fields+`}`))[0]
		if got := fmt.Sprint(ev.Recipient, " ", ev.RecipientAmbiguous); got != c.want {
			t.Errorf("%s: got %s, want %s", c.fields, got, c.want)
		}
	}
}

func TestMailgunBodies(t *testing.T) {
	good := mailgunBody("opened", "")
	for _, c := range []struct{ contentType, body, want string }{
		{"application/json", good, "0 ok"},
		{"", "\ufeff " + good, "0 ok"},
		{formType, good, "0 ok"},
		{"application/json", "[" + good + `,7,{},{"event-data":{"event":"opened"}},` + good + "]", "0 ok; 1 not_an_event ; 2 missing_field event; 3 missing_field recipient; 4 ok"},
		{"application/json", `{"signature":{"token":"t"},"event-data":null}`, "0 missing_field event"},
		{"application/json", `{"event-data":[]}`, "0 missing_field event"},
		{"application/json", "", "-1 bad_json "},
		{"application/json; charset=utf-8", "event=opened", "-1 bad_json "},
		{"application/json", good + good, "-1 bad_json "},
		{formType, "", "-1 bad_form "},
		{formType, "recipient=ann%40example.com&body-plain=x", "0 missing_field event"},
		{formType, "recipient=ann%40example.com&event=opened&x=%zz", "0 ok"},
	} {
		if got := summary(t, Mailgun{}, hook(Mailgun{}, c.contentType, c.body)); got != c.want {
			t.Errorf("%.60q:\n got %s\nwant %s", c.body, got, c.want)
		}
	}
}

// TestMailgunID: frozen. The ids were worked out apart from this code.
func TestMailgunID(t *testing.T) {
	var ids []string
	for _, c := range []struct{ contentType, body string }{
		{"", mailgunBody("clicked", `,"url":"https://example.com/","ip":"192.0.2.7","client-info":{"user-agent":"x"}`)},
		{"", mailgunBody("failed", failed("temporary", "generic", `"attempt-no":2,"code":421`))},
		{formType, urlEncoded("event", "bounced", "recipient", "ann@example.com", "code", "550", "reason", "r", "Message-Id", "<1.2@example.org>", "timestamp", "1772359200", "token", "t")},
	} {
		ids = append(ids, events(t, Mailgun{}, hook(Mailgun{}, c.contentType, c.body))[0].EventID.String())
	}
	wantIDs(t, ids, "0cac4a74-81a4-c4b5-78f1-31babadc3199", "66a2c633-076a-b561-affa-e4bc68b1b7f4", "9f6ce5dd-bf25-7378-387e-acbb74a40b51")
}

// TestMailgunRepeats: signed anew, it is the same event.
func TestMailgunRepeats(t *testing.T) {
	first := `{"signature":{"timestamp":"1","token":"a"},"event-data":` + mailgunEvent("opened", "") + `}`
	again := `{"event-data":` + mailgunEvent("opened", "") + `,"signature":{"timestamp":"2","token":"b"}}`
	attempt := `{"event-data":` + mailgunEvent("opened", `,"delivery-status":{"attempt-no":2}`) + `}`
	id := func(body string) schemas.ID { return events(t, Mailgun{}, hook(Mailgun{}, "", body))[0].EventID }
	if id(first) != id(again) || id(first) == id(attempt) {
		t.Error("the id depends on the signature, or not on the attempt")
	}
}

func TestMailgunAnswers(t *testing.T) {
	for why, want := range map[Refusal]int{RefusedForged: 0, RefusedUnasked: 0, RefusedRepeated: http.StatusNotAcceptable, RefusedTooLarge: http.StatusNotAcceptable, RefusedBusy: 0} {
		if got := (Mailgun{}).Answer(why); got != want {
			t.Errorf("%d: %d, want %d", why, got, want)
		}
	}
}

func FuzzMailgun(f *testing.F) {
	fuzzProvider(f, Mailgun{}, "", mailgunBody("failed", failed("permanent", "bounce", `"code":550,"message":"5.1.1"`)), mailgunEvent("opened", `,"campaigns":[7],"user-variables":"{"`),
		`{"event":"dropped","token":"t","recipient":["a@b","c"],"message-headers":[["To",["x",{}]]]}`, urlEncoded("event", "clicked", "recipient", "a@b", "own", "x", "token", "1", "token", "2"),
		"--x\r\nContent-Disposition: form-data; name=\"event\"\r\n\r\nopened\r\n--x--")
}
