package provider

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// sesBody is a report of an event; act is the member that tells of it.
func sesBody(name, act, mail string) string {
	if mail != "" {
		mail = "," + mail
	}
	return `{"eventType":"` + name + `",` + act + `,"mail":{"timestamp":"2026-02-03T04:05:06.789Z","messageId":"0100-m1","source":"shop@example.com"` + mail + `}}`
}

// inSNS wraps a report as SNS does.
func inSNS(id, message string) string {
	text, err := json.Marshal(message)
	if err != nil {
		panic(err)
	}
	return `{"Type":"Notification","MessageId":"` + id + `","TopicArn":"arn:aws:sns:eu-west-1:123456789012:mail","Message":` + string(text) + `,"Timestamp":"2026-02-03T04:05:09.000Z"}`
}

const (
	toAnn  = `"destination":["ann@example.org"]`
	toBoth = `"destination":["ann@example.org","bob@example.org"]`
)

func sesEvents(t *testing.T, body string) []schemas.Event {
	t.Helper()
	return events(t, SES{}, hook(SES{}, "text/plain; charset=UTF-8", body))
}

func TestSESTypes(t *testing.T) {
	bounce := func(kind, sub, more string) string {
		return `"bounce":{"bounceType":"` + kind + `","bounceSubType":"` + sub + `","timestamp":"2026-02-03T05:00:00.5Z","bouncedRecipients":[{"emailAddress":"ann@example.org"` + more + `}]}`
	}
	noSuchUser := `,"status":"5.1.1","diagnosticCode":"smtp; 550 5.1.1 no such user"`
	for _, c := range []struct{ name, act, want string }{
		{"Send", `"send":{}`, "sent Send"},
		{"Delivery", `"delivery":{"smtpResponse":"250 2.6.0 taken","recipients":["ann@example.org"]}`, "delivered Delivery 250 2.6.0 reply=250 2.6.0 taken"},
		{"DeliveryDelay", `"deliveryDelay":{"delayType":"MailboxFull","delayedRecipients":[{"emailAddress":"ann@example.org","status":"4.2.2","diagnosticCode":"smtp; 452 4.2.2 full"}]}`,
			"deferred DeliveryDelay:MailboxFull 452 4.2.2 reply=smtp; 452 4.2.2 full says=MailboxFull"},
		{"Bounce", bounce("Permanent", "General", noSuchUser), "bounced Bounce:Permanent:General hard bounced 550 5.1.1 reply=smtp; 550 5.1.1 no such user says=Permanent: General"},
		{"Bounce", bounce("Permanent", "NoEmail", ""), "bounced Bounce:Permanent:NoEmail hard bounced says=Permanent: NoEmail"},
		{"Bounce", bounce("Permanent", "Suppressed", ""), "bounced Bounce:Permanent:Suppressed hard blocked says=Permanent: Suppressed"},
		{"Bounce", bounce("Permanent", "OnAccountSuppressionList", ""), "bounced Bounce:Permanent:OnAccountSuppressionList hard blocked says=Permanent: OnAccountSuppressionList"},
		{"Bounce", bounce("Permanent", "UnsubscribedRecipient", ""), "bounced Bounce:Permanent:UnsubscribedRecipient hard unsubscribed says=Permanent: UnsubscribedRecipient"},
		{"Bounce", bounce("Transient", "MailboxFull", `,"status":"5.2.2"`), "bounced Bounce:Transient:MailboxFull soft bounced 5.2.2 says=Transient: MailboxFull"},
		{"Bounce", bounce("Transient", "ContentRejected", ""), "bounced Bounce:Transient:ContentRejected block blocked says=Transient: ContentRejected"},
		{"Bounce", bounce("Transient", "AttachmentRejected", ""), "bounced Bounce:Transient:AttachmentRejected block blocked says=Transient: AttachmentRejected"},
		{"Bounce", bounce("Transient", "MessageTooLarge", ""), "bounced Bounce:Transient:MessageTooLarge soft other says=Transient: MessageTooLarge"},
		{"Bounce", bounce("Transient", "CustomTimeoutExceeded", ""), "bounced Bounce:Transient:CustomTimeoutExceeded soft timed_out says=Transient: CustomTimeoutExceeded"},
		{"Bounce", bounce("Undetermined", "Undetermined", ""), "bounced Bounce:Undetermined:Undetermined soft bounced says=Undetermined: Undetermined"},
		{"Bounce", bounce("Undetermined", "Undetermined", `,"status":"5.0.0"`), "bounced Bounce:Undetermined:Undetermined hard bounced 5.0.0 says=Undetermined: Undetermined"},
		{"Bounce", `"bounce":7`, "bounced Bounce soft bounced"},
		{"Complaint", `"complaint":{"complaintFeedbackType":"abuse","complaintSubType":null,"userAgent":"ExampleFeedback/1.0"}`, "complained Complaint:abuse from=abuse says=abuse agent=ExampleFeedback/1.0"},
		{"Complaint", `"complaint":{"complaintFeedbackType":"not-spam"}`, "unknown Complaint:not-spam from=not-spam says=not-spam"},
		{"Complaint", `"complaint":{"complaintSubType":"OnAccountSuppressionList"}`, "rejected Complaint:OnAccountSuppressionList spam says=OnAccountSuppressionList"},
		{"Reject", `"reject":{"reason":"Bad content"}`, "rejected Reject blocked says=Bad content"},
		{"Rendering Failure", `"failure":{"errorMessage":"no 'name'","templateName":"hello"}`, "failed Rendering Failure other says=no 'name'"},
		{"RenderingFailure", `"failure":{"errorMessage":"no 'name'"}`, "failed RenderingFailure other says=no 'name'"},
		{"Open", `"open":{"ipAddress":"198.51.100.7","userAgent":"Mozilla/5.0"}`, "opened Open agent=Mozilla/5.0 machine apple_mail_privacy_protection"},
		{"Click", `"click":{"ipAddress":"198.51.100.7","userAgent":"Mozilla/5.0 (X11)","link":"https://shop.example/a?b=1"}`, "clicked Click url=https://shop.example/a?b=1 agent=Mozilla/5.0 (X11) human"},
		{"Subscription", `"subscription":{"contactList":"L","source":"UnsubscribePage","newTopicPreferences":{"unsubscribeAll":true}}`, "unsubscribed Subscription says=UnsubscribePage list=L"},
		{"Subscription", `"subscription":{"newTopicPreferences":{"unsubscribeAll":false,"topicSubscriptionStatus":[{"topicName":"a","subscriptionStatus":"OptOut"}]},"oldTopicPreferences":{"topicSubscriptionStatus":[{"topicName":"a","subscriptionStatus":"OptIn"}]}}`, "unsubscribed Subscription"},
		{"Subscription", `"subscription":{"newTopicPreferences":{"topicSubscriptionStatus":[{"topicName":"a","subscriptionStatus":"OptIn"}]},"oldTopicPreferences":{"topicSubscriptionStatus":[{"topicName":"a","subscriptionStatus":"OptOut"}]}}`, "subscribed Subscription"},
		{"Subscription", `"subscription":{"newTopicPreferences":{"unsubscribeAll":false},"oldTopicPreferences":{"unsubscribeAll":true}}`, "subscribed Subscription"},
		{"Subscription", `"subscription":{}`, "unknown Subscription"},
		{"Received", `"receipt":{}`, "unknown Received"},
		{"Écho", `"x":{}`, "unknown Écho"},
	} {
		all := sesEvents(t, sesBody(c.name, c.act, toAnn))
		if len(all) != 1 || all[0].Recipient != "ann@example.org" || all[0].RecipientDomain != "example.org" || all[0].RecipientAmbiguous || all[0].MessageID != "0100-m1" {
			t.Errorf("%s: got %s", c.act, asJSON(all))
			continue
		}
		if got := sesSummary(&all[0]); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.act, got, c.want)
		}
	}
}

