package provider

import (
	"strings"

	"github.com/posthorn/posthorn/ingest/provider/jsonscan"
	"github.com/posthorn/posthorn/schemas"
)

// sesRecipient is one that a report names.
type sesRecipient struct {
	address   string         // as sent
	details   jsonscan.Value // what the report says of this one
	ambiguous bool
}

// recipients lists those that the report concerns: the ones it names, and else
// those of the message. Of an open and a click SES does not know whose it was; it
// is the first one's then, marked as ambiguous.
func (r *sesReport) recipients() (list []sesRecipient) {
	for _, field := range [...]string{"bouncedRecipients", "complainedRecipients", "delayedRecipients", "recipients"} {
		if list = sesRecipients(lookup(r.act, field)); len(list) > 0 {
			return list
		}
	}
	for _, path := range [...][]string{{"destination"}, {"commonHeaders", "to"}} {
		if list = sesRecipients(lookup(r.mail, path...)); len(list) > 0 {
			break
		}
	}
	switch sesKind(r.name) {
	case "send", "reject", "renderingfailure":
		return list // Of all of them at once.
	}
	if len(list) > 1 {
		list = list[:1]
		list[0].ambiguous = true
	}
	return list
}

// sesRecipients reads a list of addresses or of objects that have one.
func sesRecipients(v jsonscan.Value) (list []sesRecipient) {
	each(v, func(v jsonscan.Value) {
		var rcpt sesRecipient
		switch v.Kind {
		case jsonscan.String:
			rcpt.address = v.Text()
		case jsonscan.Object:
			rcpt = sesRecipient{address: textAt(v, "emailAddress"), details: v}
		}
		if strings.TrimSpace(rcpt.address) != "" {
			list = append(list, rcpt)
		}
	})
	return list
}

// message begins an event with what is the same for all recipients.
func (r *sesReport) message() schemas.Event {
	ev := *r.event(r.index)
	ev.ProviderEventID = r.snsID
	ev.MessageID = idAt(r.mail, "messageId")
	ev.RFCMessageID = textAt(r.mail, "commonHeaders", "messageId")
	for _, at := range [...]string{r.ownTime(), r.snsTime} {
		if ev.OccurredAt, ev.OccurredPrecisionMS = isoTime(at); ev.OccurredAt != 0 {
			break
		}
	}
	s := sesLabels{event: &ev}
	s.headers(lookup(r.mail, "headers"))
	s.tags(lookup(r.mail, "tags"))
	s.links(lookup(r.act, "linkTags"))
	s.keep("ses:processing-time-millis", textAt(r.act, "processingTimeMillis"))
	s.keep("ses:template", textAt(r.act, "templateName"))
	return ev
}

// sesLabels collects what the sender has put on a message: message tags, which
// are names with values, and headers that other services have for that.
type sesLabels struct {
	event  *schemas.Event
	inline string // X-SES-MESSAGE-TAGS
}

func (s *sesLabels) keep(name, value string) {
	if name == "" || value == "" {
		return
	}
	if s.event.Metadata == nil {
		s.event.Metadata = map[string]string{}
	}
	s.event.Metadata[name] = value
}

// headers reads a list of {"name", "value"}.
func (s *sesLabels) headers(v jsonscan.Value) {
	if v.Kind != jsonscan.Array {
		return
	}
	for all := v.Elements(); all.Next(); {
		header := all.Value()
		value := lookup(header, "value")
		said := strings.TrimSpace(text(&value))
		switch strings.ToLower(textAt(header, "name")) {
		case "message-id":
			if s.event.RFCMessageID == "" {
				s.event.RFCMessageID = said
			}
		case "x-ses-configuration-set":
			s.keep("ses:configuration-set", said)
		case "x-ses-message-tags":
			s.inline = said
		case "x-tag":
			if said != "" {
				s.event.Tags = append(s.event.Tags, said)
			}
		case "x-metadata":
			for name, value := range payload(&value) {
				s.keep(name, value)
			}
		case "x-campaign-id":
			s.event.CampaignID = said
		case "x-campaign", "x-campaign-name":
			s.event.CampaignName = said
		}
	}
}

// tags reads message tags: {"name": ["value"]}. SES adds its own, of which only
// the configuration set says something that no other field does. Where they are
// not there they are still in the header that set them.
func (s *sesLabels) tags(v jsonscan.Value) {
	if v.Kind != jsonscan.Object {
		for pair := range strings.SplitSeq(s.inline, ",") {
			name, value, _ := strings.Cut(pair, "=")
			s.tag(strings.TrimSpace(name), []string{strings.TrimSpace(value)})
		}
		return
	}
	var name, value jsonscan.Value
	for all := v.Members(); all.Next(&name, &value); {
		s.tag(name.Text(), texts(value))
	}
}

func (s *sesLabels) tag(name string, values []string) {
	all := strings.Join(values, ",")
	switch {
	case name == "" || all == "":
		return
	case strings.HasPrefix(name, "ses:"):
		if name == "ses:configuration-set" {
			s.keep(name, all)
		}
		return
	}
	s.keep(name, all)
	s.event.Tags = append(s.event.Tags, values...)
	switch strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(name)) {
	case "campaignid":
		s.event.CampaignID = all
	case "campaign", "campaignname":
		s.event.CampaignName = all
	}
}

// links reads the tags of a link that was clicked.
func (s *sesLabels) links(v jsonscan.Value) {
	if v.Kind != jsonscan.Object {
		return
	}
	var name, value jsonscan.Value
	for all := v.Members(); all.Next(&name, &value); {
		if _, taken := s.event.Metadata[name.Text()]; !taken {
			s.keep(name.Text(), strings.Join(texts(value), ","))
		}
	}
}
