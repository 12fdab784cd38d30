package provider

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/posthorn/posthorn/schemas"
)

// sendgridBody returns an event of a type with more members.
func sendgridBody(event, more string) string {
	return `{"event":"` + event + `","email":"ann@example.com","timestamp":1772366400,"sg_event_id":"ZXZlbnQtMQ","sg_message_id":"Qm9va2VuZHM.recvd-5d8-1-65E1A2B3-1F.0","smtp-id":"<Qm9va2VuZHM@geopod-1>"` + more + `}`
}

func TestSendGrid(t *testing.T) {
	const phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X)"
	for _, c := range []struct {
		event, more string
		want        schemas.Event
	}{
		{"processed", `,"pool":{"name":"warm","id":7},"category":["a","b"]`, schemas.Event{Type: schemas.EventTypeQueued, Tags: []string{"a", "b"}}},
		{"Processed", ``, schemas.Event{Type: schemas.EventTypeQueued}},
		{"delivered", `,"response":"250 2.0.0 OK gsmtp","ip":"192.0.2.1","tls":1,"category":"a"`, schemas.Event{
			Type: schemas.EventTypeDelivered, SMTPCode: 250, SMTPEnhanced: "2.0.0", MTAResponse: "250 2.0.0 OK gsmtp", Tags: []string{"a"}}},
		{"deferred", `,"response":"451 4.7.1 greylisted","attempt":"3"`, schemas.Event{
			Type: schemas.EventTypeDeferred, SMTPCode: 451, SMTPEnhanced: "4.7.1", MTAResponse: "451 4.7.1 greylisted", Attempt: 3}},
		{"deferred", `,"reason":"unable to get mx info","attempt":2`, schemas.Event{Type: schemas.EventTypeDeferred, MTAResponse: "unable to get mx info", Attempt: 2}},
		{"open", `,"ip":"2001:db8::1","useragent":"` + phone + `","sg_machine_open":false,"sg_content_type":"html"`, schemas.Event{
			Type: schemas.EventTypeOpened, IP: "2001:db8::1", UserAgent: phone, Machine: schemas.MachineHuman}},
		{"open", `,"useragent":"` + phone + `","sg_machine_open":true`, schemas.Event{Type: schemas.EventTypeOpened, Machine: schemas.MachineMachine, MachineReasons: []string{"sendgrid_machine_open"}}},
		{"open", `,"useragent":"Mozilla/5.0","sg_machine_open":"true"`, schemas.Event{
			Type: schemas.EventTypeOpened, Machine: schemas.MachineMachine, MachineReasons: []string{"sendgrid_machine_open", "apple_mail_privacy_protection"}}},
		{"open", `,"useragent":"curl/8","sg_machine_open":1`, schemas.Event{
			Type: schemas.EventTypeOpened, Machine: schemas.MachineMachine, MachineReasons: []string{"sendgrid_machine_open", "scanner_agent:curl"}}},
		{"open", `,"useragent":"x GoogleImageProxy","sg_machine_open":null`, schemas.Event{Type: schemas.EventTypeOpened, Machine: schemas.MachineProxy, MachineReasons: reasonGoogleProxy}},
		{"click", `,"url":"https://shop.example/?a=1\u0026b=2","url_offset":{"index":4,"type":"html"},"useragent":"Lynx"`, schemas.Event{
			Type: schemas.EventTypeClicked, URL: "https://shop.example/?a=1&b=2", LinkIndex: 5, Machine: schemas.MachineHuman}},
		{"spamreport", ``, schemas.Event{Type: schemas.EventTypeComplained}},
		{"unsubscribe", ``, schemas.Event{Type: schemas.EventTypeUnsubscribed}},
		{"group_unsubscribe", `,"asm_group_id":"21","useragent":"Lynx","url":"https://u.example/"`, schemas.Event{Type: schemas.EventTypeUnsubscribed, ListID: "21", Machine: schemas.MachineHuman}},
		{"group_resubscribe", `,"asm_group_id":21`, schemas.Event{Type: schemas.EventTypeSubscribed, ListID: "21"}},
		{"of_tomorrow", `,"type":"x"`, schemas.Event{Type: schemas.EventTypeUnknown}},
	} {
		c.want.ProviderType, c.want.ProviderEventID = c.event, "ZXZlbnQtMQ"
		c.want.MessageID, c.want.RFCMessageID = "Qm9va2VuZHM.recvd-5d8-1-65E1A2B3-1F.0", "<Qm9va2VuZHM@geopod-1>"
		c.want.Recipient, c.want.RecipientDomain = "ann@example.com", "example.com"
		c.want.OccurredAt, c.want.OccurredPrecisionMS = 1772366400e6, 1000
		t.Run(c.event, func(t *testing.T) {
			expect(t, events(t, SendGrid{}, hook(SendGrid{}, "", "["+sendgridBody(c.event, c.more)+"]"))[0], c.want)
		})
	}
}