// sesSummary is what classify sets, without what is empty.
func sesSummary(ev *schemas.Event) string {
	parts := []string{ev.Type.String(), ev.ProviderType}
	add := func(prefix, s string) {
		if s != "" && s != "0" && s != "unknown" {
			parts = append(parts, prefix+s)
		}
	}
	add("", ev.BounceClass)
	add("", ev.RejectReason)
	add("", fmt.Sprint(ev.SMTPCode))
	add("", ev.SMTPEnhanced)
	add("reply=", ev.MTAResponse)
	add("from=", ev.ComplaintSource)
	add("says=", ev.Description)
	add("list=", ev.ListID)
	add("url=", ev.URL)
	add("agent=", ev.UserAgent)
	add("", ev.Machine.String())
	add("", strings.Join(ev.MachineReasons, ","))
	return strings.Join(parts, " ")
}

// TestSESRecipients: one event for each recipient that a report names.
func TestSESRecipients(t *testing.T) {
	for _, c := range []struct{ name, act, mail, want string }{
		{"Bounce", `"bounce":{"bouncedRecipients":[{"emailAddress":"Bob <bob@example.org>"},{"emailAddress":null},7,{"emailAddress":"cy@example.org"}]}`, toBoth, "bob@example.org cy@example.org"},
		{"Bounce", `"bounce":{"bouncedRecipients":[]}`, toAnn, "ann@example.org"},
		{"Bounce", `"bounce":{"bouncedRecipients":null}`, toBoth, "ann@example.org?"},
		{"Delivery", `"delivery":{"recipients":["bob@example.org"]}`, toBoth, "bob@example.org"},
		{"Delivery", `"delivery":{"recipients":"bob@example.org"}`, toBoth, "bob@example.org"},
		{"Complaint", `"complaint":{"complainedRecipients":[{"emailAddress":"bob@example.org"}]}`, toBoth, "bob@example.org"},
		{"Open", `"open":{}`, toBoth, "ann@example.org?"},
		{"Open", `"open":{}`, toAnn, "ann@example.org"},
		{"Open", `"open":{}`, `"destination":null`, ""},
		{"Open", `"open":{}`, `"commonHeaders":{"to":["Ann <ann@example.org>"]}`, "ann@example.org"},
		{"Send", `"send":{}`, toBoth, "ann@example.org bob@example.org"},
		{"Reject", `"reject":{}`, toBoth, "ann@example.org bob@example.org"},
		{"Rendering Failure", `"failure":{}`, toBoth, "ann@example.org bob@example.org"},
	} {
		var got []string
		ids := map[schemas.ID]bool{}
		for _, ev := range sesEvents(t, sesBody(c.name, c.act, c.mail)) {
			s := ev.Recipient
			if ev.RecipientAmbiguous {
				s += "?"
			}
			got = append(got, s)
			ids[ev.EventID] = true
			if ev.RawRef.Index != 0 {
				t.Errorf("%s: index %d", c.act, ev.RawRef.Index)
			}
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s %s: got %q, want %q", c.act, c.mail, s, c.want)
		}
		if len(ids) != len(got) {
			t.Errorf("%s: %d ids for %d events", c.act, len(ids), len(got))
		}
	}
}

