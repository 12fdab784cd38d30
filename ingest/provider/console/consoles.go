package console

import "fmt"

// consoles are all that are known, by the provider's name.
var consoles = map[string]Console{
	"mailjet": {
		Ways: []Way{Basic}, sample: mailjet,
		steps: func(s Setup) []string {
			return []string{
				fmt.Sprintf("By itself, with an API key of the account: posthorn source connect %s --public-url %s", s.Name, origin(s.URL)),
				"Or by hand: Account settings, Event notifications (webhooks), https://app.mailjet.com/account/triggers.",
				"Set the URL above for each of the 7 types: sent, open, click, bounce, blocked, spam, unsub.",
				"Tick \"Group events\" for each (version 2 of the Event API): one request for the events of a second instead of one an event.",
			}
		},
	},
	"sendgrid": {
		Ways: []Way{Basic, Signature}, Signs: "ECDSA signature", sample: sendgrid,
		Key: "the verification key of the webhook: Settings, Mail Settings, Event Webhooks, Signature Verification",
		steps: func(s Setup) []string {
			steps := []string{
				"Settings, Mail Settings, Event Webhooks, Create new webhook: set the URL above as Post URL.",
				"Select all events: processed, deferred, delivered, bounced, dropped, opened, clicked, spam reports, unsubscribes, group unsubscribes, group resubscribes.",
				"Under Security features, enable Signature Verification (Signed Event Webhook), and save.",
			}
			if s.Way == Signature {
				return append(steps, fmt.Sprintf("The verification key shown there must be the one in %s.", s.KeyFile))
			}
			return append(steps, fmt.Sprintf("Copy the verification key that is shown then into a file, add \"key: {file: %s.key}\" to the source, and restart the gateway: from then on it checks the signature beside the password.", s.Name))
		},
	},
	"mailgun": {
		Ways: []Way{Signature, Basic}, Signs: "Mailgun signature", sample: mailgun,
		Key: "the HTTP webhook signing key of the account (not an API key): Settings, API Security",
		steps: func(s Setup) []string {
			return []string{
				"Send, Sending, Webhooks, for each sending domain: Add webhook with the URL above.",
				"One for each type: accepted, delivered, permanent failure, temporary failure, opened, clicked, unsubscribed, spam complaints.",
				signedBy(s, "the HTTP webhook signing key (Settings, API Security)"),
				"Opens and clicks come only where tracking is on for the domain.",
			}
		},
	},
	"postmark": {
		Ways: []Way{Basic, Header}, Header: "X-Posthorn-Key", sample: postmark,
		steps: func(s Setup) []string {
			steps := []string{
				"Server, Message Stream, Webhooks, Add webhook; for each message stream, transactional and broadcast.",
				"Set the URL above. Postmark sends the user and password in it as Basic authentication; leave its own fields for that empty.",
				"Select delivery, bounce, spam complaint, open, link click, subscription change. Message content is not needed.",
				"Opens and clicks come only where open and link tracking are on.",
			}
			if s.Way == Header {
				steps[1] = fmt.Sprintf("Set the URL above, and a custom header %s with the value %s.", s.Header, s.Key)
			}
			return steps
		},
	},
	"brevo": {
		Ways: []Way{Basic, Bearer, Header}, Header: "X-Posthorn-Key", sample: brevo,
		steps: func(s Setup) []string {
			return []string{
				"Transactional, Settings, Webhook, Add a new webhook: set the URL above.",
				given(s, "The user and password stand in the URL; leave the authentication of the form on none."),
				"Select all events: sent, delivered, deferred, soft bounce, hard bounce, blocked, complaint, invalid e-mail, error, first opening, opened, opened by proxy, clicked, unsubscribed.",
				"Marketing campaigns have webhooks of their own (Campaigns, Settings, Webhooks): set the same URL there.",
			}
		},
	},
	"sparkpost": {
		Ways: []Way{Basic, Bearer, Header}, Header: "X-Posthorn-Key", sample: sparkpost,
		steps: func(s Setup) []string {
			return []string{
				"Configuration, Webhooks, Create webhook: set " + s.URL + " as Target.",
				given(s, fmt.Sprintf("Authentication: Basic, username %s, password %s.", s.Username, s.Password)),
				"Select the events of message, engagement, generation and unsubscribe; for subaccounts, all.",
				"SparkPost sends a test batch when the webhook is created: the gateway must run by then.",
			}
		},
	},
	"mandrill": {
		Ways: []Way{Signature, Basic}, Signs: "Mandrill signature", sample: mandrill,
		Key:    "the key of the webhook: Settings, Webhooks, Key",
		NewKey: NewKey, // a placeholder: there is no key before there is a webhook
		steps: func(s Setup) []string {
			steps := []string{
				"Settings, Webhooks, Add a Webhook. Mandrill tests the address first: the gateway must run by then.",
				"Enter the URL above exactly as it is, not a slash more: Mandrill signs it.",
				"Trigger on sent, delivered, delayed, soft-bounced, bounced, opened, clicked, marked as spam, unsubscribed, rejected.",
			}
			if s.Way == Signature {
				steps = append(steps, fmt.Sprintf("Copy the key that is shown for the webhook then over the one in %s, and restart the gateway. Until that is done it takes Mandrill's test and nothing else; Mandrill sends the rest again.", s.KeyFile))
			}
			return steps
		},
	},
	"resend": {
		Ways: []Way{Signature}, Signs: "Standard Webhooks signature", sample: resend,
		Key: "the signing secret of the webhook (whsec_...): Webhooks, the webhook, Signing Secret",
		steps: func(s Setup) []string {
			return []string{
				"Webhooks, Add Webhook: set the URL above.",
				"Select all events of email: sent, delivered, delivery delayed, bounced, complained, opened, clicked, failed, scheduled, suppressed.",
				fmt.Sprintf("The signing secret shown for the webhook must be the one in %s.", s.KeyFile),
			}
		},
	},
	"ses": {
		Ways: []Way{Signature, Basic}, Signs: "Amazon SNS signature", Topics: true, sample: ses,
		steps: func(s Setup) []string {
			raw := "leave raw message delivery off: raw messages are not signed"
			if s.Way == Basic {
				raw = "raw message delivery may be on, since user and password stand in the URL"
			}
			return []string{
				"Amazon SES, the configuration set that you send with, Event destinations, Add destination, Amazon SNS: select all event types and the topic. What is sent without a configuration set is not told of.",
				fmt.Sprintf("Amazon SNS, the topic %s, Create subscription: protocol HTTPS, the URL above as endpoint; %s.", list(s.Topics), raw),
				"The gateway must run and be reachable by then: it confirms the subscription by itself, for the topics of the source only.",
				"Give the subscription a retry policy that lasts (3,600 s is the most): by default SNS gives up after a minute.",
			}
		},
	},
	"standard-webhooks": {
		Ways: []Way{Signature, Basic}, Signs: "Standard Webhooks signature", NewKey: newWhsec, sample: standardWebhooks,
		steps: func(s Setup) []string {
			return []string{
				"Give the sender the URL above.",
				signedWith(s, "Give it the secret %s to sign with. Where the sender makes the secret, copy that into %s instead, and restart the gateway."),
				"Events are those of posthorn.events: {\"type\": \"opened\", \"recipient\": ..., \"message_id\": ..., \"occurred_at\": ...}, as the data of the webhook.",
			}
		},
	},
	"json": {
		Ways: []Way{Header, Basic}, Signs: "HMAC-SHA256", NewKey: NewKey, Header: "X-Signature", sample: jsonEvents,
		steps: func(s Setup) []string {
			steps := []string{
				"Have the sender post to the URL above: one event, an array of them, or {\"events\": [...]}.",
				"Events are those of posthorn.events: {\"type\": \"opened\", \"recipient\": ..., \"message_id\": ..., \"occurred_at\": ...}.",
			}
			if s.Way != Header {
				return steps
			}
			return append(steps,
				fmt.Sprintf("The header %s holds the HMAC-SHA256 of the body, in hex or base64, by the key in %s.", s.Header, s.KeyFile),
				fmt.Sprintf("By hand: curl %s -H \"%s: $(openssl dgst -sha256 -hmac \"$(cat %s)\" -r event.json | cut -d' ' -f1)\" --data-binary @event.json", s.URL, s.Header, s.KeyFile))
		},
	},
	"native": {
		Ways: []Way{Bearer}, Path: "/v1/events", sample: native,
		steps: func(s Setup) []string {
			return []string{
				"Events are posted there with the key as a bearer token: one, an array, or a line each, of any length; posthorn import does it with files.",
				fmt.Sprintf("curl %s -H \"Authorization: Bearer $(cat %s)\" -H 'Content-Type: application/json' -d '{\"type\": \"delivered\", \"recipient\": \"anna@example.org\", \"message_id\": \"1\", \"occurred_at\": \"2026-11-24T12:00:00Z\"}'", s.Paste, s.KeyFile),
			}
		},
	},
}
