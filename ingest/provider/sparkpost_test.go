package provider

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// sparkpostEvent returns an event of a class and type with more members.
func sparkpostEvent(class, name, more string) string {
	return `{"msys":{"` + class + `":{"type":"` + name + `","event_id":"92000000000000001","message_id":"000a1b2c3d4e5f60","transmission_id":"65000000000000002",` +
		`"timestamp":"1772366400","raw_rcpt_to":"Ann@example.com","rcpt_to":"ann@example.com","campaign_id":"spring","rcpt_meta":{"order":7},"rcpt_tags":["vip"]` + more + `}}}`
}

func TestSparkPost(t *testing.T) {
	const where = `,"ip_address":"192.0.2.1","geo_ip":{"country":"gb","region":"L9","city":"Leeds","latitude":53.3},"user_agent":"Lynx"`
	person := schemas.Event{IP: "192.0.2.1", Country: "GB", Region: "L9", City: "Leeds", UserAgent: "Lynx", Machine: schemas.MachineHuman}
	by := func(t schemas.EventType, url string, first bool) schemas.Event {
		e := person
		e.Type, e.URL, e.First = t, url, first
		return e
	}
	for _, c := range []struct {
		class, name, more string
		want              schemas.Event
	}{
		{"message_event", "injection", `,"rcpt_type":"cc"`, schemas.Event{Type: schemas.EventTypeQueued}},
		{"message_event", "delivery", `,"num_retries":"0","ip_address":"192.0.2.9"`, schemas.Event{Type: schemas.EventTypeDelivered, Attempt: 1}},
		{"message_event", "delay", `,"num_retries":2,"bounce_class":"21","raw_reason":"454 4.4.4 no MX","reason":"454 4.4.4 ..."`, schemas.Event{
			Type: schemas.EventTypeDeferred, Attempt: 3, SMTPCode: 454, SMTPEnhanced: "4.4.4", MTAResponse: "454 4.4.4 no MX", Description: "DNS Failure"}},
		{"message_event", "policy_rejection", `,"error_code":"550","reason":"not allowed"`, schemas.Event{
			Type: schemas.EventTypeRejected, RejectReason: "blocked", SMTPCode: 550, MTAResponse: "not allowed", Description: "not allowed"}},
		{"gen_event", "generation_rejection", `,"raw_reason":"554 5.7.1 recipient address suppressed"`, schemas.Event{
			Type: schemas.EventTypeRejected, RejectReason: "blocked", SMTPCode: 554, SMTPEnhanced: "5.7.1"}},
		{"gen_event", "generation_rejection", `,"bounce_class":"10"`, schemas.Event{Type: schemas.EventTypeRejected, RejectReason: "invalid", Description: "Invalid Recipient"}},
		{"gen_event", "generation_failure", `,"reason":"554 5.3.3 [internal] Error"`, schemas.Event{Type: schemas.EventTypeFailed, RejectReason: "other", SMTPCode: 554, SMTPEnhanced: "5.3.3"}},
		{"message_event", "spam_complaint", `,"fbtype":"abuse","report_by":"fbl.example"`, schemas.Event{Type: schemas.EventTypeComplained, ComplaintSource: "fbl.example"}},
		{"message_event", "spam_complaint", `,"fbtype":"abuse"`, schemas.Event{Type: schemas.EventTypeComplained, ComplaintSource: "abuse"}},
		{"track_event", "open", where, by(schemas.EventTypeOpened, "", false)},
		{"track_event", "initial_open", where, by(schemas.EventTypeOpened, "", true)},
		{"track_event", "amp_open", where, by(schemas.EventTypeOpened, "", false)},
		{"track_event", "amp_initial_open", where, by(schemas.EventTypeOpened, "", true)},
		{"track_event", "click", where + `,"target_link_url":"https://shop.example/","target_link_name":"shop"`, by(schemas.EventTypeClicked, "https://shop.example/", false)},
		{"track_event", "amp_click", where + `,"target_link_url":"https://shop.example/"`, by(schemas.EventTypeClicked, "https://shop.example/", false)},
		{"unsubscribe_event", "list_unsubscribe", `,"mailfrom":"bob@example.com"`, schemas.Event{Type: schemas.EventTypeUnsubscribed}},
		{"unsubscribe_event", "link_unsubscribe", where + `,"target_link_url":"https://shop.example/"`, by(schemas.EventTypeUnsubscribed, "", false)},
		{"message_event", "sms_status", ``, schemas.Event{}},
		{"relay_event", "relay_delivery", ``, schemas.Event{}},
	} {
		c.want.ProviderType, c.want.ProviderEventID, c.want.MessageID = c.name, "92000000000000001", "000a1b2c3d4e5f60"
		c.want.Recipient, c.want.RecipientDomain, c.want.OccurredAt, c.want.OccurredPrecisionMS = "Ann@example.com", "example.com", 1772366400e6, 1000
		c.want.CampaignID, c.want.CampaignName, c.want.Tags, c.want.Metadata = "spring", "spring", []string{"vip"}, map[string]string{"order": "7"}
		t.Run(c.name, func(t *testing.T) {
			expect(t, events(t, SparkPost{}, hook(SparkPost{}, "", "["+sparkpostEvent(c.class, c.name, c.more)+"]"))[0], c.want)
		})
	}
}

