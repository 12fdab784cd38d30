package provider

import (
	"strings"

	"github.com/posthorn/posthorn/ingest/provider/jsonscan"
)

// A native event is a JSON object in Posthorn's own words, which are those of
// schemas.Event, with the names that others commonly give the same:
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
	// unknown, where set, is called for members that no field reads.
	unknown func(name, value jsonscan.Value)
}

// readEvent takes in an event, or the envelope of one.
func (f *nativeFields) readEvent(o jsonscan.Value) {
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
		if !known && f.unknown != nil {
			f.unknown(name, value)
		}
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
