package provider

import (
	"strconv"
	"strings"

	"github.com/posthorn/posthorn/ingest/provider/jsonscan"
	"github.com/posthorn/posthorn/schemas"
)

// decodeNative reads a native event and hands it on. Where the object is the envelope
// of Standard Webhooks, {"type", "timestamp", "data": {...}}, the fields are those
// of data and the envelope, whose own count where both have the same.
//
// webhookID is the sender's id of the whole webhook, if any. An event is told from
// others by its own id, else by webhookID and its place in the body, else by what it
// says.
func (d *decoder) decodeNative(index int, o jsonscan.Value, webhookID string) {
	d.decodeNativeAt(index, strconv.Itoa(index), o, webhookID)
}

// decodeNativeAt is decodeNative where an element's place within what has webhookID
// is another one than its index in the body.
func (d *decoder) decodeNativeAt(index int, place string, o jsonscan.Value, webhookID string) {
	var f nativeFields
	f.readEvent(o)
	ev := d.event(index)
	name := strings.TrimSpace(f.text(fieldType))
	if name == "" {
		d.refuse(index, &Error{Reason: ReasonMissingField, Field: "type", Detail: "no type of event: it is to be one as opened or bounced"})
		return
	}
	f.identify(ev)
	f.describe(ev)
	ev.ProviderType = name
	ev.Type, ev.BounceClass = nativeType(name)
	f.fail(ev)
	at := &f.values[fieldOccurredAt]
	ev.OccurredAt, ev.OccurredPrecisionMS = anyTime(*at)
	switch {
	case ev.ProviderEventID != "":
		d.emit(ev, "event", ev.ProviderEventID, name)
	case webhookID != "":
		ev.ProviderEventID = webhookID
		d.emit(ev, "webhook", webhookID, place)
	default:
		d.emit(ev, "fields", name, ev.MessageID, ev.Recipient, text(at), f.text(fieldURL), f.text(fieldIP), f.text(fieldUserAgent), f.text(fieldAttempt))
	}
}

// identify reads whom and what the event is about.
func (f *nativeFields) identify(ev *schemas.Event) {
	ev.MessageID, ev.ProviderEventID = f.id(fieldMessageID), f.id(fieldEventID)
	switch id := f.id(fieldID); {
	case ev.MessageID == "":
		ev.MessageID = id
	case ev.ProviderEventID == "":
		ev.ProviderEventID = id
	}
	if to := texts(f.values[fieldRecipient]); len(to) > 0 {
		ev.Recipient, ev.RecipientAmbiguous = bareAddress(to[0]), len(to) > 1
	}
	ev.MessageUUID, ev.RFCMessageID = f.text(fieldMessageUUID), f.text(fieldRFCMessageID)
	ev.CampaignID, ev.CampaignName = f.id(fieldCampaignID), f.text(fieldCampaignName)
	ev.ContactID, ev.ListID, ev.CustomID = f.id(fieldContactID), f.id(fieldListID), f.text(fieldCustomID)
	ev.Tags = listText(f.values[fieldTags])
	ev.Metadata = payload(&f.values[fieldMetadata])
}

// describe reads who acted, where and on what.
func (f *nativeFields) describe(ev *schemas.Event) {
	ev.URL, ev.LinkIndex = f.text(fieldURL), smallNumber(&f.values[fieldLinkIndex])
	ev.IP, ev.UserAgent = ipAddress(&f.values[fieldIP]), f.text(fieldUserAgent)
	ev.Country, ev.Region, ev.City = country(&f.values[fieldCountry]), f.text(fieldRegion), f.text(fieldCity)
	ev.ClientName, ev.ClientOS, ev.DeviceType = f.text(fieldClientName), f.text(fieldClientOS), f.text(fieldDeviceType)
	ev.First = boolean(&f.values[fieldFirst])
	ev.ComplaintSource, ev.Attempt = f.text(fieldComplaintSource), smallNumber(&f.values[fieldAttempt])
	ev.Machine, ev.MachineReasons = classifyAgent(ev.UserAgent)
	told := true
	switch said := &f.values[fieldMachine]; strings.ToLower(strings.TrimSpace(string(said.Raw))) {
	case "machine", "true", "1":
		ev.Machine = schemas.MachineMachine
	case "proxy":
		ev.Machine = schemas.MachineProxy
	case "human", "false", "0":
		ev.Machine = schemas.MachineHuman
	default:
		told = false
	}
	if told {
		if ev.MachineReasons = texts(f.values[fieldMachineReasons]); len(ev.MachineReasons) == 0 && ev.Machine != schemas.MachineHuman {
			ev.MachineReasons = reasonSender
		}
	}
}

// reasonSender: the sender of a native event says so.
var reasonSender = []string{"sender"}

// fail reads what went wrong. A bounce of no class said is judged by the server's code.
func (f *nativeFields) fail(ev *schemas.Event) {
	ev.Description, ev.MTAResponse = f.text(fieldDescription), f.text(fieldMTAResponse)
	for _, reply := range [...]string{ev.MTAResponse, ev.Description} {
		if ev.SMTPCode == 0 && ev.SMTPEnhanced == "" {
			ev.SMTPCode, ev.SMTPEnhanced = smtpReply(reply)
		}
	}
	if code := smallNumber(&f.values[fieldSMTPCode]); 200 <= code && code < 600 {
		ev.SMTPCode = code
	}
	if enhanced := strings.TrimSpace(f.text(fieldSMTPEnhanced)); enhancedAt(enhanced, 0) == enhanced && enhanced != "" {
		ev.SMTPEnhanced = enhanced
	}
	if class := bounceClasses[strings.ToLower(f.text(fieldBounceClass))]; class != "" {
		ev.BounceClass = class
	}
	for _, reason := range [...]string{f.text(fieldRejectReason), f.text(fieldDescription)} {
		if reason = strings.ToLower(strings.TrimSpace(reason)); rejectReasons[reason] && ev.RejectReason == "" {
			ev.RejectReason = reason
		}
	}
	if ev.Type != schemas.EventTypeBounced {
		return
	}
	if ev.RejectReason == "" {
		ev.RejectReason = rejectBounced
	}
	if ev.BounceClass == "" {
		switch {
		case ev.SMTPCode/100 == 5 || ev.SMTPCode == 0 && strings.HasPrefix(ev.SMTPEnhanced, "5"):
			ev.BounceClass = bounceHard
		case ev.SMTPCode/100 == 4 || ev.SMTPCode == 0 && strings.HasPrefix(ev.SMTPEnhanced, "4"):
			ev.BounceClass = bounceSoft
		}
	}
}