func TestSparkPostBounces(t *testing.T) {
	for _, c := range []struct {
		code          string // As it stands in JSON.
		event         schemas.EventType
		class, reason string
	}{
		{`"1"`, schemas.EventTypeBounced, "soft", "other"}, {`"10"`, schemas.EventTypeBounced, "hard", "invalid"}, {`10`, schemas.EventTypeBounced, "hard", "invalid"},
		{`"20"`, schemas.EventTypeBounced, "soft", "bounced"}, {`"21"`, schemas.EventTypeBounced, "soft", "bounced"}, {`"22"`, schemas.EventTypeBounced, "soft", "bounced"},
		{`"23"`, schemas.EventTypeBounced, "soft", "bounced"}, {`"24"`, schemas.EventTypeBounced, "soft", "timed_out"}, {`"25"`, schemas.EventTypeBounced, "block", "blocked"},
		{`"30"`, schemas.EventTypeBounced, "hard", "bounced"}, {`"40"`, schemas.EventTypeBounced, "soft", "bounced"}, {`"50"`, schemas.EventTypeBounced, "block", "blocked"},
		{`"51"`, schemas.EventTypeBounced, "block", "spam"}, {`"52"`, schemas.EventTypeBounced, "block", "spam"}, {`"53"`, schemas.EventTypeBounced, "block", "other"},
		{`"54"`, schemas.EventTypeBounced, "block", "blocked"}, {`"60"`, schemas.EventTypeAutoresponded, "", "other"}, {`"70"`, schemas.EventTypeBounced, "soft", "bounced"},
		{`"80"`, schemas.EventTypeSubscribed, "", ""}, {`"90"`, schemas.EventTypeUnsubscribed, "", "unsubscribed"}, {`"100"`, schemas.EventTypeAutoresponded, "", "other"},
		{`"999"`, schemas.EventTypeBounced, "hard", "bounced"}, {`null`, schemas.EventTypeBounced, "hard", "bounced"}, {`[1]`, schemas.EventTypeBounced, "hard", "bounced"},
	} {
		for _, name := range []string{"bounce", "out_of_band"} {
			ev := events(t, SparkPost{}, hook(SparkPost{}, "", sparkpostEvent("message_event", name, `,"raw_reason":"550 5.1.1 no","bounce_class":`+c.code)))[0]
			providerType := name
			if code := strings.Trim(c.code, `"`); strings.Trim(code, "0123456789") == "" {
				providerType += ":" + code
			}
			got := fmt.Sprint(ev.Type, ev.BounceClass, ev.RejectReason, ev.ProviderType, ev.SMTPCode, ev.SMTPEnhanced)
			if want := fmt.Sprint(c.event, c.class, c.reason, providerType, 550, "5.1.1"); got != want {
				t.Errorf("%s %s: got %s, want %s", name, c.code, got, want)
			}
		}
	}
	soft := events(t, SparkPost{}, hook(SparkPost{}, "", sparkpostEvent("message_event", "bounce", `,"error_code":"452"`)))[0]
	if soft.BounceClass != "soft" || soft.SMTPCode != 452 {
		t.Errorf("bounce without words: %+v", soft)
	}
}

