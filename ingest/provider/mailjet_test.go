package provider

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

func at(t time.Time) schemas.Timestamp { return schemas.FromTime(t) }

var received = at(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))

// decoded is what Decode yielded for one element.
type decoded struct {
	index int
	event schemas.Event
	err   *Error
}

func decode(t testing.TB, body string) []decoded {
	t.Helper()
	return outcomes(t, Mailjet{}, hook(Mailjet{}, "", body))
}

func one(t testing.TB, body string) schemas.Event {
	t.Helper()
	all := decode(t, body)
	if len(all) != 1 || all[0].err != nil {
		t.Fatalf("%s: got %+v, want one event", body, all)
	}
	return all[0].event
}

// with returns an event of a type with more members.
func with(event, more string) string {
	s := `{"event":"` + event + `","time":1772366400,"MessageID":104427216766056450,"Message_GUID":"b29e1a52-8d3c-4a57-9d2e-0c1f6a7b8c9d","email":"Ann@Example.COM","mj_campaign_id":7257`
	if more != "" {
		s += "," + more
	}
	return s + "}"
}

func TestMailjetTypes(t *testing.T) {
	for _, c := range []struct {
		event, more        string
		want               schemas.EventType
		class, reason      string
		code               int32
		enhanced           string
		description, reply string
	}{
		{"sent", `"smtp_reply":"sent (250 2.0.0 OK 1772366399 x1si855896wjc.199 - gsmtp)"`, schemas.EventTypeDelivered, "", "", 250, "2.0.0", "", "sent (250 2.0.0 OK 1772366399 x1si855896wjc.199 - gsmtp)"},
		{"sent", `"smtp_reply":"250 Accepted"`, schemas.EventTypeDelivered, "", "", 250, "", "", "250 Accepted"},
		{"sent", `"smtp_reply":null`, schemas.EventTypeDelivered, "", "", 0, "", "", ""},
		{"open", ``, schemas.EventTypeOpened, "", "", 0, "", "", ""},
		{"click", `"url":"https://shop.example/a?b=1&c=2"`, schemas.EventTypeClicked, "", "", 0, "", "", ""},
		{"spam", `"source":"JMRPP"`, schemas.EventTypeComplained, "", "", 0, "", "", ""},
		{"unsub", `"mj_list_id":12`, schemas.EventTypeUnsubscribed, "", "", 0, "", "", ""},
		{"parseapi", ``, schemas.EventTypeUnknown, "", "", 0, "", "", ""},
		{"blocked", `"error_related_to":"recipient","error":"user unknown"`, schemas.EventTypeRejected, "", "bounced", 0, "", "recipient: user unknown", ""},
		{"blocked", `"error_related_to":"mailjet","error":"preblocked"`, schemas.EventTypeRejected, "", "blocked", 0, "", "mailjet: preblocked", ""},
		{"blocked", `"error_related_to":"mailjet","error":"duplicate in campaign"`, schemas.EventTypeRejected, "", "other", 0, "", "mailjet: duplicate in campaign", ""},
		{"blocked", `"error_related_to":"domain","error":"typofix"`, schemas.EventTypeRejected, "", "invalid", 0, "", "domain: typofix", ""},
		{"blocked", `"error_related_to":"content","error":"error in template language"`, schemas.EventTypeFailed, "", "other", 0, "", "content: error in template language", ""},
		{"blocked", ``, schemas.EventTypeRejected, "", "other", 0, "", "", ""},
		{"bounce", `"hard_bounce":true,"error_related_to":"recipient","error":"user unknown","comment":"550 5.1.1 no such user"`, schemas.EventTypeBounced, "hard", "bounced", 550, "5.1.1", "recipient: user unknown", "550 5.1.1 no such user"},
		{"bounce", `"hard_bounce":"true","error_related_to":"recipient","error":"spam reporter"`, schemas.EventTypeBounced, "hard", "spam", 0, "", "recipient: spam reporter", ""},
		{"bounce", `"hard_bounce":false,"error_related_to":"recipient","error":"quota exceeded","comment":"452-4.2.2 over quota"`, schemas.EventTypeBounced, "soft", "bounced", 452, "4.2.2", "recipient: quota exceeded", "452-4.2.2 over quota"},
		{"bounce", `"hard_bounce":false,"error_related_to":"domain","error":"greylisted"`, schemas.EventTypeDeferred, "", "", 0, "", "domain: greylisted", ""},
		{"bounce", `"hard_bounce":true,"error_related_to":"domain","error":"greylisted"`, schemas.EventTypeBounced, "hard", "bounced", 0, "", "domain: greylisted", ""},
		{"bounce", `"hard_bounce":false,"error":"connection issue","comment":"421 4.7.0 [TS01] Messages from 192.0.2.1 temporarily deferred"`, schemas.EventTypeDeferred, "", "", 421, "4.7.0", "connection issue", "421 4.7.0 [TS01] Messages from 192.0.2.1 temporarily deferred"},
		{"bounce", `"hard_bounce":false,"error_related_to":"system","error":"connection issue","comment":"Connection timed out after 250 seconds"`, schemas.EventTypeBounced, "soft", "other", 0, "", "system: connection issue", "Connection timed out after 250 seconds"},
		{"bounce", `"hard_bounce":false,"error_related_to":"policy issue","error":""`, schemas.EventTypeBounced, "block", "blocked", 0, "", "policy issue", ""},
		{"bounce", `"hard_bounce":false`, schemas.EventTypeBounced, "soft", "bounced", 0, "", "", ""},
		{"bounce", `"hard_bounce":false,"error":"some new words"`, schemas.EventTypeBounced, "soft", "other", 0, "", "some new words", ""},
	} {
		ev := one(t, with(c.event, c.more))
		got := fmt.Sprint(ev.Type, ev.ProviderType, ev.BounceClass, ev.RejectReason, ev.SMTPCode, ev.SMTPEnhanced, ev.Description, ev.MTAResponse)
		want := fmt.Sprint(c.want, c.event, c.class, c.reason, c.code, c.enhanced, c.description, c.reply)
		if got != want {
			t.Errorf("%s %s:\n got %s\nwant %s", c.event, c.more, got, want)
		}
	}
}

