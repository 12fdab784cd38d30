package provider

import (
	"strings"

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

// Decode reads an object or an array of objects, whichever it is.
func (Mailjet) Decode(w *schemas.Webhook, yield func(index int, ev *schemas.Event, err error)) {
	decodeBatch(w, yield, (*batch).mailjet)
}

func (b *batch) mailjet(w *schemas.Webhook, index int, members jsonscan.Members) *Error {
	// On the stack, where writing costs no barriers while garbage is collected.
	var f mailjetFields
	f.read(members)
	if refused := noType(&f.event); refused != nil {
		return refused
	}
	ev := b.begin(w, index, mailjetName, mailjetVersion)
	ev.ProviderType = f.event.Text()
	ev.MessageID = f.message()
	ev.MessageUUID = text(&f.guid)
	ev.Recipient = text(&f.email)
	ev.CampaignID, ev.CampaignName = identifier(&f.campaignID), text(&f.customCampaign)
	ev.ContactID, ev.ListID = identifier(&f.contactID), identifier(&f.listID)
	ev.CustomID = text(&f.customID)
	ev.Metadata = payload(&f.payload)
	ev.UserAgent = text(&f.agent)
	if strings.TrimSpace(ev.Recipient) == "" {
		ev.Recipient = ""
	}
	ev.RecipientDomain = domainOf(ev.Recipient)
	if ev.CampaignID == "" {
		ev.CampaignID = ev.CampaignName
	}
	ev.OccurredAt, ev.OccurredPrecisionMS = unixSeconds(&f.time)
	f.classify(ev)
	ev.EventID = f.identify(b.identity())
	return nil
}

// identify is frozen: see fingerprint.
func (f *mailjetFields) identify(p *fingerprint) schemas.ID {
	p.value(&f.event)
	p.value(f.messageField())
	p.value(&f.email)
	p.value(&f.time)
	p.value(&f.url)
	p.value(&f.ip)
	p.value(&f.agent)
	return p.id()
}