// TestSparkPostMachines tells prefetching from proxies and people.
func TestSparkPostMachines(t *testing.T) {
	for _, c := range []struct {
		agent, parsed string
		class         schemas.Machine
		reasons       string
		client        string
	}{
		{"Lynx", `{"agent_family":"Lynx","os_family":"Linux","is_mobile":false,"is_prefetched":false,"is_proxy":false}`, schemas.MachineHuman, "", "Lynx|Linux|"},
		{"x", `{"agent_family":"Mobile Safari","os_family":"iOS","device_family":"iPhone","is_mobile":true}`, schemas.MachineHuman, "", "Mobile Safari|iOS|mobile"},
		{"x", `{"agent_family":"Other","os_family":"Other","device_family":"iPad","is_mobile":true}`, schemas.MachineHuman, "", "||tablet"},
		{"x", `{"is_proxy":true}`, schemas.MachineProxy, "sparkpost_proxy", "||"},
		{"x GoogleImageProxy", `{"is_proxy":true}`, schemas.MachineProxy, "sparkpost_proxy google_image_proxy", "||"},
		{"Mozilla/5.0", `{"is_proxy":true}`, schemas.MachineMachine, "sparkpost_proxy apple_mail_privacy_protection", "||"},
		{"x", `{"is_prefetched":true,"is_proxy":true}`, schemas.MachineMachine, "sparkpost_prefetched", "||"},
		{"Mozilla/5.0", `{"is_prefetched":"true"}`, schemas.MachineMachine, "sparkpost_prefetched apple_mail_privacy_protection", "||"},
		{"", `null`, schemas.MachineUnknown, "", "||"}, {"Lynx", `7`, schemas.MachineHuman, "", "||"},
	} {
		ev := events(t, SparkPost{}, hook(SparkPost{}, "", sparkpostEvent("track_event", "open", `,"user_agent":"`+c.agent+`","user_agent_parsed":`+c.parsed)))[0]
		if ev.Machine != c.class || strings.Join(ev.MachineReasons, " ") != c.reasons || ev.ClientName+"|"+ev.ClientOS+"|"+ev.DeviceType != c.client {
			t.Errorf("%s %s: %v %v %s|%s|%s", c.agent, c.parsed, ev.Machine, ev.MachineReasons, ev.ClientName, ev.ClientOS, ev.DeviceType)
		}
	}
}

func TestSparkPostQuirks(t *testing.T) {
	type get func(*schemas.Event) string
	metadata := get(func(e *schemas.Event) string { return asJSON(e.Metadata) + asJSON(e.Tags) })
	message := get(func(e *schemas.Event) string { return e.MessageID + "|" + e.ProviderEventID })
	occurred := get(func(e *schemas.Event) string { return fmt.Sprint(int64(e.OccurredAt), e.OccurredPrecisionMS) })
	who := get(func(e *schemas.Event) string { return e.Recipient + "|" + e.CampaignID + "|" + fmt.Sprint(e.Attempt) })
	for _, c := range []struct {
		members, want string
		get           get
	}{
		{`"rcpt_meta":[],"rcpt_tags":[]`, `nullnull`, metadata}, {`"rcpt_meta":null,"rcpt_tags":null`, `nullnull`, metadata}, {`"rcpt_meta":"x","rcpt_tags":"x"`, `null["x"]`, metadata},
		{`"rcpt_meta":{"a":{"b":1},"c":null}`, `{"a":"{\"b\":1}"}null`, metadata},
		{`"message_id":"","transmission_id":"7"`, "7|", message}, {`"transmission_id":104427216766056450`, "104427216766056450|", message},
		{`"message_id":"m","transmission_id":"7","event_id":104427216766056450`, "m|104427216766056450", message},
		{`"event_id":"ed43a32a-a2e0-4b7a-90b8-6b1d0f8c52ab"`, "|ed43a32a-a2e0-4b7a-90b8-6b1d0f8c52ab", message},
		{`"timestamp":1772366400`, "1772366400000000 1000", occurred}, {`"timestamp":"1772366400.250"`, "1772366400250000 1", occurred}, {`"timestamp":1772366400123`, "1772366400123000 1", occurred},
		{`"timestamp":"2026-03-01T13:00:00.500+01:00"`, "1772366400500000 1", occurred}, {`"timestamp":"2026-03-01T12:00:00.000Z"`, "1772366400000000 1", occurred},
		{`"timestamp":null`, "0 0", occurred}, {`"timestamp":{}`, "0 0", occurred}, {`"timestamp":"soon"`, "0 0", occurred},
		{`"rcpt_to":"b@example.com","raw_rcpt_to":""`, "b@example.com||0", who}, {`"campaign_id":["x"]`, "a@b.example||0", who}, {`"campaign_id":104427216766056450`, "a@b.example|104427216766056450|0", who},
		{`"num_retries":"-1"`, "a@b.example||0", who}, {`"num_retries":"2147483647"`, "a@b.example||0", who}, {`"num_retries":null`, "a@b.example||0", who},
	} {
		body := `{"msys":{"message_event":{"type":"delivery",` + c.members
		if !strings.Contains(c.members, "rcpt_to") {
			body += `,"rcpt_to":"a@b.example"`
		}
		ev := events(t, SparkPost{}, hook(SparkPost{}, "", body+"}}}"))[0]
		if got := c.get(&ev); got != c.want {
			t.Errorf("%s: got %q, want %q", c.members, got, c.want)
		}
	}
}