func TestMailjetFields(t *testing.T) {
	ev := one(t, with("click", `"url":"https:\/\/shop.example\/a?b=1","ip":"192.0.2.7","geo":"fr","agent":"Mozilla/5.0 (X11)","mj_contact_id":320,"mj_list_id":"4","customcampaign":"Spring","CustomID":"order 9","Payload":"{\"a\": 1, \"b\": {\"c\": [1, 2]}, \"d\": null, \"e\": \"x\\ny\"}"`))
	want := schemas.Event{
		EventID: ev.EventID, Tenant: "acme", Account: "shop", Source: "mailjet-1", Provider: "mailjet",
		Type: schemas.EventTypeClicked, ProviderType: "click", OccurredAt: 1772366400e6, OccurredPrecisionMS: 1000, ReceivedAt: received,
		MessageID: "104427216766056450", MessageUUID: "b29e1a52-8d3c-4a57-9d2e-0c1f6a7b8c9d",
		Recipient: "Ann@Example.COM", RecipientDomain: "example.com", CampaignID: "7257", CampaignName: "Spring",
		ContactID: "320", ListID: "4", CustomID: "order 9",
		Metadata: map[string]string{"a": "1", "b": `{"c":[1,2]}`, "e": "x\ny"},
		URL:      "https://shop.example/a?b=1", IP: "192.0.2.7", Country: "FR", UserAgent: "Mozilla/5.0 (X11)", Machine: schemas.MachineHuman,
		RawRef: schemas.RawRef{WebhookID: schemas.ID{7}}, MapperVersion: mailjetVersion,
	}
	if got, want := asJSON(ev), asJSON(want); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if ev.EventID.IsZero() {
		t.Error("no event id")
	}
}

