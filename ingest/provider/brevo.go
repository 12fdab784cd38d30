package provider

import (
	"net/http"
	"strings"

	"github.com/posthorn/posthorn/ingest/provider/jsonscan"
	"github.com/posthorn/posthorn/schemas"
)

// Brevo posts one event a request, or several where that is configured, often out of
// order. It signs nothing and numbers nothing.
//
// https://developers.brevo.com/docs/transactional-webhooks
type Brevo struct{}

// Name returns "brevo".
func (Brevo) Name() string { return "brevo" }

// Version returns the version of this decoder.
func (Brevo) Version() int32 { return 1 }

// Verifier checks Basic authentication, or a key: as a bearer token, or in the
// header named.
func (Brevo) Verifier(c Credentials) (Verifier, error) {
	if c.Header == "" {
		return newTokenVerifier(c, authorization)
	}
	return newTokenVerifier(c, c.Header)
}

// Answer asks Brevo to send again by 429: it gives up at any other status of 400 and
// above. That is why what seems forged gets it too, since the password configured
// here may be the wrong one.
func (Brevo) Answer(why Refusal) int {
	switch why {
	case RefusedBusy, RefusedForged, RefusedUnasked:
		return http.StatusTooManyRequests
	}
	return 0
}

// Decode reads an event, an array of them, or {"items": [...]}.
func (p Brevo) Decode(w *schemas.Webhook, yield func(index int, ev *schemas.Event, err error)) {
	d := newDecoder(p, w, yield)
	root, ok := d.parse(w.Body)
	if !ok {
		return
	}
	if lookup(root, "event").Kind == jsonscan.Missing {
		for _, name := range [...]string{"items", "events"} {
			if list := lookup(root, name); list.Kind == jsonscan.Array {
				root = list
				break
			}
		}
	}
	d.elements(root, func(i int, o jsonscan.Value) { d.brevo(i, o) })
}

// brevoEvent is what an event of Brevo's means.
type brevoEvent struct {
	event         schemas.EventType
	class, reason string
	first, proxy  bool
}

// brevoEvents by their names without underscores, since those of the API, in camel
// case, are seen too. A soft bounce is final: what is tried again is deferred.
var brevoEvents = map[string]brevoEvent{
	"request":         {event: schemas.EventTypeQueued},
	"requests":        {event: schemas.EventTypeQueued},
	"sent":            {event: schemas.EventTypeSent},
	"delivered":       {event: schemas.EventTypeDelivered},
	"deferred":        {event: schemas.EventTypeDeferred},
	"softbounce":      {event: schemas.EventTypeBounced, class: bounceSoft, reason: rejectBounced},
	"hardbounce":      {event: schemas.EventTypeBounced, class: bounceHard, reason: rejectBounced},
	"invalidemail":    {event: schemas.EventTypeBounced, class: bounceHard, reason: rejectInvalid},
	"invalid":         {event: schemas.EventTypeBounced, class: bounceHard, reason: rejectInvalid},
	"blocked":         {event: schemas.EventTypeRejected, reason: rejectBlocked},
	"error":           {event: schemas.EventTypeFailed, reason: rejectOther},
	"spam":            {event: schemas.EventTypeComplained, reason: rejectSpam},
	"complaint":       {event: schemas.EventTypeComplained, reason: rejectSpam},
	"opened":          {event: schemas.EventTypeOpened},
	"open":            {event: schemas.EventTypeOpened},
	"uniqueopened":    {event: schemas.EventTypeOpened, first: true},
	"proxyopen":       {event: schemas.EventTypeOpened, proxy: true},
	"uniqueproxyopen": {event: schemas.EventTypeOpened, proxy: true, first: true},
	"click":           {event: schemas.EventTypeClicked},
	"clicked":         {event: schemas.EventTypeClicked},
	"unsubscribe":     {event: schemas.EventTypeUnsubscribed},
	"unsubscribed":    {event: schemas.EventTypeUnsubscribed},
	"listaddition":    {event: schemas.EventTypeSubscribed},
}