func TestSESFields(t *testing.T) {
	mail := toAnn + `,"headers":[{"name":"X-Tag","value":"news"},{"name":"X-Metadata","value":"{\"order\":9}"},{"name":"X-Campaign","value":"old"},null,7],
		"commonHeaders":{"messageId":"<a@example.com>"},"tags":{"ses:configuration-set":["main"],"ses:source-ip":["192.0.2.1"],"kind":["a","b"],"campaign_id":["spring"],"odd":{"x":1}}`
	act := `"click":{"timestamp":"2026-02-03T05:00:00.125Z","link":"https://shop.example/","linkTags":{"place":["top"],"kind":["z"]},"ipAddress":"2001:db8::7","userAgent":"Mozilla/5.0 (X11)"}`
	all := sesEvents(t, inSNS("sns-1", sesBody("Click", act, mail)))
	if len(all) != 1 {
		t.Fatalf("got %s", asJSON(all))
	}
	ev := all[0]
	want := schemas.Event{
		EventID: ev.EventID, ProviderEventID: "sns-1", Tenant: "acme", Account: "shop", Source: "ses-1", Provider: "ses",
		Type: schemas.EventTypeClicked, ProviderType: "Click", OccurredAt: 1770094800125e3, OccurredPrecisionMS: 1, ReceivedAt: received,
		MessageID: "0100-m1", RFCMessageID: "<a@example.com>", Recipient: "ann@example.org", RecipientDomain: "example.org",
		CampaignID: "spring", CampaignName: "old", Tags: []string{"news", "a", "b", "spring"},
		Metadata: map[string]string{"order": "9", "ses:configuration-set": "main", "kind": "a,b", "campaign_id": "spring", "place": "top"},
		URL:      "https://shop.example/", IP: "2001:db8::7", UserAgent: "Mozilla/5.0 (X11)", Machine: schemas.MachineHuman,
		RawRef: schemas.RawRef{WebhookID: schemas.ID{7}}, MapperVersion: sesVersion,
	}
	if got, want := asJSON(ev), asJSON(want); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}

	tagged := sesEvents(t, sesBody("Send", `"send":{}`, toAnn+`,"headers":[{"name":"X-SES-MESSAGE-TAGS","value":"campaign=summer, b=2, c"},{"name":"X-SES-CONFIGURATION-SET","value":"main"}]`))[0]
	if got, want := asJSON(tagged.Metadata)+tagged.CampaignID, `{"b":"2","campaign":"summer","ses:configuration-set":"main"}summer`; got != want {
		t.Errorf("tags of a header: got %s, want %s", got, want)
	}
	delivered := sesEvents(t, sesBody("Delivery", `"delivery":{"processingTimeMillis":546}`, toAnn))[0]
	if got := delivered.Metadata["ses:processing-time-millis"]; got != "546" {
		t.Errorf("processing time %q", got)
	}
}