func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// TestMailjetQuirks changes one field and looks at one thing.
func TestMailjetQuirks(t *testing.T) {
	type get func(*schemas.Event) string
	message := get(func(e *schemas.Event) string { return e.MessageID })
	campaign := get(func(e *schemas.Event) string { return e.CampaignID })
	country := get(func(e *schemas.Event) string { return e.Country })
	occurred := get(func(e *schemas.Event) string { return fmt.Sprint(int64(e.OccurredAt), e.OccurredPrecisionMS) })
	metadata := get(func(e *schemas.Event) string { return asJSON(e.Metadata) })
	recipient := get(func(e *schemas.Event) string { return e.Recipient + "|" + e.RecipientDomain })
	ip := get(func(e *schemas.Event) string { return e.IP })
	custom := get(func(e *schemas.Event) string { return e.CustomID })
	for _, c := range []struct {
		body, want string
		get        get
	}{
		{`"MessageID":19421777835146490`, "19421777835146490", message},
		{`"MessageID":"19421777835146490"`, "19421777835146490", message},
		{`"MessageID":9223372036854775807`, "9223372036854775807", message},
		{`"MessageID":18446744073709551616`, "18446744073709551616", message},
		{`"MessageID":1.942177783514649e16`, "19421777835146490", message},
		{`"MessageID":19421777835146490.0`, "19421777835146490", message},
		{`"MessageID":1e400`, "", message},
		{`"MessageID":1.5`, "", message},
		{`"MessageID":0,"mj_message_id":"194"`, "194", message},
		{`"Message_GUID":"6789f0gh1i2j"`, "6789f0gh1i2j", message},
		{`"MessageID":{"a":1}`, "", message},
		{`"MessageID":[1]`, "", message},
		{`"MessageID":true`, "", message},
		{`"MessageID":null`, "", message},

		{`"mj_campaign_id":0,"customcampaign":"mj.nl=58424"`, "mj.nl=58424", campaign},
		{`"mj_campaign_id":"1210245103"`, "1210245103", campaign},
		{`"mj_campaign_id":"0","customcampaign":""`, "", campaign},
		{`"mj_campaign_id":1,"mj_campaign_id":2`, "2", campaign},
		{`"mj_campai\u0067n_id":3`, "3", campaign},

		{`"geo":null`, "", country}, {`"geo":"EU"`, "", country}, {`"geo":""`, "", country}, {`"geo":"A1"`, "", country},
		{`"geo":"de"`, "DE", country}, {`"geo":" US "`, "US", country}, {`"geo":7`, "", country}, {`"geo":{}`, "", country},

		{`"time":1772366400`, "1772366400000000 1000", occurred},
		{`"time":"1772366400"`, "1772366400000000 1000", occurred},
		{`"time":1772366400.25`, "1772366400250000 1", occurred},
		{`"time":1.7723664e9`, "1772366400000000 1000", occurred},
		{`"time":-5`, "-5000000 1000", occurred},
		{`"time":null`, "0 0", occurred}, {`"time":"soon"`, "0 0", occurred}, {`"time":[]`, "0 0", occurred},
		{`"time":99999999999999999999`, "0 0", occurred},

		{`"Payload":""`, "null", metadata}, {`"Payload":null`, "null", metadata}, {`"Payload":"{}"`, "null", metadata},
		{`"Payload":"hello"`, `{"payload":"hello"}`, metadata},
		{`"Payload":"[1, 2]"`, `{"payload":"[1, 2]"}`, metadata},
		{`"Payload":"{\"a\":"`, `{"payload":"{\"a\":"}`, metadata},
		{`"Payload":"{\"id\":104427216766056450,\"ok\":true}"`, `{"id":"104427216766056450","ok":"true"}`, metadata},
		{`"Payload":{"a":"b"}`, `{"a":"b"}`, metadata},
		{`"Payload":[1, 2]`, `{"payload":"[1,2]"}`, metadata},
		{`"Payload":7`, `{"payload":"7"}`, metadata},

		{`"email":" Ann@Shop.Example "`, " Ann@Shop.Example |shop.example", recipient},
		{`"email":"nobody"`, "nobody|", recipient},
		{"\"email\":\"a\xff@b.example\"", "a\ufffd@b.example|b.example", recipient},
		{`"email":"\ud83d\ude00@b.example"`, "😀@b.example|b.example", recipient},
		{`"email":"\ud83d@b.example"`, "\ufffd@b.example|b.example", recipient},
		{`"email":null`, "|", recipient}, {`"email":["a@b"]`, "|", recipient}, {`"email":"  "`, "|", recipient},

		{`"ip":"2001:db8::1"`, "2001:db8::1", ip}, {`"ip":"none"`, "", ip}, {`"ip":null`, "", ip},
		{`"CustomID":42`, "42", custom}, {`"CustomID":{"a":1}`, "", custom},
	} {
		body := `{"event":"open",` + c.body
		if !strings.Contains(c.body, "email") {
			body += `,"email":"a@b.example"`
		} else {
			body += `,"MessageID":1`
		}
		ev := one(t, body+"}")
		if got := c.get(&ev); got != c.want {
			t.Errorf("%s: got %q, want %q", c.body, got, c.want)
		}
	}
}

func TestMailjetRefusals(t *testing.T) {
	good := with("open", "")
	for _, c := range []struct{ body, want string }{
		{``, "-1 bad_json "},
		{`<html>`, "-1 bad_json "},
		{`{"event":"open"`, "-1 bad_json "},
		{good + good, "-1 bad_json "},
		{good + "\n" + good, "-1 bad_json "},
		{`[` + good + `,]`, "-1 bad_json "},
		{`"open"`, "-1 not_an_event "},
		{`null`, "-1 not_an_event "},
		{`[]`, ""},
		{`{}`, "0 missing_field event"},
		{`[` + good + `,7,` + good + `,null,[],{"event":7},{"event":null},{"event":""},{"event":"open","time":1}]`,
			"0 ok; 1 not_an_event ; 2 ok; 3 not_an_event ; 4 not_an_event ; 5 bad_field event; 6 missing_field event; 7 missing_field event; 8 missing_field recipient"},
		{"\ufeff" + good, "0 ok"},
	} {
		var got []string
		for _, d := range decode(t, c.body) {
			if d.err == nil {
				got = append(got, fmt.Sprint(d.index, " ok"))
				continue
			}
			got = append(got, fmt.Sprint(d.index, " ", d.err.Reason, " ", d.err.Field))
			if d.err.Detail == "" {
				t.Errorf("%s: no detail", c.body)
			}
		}
		if s := strings.Join(got, "; "); s != c.want {
			t.Errorf("%.40s:\n got %s\nwant %s", c.body, s, c.want)
		}
	}
}
