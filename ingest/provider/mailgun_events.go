package provider

import (
	"net/mail"
	"strconv"
	"strings"

	"github.com/posthorn/posthorn/ingest/provider/jsonscan"
	"github.com/posthorn/posthorn/schemas"
)

// mailgunReport is what the meaning of an event and its identity follow from.
type mailgunReport struct {
	event, severity, reason    string
	code, enhanced, bounceType string
	bot, clientType            string
	id                         []string
}

// readMailgunObject reads an event in JSON: beside its signature, alone as in
// Mailgun's API of events, or what something on the way has made of a form.
func readMailgunObject(ev *schemas.Event, o jsonscan.Value) mailgunReport {
	data := lookup(o, "event-data")
	if data.Kind != jsonscan.Object {
		if data = o; isMailgunForm(o) {
			return readMailgunForm(ev, formOf(o))
		}
	}
	status := lookup(data, "delivery-status")
	r := mailgunReport{
		event: textAt(data, "event"), severity: textAt(data, "severity"), reason: textAt(data, "reason"),
		code: textAt(status, "code"), enhanced: textAt(status, "enhanced-code"),
		bounceType: firstText(data, []string{"delivery-status", "bounce-type"}, []string{"bounce-type"}),
		bot:        textAt(data, "client-info", "bot"), clientType: textAt(data, "client-info", "client-type"),
	}
	at := lookup(data, "timestamp")
	ev.OccurredAt, ev.OccurredPrecisionMS = unixSeconds(&at)
	if ev.ProviderEventID = idAt(data, "id"); ev.ProviderEventID == "" {
		ev.ProviderEventID = textAt(o, "signature", "token")
	}
	messageID := firstText(data, []string{"message", "headers", "message-id"}, []string{"message", "headers", "Message-Id"})
	ev.MessageID, ev.RFCMessageID = mailgunMessage(messageID)
	mailgunRecipient(ev, data)
	mailgunCampaign(ev, lookup(data, "campaigns"))
	ev.ListID = firstText(data, []string{"mailing-list", "address"}, []string{"mailing-list", "list-id"}, []string{"mailing-list"})
	ev.Tags = texts(lookup(data, "tags"))
	own := lookup(data, "user-variables")
	ev.Metadata = variables(&own)
	ev.MTAResponse, ev.Description = textAt(status, "message"), textAt(status, "description")
	if why := textAt(data, "reject", "reason"); ev.Description == "" {
		ev.Description = why
		if more := textAt(data, "reject", "description"); more != "" {
			ev.Description = strings.TrimPrefix(why+": "+more, ": ")
		}
	}
	if n, err := strconv.ParseInt(idAt(status, "attempt-no"), 10, 32); err == nil && n > 0 {
		ev.Attempt = int32(n)
	}
	mailgunClient(ev, data)
	r.id = []string{r.event, textAt(data, "id"), text(&at), messageID, textAt(data, "recipient"), textAt(data, "message", "headers", "to"),
		ev.URL, textAt(data, "ip"), ev.UserAgent, r.severity, textAt(status, "attempt-no")}
	return r
}

// mailgunClient reads who opened, clicked or unsubscribed, and from where.
func mailgunClient(ev *schemas.Event, data jsonscan.Value) {
	ip, code := lookup(data, "ip"), lookup(data, "geolocation", "country")
	ev.IP, ev.Country = ipAddress(&ip), country(&code)
	ev.Region, ev.City = known(textAt(data, "geolocation", "region")), known(textAt(data, "geolocation", "city"))
	ev.UserAgent, ev.URL = textAt(data, "client-info", "user-agent"), textAt(data, "url")
	ev.ClientName, ev.ClientOS = known(textAt(data, "client-info", "client-name")), known(textAt(data, "client-info", "client-os"))
	ev.DeviceType = known(strings.ToLower(textAt(data, "client-info", "device-type")))
}

// mailgunMessage returns a message id without the brackets that some events have
// around it and others have not, and as it stands in the message's header.
func mailgunMessage(s string) (id, header string) {
	if id = strings.Trim(strings.TrimSpace(s), "<>"); id != "" {
		header = "<" + id + ">"
	}
	return id, header
}

// mailgunRecipient reads the recipient. What was rejected may name it nowhere but in
// the headers of the message.
func mailgunRecipient(ev *schemas.Event, data jsonscan.Value) {
	if ev.Recipient = bareAddress(textAt(data, "recipient")); ev.Recipient != "" {
		return
	}
	to := firstText(data, []string{"envelope", "targets"}, []string{"message", "headers", "to"})
	list, err := mail.ParseAddressList(to)
	switch {
	case err == nil && len(list) > 0:
		ev.Recipient, ev.RecipientAmbiguous = list[0].Address, len(list) > 1
	case strings.Count(to, "@") == 1:
		ev.Recipient = bareAddress(to)
	}
}

// mailgunCampaign reads the first of the campaigns, which are objects or names.
func mailgunCampaign(ev *schemas.Event, campaigns jsonscan.Value) {
	if campaigns.Kind == jsonscan.Array {
		all := campaigns.Elements()
		if !all.Next() {
			return
		}
		campaigns = all.Value()
	}
	if campaigns.Kind == jsonscan.Object {
		ev.CampaignID, ev.CampaignName = idAt(campaigns, "id"), textAt(campaigns, "name")
		return
	}
	ev.CampaignID = identifier(&campaigns)
}