// TestSESTime: the event's own time, what is closest to it where there is none,
// and none at all.
func TestSESTime(t *testing.T) {
	for _, c := range []struct {
		name, act string
		wrapped   bool
		want      schemas.Timestamp
	}{
		{"Open", `"open":{"timestamp":"2026-02-03T05:00:00.125Z"}`, true, 1770094800125e3},
		{"Open", `"open":{"timestamp":"soon"}`, true, 1770091509e6},
		{"Open", `"open":{"timestamp":null}`, true, 1770091509e6},
		{"Open", `"open":{}`, false, 0},
		{"Complaint", `"complaint":{"arrivalDate":"2026-02-03T05:00:00Z"}`, false, 1770094800e6},
		{"Send", `"send":{}`, true, 1770091506789e3},
		{"Reject", `"reject":{}`, false, 1770091506789e3},
		{"Rendering Failure", `"failure":{}`, false, 1770091506789e3},
	} {
		body := sesBody(c.name, c.act, toAnn)
		if c.wrapped {
			body = inSNS("x", body)
		}
		if got := sesEvents(t, body)[0].OccurredAt; got != c.want {
			t.Errorf("%s: got %d, want %d", c.act, got, c.want)
		}
	}
}

// TestSESIdentity: the same event by another topic, or by another kind of report,
// is the same; what differs otherwise is not.
func TestSESIdentity(t *testing.T) {
	act := `"bounce":{"bounceType":"Permanent","bounceSubType":"General","timestamp":"2026-02-03T05:00:00.5Z","feedbackId":"f-1","bouncedRecipients":[{"emailAddress":"ann@example.org"}]}`
	report := sesBody("Bounce", act, toAnn)
	id := func(body string) schemas.ID { return sesEvents(t, body)[0].EventID }
	first := id(report)
	if got, want := first.String(), "77abe83f-66ae-0ac7-4783-d0f4415731d1"; got != want {
		t.Errorf("id %s, want %s, which is frozen", got, want)
	}
	for _, same := range []string{
		inSNS("a", report), inSNS("b", report),
		strings.Replace(report, "eventType", "notificationType", 1),
		`{"Type":"Notification","MessageId":"c","Message":` + report + `}`,
	} {
		if id(same) != first {
			t.Errorf("another id: %s", same)
		}
	}
	for _, change := range [][2]string{
		{"0100-m1", "0100-m2"}, {"05:00:00.5Z", "05:00:00.6Z"}, {`"f-1"`, `"f-2"`},
		{`"emailAddress":"ann`, `"emailAddress":"bob`}, {`"eventType":"Bounce"`, `"eventType":"Other"`},
	} {
		if id(strings.Replace(report, change[0], change[1], 1)) == first {
			t.Errorf("the same id with %s", change[1])
		}
	}
}