func TestSendGridFailures(t *testing.T) {
	for _, c := range []struct {
		event, more, providerType string
		want                      schemas.EventType
		class, reason             string
		code                      int32
		enhanced                  string
	}{
		{"bounce", `,"type":"bounce","reason":"550 5.1.1 no such user","status":"5.1.1"`, "bounce:bounce", schemas.EventTypeBounced, "hard", "bounced", 550, "5.1.1"},
		{"bounce", `,"type":"blocked","reason":"550 5.7.1 [192.0.2.1] listed","bounce_classification":"Reputation"`, "bounce:blocked", schemas.EventTypeBounced, "block", "blocked", 550, "5.7.1"},
		{"bounce", `,"type":"expired","reason":"unable to connect"`, "bounce:expired", schemas.EventTypeBounced, "soft", "timed_out", 0, ""},
		{"bounce", `,"reason":"500 unknown recipient","status":"5.0.0"`, "bounce", schemas.EventTypeBounced, "hard", "bounced", 500, "5.0.0"},
		{"bounce", `,"reason":"mailbox full","status":"4.2.2","type":null`, "bounce", schemas.EventTypeBounced, "soft", "bounced", 0, "4.2.2"},
		{"bounce", `,"type":["x"],"reason":7,"status":{}`, "bounce", schemas.EventTypeBounced, "hard", "bounced", 0, ""},
		{"bounce", ``, "bounce", schemas.EventTypeBounced, "hard", "bounced", 0, ""},
		{"blocked", `,"reason":"554 no"`, "blocked", schemas.EventTypeBounced, "block", "blocked", 554, ""},
		{"dropped", `,"reason":"Bounced Address","status":"5.0.0"`, "dropped", schemas.EventTypeRejected, "", "bounced", 0, "5.0.0"},
		{"dropped", `,"reason":"Unsubscribed Address"`, "dropped", schemas.EventTypeRejected, "", "unsubscribed", 0, ""},
		{"dropped", `,"reason":"Spam Reporting Address"`, "dropped", schemas.EventTypeRejected, "", "spam", 0, ""},
		{"dropped", `,"reason":"Spam Content"`, "dropped", schemas.EventTypeRejected, "", "spam", 0, ""},
		{"dropped", `,"reason":"Invalid"`, "dropped", schemas.EventTypeRejected, "", "invalid", 0, ""},
		{"dropped", `,"reason":"Invalid SMTPAPI header"`, "dropped", schemas.EventTypeRejected, "", "other", 0, ""},
		{"dropped", `,"reason":"Recipient List over Package Quota"`, "dropped", schemas.EventTypeRejected, "", "other", 0, ""},
		{"dropped", `,"type":"blocked"`, "dropped:blocked", schemas.EventTypeRejected, "", "blocked", 0, ""},
		{"dropped", ``, "dropped", schemas.EventTypeRejected, "", "other", 0, ""},
	} {
		ev := events(t, SendGrid{}, hook(SendGrid{}, "", sendgridBody(c.event, c.more)))[0]
		got := fmt.Sprint(ev.ProviderType, ev.Type, ev.BounceClass, ev.RejectReason, ev.SMTPCode, ev.SMTPEnhanced)
		want := fmt.Sprint(c.providerType, c.want, c.class, c.reason, c.code, c.enhanced)
		if got != want {
			t.Errorf("%s %s:\n got %s\nwant %s", c.event, c.more, got, want)
		}
	}
}