func TestSparkPostBodies(t *testing.T) {
	good := sparkpostEvent("track_event", "open", "")
	for _, c := range []struct{ body, want string }{
		{`[{"msys":{}}]`, ""}, {`{"msys":{}}`, ""}, {`[{"msys":null}]`, ""}, {`[]`, ""},
		{good, "0 open"}, {"\ufeff[" + good + "]\n", "0 open"},
		{`[{"msys":{}},` + good + `]`, "1 open"},
		{`{"msys":{"track_event":{"type":"open","rcpt_to":"a@b"},"message_event":{"type":"delivery","rcpt_to":"a@b"}}}`, "0 open; 0 delivery"},
		{`[{"type":"bounce","rcpt_to":"a@b","bounce_class":"10"}]`, "0 bounce:10"},
		{`[{"msys":{"relay_message":{"rcpt_to":"a@b","content":{"subject":"x"}}}}]`, "0 relay_message"},
		{`[7,{},{"msys":[]},{"msys":{"track_event":7}},{"msys":{"":{}}},{"msys":{"track_event":{"type":"open"}}},` + good + `,{"cust":{"id":"1"}}]`,
			"0 not_an_event ; 1 not_an_event msys; 2 not_an_event msys; 3 not_an_event msys.track_event; 4 missing_field type; 5 missing_field recipient; 6 open; 7 not_an_event msys"},
		{`"x"`, "-1 not_an_event "}, {`[`, "-1 bad_json "},
	} {
		var got []string
		for _, d := range outcomes(t, SparkPost{}, hook(SparkPost{}, "", c.body)) {
			if d.err == nil {
				got = append(got, fmt.Sprint(d.index, " ", d.event.ProviderType))
				continue
			}
			got = append(got, fmt.Sprint(d.index, " ", d.err.Reason, " ", d.err.Field))
		}
		if s := strings.Join(got, "; "); s != c.want {
			t.Errorf("%.60s:\n got %s\nwant %s", c.body, s, c.want)
		}
	}
}

func TestSparkPostIDs(t *testing.T) {
	with := func(members string) string {
		return events(t, SparkPost{}, hook(SparkPost{}, "", `{"msys":{"track_event":{"type":"click","rcpt_to":"ann@example.com"`+members+`}}}`))[0].EventID.String()
	}
	own, none := with(`,"event_id":"e-1"`), with(`,"message_id":"m-1","timestamp":"1772366400"`)
	wantIDs(t, []string{own, none}, "e9d629f8-b369-9f7b-999e-595823376c40", "7d4cb6ec-78ef-a956-d2e0-51a6b1b042e4")
	if with(`,"event_id":"e-1","timestamp":"7"`) != own {
		t.Error("a repeated event has another id")
	}
	seen := []string{own, none}
	for _, other := range []string{
		`,"event_id":"e-2"`, `,"message_id":"m-2","timestamp":"1772366400"`, `,"transmission_id":"m-1","timestamp":"1772366400"`, `,"message_id":"m-1","timestamp":"1772366401"`,
		`,"message_id":"m-1","timestamp":"1772366400","target_link_url":"https://example.com/"`, `,"message_id":"m-1","timestamp":"1772366400","ip_address":"192.0.2.1"`,
		`,"message_id":"m-1","timestamp":"1772366400","raw_rcpt_to":"bob@example.com"`,
	} {
		id := with(other)
		if slices.Contains(seen, id) {
			t.Errorf("%s has the id of another event", other)
		}
		seen = append(seen, id)
	}
}

func TestSparkPostVerify(t *testing.T) {
	header := Credentials{Header: "X-Key", Keys: []string{"new", "old"}}
	bearer := Credentials{Keys: []string{"new", "old"}}
	basic := Credentials{Username: "sp", Passwords: []string{"pw"}}
	for _, c := range []struct {
		name         string
		creds        Credentials
		header, sent string
		scheme       string // Empty: refused.
	}{
		{"first token", bearer, "Authorization", "Bearer new", SchemeToken}, {"second token", bearer, "Authorization", "bearer old", SchemeToken},
		{"wrong token", bearer, "Authorization", "Bearer ol", ""}, {"no token", bearer, "X-Other", "old", ""}, {"empty token", bearer, "Authorization", "Bearer ", ""},
		{"header", header, "X-Key", "old", SchemeToken}, {"wrong header", header, "X-Key", "Bearer old", ""},
		{"basic", basic, "Authorization", "Basic c3A6cHc=", SchemeBasic}, {"wrong password", basic, "Authorization", "Basic c3A6cHg=", ""}, {"malformed", basic, "Authorization", "Basic %", ""},
		{"open", Credentials{}, "X-Other", "x", SchemeNone},
	} {
		v, err := SparkPost{}.Verifier(c.creds)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		r := &http.Request{Header: http.Header{}}
		r.Header.Set(c.header, c.sent)
		shown, err := v.Verify(r, nil, time.Now())
		var refused *AuthError
		if shown.Scheme != c.scheme || c.scheme == "" && !errors.As(err, &refused) || c.scheme != "" && err != nil {
			t.Errorf("%s: %+v, %v", c.name, shown, err)
		}
	}
	for field, creds := range map[string]Credentials{"key": {Keys: []string{" "}}, "username": {Keys: []string{"k"}, Username: "sp", Passwords: []string{"pw"}}} {
		_, err := SparkPost{}.Verifier(creds)
		var wrong *CredentialError
		if !errors.As(err, &wrong) || wrong.Field != field {
			t.Errorf("%v, want a fault of %s", err, field)
		}
	}
}

