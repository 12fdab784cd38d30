package provider

import (
	"bytes"
	"strings"
	"sync"

	"github.com/posthorn/posthorn/ingest/provider/jsonscan"
	"github.com/posthorn/posthorn/schemas"
)

const (
	mailjetName = "mailjet"

	// mailjetVersion is the version of this decoder. Raise it when an event is
	// read differently than before.
	mailjetVersion = 1
)

// Mailjet posts its Event API: one JSON object a request, or with grouped
// events an array of up to a second's. It authenticates by Basic
// authentication alone, signs nothing, numbers nothing and repeats what was
// not answered with exactly 200, over a backup URL too.
//
// https://dev.mailjet.com/email/guides/webhooks/
type Mailjet struct{}

// Name returns "mailjet".
func (Mailjet) Name() string { return mailjetName }

// Version returns the version of this decoder.
func (Mailjet) Version() int32 { return mailjetVersion }

// Verifier checks Basic authentication.
func (Mailjet) Verifier(c Credentials) (Verifier, error) { return newBasicVerifier(c) }

// mailjetDecoder is what one call of Decode works in.
type mailjetDecoder struct {
	event schemas.Event
	print fingerprint
}

var mailjetDecoders = sync.Pool{New: func() any { return new(mailjetDecoder) }}

var byteOrderMark = []byte("\ufeff")

// Decode reads an object or an array of objects, whichever it is.
func (Mailjet) Decode(w *schemas.Webhook, yield func(index int, ev *schemas.Event, err error)) {
	root, err := jsonscan.Parse(bytes.TrimPrefix(w.Body, byteOrderMark))
	if err != nil {
		yield(-1, nil, &Error{Reason: ReasonBadJSON, Detail: "the body is not JSON: " + err.Error()})
		return
	}
	d := mailjetDecoders.Get().(*mailjetDecoder)
	defer func() {
		d.event = schemas.Event{} // Hold on to no body.
		mailjetDecoders.Put(d)
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

func (d *mailjetDecoder) element(w *schemas.Webhook, index int, members jsonscan.Members, isObject bool, yield func(int, *schemas.Event, error)) {
	if !isObject {
		yield(index, nil, &Error{Reason: ReasonNotAnEvent, Detail: "not a JSON object"})
		return
	}
	// On the stack, where writing costs no barriers while garbage is collected.
	var f mailjetFields
	f.read(members)
	if err := d.decode(w, index, &f); err != nil {
		yield(index, nil, err)
		return
	}
	yield(index, &d.event, nil)
}

// refusal returns why the fields are no event, or nil.
func (f *mailjetFields) refusal() *Error {
	switch {
	case f.event.Kind <= jsonscan.Null || f.event.Kind == jsonscan.String && len(f.event.Raw) == 0:
		return &Error{Reason: ReasonMissingField, Field: "event", Detail: "no type of event"}
	case f.event.Kind != jsonscan.String:
		return &Error{Reason: ReasonBadField, Field: "event", Detail: "the type of event is not a string"}
	}
	return nil
}

// decode makes d.event of the fields.
func (d *mailjetDecoder) decode(w *schemas.Webhook, index int, f *mailjetFields) error {
	if refused := f.refusal(); refused != nil {
		return refused
	}
	d.event = schemas.Event{}
	ev := &d.event
	ev.Tenant, ev.Account, ev.Source, ev.Provider = w.Tenant, w.Account, w.Source, mailjetName
	ev.ProviderType = f.event.Text()
	ev.ReceivedAt = w.ReceivedAt
	ev.MessageID = f.message()
	ev.MessageUUID = text(&f.guid)
	ev.Recipient = text(&f.email)
	ev.CampaignID, ev.CampaignName = identifier(&f.campaignID), text(&f.customCampaign)
	ev.ContactID, ev.ListID = identifier(&f.contactID), identifier(&f.listID)
	ev.CustomID = text(&f.customID)
	ev.Metadata = payload(&f.payload)
	ev.UserAgent = text(&f.agent)
	ev.RawRef.WebhookID, ev.RawRef.Index = w.ID, int32(index)
	ev.MapperVersion = mailjetVersion
	if strings.TrimSpace(ev.Recipient) == "" {
		ev.Recipient = ""
	}
	ev.RecipientDomain = domainOf(ev.Recipient)
	if ev.CampaignID == "" {
		ev.CampaignID = ev.CampaignName
	}
	ev.OccurredAt, ev.OccurredPrecisionMS = unixSeconds(&f.time)
	f.classify(ev)
	ev.EventID = d.eventID(w, f)
	return nil
}

// eventID is frozen: see fingerprint.
func (d *mailjetDecoder) eventID(w *schemas.Webhook, f *mailjetFields) schemas.ID {
	p := &d.print
	p.reset()
	p.text(mailjetName)
	p.text(w.Tenant)
	p.text(w.Account)
	p.value(&f.event)
	p.value(f.messageField())
	p.value(&f.email)
	p.value(&f.time)
	p.value(&f.url)
	p.value(&f.ip)
	p.value(&f.agent)
	return p.id()
}