func TestSESOutcomes(t *testing.T) {
	good := sesBody("Open", `"open":{}`, toAnn)
	for _, c := range []struct{ body, want string }{
		{``, "-1 bad_json "},
		{`Successfully`, "-1 bad_json "},
		{`null`, "-1 not_an_event "},
		{`{}`, "0 missing_field eventType"},
		{`[` + good + `,7,{},` + inSNS("x", good) + `]`, "0 ok; 1 not_an_event ; 2 missing_field eventType; 3 ok"},
		{inSNS("x", `{"eventType":`), "0 bad_json Message"},
		{inSNS("x", `hello`), "0 bad_json Message"},
		{inSNS("x", `[]`), "0 not_an_event Message"},
		{`{"Type":"Notification","Message":null}`, "0 not_an_event Message"},
		{inSNS("x", "Successfully validated SNS topic for Amazon SES event publishing."), ""},
		{inSNS("x", `{"notificationType":"AmazonSnsSubscriptionSucceeded","message":"You have successfully subscribed"}`), ""},
		{`{"Type":"SubscriptionConfirmation","Message":"You have chosen to subscribe","Token":"t","SubscribeURL":"https://sns.eu-west-1.amazonaws.com/"}`, ""},
		{`{"Type":"UnsubscribeConfirmation","Message":"You have chosen to deactivate"}`, ""},
		{`{"eventType":"Open","mail":null}`, "0 missing_field recipient"},
		{`{"eventType":"Open","mail":{"messageId":1}}`, "0 ok"},
		{`{"eventType":7,"notificationType":null,"mail":{"messageId":"m"}}`, "0 ok"},
		{"\ufeff" + good, "0 ok"},
	} {
		var got []string
		for _, d := range outcomes(t, SES{}, hook(SES{}, "", c.body)) {
			if d.err == nil {
				got = append(got, fmt.Sprint(d.index, " ok"))
			} else {
				got = append(got, fmt.Sprint(d.index, " ", d.err.Reason, " ", d.err.Field))
			}
		}
		if s := strings.Join(got, "; "); s != c.want {
			t.Errorf("%.80s:\n got %s\nwant %s", c.body, s, c.want)
		}
	}
}

func FuzzSES(f *testing.F) {
	fuzzProvider(f, SES{}, "text/plain", sesBody("Open", `"open":{"timestamp":"2026-02-03T05:00:00Z"}`, toBoth),
		inSNS("x", sesBody("Bounce", `"bounce":{"bouncedRecipients":[{"emailAddress":"a@example.org","status":"5.1.1"}]}`, toAnn)),
		sesBody("Subscription", `"subscription":{"newTopicPreferences":{"topicSubscriptionStatus":[{"topicName":"a"}]}}`, `"tags":{"a":["b"]}`),
		`{"Message":"{\"eventType\":\"É\",\"mail\":{\"messageId\":\"\ud800\"}}"}`)
}