// TestSendGridQuirks adds members to an open and looks at one thing.
func TestSendGridQuirks(t *testing.T) {
	type get func(*schemas.Event) string
	metadata := get(func(e *schemas.Event) string { return asJSON(e.Metadata) })
	tags := get(func(e *schemas.Event) string { return asJSON(e.Tags) })
	campaign := get(func(e *schemas.Event) string { return e.CampaignID + "|" + e.CampaignName + "|" + e.ListID })
	message := get(func(e *schemas.Event) string { return e.MessageID + "|" + e.RFCMessageID + "|" + e.ProviderEventID })
	occurred := get(func(e *schemas.Event) string { return fmt.Sprint(int64(e.OccurredAt), e.OccurredPrecisionMS) })
	link := get(func(e *schemas.Event) string { return fmt.Sprint(e.LinkIndex, e.Attempt) })
	recipient := get(func(e *schemas.Event) string { return e.Recipient + "|" + e.RecipientDomain })
	for _, c := range []struct {
		event, members, want string
		get                  get
	}{
		{"open", `"order":104427216766056450,"vip":true,"note":"a\nb","nested":{"a": [1, 2]},"none":null`, `{"nested":"{\"a\":[1,2]}","note":"a\nb","order":"104427216766056450","vip":"true"}`, metadata},
		{"open", `"none":null`, `null`, metadata}, {"open", `"a":1,"a":"two"`, `{"a":"two"}`, metadata}, {"open", `"":"x"`, `{"":"x"}`, metadata},
		{"open", `"type":"receipt","status":"paid","reason":"gift","template":"welcome"`, `{"reason":"gift","status":"paid","template":"welcome","type":"receipt"}`, metadata},
		{"bounce", `"type":"bounce","status":"5.1.1","reason":"no"`, `null`, metadata},
		{"open", `"template_id":"d-1","phase_id":2`, `{"phase_id":"2","template_id":"d-1"}`, metadata},
		{"open", `"template_id":"d-1","phase_id":"send","template_hash":"h","template_version_id":"v","mc_stats":"singlesend","send_at":"1"`, `null`, metadata},
		{"open", `"template_id":"d-1","mc_auto_id":"a"`, `null`, metadata},
		{"open", `"sg_user_id":1,"post_type":"event","sg_template_id":"d","tls":1,"cert_err":0,"mc_pod_id":"0","marketing_campaign_version":"B"`, `null`, metadata},

		{"open", `"category":[]`, `null`, tags}, {"open", `"category":null`, `null`, tags}, {"open", `"category":["a",null,7,{},""]`, `["a","7"]`, tags},
		{"open", `"category":{"a":1}`, `null`, tags}, {"open", `"category":" a "`, `["a"]`, tags},

		{"open", `"marketing_campaign_id":23,"marketing_campaign_name":"Spring","asm_group_id":0`, "23|Spring|", campaign},
		{"open", `"marketing_campaign_name":"Spring"`, "Spring|Spring|", campaign},
		{"open", `"singlesend_id":"s-1","singlesend_name":"Sale","marketing_campaign_id":23`, "s-1|Sale|", campaign},
		{"open", `"mc_auto_id":"a-1","mc_auto_name":"Welcome"`, "a-1|Welcome|", campaign}, {"open", `"nlvx_campaign_id":55`, "55||", campaign},
		{"open", `"newsletter":{"newsletter_id":"9","newsletter_user_list_id":"8"}`, "9||8", campaign},
		{"open", `"newsletter":{"newsletter_id":"9"},"singlesend_id":"s","asm_group_id":104427216766056450`, "s||104427216766056450", campaign},
		{"open", `"newsletter":"x","marketing_campaign_id":[1]`, "||", campaign},

		{"open", `"sg_message_id":"a.b.0","smtp-id":"<c@d>","sg_event_id":"e"`, "a.b.0|<c@d>|e", message},
		{"bounce", `"sg_message_id":"","smtp-id":"<c@d>","sg_event_id":null`, "<c@d>|<c@d>|", message},
		{"bounce", `"sg_message_id":{},"smtp-id":"<c@d>"`, "<c@d>|<c@d>|", message}, {"bounce", `"sg_message_id":104427216766056450`, "104427216766056450||", message},
		{"bounce", `"smtp-id":""`, "||", message},

		{"open", `"timestamp":"1772366400"`, "1772366400000000 1000", occurred}, {"open", `"timestamp":1772366400123`, "1772366400123000 1", occurred},
		{"open", `"timestamp":1772366400.5`, "1772366400500000 1", occurred}, {"open", `"timestamp":"2026-03-01T12:00:00Z"`, "1772366400000000 1000", occurred},
		{"open", `"timestamp":null`, "0 0", occurred}, {"open", `"timestamp":[1]`, "0 0", occurred}, {"open", `"timestamp":1e400`, "0 0", occurred}, {"open", `"timestamp":"soon"`, "0 0", occurred},

		{"click", `"url_offset":{"index":0}`, "1 0", link}, {"click", `"url_offset":{"index":"2"}`, "3 0", link}, {"click", `"url_offset":{"index":-1}`, "0 0", link},
		{"click", `"url_offset":7`, "0 0", link}, {"click", `"url_offset":{"index":2147483647}`, "0 0", link}, {"click", `"url_offset":{"index":99999999999}`, "0 0", link},
		{"deferred", `"attempt":"x"`, "0 0", link}, {"deferred", `"attempt":"-1"`, "0 0", link}, {"deferred", `"attempt":7`, "0 7", link},

		{"open", `"email":" Ann@Shop.Example "`, "Ann@Shop.Example|shop.example", recipient}, {"open", `"email":7,"sg_message_id":"m"`, "7|", recipient},
		{"open", `"email":null,"sg_message_id":"m"`, "|", recipient}, {"open", "\"email\":\"a\xff@b.example\"", "a\ufffd@b.example|b.example", recipient},
	} {
		body := `{"event":"` + c.event + `",` + c.members
		if !strings.Contains(c.members, `"email"`) {
			body += `,"email":"a@b.example"`
		}
		ev := events(t, SendGrid{}, hook(SendGrid{}, "", body+"}"))[0]
		if got := c.get(&ev); got != c.want {
			t.Errorf("%s: got %q, want %q", c.members, got, c.want)
		}
	}
}

