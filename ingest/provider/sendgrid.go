package provider

import (
	"strings"

	"github.com/posthorn/posthorn/ingest/provider/jsonscan"
	"github.com/posthorn/posthorn/schemas"
)

const (
	sendgridName = "sendgrid"

	// sendgridVersion is the version of this decoder. Raise it when an event is
	// read differently than before.
	sendgridVersion = 1
)

// SendGrid posts an array of events every 30 seconds or 768 KB, signed with a key
// of its own for each webhook. It repeats for a day what was not answered with a
// status of 200 to 299, and repeats some that were.
//
// https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
type SendGrid struct{}

// Name returns "sendgrid".
func (SendGrid) Name() string { return sendgridName }

// Version returns the version of this decoder.
func (SendGrid) Version() int32 { return sendgridVersion }

// Verifier checks signatures with the public keys given, Basic authentication, or
// both.
func (SendGrid) Verifier(c Credentials) (Verifier, error) { return newSendGridVerifier(c) }

// Decode reads an array of objects, or an object that stands alone.
func (SendGrid) Decode(w *schemas.Webhook, yield func(index int, ev *schemas.Event, err error)) {
	decodeBatch(w, yield, (*batch).sendgrid)
}

func (b *batch) sendgrid(w *schemas.Webhook, index int, members jsonscan.Members) *Error {
	// On the stack, where writing costs no barriers while garbage is collected.
	var f sendgridFields
	f.read(members)
	if refused := noType(&f.event); refused != nil {
		return refused
	}
	ev := b.begin(w, index, sendgridName, sendgridVersion)
	ev.ProviderEventID = identifier(&f.eventID)
	ev.MessageID, ev.RFCMessageID = f.message(), identifier(&f.smtpID)
	ev.Recipient = strings.TrimSpace(text(&f.email))
	ev.RecipientDomain = domainOf(ev.Recipient)
	ev.OccurredAt, ev.OccurredPrecisionMS = sendgridTime(&f.timestamp)
	f.campaign(ev)
	ev.Tags = texts(f.category)
	f.classify(ev)
	if len(f.metadata) > 0 {
		ev.Metadata = f.metadata
	}
	ev.EventID = f.identify(b.identity())
	return nil
}

// sendgridTime reads seconds since 1970, or milliseconds, which events of single
// sends have been seen with.
func sendgridTime(v *jsonscan.Value) (schemas.Timestamp, int32) {
	if at, precision := unixSeconds(v); at != 0 {
		return at, precision
	}
	return anyTime(*v)
}

// identify is frozen: see fingerprint. SendGrid has been seen to repeat an event
// dozens of times, always with the same sg_event_id, which is made of the event's
// type and the message; attempts and recipients are told apart for good measure.
func (f *sendgridFields) identify(p *fingerprint) schemas.ID {
	p.value(&f.event)
	p.value(&f.email)
	p.value(&f.attempt)
	if identifier(&f.eventID) != "" {
		p.value(&f.eventID)
		return p.id()
	}
	p.value(f.messageField())
	p.value(&f.timestamp)
	p.value(&f.url)
	p.text(textAt(f.urlOffset, "index"))
	p.value(&f.ip)
	p.value(&f.agent)
	p.value(&f.groupID)
	return p.id()
}
