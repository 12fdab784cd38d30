package provider

import (
	"strings"

	"github.com/posthorn/posthorn/ingest/provider/jsonscan"
	"github.com/posthorn/posthorn/schemas"
)

// Resend posts one event a request and signs it as Standard Webhooks, under Svix's
// header names. It reports on each recipient of a message, but names all of them
// every time.
//
// https://resend.com/docs/webhooks/introduction
type Resend struct{}

// Name returns "resend".
func (Resend) Name() string { return "resend" }

// Version returns the version of this decoder.
func (Resend) Version() int32 { return 1 }

// Verifier takes the signing secret of the webhook as key.
func (Resend) Verifier(c Credentials) (Verifier, error) { return newStandardVerifier(c) }

// Answer accepts what is repeated.
func (Resend) Answer(why Refusal) int { return standardAnswer(why) }

var resendTypes = map[string]schemas.EventType{
	"email.scheduled":        schemas.EventTypeQueued,
	"email.sent":             schemas.EventTypeSent,
	"email.delivered":        schemas.EventTypeDelivered,
	"email.delivery_delayed": schemas.EventTypeDeferred,
	"email.bounced":          schemas.EventTypeBounced,
	"email.suppressed":       schemas.EventTypeRejected,
	"email.failed":           schemas.EventTypeFailed,
	"email.opened":           schemas.EventTypeOpened,
	"email.clicked":          schemas.EventTypeClicked,
	"email.complained":       schemas.EventTypeComplained,
}

// Decode reads {"type", "created_at", "data"}. What concerns a domain or anything
// else that is neither message nor person yields nothing.
func (p Resend) Decode(w *schemas.Webhook, yield func(index int, ev *schemas.Event, err error)) {
	d := newDecoder(p, w, yield)
	root, ok := d.parse(w.Body)
	if !ok {
		return
	}
	d.elements(root, func(i int, o jsonscan.Value) { d.resend(i, o) })
}

func (d *decoder) resend(index int, o jsonscan.Value) {
	name := strings.TrimSpace(textAt(o, "type"))
	if name == "" {
		d.refuse(index, &Error{Reason: ReasonMissingField, Field: "type", Detail: "no type of event"})
		return
	}
	data := lookup(o, "data")
	ev := d.event(index)
	ev.Type, ev.ProviderType = resendTypes[name], name
	ev.ProviderEventID = webhookID(d.w)
	ev.OccurredAt, ev.OccurredPrecisionMS = isoTime(textAt(o, "created_at"))
	if strings.HasPrefix(name, "contact.") {
		ev.ContactID, ev.ListID, ev.Recipient = idAt(data, "id"), idAt(data, "audience_id"), textAt(data, "email")
	} else {
		resendMessage(ev, data)
	}
	if !strings.HasPrefix(name, "email.") && ev.Recipient == "" && ev.MessageID == "" {
		return
	}
	switch ev.Type {
	case schemas.EventTypeBounced:
		resendBounce(ev, lookup(data, "bounce"))
	case schemas.EventTypeRejected:
		resendSuppressed(ev, lookup(data, "suppressed"))
	case schemas.EventTypeFailed:
		ev.RejectReason = rejectOther
		ev.Description = textAt(data, "failed", "reason")
	case schemas.EventTypeDeferred:
		ev.Description = firstText(data, []string{"delivery_delayed", "reason"}, []string{"delivery_delayed", "message"})
	case schemas.EventTypeOpened:
		resendEngagement(ev, lookup(data, "open"))
	case schemas.EventTypeClicked:
		resendEngagement(ev, lookup(data, "click"))
	}
	// An id of the body alone when no header came with it, as of what is
	// imported: two reports on two recipients of one message differ by nothing
	// but their time then.
	if ev.ProviderEventID != "" {
		d.emit(ev, "id", ev.ProviderEventID)
		return
	}
	d.emit(ev, "fields", name, textAt(data, "email_id"), textAt(data, "id"), ev.Recipient, textAt(o, "created_at"),
		textAt(data, "click", "timestamp"), textAt(data, "click", "link"), textAt(data, "open", "timestamp"))
}

// resendMessage reads what names the message.
func resendMessage(ev *schemas.Event, data jsonscan.Value) {
	ev.MessageID, ev.RFCMessageID = idAt(data, "email_id"), textAt(data, "message_id")
	ev.CampaignID = idAt(data, "broadcast_id")
	if to := texts(lookup(data, "to")); len(to) > 0 {
		ev.Recipient, ev.RecipientAmbiguous = bareAddress(to[0]), len(to) > 1
	}
	resendTags(ev, lookup(data, "tags"))
	resendHeaders(ev, lookup(data, "headers"))
}

