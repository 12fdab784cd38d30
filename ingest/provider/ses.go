package provider

import (
	"bytes"
	"net/http"
	"strings"
	"unicode"

	"github.com/posthorn/posthorn/ingest/provider/jsonscan"
	"github.com/posthorn/posthorn/schemas"
)

const (
	sesName = "ses"

	// sesVersion is the version of this decoder. Raise it when an event is read
	// differently than before.
	sesVersion = 1
)

// SES is Amazon's Simple Email Service, which publishes to an Amazon SNS topic
// that posts here: one event a request, of event publishing (a configuration
// set's) or of feedback notifications (an identity's). SNS wraps it into an
// envelope and signs that, or with raw message delivery posts it as it is.
//
// https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
// https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html
type SES struct{}

// Name returns "ses".
func (SES) Name() string { return sesName }

// Version returns the version of this decoder.
func (SES) Version() int32 { return sesVersion }

// Verifier checks the signature of SNS and that the topic is one of c.Topics,
// which are required. With a user and password these are required too, and
// then raw message delivery, which SNS does not sign, is taken as well.
func (SES) Verifier(c Credentials) (Verifier, error) { return newSNSVerifier(c) }

// Answer asks Amazon SNS to send again by 503: it drops a message at once at any
// status from 400 to 499, 429 perhaps excepted. What seems forged gets it too, since
// it may be the topics or the password that are configured wrongly; there is an hour
// at most to correct that. User and password SNS shows only when it is asked by 401.
func (SES) Answer(why Refusal) int {
	switch why {
	case RefusedBusy, RefusedForged:
		return http.StatusServiceUnavailable
	}
	return 0
}

// Decode reads SNS's envelope or what stands in it. Confirmations of a
// subscription and the messages that tell of a topic being set up yield nothing.
func (p SES) Decode(w *schemas.Webhook, yield func(index int, ev *schemas.Event, err error)) {
	d := newDecoder(p, w, yield)
	root, ok := d.parse(w.Body)
	if !ok {
		return
	}
	d.elements(root, func(i int, o jsonscan.Value) {
		r := sesReport{decoder: d, index: i, body: o}
		if r.unwrap() {
			r.decode()
		}
	})
}

// sesReport is one report of SES: an event, on one or more recipients.
type sesReport struct {
	*decoder
	index int
	body  jsonscan.Value // SES's own JSON
	mail  jsonscan.Value // its part on the message
	act   jsonscan.Value // its part on what happened
	name  string         // SES's name of the event

	snsID, snsTime string // of the envelope, where there is one
}

// unwrap takes the report out of SNS's envelope, and returns whether there is one.
func (r *sesReport) unwrap() bool {
	message := lookup(r.body, "Message")
	envelope := textAt(r.body, "Type")
	if envelope == "SubscriptionConfirmation" || envelope == "UnsubscribeConfirmation" {
		return false
	}
	if message.Kind == jsonscan.Missing {
		r.snsID = r.w.Headers["x-amz-sns-message-id"]
		return true
	}
	r.snsID, r.snsTime = textAt(r.body, "MessageId"), textAt(r.body, "Timestamp")
	if message.Kind == jsonscan.String {
		said := bytes.TrimSpace(message.Bytes())
		if bytes.HasPrefix(said, []byte("Successfully validated SNS topic")) {
			return false
		}
		inner, err := jsonscan.Parse(bytes.TrimPrefix(said, byteOrderMark))
		if err != nil {
			r.refuse(r.index, &Error{Reason: ReasonBadJSON, Field: "Message", Detail: "the message of SNS is not JSON: " + err.Error()})
			return false
		}
		message = inner
	}
	if message.Kind != jsonscan.Object {
		r.refuse(r.index, &Error{Reason: ReasonNotAnEvent, Field: "Message", Detail: "the message of SNS is not a JSON object"})
		return false
	}
	r.body = message
	return true
}

func (r *sesReport) decode() {
	for _, field := range [...]string{"eventType", "notificationType"} {
		if r.name = strings.TrimSpace(textAt(r.body, field)); r.name != "" {
			break
		}
	}
	switch r.name {
	case "":
		r.refuse(r.index, &Error{Reason: ReasonMissingField, Field: "eventType", Detail: "neither eventType nor notificationType is there"})
		return
	case "AmazonSnsSubscriptionSucceeded":
		return // What SES publishes once a topic is chosen for feedback.
	}
	r.mail = lookup(r.body, "mail")
	r.act = lookup(r.body, actOf(r.name))
	to := r.recipients()
	if len(to) == 0 {
		to = []sesRecipient{{}}
	}
	fields := r.message()
	for _, rcpt := range to {
		ev := fields
		ev.Recipient, ev.RecipientAmbiguous = bareAddress(rcpt.address), rcpt.ambiguous
		r.classify(&ev, rcpt)
		r.emit(&ev, r.identity(rcpt)...)
	}
}

// actOf returns the member that tells of an event of that name: "DeliveryDelay"
// has deliveryDelay.
func actOf(name string) string {
	if kind := sesKind(name); kind == "renderingfailure" {
		return "failure"
	}
	runes := []rune(name)
	runes[0] = unicode.ToLower(runes[0])
	return string(runes)
}

// sesKind is a name without what differs between its spellings.
func sesKind(name string) string {
	return strings.ToLower(strings.ReplaceAll(name, " ", ""))
}

// identity are the parts of an event's id, which are frozen. The id of SNS is not
// among them: SES reports the same event to several topics, by a configuration
// set and by an identity's feedback, and a topic may be subscribed to twice, each
// time under another id. What SES itself says is the same then: which message,
// what happened to whom, and when to the millisecond. The time is the event's
// own, not that of the envelope, which is when SNS got it.
func (r *sesReport) identity(rcpt sesRecipient) []string {
	return []string{
		r.name, textAt(r.mail, "messageId"), rcpt.address, r.ownTime(),
		textAt(r.act, "feedbackId"), textAt(r.act, "link"), textAt(r.act, "ipAddress"), textAt(r.act, "userAgent"),
	}
}

// ownTime returns when it happened, as sent. What happens as a message is handed
// in has its time.
func (r *sesReport) ownTime() string {
	for _, field := range [...]string{"timestamp", "arrivalDate"} {
		if at := textAt(r.act, field); at != "" {
			return at
		}
	}
	switch sesKind(r.name) {
	case "send", "reject", "renderingfailure":
		return textAt(r.mail, "timestamp")
	}
	return ""
}
