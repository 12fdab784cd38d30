package provider

import (
	"bytes"
	"strings"
	"sync"

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

// sendgridDecoder is what one call of Decode works in.
type sendgridDecoder struct {
	event schemas.Event
	print fingerprint
}

var sendgridDecoders = sync.Pool{New: func() any { return new(sendgridDecoder) }}

// Decode reads an array of objects, or an object that stands alone.
func (SendGrid) Decode(w *schemas.Webhook, yield func(index int, ev *schemas.Event, err error)) {
	root, err := jsonscan.Parse(bytes.TrimPrefix(w.Body, byteOrderMark))
	if err != nil {
		yield(-1, nil, &Error{Reason: ReasonBadJSON, Detail: "the body is not JSON: " + err.Error()})
		return
	}
	d := sendgridDecoders.Get().(*sendgridDecoder)
	defer func() {
		d.event = schemas.Event{} // Hold on to no body.
		sendgridDecoders.Put(d)
	}()
	switch root.Kind {
	case jsonscan.Object:
		d.element(w, 0, root.Members(), true, yield)
	case jsonscan.Array:
		for i, all := 0, root.Elements(); all.Next(); i++ {
			members, ok := all.Object()
			d.element(w, i, members, ok, yield)
		}
	default:
		yield(-1, nil, &Error{Reason: ReasonNotAnEvent, Detail: "the body is neither a JSON object nor an array"})
	}
}

func (d *sendgridDecoder) element(w *schemas.Webhook, index int, members jsonscan.Members, isObject bool, yield func(int, *schemas.Event, error)) {
	if !isObject {
		yield(index, nil, &Error{Reason: ReasonNotAnEvent, Detail: "not a JSON object"})
		return
	}
	// On the stack, where writing costs no barriers while garbage is collected.
	var f sendgridFields
	f.read(members)
	if refused := f.refusal(); refused != nil {
		yield(index, nil, refused)
		return
	}
	d.decode(w, index, &f)
	yield(index, &d.event, nil)
}

// refusal returns why the fields are no event, or nil.
func (f *sendgridFields) refusal() *Error {
	switch {
	case f.event.Kind <= jsonscan.Null || f.event.Kind == jsonscan.String && len(bytes.TrimSpace(f.event.Raw)) == 0:
		return &Error{Reason: ReasonMissingField, Field: "event", Detail: "no type of event"}
	case f.event.Kind != jsonscan.String:
		return &Error{Reason: ReasonBadField, Field: "event", Detail: "the type of event is not a string"}
	}
	return nil
}

// decode makes d.event of the fields.
func (d *sendgridDecoder) decode(w *schemas.Webhook, index int, f *sendgridFields) {
	d.event = schemas.Event{}
	ev := &d.event
	ev.Tenant, ev.Account, ev.Source, ev.Provider = w.Tenant, w.Account, w.Source, sendgridName
	ev.ReceivedAt = w.ReceivedAt
	ev.RawRef.WebhookID, ev.RawRef.Index = w.ID, int32(index)
	ev.MapperVersion = sendgridVersion

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
	ev.EventID = d.eventID(w, f)
}

// sendgridTime reads seconds since 1970, or milliseconds, which events of single
// sends have been seen with.
func sendgridTime(v *jsonscan.Value) (schemas.Timestamp, int32) {
	if at, precision := unixSeconds(v); at != 0 {
		return at, precision
	}
	return anyTime(*v)
}

// eventID is frozen: see fingerprint. SendGrid has been seen to repeat an event
// dozens of times, always with the same sg_event_id, which is made of the event's
// type and the message; attempts and recipients are told apart for good measure.
func (d *sendgridDecoder) eventID(w *schemas.Webhook, f *sendgridFields) schemas.ID {
	p := &d.print
	p.reset()
	p.text(sendgridName)
	p.text(w.Tenant)
	p.text(w.Account)
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