func (d *decoder) brevo(index int, o jsonscan.Value) {
	name := strings.TrimSpace(textAt(o, "event"))
	if name == "" {
		d.refuse(index, &Error{Reason: ReasonMissingField, Field: "event", Detail: "no type of event"})
		return
	}
	means := brevoEvents[strings.ToLower(strings.ReplaceAll(name, "_", ""))]
	ev := d.event(index)
	ev.Type, ev.ProviderType, ev.First = means.event, name, means.first
	ev.BounceClass, ev.RejectReason = means.class, means.reason
	ev.Recipient = textAt(o, "email")
	ev.MessageID = firstText(o, []string{"message-id"}, []string{"messageId"}, []string{"message_id"})
	ev.RFCMessageID = ev.MessageID
	ev.CampaignID, ev.CampaignName = idAt(o, "camp_id"), firstText(o, []string{"campaign name"}, []string{"campaign_name"})
	ev.ContactID = idAt(o, "contact_id")
	if lists := texts(lookup(o, "list_id")); len(lists) > 0 {
		ev.ListID = lists[0]
	}
	if ev.Tags = listText(lookup(o, "tags")); len(ev.Tags) == 0 {
		ev.Tags = listText(lookup(o, "tag"))
	}
	custom := lookup(o, "X-Mailin-custom")
	ev.Metadata = payload(&custom)
	ev.OccurredAt, ev.OccurredPrecisionMS = brevoTime(o)
	if reason := strings.TrimSpace(textAt(o, "reason")); reason != "" {
		brevoReason(ev, reason)
	}
	switch ev.Type {
	case schemas.EventTypeOpened, schemas.EventTypeClicked, schemas.EventTypeUnsubscribed:
		brevoEngagement(ev, o, means.proxy)
	}
	d.emit(ev, name, textAt(o, "email"), ev.MessageID, textAt(o, "camp_id"), textAt(o, "ts_epoch"), textAt(o, "s_epoch"), textAt(o, "ts_event"), textAt(o, "ts"), textAt(o, "date"),
		ev.URL, textAt(o, "ip"), textAt(o, "user_agent"))
}

// brevoTime reads ts_epoch, or another field that counts from 1970. Those written as
// dates are in the zone of the account, which nothing tells. What is in seconds
// by the documentation and what in milliseconds is not so in its samples.
func brevoTime(o jsonscan.Value) (schemas.Timestamp, int32) {
	for _, name := range [...]string{"ts_epoch", "s_epoch", "ts_event", "ts"} {
		v := lookup(o, name)
		if strings.Trim(text(&v), "0123456789.") != "" {
			continue
		}
		if at, precision := anyTime(v); at != 0 {
			return at, precision
		}
	}
	return 0, 0
}

// brevoReason reads the one field for what the recipient's server said, mostly behind
// a name that Brevo gives it, and for Brevo's own words.
func brevoReason(ev *schemas.Event, reason string) {
	ev.MTAResponse = reason
	ev.SMTPCode, ev.SMTPEnhanced = smtpReply(reason)
	if _, reply, ok := strings.Cut(reason, "Error: "); ok && ev.SMTPEnhanced == "" {
		if code, enhanced := smtpReply(reply); code != 0 {
			ev.SMTPCode, ev.SMTPEnhanced = code, enhanced
		}
	}
	if ev.SMTPCode == 0 && ev.SMTPEnhanced == "" {
		ev.Description = reason
	}
}

var reasonBrevoProxy = []string{"brevo_proxy"}

// brevoEngagement reads who opened, clicked or unsubscribed. Brevo's flag covers every
// proxy; the user agent may tell that it is one that opens whether a person looks or
// not.
func brevoEngagement(ev *schemas.Event, o jsonscan.Value, proxy bool) {
	ip := lookup(o, "ip")
	ev.IP, ev.UserAgent = ipAddress(&ip), textAt(o, "user_agent")
	ev.DeviceType = strings.ToLower(textAt(o, "device_used"))
	if ev.Type == schemas.EventTypeClicked {
		ev.URL = firstText(o, []string{"link"}, []string{"URL"}, []string{"url"})
	}
	ev.Machine, ev.MachineReasons = classifyAgent(ev.UserAgent)
	switch {
	case !proxy:
	case ev.Machine == schemas.MachineMachine:
		ev.MachineReasons = append(reasonBrevoProxy[:1:1], ev.MachineReasons...)
	default:
		ev.Machine, ev.MachineReasons = schemas.MachineProxy, reasonBrevoProxy
	}
}
