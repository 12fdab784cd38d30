package provider

import (
	"strings"

	"github.com/posthorn/posthorn/ingest/provider/jsonscan"
	"github.com/posthorn/posthorn/schemas"
)

// sendgridFields are the members of one event that mean something. A name that
// comes twice counts with its last value.
type sendgridFields struct {
	event, timestamp, email, eventID, messageID, smtpID jsonscan.Value
	category, attempt, response, reason, status, kind   jsonscan.Value
	classification, machineOpen                         jsonscan.Value
	url, urlOffset, ip, agent                           jsonscan.Value
	groupID, newsletter                                 jsonscan.Value
	campaignID, campaignName, sendID, sendName          jsonscan.Value
	automationID, automationName, oldCampaignID         jsonscan.Value
	marketing, other                                    jsonscan.Value

	// template and the like are SendGrid's in what its marketing sends, and else
	// the sender's.
	phaseID, templateID, templateHash, templateVersion jsonscan.Value

	// metadata is what SendGrid does not name itself: the sender's own arguments,
	// which it puts beside its own fields.
	metadata map[string]string
}

// read sets the fields from the members of an object.
func (f *sendgridFields) read(members jsonscan.Members) {
	var name, value jsonscan.Value
	for members.Next(&name, &value) {
		if field := f.field(name.Bytes()); field != nil {
			*field = value
		} else {
			f.metadata = addMember(f.metadata, &name, &value)
		}
	}
	if f.marketing.Kind > jsonscan.Null || f.sendID.Kind > jsonscan.Null || f.automationID.Kind > jsonscan.Null {
		return
	}
	f.give("phase_id", &f.phaseID)
	f.give("template_id", &f.templateID)
	f.give("template_hash", &f.templateHash)
	f.give("template_version_id", &f.templateVersion)
}

// give returns a field to the sender, whose argument it is.
func (f *sendgridFields) give(name string, v *jsonscan.Value) {
	if v.Kind > jsonscan.Null {
		f.metadata = addMember(f.metadata, &jsonscan.Value{Kind: jsonscan.String, Raw: []byte(name)}, v)
	}
}

func (f *sendgridFields) field(name []byte) *jsonscan.Value {
	switch string(name) {
	case "event":
		return &f.event
	case "timestamp":
		return &f.timestamp
	case "email":
		return &f.email
	case "sg_event_id":
		return &f.eventID
	case "sg_message_id":
		return &f.messageID
	case "smtp-id":
		return &f.smtpID
	case "category":
		return &f.category
	case "attempt":
		return &f.attempt
	case "response":
		return &f.response
	case "reason":
		return &f.reason
	case "status":
		return &f.status
	case "type":
		return &f.kind
	case "bounce_classification":
		return &f.classification
	case "sg_machine_open":
		return &f.machineOpen
	case "url":
		return &f.url
	case "url_offset":
		return &f.urlOffset
	case "ip":
		return &f.ip
	case "useragent":
		return &f.agent
	case "asm_group_id":
		return &f.groupID
	case "newsletter":
		return &f.newsletter
	case "marketing_campaign_id":
		return &f.campaignID
	case "marketing_campaign_name":
		return &f.campaignName
	case "singlesend_id":
		return &f.sendID
	case "singlesend_name":
		return &f.sendName
	case "mc_auto_id":
		return &f.automationID
	case "mc_auto_name":
		return &f.automationName
	case "nlvx_campaign_id":
		return &f.oldCampaignID
	case "mc_stats":
		return &f.marketing
	case "phase_id":
		return &f.phaseID
	case "template_id":
		return &f.templateID
	case "template_hash":
		return &f.templateHash
	case "template_version_id":
		return &f.templateVersion
	case "tls", "cert_err", "pool", "post_type", "send_at",
		"sg_user_id", "sg_content_type", "sg_template_id", "sg_template_name",
		"mc_pod_id", "mc_auto_step_id", "marketing_campaign_version", "marketing_campaign_split_id",
		"nlvx_campaign_split_id", "nlvx_user_id":
		return &f.other
	}
	return nil
}

// message returns the message's id: sg_message_id as it stands. SendGrid makes it
// of the X-Message-Id that answered the request, the server and the recipient's
// number, and puts the same into all events of one message to one recipient; its
// own log of events is asked by it. The X-Message-Id alone would join the messages
// that one request has for the same recipient; nor can it be cut out safely, since
// old ones have dots themselves and some drops begin with the server. Who knows
// only that finds the messages by prefix.
//
// A bounce that comes by mail, days later, may lack it.
func (f *sendgridFields) message() string { return identifier(f.messageField()) }

// messageField returns the field that names the message; it goes into fingerprints
// too.
func (f *sendgridFields) messageField() *jsonscan.Value {
	if identifier(&f.messageID) != "" {
		return &f.messageID
	}
	return &f.smtpID
}

// campaign reads what the message was part of: of a marketing campaign, a single
// send, an automation or a newsletter, in the order in which SendGrid had them last.
func (f *sendgridFields) campaign(ev *schemas.Event) {
	for _, c := range [...][2]*jsonscan.Value{
		{&f.sendID, &f.sendName}, {&f.automationID, &f.automationName}, {&f.campaignID, &f.campaignName}, {&f.oldCampaignID, nil},
	} {
		if ev.CampaignID = identifier(c[0]); c[1] != nil {
			ev.CampaignName = text(c[1])
		}
		if ev.CampaignID != "" || ev.CampaignName != "" {
			break
		}
	}
	ev.ListID = identifier(&f.groupID)
	if f.newsletter.Kind == jsonscan.Object {
		if ev.CampaignID == "" && ev.CampaignName == "" {
			ev.CampaignID = idAt(f.newsletter, "newsletter_id")
		}
		if ev.ListID == "" {
			ev.ListID = idAt(f.newsletter, "newsletter_user_list_id")
		}
	}
	if ev.CampaignID == "" {
		ev.CampaignID = ev.CampaignName
	}
}

// linkIndex returns the place of the link among all, from 1. Without one it returns 0.
func (f *sendgridFields) linkIndex() int32 {
	index := lookup(f.urlOffset, "index")
	return fromOne(&index)
}

// fromOne reads a number that counts from 0 as one that counts from 1. Without one
// it returns 0.
func fromOne(v *jsonscan.Value) int32 {
	s, n := text(v), smallNumber(v)
	if s == "" || n == 0 && strings.Trim(s, " 0") != "" {
		return 0
	}
	return n + 1
}
