package provider

import (
	"strconv"
	"strings"

	"github.com/posthorn/posthorn/ingest/provider/jsonscan"
	"github.com/posthorn/posthorn/schemas"
)

// A native event is a JSON object in Posthorn's own words, which are those of
// [schemas.Event], with the names that others commonly give the same:
//
//	type            what happened: one of Posthorn's types, or a common name of it
//	                ("open", "email.opened", "message_opened"); also event, event_type
//	recipient       address; also email, to
//	message_id      also email_id; id where there is neither
//	occurred_at     ISO 8601, or a number since 1970 in s, ms or µs; without a zone
//	                it is UTC; also timestamp, time, created_at
//	event_id        unique for each occurrence, where the sender has such; id where
//	                message_id is given too
//	campaign_id     also campaign
//	campaign_name
//	contact_id, list_id, custom_id, message_uuid, rfc_message_id
//	tags            list of texts, or one; also tag, categories, category
//	metadata        object of texts; also payload
//	url             also link
//	link_index      from 1
//	ip              also ip_address
//	user_agent
//	country         ISO 3166 alpha-2; also region, city
//	client_name, client_os, device_type
//	machine         "human", "proxy" or "machine"; true is "machine"; also bot
//	machine_reasons list of texts
//	first           true: the first of its kind for the message
//	bounce_class    "hard", "soft" or "block"
//	reject_reason   "invalid", "bounced", "timed_out", "blocked", "spam",
//	                "unsubscribed" or "other"
//	description     also reason, error
//	smtp_code       number
//	smtp_enhanced   "5.1.1"; also enhanced_code
//	mta_response    also smtp_response, smtp_reply, response
//	complaint_source
//	attempt         from 1
//
// Letter case, "_" and "-" in names do not matter: messageId is message_id. Of names
// that mean the same the first counts that says something.
type nativeField int

const (
	fieldType nativeField = iota
	fieldRecipient
	fieldMessageID
	fieldID
	fieldEventID
	fieldOccurredAt
	fieldCampaignID
	fieldCampaignName
	fieldContactID
	fieldListID
	fieldCustomID
	fieldMessageUUID
	fieldRFCMessageID
	fieldTags
	fieldMetadata
	fieldURL
	fieldLinkIndex
	fieldIP
	fieldUserAgent
	fieldCountry
	fieldRegion
	fieldCity
	fieldClientName
	fieldClientOS
	fieldDeviceType
	fieldMachine
	fieldMachineReasons
	fieldFirst
	fieldBounceClass
	fieldRejectReason
	fieldDescription
	fieldSMTPCode
	fieldSMTPEnhanced
	fieldMTAResponse
	fieldComplaintSource
	fieldAttempt
	nativeFieldCount
)

// nativeSlot is where a name belongs: of several in one field the lowest rank counts.
type nativeSlot struct {
	field nativeField
	rank  uint8
}

// nativeSlots by name, as foldName writes it.
var nativeSlots = func() map[string]nativeSlot {
	m := map[string]nativeSlot{}
	for field, names := range map[nativeField]string{
		fieldType: "type event eventtype", fieldRecipient: "recipient email to", fieldMessageID: "messageid emailid",
		fieldID: "id", fieldEventID: "eventid", fieldOccurredAt: "occurredat timestamp time createdat",
		fieldCampaignID: "campaignid campaign", fieldCampaignName: "campaignname", fieldContactID: "contactid",
		fieldListID: "listid", fieldCustomID: "customid", fieldMessageUUID: "messageuuid", fieldRFCMessageID: "rfcmessageid",
		fieldTags: "tags tag categories category", fieldMetadata: "metadata payload", fieldURL: "url link", fieldLinkIndex: "linkindex",
		fieldIP: "ip ipaddress", fieldUserAgent: "useragent", fieldCountry: "country", fieldRegion: "region", fieldCity: "city",
		fieldClientName: "clientname", fieldClientOS: "clientos", fieldDeviceType: "devicetype",
		fieldMachine: "machine bot", fieldMachineReasons: "machinereasons", fieldFirst: "first",
		fieldBounceClass: "bounceclass", fieldRejectReason: "rejectreason", fieldDescription: "description reason error",
		fieldSMTPCode: "smtpcode", fieldSMTPEnhanced: "smtpenhanced enhancedcode", fieldMTAResponse: "mtaresponse smtpresponse smtpreply response",
		fieldComplaintSource: "complaintsource", fieldAttempt: "attempt",
	} {
		for rank, name := range strings.Fields(names) {
			m[name] = nativeSlot{field, uint8(rank)}
		}
	}
	return m
}()

// nativeFields are the values of an object, each as it stands in the body.
type nativeFields struct {
	values [nativeFieldCount]jsonscan.Value
	ranks  [nativeFieldCount]uint8
}

// read takes in the members of an object. A value that says nothing leaves its place
// to one of another name; of the same name the last counts. lower makes what is read
// count less than what was read before, under the same name.
func (f *nativeFields) read(o jsonscan.Value, lower bool) {
	var buf [32]byte
	var name, value jsonscan.Value
	before := f.ranks
	for all := o.Members(); all.Next(&name, &value); {
		slot, known := nativeSlots[string(foldName(buf[:0], &name))]
		if !known || value.Kind <= jsonscan.Null || value.Kind == jsonscan.String && len(value.Raw) == 0 {
			continue
		}
		rank := slot.rank + 1 // 0: nothing read yet
		if r := f.ranks[slot.field]; r == 0 || rank < r || rank == r && !(lower && before[slot.field] == r) {
			f.values[slot.field], f.ranks[slot.field] = value, rank
		}
	}
}

func (f *nativeFields) text(field nativeField) string { return text(&f.values[field]) }
func (f *nativeFields) id(field nativeField) string   { return identifier(&f.values[field]) }

// foldName appends a name in lower case without "_", "-" and spaces; of a long one,
// which is none of ours, the beginning.
func foldName(dst []byte, name *jsonscan.Value) []byte {
	for _, c := range name.Bytes() {
		if len(dst) == cap(dst) {
			break
		}
		switch {
		case c == '_' || c == '-' || c == ' ':
			continue
		case 'A' <= c && c <= 'Z':
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}

// decodeNative reads a native event and hands it on. Where the object is the envelope
// of Standard Webhooks, {"type", "timestamp", "data": {...}}, the fields are those
// of data and the envelope, whose own count where both have the same.
//
// webhookID is the sender's id of the whole webhook, if any. An event is told from
// others by its own id, else by webhookID and its place in the body, else by what it
// says.
func (d *decoder) decodeNative(index int, o jsonscan.Value, webhookID string) {
	var f nativeFields
	f.read(o, false)
	id := f.values[fieldID]
	if data := lookup(o, "data"); data.Kind == jsonscan.Object {
		// The id of an envelope is the event's, that of data the message's.
		f.values[fieldID], f.ranks[fieldID] = jsonscan.Value{}, 0
		f.read(data, true)
		if f.ranks[fieldEventID] == 0 {
			f.values[fieldEventID] = id
		}
	}
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
		d.emit(ev, "webhook", webhookID, strconv.Itoa(index))
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
