package provider

import (
	"strings"

	"github.com/posthorn/posthorn/ingest/provider/jsonscan"
	"github.com/posthorn/posthorn/schemas"
)

// classify sets the event's type and what belongs to that type only.
func (f *sendgridFields) classify(ev *schemas.Event) {
	ev.ProviderType = strings.TrimSpace(f.event.Text())
	switch strings.ToLower(ev.ProviderType) {
	case "processed":
		ev.Type = schemas.EventTypeQueued
		f.giveFailure()
	case "delivered":
		ev.Type = schemas.EventTypeDelivered
		f.reply(ev, &f.response)
	case "deferred":
		ev.Type = schemas.EventTypeDeferred
		f.reply(ev, &f.response)
		if ev.MTAResponse == "" {
			f.reply(ev, &f.reason)
		}
		ev.Attempt = smallNumber(&f.attempt)
	case "bounce", "blocked":
		f.bounce(ev)
	case "dropped":
		f.dropped(ev)
	case "open":
		ev.Type = schemas.EventTypeOpened
		f.engagement(ev)
	case "click":
		ev.Type = schemas.EventTypeClicked
		ev.URL, ev.LinkIndex = text(&f.url), f.linkIndex()
		f.engagement(ev)
	case "unsubscribe", "group_unsubscribe":
		ev.Type = schemas.EventTypeUnsubscribed
		f.engagement(ev)
	case "group_resubscribe":
		ev.Type = schemas.EventTypeSubscribed
		f.engagement(ev)
	case "spamreport":
		ev.Type = schemas.EventTypeComplained
		f.giveFailure()
	}
}

// giveFailure returns to the sender the arguments whose names are SendGrid's only
// where something failed.
func (f *sendgridFields) giveFailure() {
	f.give("type", &f.kind)
	f.give("status", &f.status)
	f.give("reason", &f.reason)
}

var (
	reasonSendGrid    = []string{"sendgrid_machine_open"}
	reasonSendGridMPP = append(reasonSendGrid[:1:1], reasonAppleMPP...)
)

// engagement reads who opened, clicked or unsubscribed. SendGrid's flag covers
// Apple's prefetching only.
func (f *sendgridFields) engagement(ev *schemas.Event) {
	f.giveFailure()
	ev.IP, ev.UserAgent = ipAddress(&f.ip), text(&f.agent)
	ev.Machine, ev.MachineReasons = classifyAgent(ev.UserAgent)
	if !boolean(&f.machineOpen) {
		return
	}
	switch {
	case ev.Machine != schemas.MachineMachine:
		ev.MachineReasons = reasonSendGrid
	case ev.MachineReasons[0] == reasonAppleMPP[0]:
		ev.MachineReasons = reasonSendGridMPP
	default:
		ev.MachineReasons = append(reasonSendGrid[:1:1], ev.MachineReasons...)
	}
	ev.Machine = schemas.MachineMachine
}

// reply reads what the recipient's server said.
func (f *sendgridFields) reply(ev *schemas.Event, v *jsonscan.Value) {
	ev.MTAResponse = text(v)
	ev.SMTPCode, ev.SMTPEnhanced = smtpReply(ev.MTAResponse)
}

// enhanced reads the status where the words have none: as 5.1.1, or a reply code.
func (f *sendgridFields) enhanced(ev *schemas.Event) {
	code, enhanced := smtpReply(strings.TrimSpace(text(&f.status)))
	if ev.SMTPEnhanced == "" {
		ev.SMTPEnhanced = enhanced
	}
	if ev.SMTPCode == 0 {
		ev.SMTPCode = code
	}
}

// bounce reads a final refusal. SendGrid suppresses the address after a bounce, and
// does not after what it calls blocked: there the message was refused, or its time
// ran out.
func (f *sendgridFields) bounce(ev *schemas.Event) {
	ev.Type = schemas.EventTypeBounced
	f.reply(ev, &f.reason)
	if ev.MTAResponse == "" {
		f.reply(ev, &f.response)
	}
	f.enhanced(ev)
	ev.Description = text(&f.classification)
	kind := strings.TrimSpace(text(&f.kind))
	if kind == "" && strings.EqualFold(ev.ProviderType, "blocked") {
		kind = ev.ProviderType
	} else {
		ev.ProviderType = sendgridBounce(ev.ProviderType, kind)
	}
	switch strings.ToLower(kind) {
	case "blocked":
		ev.BounceClass, ev.RejectReason = bounceBlock, rejectBlocked
	case "expired":
		ev.BounceClass, ev.RejectReason = bounceSoft, rejectTimedOut
	case "bounce":
		ev.BounceClass, ev.RejectReason = bounceHard, rejectBounced
	default:
		ev.BounceClass, ev.RejectReason = bounceHard, rejectBounced
		if ev.SMTPCode/100 == 4 || ev.SMTPCode == 0 && strings.HasPrefix(ev.SMTPEnhanced, "4") {
			ev.BounceClass = bounceSoft
		}
	}
}

// sendgridBounce joins the names of an event and its type.
func sendgridBounce(event, kind string) string {
	switch {
	case event == "bounce" && kind == "bounce":
		return "bounce:bounce"
	case event == "bounce" && kind == "blocked":
		return "bounce:blocked"
	}
	return withSubtypes(event, kind)
}

// sendgridDrops are words in the reasons of drops, in lower case, the first that
// is found counts.
var sendgridDrops = [...]struct{ words, reason string }{
	{"unsubscribe", rejectUnsubscribed}, // Unsubscribed Address
	{"bounce", rejectBounced},           // Bounced Address
	{"spam", rejectSpam},                // Spam Reporting Address, Spam Content
	{"block", rejectBlocked},
	{"expired", rejectTimedOut},
	{"smtpapi", rejectOther}, // Invalid SMTPAPI header
	{"invalid", rejectInvalid},
}

// dropped reads why SendGrid did not try.
func (f *sendgridFields) dropped(ev *schemas.Event) {
	ev.Type, ev.RejectReason = schemas.EventTypeRejected, rejectOther
	ev.ProviderType = withSubtypes(ev.ProviderType, text(&f.kind))
	ev.Description = text(&f.reason)
	ev.SMTPCode, ev.SMTPEnhanced = smtpReply(ev.Description)
	f.enhanced(ev)
	for _, said := range [...]string{ev.Description, text(&f.kind)} {
		said = strings.ToLower(said)
		for _, d := range sendgridDrops {
			if strings.Contains(said, d.words) {
				ev.RejectReason = d.reason
				return
			}
		}
	}
}
