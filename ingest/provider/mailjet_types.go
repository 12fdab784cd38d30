package provider

import (
	"strings"

	"github.com/posthorn/posthorn/schemas"
)

// Values of bounce_class and reject_reason.
const (
	bounceHard  = "hard"
	bounceSoft  = "soft"
	bounceBlock = "block"

	rejectInvalid      = "invalid"
	rejectBounced      = "bounced"
	rejectBlocked      = "blocked"
	rejectSpam         = "spam"
	rejectTimedOut     = "timed_out"
	rejectUnsubscribed = "unsubscribed"
	rejectOther        = "other"
)

// classify sets the event's type and what belongs to that type only.
func (f *mailjetFields) classify(ev *schemas.Event) {
	switch ev.ProviderType {
	case "sent":
		// Mailjet's "sent" is the recipient's server having accepted it.
		ev.Type = schemas.EventTypeDelivered
		ev.MTAResponse = text(&f.smtpReply)
		ev.SMTPCode, ev.SMTPEnhanced = smtpReply(ev.MTAResponse)
	case "open":
		ev.Type = schemas.EventTypeOpened
		f.engagement(ev)
	case "click":
		ev.Type = schemas.EventTypeClicked
		ev.URL = text(&f.url)
		f.engagement(ev)
	case "unsub":
		ev.Type = schemas.EventTypeUnsubscribed
		f.engagement(ev)
	case "spam":
		ev.Type = schemas.EventTypeComplained
		ev.ComplaintSource = text(&f.source)
	case "bounce":
		f.bounce(ev)
	case "blocked":
		// Never attempted.
		f.failure(ev)
		ev.Type = schemas.EventTypeRejected
		if isTemplateError(f) {
			ev.Type = schemas.EventTypeFailed
		}
		ev.RejectReason = f.rejectReason(rejectOther)
	default:
		ev.Type = schemas.EventTypeUnknown
	}
}

// failure reads the words on what went wrong.
func (f *mailjetFields) failure(ev *schemas.Event) {
	ev.Description = text(&f.errorText)
	if related := text(&f.errorRelatedTo); ev.Description == "" {
		ev.Description = related
	} else if related != "" {
		ev.Description = related + ": " + ev.Description
	}
	ev.MTAResponse = text(&f.comment)
	ev.SMTPCode, ev.SMTPEnhanced = smtpReply(ev.MTAResponse)
}

// bounce tells a final refusal from a temporary one, for which Mailjet has no
// event of its own: a "sent" may follow.
func (f *mailjetFields) bounce(ev *schemas.Event) {
	f.failure(ev)
	hard := boolean(&f.hardBounce)
	switch {
	case isTemplateError(f):
		ev.Type = schemas.EventTypeFailed
		ev.RejectReason = rejectOther
		return
	case !hard && (text(&f.errorText) == "greylisted" || isTemporary(ev.SMTPCode, ev.SMTPEnhanced, ev.MTAResponse)):
		ev.Type = schemas.EventTypeDeferred
		return
	}
	ev.Type = schemas.EventTypeBounced
	ev.RejectReason = f.rejectReason(rejectBounced)
	switch {
	case hard:
		ev.BounceClass = bounceHard
	case ev.RejectReason == rejectBlocked || ev.RejectReason == rejectSpam:
		ev.BounceClass = bounceBlock
	default:
		ev.BounceClass = bounceSoft
	}
}

// isTemporary tells whether a server asked to come back later: a code that says
// so and words that do, since some refuse for good with a 4xx code.
func isTemporary(code int32, enhanced, reply string) bool {
	if code/100 != 4 && !(code == 0 && strings.HasPrefix(enhanced, "4")) {
		return false
	}
	lower := strings.ToLower(reply)
	for _, words := range [...]string{"deferred", "greylist", "graylist", "grey list", "grey-list", "try again", "try later"} {
		if strings.Contains(lower, words) {
			return true
		}
	}
	return false
}

// isTemplateError tells whether the sender's own template failed, which says
// nothing about the recipient.
func isTemplateError(f *mailjetFields) bool {
	switch text(&f.errorText) {
	case "bad or empty template", "error in template language":
		return true
	}
	return false
}

// rejectReason maps Mailjet's table of errors. In some events error is empty
// and its text stands in error_related_to, which otherwise names the kind of
// error and decides for one that is not in the table. Without any of them the
// reason is otherwise.
func (f *mailjetFields) rejectReason(otherwise string) string {
	for _, words := range [...]string{text(&f.errorText), text(&f.errorRelatedTo)} {
		switch strings.ToLower(words) {
		case "":
			continue
		case "user unknown", "mailbox inactive", "quota exceeded",
			"invalid domain", "no mail host", "relay/access denied",
			"recipient", "domain":
			return rejectBounced
		case "typofix":
			return rejectInvalid
		case "spam reporter":
			return rejectSpam
		case "blacklisted", "sender blocked", "content blocked", "policy issue", "preblocked", "spam":
			return rejectBlocked
		case "system issue", "protocol issue", "connection issue", "duplicate in campaign":
			return rejectOther
		}
		otherwise = rejectOther
	}
	return otherwise
}
