package provider

import (
	"net/http"
	"strings"

	"github.com/posthorn/posthorn/ingest/provider/jsonscan"
	"github.com/posthorn/posthorn/schemas"
)

// Postmark posts one record a request. It signs nothing, but sends Basic
// authentication and headers that the user gives it.
//
// https://postmarkapp.com/developer/webhooks/webhooks-overview
type Postmark struct{}

// Name returns "postmark".
func (Postmark) Name() string { return "postmark" }

// Version returns the version of this decoder.
func (Postmark) Version() int32 { return 1 }

// Verifier checks Basic authentication, the key in the header named, or both.
func (Postmark) Verifier(c Credentials) (Verifier, error) { return newTokenVerifier(c, c.Header) }

// Answer stops Postmark, which 403 does, where sending again can't help. What seems
// forged is refused as usual, to be sent again for 10 hours: when it is the
// password that is configured wrongly, there is that time to correct it and nothing
// is lost.
func (Postmark) Answer(why Refusal) int {
	if why == RefusedTooLarge {
		return http.StatusForbidden
	}
	return 0
}

// Decode reads a record, or an array of them.
func (p Postmark) Decode(w *schemas.Webhook, yield func(index int, ev *schemas.Event, err error)) {
	d := newDecoder(p, w, yield)
	root, ok := d.parse(w.Body)
	if !ok {
		return
	}
	d.elements(root, func(i int, o jsonscan.Value) { d.postmark(i, o) })
}

func (d *decoder) postmark(index int, o jsonscan.Value) {
	record := postmarkRecord(o)
	if record == "" {
		d.refuse(index, &Error{Reason: ReasonMissingField, Field: "RecordType", Detail: "no type of event"})
		return
	}
	ev := d.event(index)
	ev.ProviderType = record
	ev.MessageID, ev.ProviderEventID = idAt(o, "MessageID"), idAt(o, "ID")
	if strings.Trim(ev.MessageID, "0-") == "" {
		ev.MessageID = "" // A change of subscription that no message led to.
	}
	ev.Recipient = bareAddress(firstText(o, []string{"Recipient"}, []string{"Email"}, []string{"OriginalRecipient"}))
	ev.Tags = texts(lookup(o, "Tag"))
	metadata := lookup(o, "Metadata")
	ev.Metadata = payload(&metadata)
	at := firstText(o, []string{"DeliveredAt"}, []string{"BouncedAt"}, []string{"ReceivedAt"}, []string{"ChangedAt"})
	ev.OccurredAt, ev.OccurredPrecisionMS = isoTime(at)
	switch record {
	case "Delivery":
		ev.Type = schemas.EventTypeDelivered
		postmarkReply(ev, o)
	case "Open":
		ev.Type = schemas.EventTypeOpened
		first := lookup(o, "FirstOpen")
		ev.First = boolean(&first)
		postmarkEngagement(ev, o)
	case "Click":
		ev.Type = schemas.EventTypeClicked
		ev.URL = textAt(o, "OriginalLink")
		postmarkEngagement(ev, o)
	case "SubscriptionChange":
		postmarkSubscription(ev, o)
	case "Bounce", "SpamComplaint", "SMTPApiError":
		kind := textAt(o, "Type")
		if record != "Bounce" {
			kind = record
		} else {
			ev.ProviderType = withSubtypes(record, kind)
		}
		postmarkReply(ev, o)
		bounce, known := postmarkBounces[kind]
		if !known {
			bounce = postmarkUnknown
		}
		bounce.apply(ev)
	}
	d.emit(ev, record, textAt(o, "Type"), textAt(o, "ID"), textAt(o, "MessageID"), ev.Recipient, at,
		textAt(o, "OriginalLink"), textAt(o, "UserAgent"), textAt(o, "Geo", "IP"), textAt(o, "SuppressSending"), textAt(o, "SuppressionReason"))
}

// postmarkRecord returns the type of a record. Old ones do not name it, nor does
// inbound mail, which some point at the same address.
func postmarkRecord(o jsonscan.Value) string {
	if name := strings.TrimSpace(textAt(o, "RecordType")); name != "" {
		return name
	}
	for _, shows := range [...][2]string{{"BouncedAt", "Bounce"}, {"DeliveredAt", "Delivery"}, {"FirstOpen", "Open"}, {"OriginalLink", "Click"}, {"SuppressSending", "SubscriptionChange"}, {"FromFull", "Inbound"}} {
		if lookup(o, shows[0]).Kind > jsonscan.Null {
			return shows[1]
		}
	}
	return ""
}