// mailgun completes an event by what is the same for both forms.
func (d *decoder) mailgun(ev *schemas.Event, r mailgunReport) {
	r.event = strings.TrimSpace(r.event)
	if r.event == "" {
		refused := &Error{Reason: ReasonMissingField, Field: "event", Detail: "no type of event; mail that was received is posted by a route, which needs an address of its own"}
		d.refuse(int(ev.RawRef.Index), refused)
		return
	}
	ev.ProviderType = r.event
	switch r.event {
	case "accepted":
		ev.Type = schemas.EventTypeQueued
	case "delivered":
		ev.Type = schemas.EventTypeDelivered
	case "failed", "dropped", "bounced":
		ev.ProviderType = withSubtypes(r.event, r.severity, r.reason)
		r.failure(ev)
	case "rejected":
		ev.Type, ev.RejectReason = schemas.EventTypeRejected, rejectOther
	case "opened":
		ev.Type = schemas.EventTypeOpened
		r.classify(ev)
	case "clicked":
		ev.Type = schemas.EventTypeClicked
		r.classify(ev)
	case "unsubscribed":
		ev.Type = schemas.EventTypeUnsubscribed
		r.classify(ev)
	case "complained":
		ev.Type = schemas.EventTypeComplained
	}
	if ev.Type != schemas.EventTypeClicked {
		ev.URL = ""
	}
	r.reply(ev)
	d.emit(ev, r.id...)
}

// reply reads the codes, which stand in fields of their own or in the server's words.
// Mailgun numbers its own findings too, from 498 and from 600: no server said so.
func (r mailgunReport) reply(ev *schemas.Event) {
	ev.SMTPCode, ev.SMTPEnhanced = smtpReply(ev.MTAResponse)
	if e := enhancedAt(r.enhanced, 0); e != "" {
		ev.SMTPEnhanced = e
	} else if e := enhancedAt(r.code, 0); e != "" {
		ev.SMTPEnhanced = e
	}
	if len(r.code) == 3 && isReplyCode(r.code) {
		n, _ := strconv.Atoi(r.code)
		ev.SMTPCode = int32(n)
	}
}

// failure tells what is tried again, what was never tried, and what failed for good.
func (r mailgunReport) failure(ev *schemas.Event) {
	if r.severity == "temporary" {
		ev.Type = schemas.EventTypeDeferred
		return
	}
	ev.RejectReason = r.rejectReason()
	if r.event == "dropped" || r.suppressed() {
		ev.Type = schemas.EventTypeRejected
		return
	}
	ev.Type, ev.BounceClass = schemas.EventTypeBounced, r.bounceClass()
}

// suppressed tells whether Mailgun did not even try, since the address bounced,
// complained or unsubscribed before.
func (r mailgunReport) suppressed() bool {
	return strings.HasPrefix(r.reason, "suppress-") || r.code == "605" || r.code == "606" || r.code == "607"
}

func (r mailgunReport) rejectReason() string {
	switch r.reason {
	case "bounce", "suppress-bounce":
		return rejectBounced
	case "suppress-complaint":
		return rejectSpam
	case "suppress-unsubscribe":
		return rejectUnsubscribed
	case "espblock":
		return rejectBlocked
	case "old":
		return rejectTimedOut
	case "", "hardfail": // Legacy: the code tells.
	default:
		return rejectOther
	}
	switch {
	case r.code == "499":
		return rejectTimedOut
	case r.code == "606":
		return rejectUnsubscribed
	case r.code == "607":
		return rejectSpam
	case r.code == "605", strings.HasPrefix(r.code, "4"), strings.HasPrefix(r.code, "5"):
		return rejectBounced
	}
	return rejectOther
}

func (r mailgunReport) bounceClass() string {
	switch {
	case r.reason == "espblock":
		return bounceBlock
	case r.bounceType == bounceHard || r.bounceType == bounceSoft:
		return r.bounceType
	case r.reason == "bounce":
		return bounceHard
	case strings.HasPrefix(r.enhanced, "5.7.") || strings.HasPrefix(r.code, "5.7."):
		return bounceBlock
	case r.reason == "old" || strings.HasPrefix(r.code, "4"):
		return bounceSoft
	case strings.HasPrefix(r.code, "5"):
		return bounceHard
	}
	return ""
}

// classify tells who acted. Of the bots that Mailgun names, Gmail's loads images when
// a person looks; Apple's does in any case, and the others scan.
func (r mailgunReport) classify(ev *schemas.Event) {
	ev.Machine, ev.MachineReasons = classifyAgent(ev.UserAgent)
	class, reason := schemas.MachineMachine, ""
	bot, client := strings.ToLower(known(r.bot)), strings.ToLower(r.clientType)
	switch {
	case bot == "gmail" && ev.Type == schemas.EventTypeOpened:
		class, reason = schemas.MachineProxy, "mailgun_bot:gmail"
	case bot != "" && bot != "none" && bot != "false":
		reason = "mailgun_bot:" + bot
	case client == "robot" || client == "library":
		reason = "mailgun_client:" + client
	default:
		return
	}
	ev.Machine, ev.MachineReasons = class, append([]string{reason}, ev.MachineReasons...)
}