// TestSESSamples decodes published samples where they are at hand. A row begins with time,
// message and recipients.
func TestSESSamples(t *testing.T) {
	const example = "EXAMPLE7c191be45-e9aedb9a-02f9-4d12-a87d-dd0099a07f8a-000000"
	want := map[string]string{
		"ses-docs_bounce.json":                   "2017-08-05T00:41:02.669Z " + example + " recipient@example.com bounced Bounce:Permanent:General hard bounced 550 5.1.1 reply=smtp; 550 5.1.1 user unknown says=Permanent: General",
		"ses-docs_click.json":                    "2017-08-09T23:51:25.57Z " + example + " recipient@example.com clicked Click url=http://docs.aws.amazon.com/ses/latest/DeveloperGuide/send-email-smtp.html agent=Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/60.0.3112.90 Safari/537.36 human",
		"ses-docs_complaint.json":                "2017-08-05T00:41:02.669Z " + example + " recipient@example.com complained Complaint:abuse from=abuse says=abuse agent=Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/60.0.3112.90 Safari/537.36",
		"ses-docs_delivery.json":                 "2016-10-19T23:21:04.133Z " + example + " recipient@example.com delivered Delivery 250 2.6.0 reply=250 2.6.0 Message received",
		"ses-docs_deliverydelay.json":            "2020-06-16T00:25:40.095Z " + example + " recipient@example.com deferred DeliveryDelay:TransientCommunicationFailure 421 4.4.1 reply=smtp; 421 4.4.1 Unable to connect to remote host says=TransientCommunicationFailure",
		"ses-docs_notification_bounce-2.json":    "2016-01-27T14:59:38.237Z 00000137860315fd-34208509-5b74-41f3-95c5-22c1edc3c924-000000 jane@example.com,richard@example.com bounced Bounce:Permanent:General hard bounced says=Permanent: General",
		"ses-docs_notification_bounce.json":      "2016-01-27T14:59:38.237Z 00000138111222aa-33322211-cccc-cccc-cccc-ddddaaaa0680-000000 jane@example.com bounced Bounce:Permanent:General hard bounced 550 5.1.1 reply=smtp; 550 5.1.1 <jane@example.com>... User says=Permanent: General",
		"ses-docs_notification_complaint-2.json": "2016-01-27T14:59:38.237Z 0000013786031775-163e3910-53eb-4c8e-a04a-f29debf88a84-000000 richard@example.com complained Complaint",
		"ses-docs_notification_complaint.json":   "2016-01-27T14:59:38.237Z 000001378603177f-7a5433e7-8edb-42ae-af10-f0181f34d6ee-000000 richard@example.com complained Complaint:abuse from=abuse says=abuse agent=AnyCompany Feedback Loop (V0.01)",
		"ses-docs_notification_delivery.json":    "2016-01-27T14:59:38.237Z 0000014644fe5ef6-9a483358-9170-4cb4-a269-f5dcdf415321-000000 jane@example.com delivered Delivery 250 reply=250 ok:  Message 64111812 accepted",
		"ses-docs_open.json":                     "2017-08-09T22:00:19.652Z " + example + " recipient@example.com opened Open agent=Mozilla/5.0 (iPhone; CPU iPhone OS 10_3_3 like Mac OS X) AppleWebKit/603.3.8 (KHTML, like Gecko) Mobile/14G60 human",
		"ses-docs_reject.json":                   "2016-10-14T17:38:15.211Z " + example + " sender@example.com rejected Reject blocked says=Bad content",
		"ses-docs_rendering_failure.json":        "2018-01-22T18:43:06.197Z " + example + " recipient@example.com failed Rendering Failure other says=Attribute 'attributeName' is not present in the rendering data.",
		"ses-docs_send.json":                     "2016-10-14T05:02:16.645Z " + example + " recipient@example.com sent Send",
		"ses-docs_subscription.json":             "2022-01-12T01:00:17.91Z EXAMPLEe4bccb684-777bc8de-afa7-4970-92b0-f515137b1497-000000 recipient@example.com unsubscribed Subscription says=UnsubscribeHeader list=ContactListName",
		"sns-bounce.json":                        "2016-01-27T14:59:44.101Z 00000138111222aa-33322211-cccc-cccc-cccc-ddddaaaa0680-000000 jane@example.com bounced Bounce:Permanent:General hard bounced 550 5.1.1 reply=smtp; 550 5.1.1 <jane@example.com>... User unknown says=Permanent: General",
		"sns-open.json":                          "2017-08-09T22:00:19.652Z 7c191be45-e9aedb9a-02f9-4d12-a87d-dd0099a07f8a-000000 recipient@example.com opened Open agent=Mozilla/5.0 (iPhone; CPU iPhone OS 10_3_3 like Mac OS X)... human",
	}
	seen := 0
	for file, body := range samples(t, "amazon_ses") {
		all := sesEvents(t, body)
		var to []string
		for _, ev := range all {
			to = append(to, ev.Recipient)
		}
		ev := all[0]
		got := strings.Join([]string{ev.OccurredAt.Time().UTC().Format(time.RFC3339Nano), ev.MessageID, strings.Join(to, ","), sesSummary(&ev)}, " ")
		if w, known := want[file]; known {
			seen++
			if got != w {
				t.Errorf("%s:\n got %s\nwant %s", file, got, w)
			}
		}
	}
	if seen != len(want) {
		t.Errorf("%d samples of %d", seen, len(want))
	}
}