// postmarkReply reads what the recipient's server and Postmark said.
func postmarkReply(ev *schemas.Event, o jsonscan.Value) {
	ev.MTAResponse, ev.Description = textAt(o, "Details"), textAt(o, "Description")
	ev.SMTPCode, ev.SMTPEnhanced = smtpReply(ev.MTAResponse)
	if ev.Description == "" {
		ev.Description = textAt(o, "Name")
	}
}

// postmarkEngagement reads who opened or clicked.
func postmarkEngagement(ev *schemas.Event, o jsonscan.Value) {
	ip, code := lookup(o, "Geo", "IP"), lookup(o, "Geo", "CountryISOCode")
	ev.IP, ev.Country = ipAddress(&ip), country(&code)
	ev.Region, ev.City = textAt(o, "Geo", "Region"), textAt(o, "Geo", "City")
	ev.ClientName, ev.ClientOS = textAt(o, "Client", "Name"), textAt(o, "OS", "Name")
	ev.DeviceType = strings.ToLower(textAt(o, "Platform"))
	if ev.DeviceType == "unknown" {
		ev.DeviceType = ""
	}
	ev.UserAgent = textAt(o, "UserAgent")
	ev.Machine, ev.MachineReasons = classifyAgent(ev.UserAgent)
}

// postmarkSubscription reads why Postmark began or ceased to suppress an address.
// After a bounce or complaint it tells of that here too.
func postmarkSubscription(ev *schemas.Event, o jsonscan.Value) {
	suppress := lookup(o, "SuppressSending")
	reason := textAt(o, "SuppressionReason")
	ev.ProviderType = withSubtypes(ev.ProviderType, reason)
	switch known, ok := postmarkBounces[reason]; {
	case string(suppress.Raw) == "false":
		ev.Type = schemas.EventTypeSubscribed
	case ok:
		known.apply(ev)
	case boolean(&suppress) || reason != "":
		ev.Type = schemas.EventTypeUnsubscribed
		ev.RejectReason = rejectUnsubscribed
	}
}

// postmarkBounce is what a type of Postmark's bounces means.
type postmarkBounce struct {
	event  schemas.EventType
	class  string
	reason string
}

func (b postmarkBounce) apply(ev *schemas.Event) {
	ev.Type, ev.BounceClass, ev.RejectReason = b.event, b.class, b.reason
}

// postmarkUnknown is a type that was added since.
var postmarkUnknown = postmarkBounce{schemas.EventTypeBounced, "", rejectOther}

// postmarkBounces are the types of bounces. Transient ones are tried again; of those
// that are rejected nothing was sent.
//
// https://postmarkapp.com/developer/api/bounce-api#bounce-types
var postmarkBounces = map[string]postmarkBounce{
	"HardBounce":              {schemas.EventTypeBounced, bounceHard, rejectBounced},
	"SoftBounce":              {schemas.EventTypeBounced, bounceSoft, rejectBounced},
	"Undeliverable":           {schemas.EventTypeBounced, bounceSoft, rejectBounced},
	"Blocked":                 {schemas.EventTypeBounced, bounceBlock, rejectBlocked},
	"DMARCPolicy":             {schemas.EventTypeBounced, bounceBlock, rejectBlocked},
	"VirusNotification":       {schemas.EventTypeBounced, bounceBlock, rejectOther},
	"Unknown":                 postmarkUnknown,
	"Transient":               {event: schemas.EventTypeDeferred},
	"DnsError":                {event: schemas.EventTypeDeferred},
	"OpenRelayTest":           {event: schemas.EventTypeDeferred},
	"BadEmailAddress":         {event: schemas.EventTypeRejected, reason: rejectInvalid},
	"ManuallyDeactivated":     {event: schemas.EventTypeRejected, reason: rejectBlocked},
	"Unconfirmed":             {event: schemas.EventTypeRejected, reason: rejectOther},
	"SMTPApiError":            {event: schemas.EventTypeFailed, reason: rejectOther},
	"TemplateRenderingFailed": {event: schemas.EventTypeFailed, reason: rejectOther},
	"SpamNotification":        {event: schemas.EventTypeComplained, reason: rejectSpam},
	"SpamComplaint":           {event: schemas.EventTypeComplained, reason: rejectSpam},
	"Unsubscribe":             {event: schemas.EventTypeUnsubscribed, reason: rejectUnsubscribed},
	"ManualSuppression":       {event: schemas.EventTypeUnsubscribed, reason: rejectUnsubscribed},
	"Subscribe":               {event: schemas.EventTypeSubscribed},
	"AutoResponder":           {event: schemas.EventTypeAutoresponded},
	"AddressChange":           {event: schemas.EventTypeAutoresponded},
	"ChallengeVerification":   {event: schemas.EventTypeAutoresponded},
	"InboundError":            {}, // Of mail to the sender.
}