func TestSendGridRefusals(t *testing.T) {
	good := sendgridBody("open", "")
	for _, c := range []struct{ body, want string }{
		{``, "-1 bad_json "}, {`{"event":"open"`, "-1 bad_json "}, {good + good, "-1 bad_json "}, {`"open"`, "-1 not_an_event "}, {`[]`, ""}, {`{}`, "0 missing_field event"},
		{"[" + good + "]\r\n", "0 ok"}, {"\ufeff" + good, "0 ok"},
		{`[{"userid":"1123"},7,` + good + `,null,{"event":7,"email":"a@b"},{"event":" ","email":"a@b"},{"event":"account_status_change","type":"compliance_suspend","timestamp":1}]`,
			"0 missing_field event; 1 not_an_event ; 2 ok; 3 not_an_event ; 4 bad_field event; 5 missing_field event; 6 missing_field recipient"},
	} {
		var got []string
		for _, d := range outcomes(t, SendGrid{}, hook(SendGrid{}, "", c.body)) {
			if d.err == nil {
				got = append(got, fmt.Sprint(d.index, " ok"))
				continue
			}
			got = append(got, fmt.Sprint(d.index, " ", d.err.Reason, " ", d.err.Field))
		}
		if s := strings.Join(got, "; "); s != c.want {
			t.Errorf("%.40s:\n got %s\nwant %s", c.body, s, c.want)
		}
	}
}

func TestSendGridIDs(t *testing.T) {
	with := func(members string) string {
		return events(t, SendGrid{}, hook(SendGrid{}, "", `{"event":"click","email":"ann@example.com","timestamp":1772366400`+members+`}`))[0].EventID.String()
	}
	own := with(`,"sg_event_id":"e-1"`)
	none := with(`,"sg_message_id":"m-1","url":"https://example.com/"`)
	wantIDs(t, []string{own, none}, "3c3f64dd-5d86-22a6-fd2a-b1b83465aac6", "30ea6f5b-8fd7-3295-773a-bf78619caa41")
	if with(`,"sg_event_id":"e-1","response":"250 ok","sg_message_id":"m"`) != own {
		t.Error("a repeated event has another id")
	}
	seen := []string{own, none}
	for _, other := range []string{
		`,"sg_event_id":"e-2"`, `,"sg_event_id":"e-1","attempt":"2"`, `,"sg_event_id":"e-1","email":"bob@example.com"`,
		`,"sg_message_id":"m-2","url":"https://example.com/"`, `,"smtp-id":"m-2","url":"https://example.com/","ip":"192.0.2.1"`,
		`,"sg_message_id":"m-1","url":"https://example.com/","url_offset":{"index":1}`, `,"sg_message_id":"m-1","url":"https://example.org/"`,
		`,"sg_message_id":"m-1","url":"https://example.com/","useragent":"Lynx"`, `,"sg_message_id":"m-1","timestamp":1772366401`,
	} {
		id := with(other)
		if slices.Contains(seen, id) {
			t.Errorf("%s has the id of another event", other)
		}
		seen = append(seen, id)
	}
}

func FuzzSendGrid(f *testing.F) {
	fuzzProvider(f, SendGrid{}, "application/json", "["+sendgridBody("click", `,"url_offset":{"index":1},"a":{"b":[1]},"category":["x"]`)+"]",
		sendgridBody("bounce", `,"type":"blocked","status":"5.1.1","reason":"550 5.1.1 no"`), sendgridBody("open", `,"newsletter":{"newsletter_id":7},"template_id":7,"sg_machine_open":true`),
		`{"event":"open","email":"a@b","timestamp":1772366400123,"x":null}`)
}
