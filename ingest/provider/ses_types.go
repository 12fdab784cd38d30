package provider

import (
	"strings"

	"github.com/posthorn/posthorn/ingest/provider/jsonscan"
	"github.com/posthorn/posthorn/schemas"
)

// classify sets the event's type and what belongs to that type only.
func (r *sesReport) classify(ev *schemas.Event, rcpt sesRecipient) {
	ev.ProviderType = r.name
	switch sesKind(r.name) {
	case "send":
		ev.Type = schemas.EventTypeSent
	case "delivery":
		ev.Type = schemas.EventTypeDelivered
		ev.MTAResponse = textAt(r.act, "smtpResponse")
		ev.SMTPCode, ev.SMTPEnhanced = smtpReply(ev.MTAResponse)
	case "deliverydelay":
		ev.Type = schemas.EventTypeDeferred
		r.subtypes(ev, "delayType")
		sesReply(ev, rcpt.details)
	case "bounce":
		r.bounce(ev, rcpt)
	case "complaint":
		r.complaint(ev)
	case "reject":
		// SES has found malware in it, and does not try.
		ev.Type = schemas.EventTypeRejected
		ev.RejectReason = rejectBlocked
		ev.Description = textAt(r.act, "reason")
	case "renderingfailure":
		ev.Type = schemas.EventTypeFailed
		ev.RejectReason = rejectOther
		ev.Description = textAt(r.act, "errorMessage")
	case "open":
		ev.Type = schemas.EventTypeOpened
		r.engagement(ev)
	case "click":
		ev.Type = schemas.EventTypeClicked
		ev.URL = textAt(r.act, "link")
		r.engagement(ev)
	case "subscription":
		r.subscription(ev)
	}
}

// subtypes adds to the provider's type what SES says more of it, and describes
// the event by that.
func (r *sesReport) subtypes(ev *schemas.Event, fields ...string) {
	for _, field := range fields {
		s := strings.TrimSpace(textAt(r.act, field))
		if s == "" {
			continue
		}
		ev.ProviderType += ":" + s
		if ev.Description != "" {
			ev.Description += ": "
		}
		ev.Description += s
	}
}

// sesReply reads what a server said of a recipient.
func sesReply(ev *schemas.Event, details jsonscan.Value) {
	ev.MTAResponse = textAt(details, "diagnosticCode")
	ev.SMTPCode, ev.SMTPEnhanced = smtpReply(ev.MTAResponse)
	if ev.SMTPEnhanced == "" {
		ev.SMTPEnhanced = enhancedAt(strings.TrimSpace(textAt(details, "status")), 0)
	}
}

// bounce reads a final failure: while SES still tries it reports a delay, so that
// a transient bounce too is the end of the message.
func (r *sesReport) bounce(ev *schemas.Event, rcpt sesRecipient) {
	ev.Type = schemas.EventTypeBounced
	r.subtypes(ev, "bounceType", "bounceSubType")
	sesReply(ev, rcpt.details)
	switch strings.ToLower(textAt(r.act, "bounceType")) {
	case "permanent":
		ev.BounceClass = bounceHard
	case "transient":
		ev.BounceClass = bounceSoft
	default: // Undetermined: what the server said has to do.
		ev.BounceClass = bounceSoft
		if ev.SMTPCode/100 == 5 || ev.SMTPCode == 0 && strings.HasPrefix(ev.SMTPEnhanced, "5") {
			ev.BounceClass = bounceHard
		}
	}
	ev.RejectReason = rejectBounced
	switch sub := strings.ToLower(textAt(r.act, "bounceSubType")); sub {
	case "contentrejected", "attachmentrejected":
		ev.BounceClass, ev.RejectReason = bounceBlock, rejectBlocked
	case "suppressed":
		ev.RejectReason = rejectBlocked
	case "messagetoolarge":
		ev.RejectReason = rejectOther
	case "customtimeoutexceeded":
		ev.RejectReason = rejectTimedOut
	case "unsubscribedrecipient":
		ev.RejectReason = rejectUnsubscribed
	default: // OnAccountSuppressionList, and a tenant's.
		if strings.HasSuffix(sub, "suppressionlist") {
			ev.RejectReason = rejectBlocked
		}
	}
}

// complaint tells a complaint from what SES reports by that name besides: that it
// did not try since the recipient complained once, and a mailbox provider's word
// that a message is no spam.
func (r *sesReport) complaint(ev *schemas.Event) {
	ev.Type = schemas.EventTypeComplained
	r.subtypes(ev, "complaintSubType", "complaintFeedbackType")
	ev.ComplaintSource = textAt(r.act, "complaintFeedbackType")
	ev.UserAgent = textAt(r.act, "userAgent")
	switch {
	case strings.HasSuffix(strings.ToLower(textAt(r.act, "complaintSubType")), "suppressionlist"):
		ev.Type, ev.RejectReason = schemas.EventTypeRejected, rejectSpam
	case strings.EqualFold(ev.ComplaintSource, "not-spam"):
		ev.Type = schemas.EventTypeUnknown
	}
}

// engagement reads who opened or clicked.
func (r *sesReport) engagement(ev *schemas.Event) {
	ip := lookup(r.act, "ipAddress")
	ev.IP, ev.UserAgent = ipAddress(&ip), textAt(r.act, "userAgent")
	ev.Machine, ev.MachineReasons = classifyAgent(ev.UserAgent)
}

// subscription reads a change of a contact's preferences: whether it has left the
// list or a topic of it, or joined.
func (r *sesReport) subscription(ev *schemas.Event) {
	ev.ListID = textAt(r.act, "contactList")
	ev.Description = textAt(r.act, "source")
	before, after := lookup(r.act, "oldTopicPreferences"), lookup(r.act, "newTopicPreferences")
	wasOut, isOut := lookup(before, "unsubscribeAll"), lookup(after, "unsubscribeAll")
	was := topicStatuses(before)
	left, joined := boolean(&isOut), boolean(&wasOut) && !boolean(&isOut)
	for name, status := range topicStatuses(after) {
		if status != was[name] {
			left = left || status == "optout"
			joined = joined || status == "optin"
		}
	}
	switch {
	case left:
		ev.Type = schemas.EventTypeUnsubscribed
	case joined:
		ev.Type = schemas.EventTypeSubscribed
	}
}

func topicStatuses(preferences jsonscan.Value) map[string]string {
	list := lookup(preferences, "topicSubscriptionStatus")
	if list.Kind != jsonscan.Array {
		return nil
	}
	m := map[string]string{}
	for all := list.Elements(); all.Next(); {
		topic := all.Value()
		m[textAt(topic, "topicName")] = strings.ToLower(textAt(topic, "subscriptionStatus"))
	}
	return m
}