// TestSparkPostSamples decodes published samples where they are at hand. Those for
// AMP name neither recipient nor message.
func TestSparkPostSamples(t *testing.T) {
	want := map[string]*schemas.Event{
		"bounce_challenge_response.json": {Type: schemas.EventTypeAutoresponded, ProviderType: "bounce:60", Recipient: "vacationing@example.com", RejectReason: "other"},
		"delay.json": {Type: schemas.EventTypeDeferred, ProviderType: "delay", ProviderEventID: "84345317653675522", MessageID: "0004e3724f57753a3861", Recipient: "recipient@nomx.example.com",
			RecipientDomain: "nomx.example.com", OccurredAt: 1464825748e6, OccurredPrecisionMS: 1000, SMTPCode: 454, SMTPEnhanced: "4.4.4", MTAResponse: "454 4.4.4 [internal] no MX or A for domain", Attempt: 2},
		"generation_failure.json": {Type: schemas.EventTypeFailed, ProviderType: "generation_failure", ProviderEventID: "139013368081587254", MessageID: "139013368081177607", Recipient: "recipient@example.com",
			OccurredAt: 1539300285e6, OccurredPrecisionMS: 1, RejectReason: "other", SMTPCode: 554, SMTPEnhanced: "5.3.3"},
		"initial_open_as_opened.json": {Type: schemas.EventTypeOpened, ProviderType: "initial_open", Recipient: "recipient@example.com", First: true,
			UserAgent: "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_10_3) AppleWebKit/537.36", Machine: schemas.MachineHuman},
		"injection.json": {Type: schemas.EventTypeQueued, ProviderType: "injection", ProviderEventID: "92356927693813856", MessageID: "000443ee14578172be22", Recipient: "recipient@example.com",
			OccurredAt: 1454442600e6, CampaignID: "Example Campaign Name", CampaignName: "Example Campaign Name", Tags: []string{"male", "US"}, Metadata: map[string]string{"customKey": "customValue"}},
	}
	for file, body := range samples(t, "sparkpost") {
		t.Run(file, func(t *testing.T) {
			all := outcomes(t, SparkPost{}, hook(SparkPost{}, "application/json", body))
			switch {
			case file == "ping.json":
				if len(all) != 0 {
					t.Errorf("a ping gives %+v", all)
				}
			case file == "amps.json":
				for _, d := range all {
					if d.err == nil || d.err.Reason != ReasonMissingField {
						t.Errorf("got %+v, want a missing field", d)
					}
				}
				for i, ev := range unplaced(t, SparkPost{}, body) {
					expect(t, ev, [...]schemas.Event{
						{Type: schemas.EventTypeOpened, ProviderType: "amp_open"},
						{Type: schemas.EventTypeOpened, ProviderType: "amp_initial_open", First: true},
						{Type: schemas.EventTypeClicked, ProviderType: "amp_click"},
					}[i])
				}
			case len(all) != 1 || all[0].err != nil || want[file] == nil:
				t.Errorf("got %+v", all)
			default:
				expect(t, all[0].event, *want[file])
			}
		})
	}
}

func FuzzSparkPost(f *testing.F) {
	fuzzProvider(f, SparkPost{}, "application/json", "["+sparkpostEvent("track_event", "open", `,"user_agent_parsed":{"is_proxy":true},"geo_ip":{"country":"FR"}`)+"]",
		sparkpostEvent("message_event", "bounce", `,"bounce_class":"90","num_retries":"7"`), `[{"msys":{}}]`, `{"type":"click","rcpt_to":"a@b"}`, `{"msys":{"relay_message":{"rcpt_to":"a@b"}}}`)
}
