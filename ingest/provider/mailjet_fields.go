package provider

import (
	"strings"

	"github.com/posthorn/posthorn/ingest/provider/jsonscan"
	"github.com/posthorn/posthorn/schemas"
)

// mailjetFields are the members of one event that mean something. A name that
// comes twice counts with its last value.
type mailjetFields struct {
	event, time, messageID, guid, oldMessageID, email jsonscan.Value
	campaignID, contactID, listID, customCampaign     jsonscan.Value
	customID, payload                                 jsonscan.Value
	ip, geo, agent, url                               jsonscan.Value
	hardBounce, errorRelatedTo, errorText, comment    jsonscan.Value
	smtpReply, source                                 jsonscan.Value
}

// read sets the fields from the members of an object.
func (f *mailjetFields) read(members jsonscan.Members) {
	var name, value jsonscan.Value
	for members.Next(&name, &value) {
		if field := f.field(name.Bytes()); field != nil {
			*field = value
		}
	}
}

func (f *mailjetFields) field(name []byte) *jsonscan.Value {
	switch string(name) {
	case "event":
		return &f.event
	case "time":
		return &f.time
	case "MessageID":
		return &f.messageID
	case "Message_GUID":
		return &f.guid
	case "mj_message_id":
		return &f.oldMessageID
	case "email":
		return &f.email
	case "mj_campaign_id":
		return &f.campaignID
	case "mj_contact_id":
		return &f.contactID
	case "mj_list_id":
		return &f.listID
	case "customcampaign":
		return &f.customCampaign
	case "CustomID":
		return &f.customID
	case "Payload":
		return &f.payload
	case "ip":
		return &f.ip
	case "geo":
		return &f.geo
	case "agent":
		return &f.agent
	case "url":
		return &f.url
	case "hard_bounce":
		return &f.hardBounce
	case "error_related_to":
		return &f.errorRelatedTo
	case "error":
		return &f.errorText
	case "comment":
		return &f.comment
	case "smtp_reply":
		return &f.smtpReply
	case "source":
		return &f.source
	}
	return nil
}

// message returns the message's id: MessageID, in old events mj_message_id, and
// else the UUID, which names the same message.
func (f *mailjetFields) message() string {
	for _, v := range [...]*jsonscan.Value{&f.messageID, &f.oldMessageID, &f.guid} {
		if id := identifier(v); id != "" {
			return id
		}
	}
	return ""
}

// messageField returns the field that stands for the message in the event's
// fingerprint: frozen, and therefore not what message prefers.
func (f *mailjetFields) messageField() *jsonscan.Value {
	for _, v := range [...]*jsonscan.Value{&f.guid, &f.messageID} {
		if v.Kind > jsonscan.Null && len(v.Raw) > 0 {
			return v
		}
	}
	return &f.oldMessageID
}

// payload reads the sender's own data: a string that is usually JSON text. The
// members of an object are taken apart; anything else is kept whole.
func payload(v *jsonscan.Value) map[string]string {
	if v.Kind <= jsonscan.Null || v.Kind == jsonscan.String && len(v.Raw) == 0 {
		return nil
	}
	inner := *v
	if v.Kind == jsonscan.String {
		parsed, err := jsonscan.Parse(v.Bytes())
		if err != nil || parsed.Kind != jsonscan.Object {
			return map[string]string{"payload": v.Text()}
		}
		inner = parsed
	}
	if inner.Kind != jsonscan.Object {
		return map[string]string{"payload": compact(&inner)}
	}
	var m map[string]string
	var name, value jsonscan.Value
	for all := inner.Members(); all.Next(&name, &value); {
		m = addMember(m, &name, &value)
	}
	return m
}

// addMember adds a member of an object to m, which may be nil. What is nested stays
// JSON, and null takes away what came before under that name.
func addMember(m map[string]string, name, value *jsonscan.Value) map[string]string {
	if m == nil {
		m = make(map[string]string, 4)
	}
	switch value.Kind {
	case jsonscan.Null:
		delete(m, name.Text())
	case jsonscan.Object, jsonscan.Array:
		m[name.Text()] = compact(value)
	default:
		m[name.Text()] = value.Text()
	}
	return m
}

// compact returns the JSON of a value without white space, as valid UTF-8: as it
// would be written anyway.
func compact(v *jsonscan.Value) string {
	return strings.ToValidUTF8(string(v.AppendCompact(nil)), "\uFFFD")
}

// engagement reads who opened, clicked or unsubscribed.
func (f *mailjetFields) engagement(ev *schemas.Event) {
	ev.IP = ipAddress(&f.ip)
	ev.Country = country(&f.geo)
	ev.Machine, ev.MachineReasons = classifyAgent(ev.UserAgent)
}