// resendTags reads {"name": "value"} and, as the API takes them, [{"name", "value"}].
// A tag has a name, which metadata keeps, and a value, which is what others
// call a tag.
func resendTags(ev *schemas.Event, tags jsonscan.Value) {
	add := func(name, value string) {
		if name == "" || value == "" {
			return
		}
		if ev.Metadata == nil {
			ev.Metadata = map[string]string{}
		}
		ev.Metadata[name] = value
		ev.Tags = append(ev.Tags, value)
	}
	switch tags.Kind {
	case jsonscan.Object:
		var name, value jsonscan.Value
		for all := tags.Members(); all.Next(&name, &value); {
			add(name.Text(), text(&value))
		}
	case jsonscan.Array:
		for all := tags.Elements(); all.Next(); {
			tag := all.Value()
			if tag.Kind == jsonscan.Object {
				add(textAt(tag, "name"), textAt(tag, "value"))
			} else if s := text(&tag); s != "" {
				ev.Tags = append(ev.Tags, s)
			}
		}
	}
}

// resendHeaders finds the sender's own data in the message's headers, which older
// events have.
func resendHeaders(ev *schemas.Event, headers jsonscan.Value) {
	if headers.Kind != jsonscan.Array {
		return
	}
	for all := headers.Elements(); all.Next(); {
		header := all.Value()
		value := lookup(header, "value")
		switch strings.ToLower(textAt(header, "name")) {
		case "x-metadata":
			for k, v := range payload(&value) {
				if ev.Metadata == nil {
					ev.Metadata = map[string]string{}
				}
				ev.Metadata[k] = v
			}
		case "x-tags":
			ev.Tags = append(ev.Tags, listText(value)...)
		case "message-id":
			if ev.RFCMessageID == "" {
				ev.RFCMessageID = text(&value)
			}
		}
	}
}

// resendBounce reads what Amazon SES, which delivers for Resend, said. A bounce is
// final whatever its type: what is tried again is delivery_delayed.
func resendBounce(ev *schemas.Event, bounce jsonscan.Value) {
	kind, sub := textAt(bounce, "type"), textAt(bounce, "subType")
	ev.ProviderType = withSubtypes(ev.ProviderType, kind, sub)
	ev.Description = textAt(bounce, "message")
	if replies := texts(lookup(bounce, "diagnosticCode")); len(replies) > 0 {
		ev.MTAResponse = replies[0]
	}
	ev.SMTPCode, ev.SMTPEnhanced = smtpReply(ev.MTAResponse)
	if ev.MTAResponse == "" {
		ev.SMTPCode, ev.SMTPEnhanced = smtpReply(ev.Description)
	}
	ev.RejectReason = rejectBounced
	switch strings.ToLower(kind) {
	case "permanent":
		ev.BounceClass = bounceHard
	case "transient", "temporary":
		ev.BounceClass = bounceSoft
	case "":
		if ev.SMTPCode/100 == 5 {
			ev.BounceClass = bounceHard
		}
	}
	switch strings.ToLower(sub) {
	case "contentrejected", "attachmentrejected":
		ev.BounceClass, ev.RejectReason = bounceBlock, rejectBlocked
	case "suppressed", "onaccountsuppressionlist":
		ev.RejectReason = rejectBlocked
	case "noemail":
		ev.RejectReason = rejectInvalid
	}
	if strings.Contains(ev.Description, "suppressed sending") {
		ev.RejectReason = rejectBlocked
	}
}

func resendSuppressed(ev *schemas.Event, suppressed jsonscan.Value) {
	ev.ProviderType = withSubtypes(ev.ProviderType, textAt(suppressed, "type"))
	ev.Description = textAt(suppressed, "message")
	ev.RejectReason = rejectBlocked
}

// resendEngagement reads who opened or clicked, and when: created_at is when the
// webhook was made of it.
func resendEngagement(ev *schemas.Event, act jsonscan.Value) {
	if at, precision := isoTime(textAt(act, "timestamp")); at != 0 {
		ev.OccurredAt, ev.OccurredPrecisionMS = at, precision
	}
	ip := lookup(act, "ipAddress")
	ev.IP, ev.UserAgent, ev.URL = ipAddress(&ip), textAt(act, "userAgent"), textAt(act, "link")
	ev.Machine, ev.MachineReasons = classifyAgent(ev.UserAgent)
}
