package provider

import (
	"strings"

	"github.com/posthorn/posthorn/ingest/provider/jsonscan"
	"github.com/posthorn/posthorn/schemas"
)

// mandrillTypes are Mandrill's events by name. "send" is Mandrill's having sent it;
// that the recipient's server took it, "delivered" tells.
var mandrillTypes = map[string]schemas.EventType{
	"send":        schemas.EventTypeSent,
	"delivered":   schemas.EventTypeDelivered,
	"deferral":    schemas.EventTypeDeferred,
	"hard_bounce": schemas.EventTypeBounced,
	"soft_bounce": schemas.EventTypeBounced,
	"reject":      schemas.EventTypeRejected,
	"open":        schemas.EventTypeOpened,
	"click":       schemas.EventTypeClicked,
	"spam":        schemas.EventTypeComplained,
	"unsub":       schemas.EventTypeUnsubscribed,
}

func (d *decoder) mandrill(index int, o jsonscan.Value) {
	if o.Kind != jsonscan.Object {
		d.refuse(index, &Error{Reason: ReasonNotAnEvent, Detail: "not a JSON object"})
		return
	}
	name := strings.TrimSpace(textAt(o, "event"))
	sync := strings.TrimSpace(textAt(o, "type"))
	if name == "" && sync == "" {
		d.refuse(index, &Error{Reason: ReasonMissingField, Field: "event", Detail: "no type of event"})
		return
	}
	ev := d.event(index)
	at := lookup(o, "ts")
	ev.OccurredAt, ev.OccurredPrecisionMS = unixSeconds(&at)
	if name != "" {
		ev.Type, ev.ProviderType = mandrillTypes[name], name
		mandrillMessage(ev, o)
	} else {
		mandrillSync(ev, o, sync)
	}
	d.emit(ev, name, sync, textAt(o, "action"), textAt(o, "_id"), textAt(o, "msg", "_id"), textAt(o, "msg", "email"), text(&at),
		textAt(o, "url"), textAt(o, "ip"), textAt(o, "user_agent"),
		textAt(o, "reject", "email"), textAt(o, "entry", "email"), textAt(o, "reject", "last_event_at"))
}

// mandrillMessage reads an event of a message.
func mandrillMessage(ev *schemas.Event, o jsonscan.Value) {
	msg := lookup(o, "msg")
	if ev.MessageID = idAt(msg, "_id"); ev.MessageID == "" {
		ev.MessageID = idAt(o, "_id")
	}
	ev.Recipient = bareAddress(textAt(msg, "email"))
	ev.Tags = texts(lookup(msg, "tags"))
	metadata := lookup(msg, "metadata")
	ev.Metadata = variables(&metadata)
	switch ev.Type {
	case schemas.EventTypeOpened, schemas.EventTypeClicked, schemas.EventTypeUnsubscribed, schemas.EventTypeComplained:
		mandrillEngagement(ev, o)
	default:
		mandrillReply(ev, msg)
	}
	switch ev.Type {
	case schemas.EventTypeBounced:
		mandrillBounce(ev, msg)
	case schemas.EventTypeRejected:
		reason := firstText(o, []string{"msg", "reject", "reason"}, []string{"msg", "reject_reason"}, []string{"msg", "reject"}, []string{"reject", "reason"}, []string{"reject"})
		ev.RejectReason = mandrillRejectReason(reason)
		ev.ProviderType = withSubtypes(ev.ProviderType, reason)
		if ev.Description == "" {
			ev.Description = firstText(o, []string{"msg", "reject", "detail"}, []string{"reject", "detail"})
		}
	}
}

// mandrillReply reads what the recipient's server said: of an attempt that is to be
// repeated in the last of the attempts.
func mandrillReply(ev *schemas.Event, msg jsonscan.Value) {
	ev.Description = textAt(msg, "bounce_description")
	ev.MTAResponse = textAt(msg, "diag")
	if attempts := lookup(msg, "smtp_events"); ev.MTAResponse == "" && attempts.Kind == jsonscan.Array {
		for all := attempts.Elements(); all.Next(); {
			if said := textAt(all.Value(), "diag"); said != "" {
				ev.MTAResponse = said
			}
		}
	}
	ev.SMTPCode, ev.SMTPEnhanced = smtpReply(ev.MTAResponse)
}

// mandrillBounce reads why a message bounced. Both kinds are final: what is tried
// again is deferred. The code is BoogieTools', of which 50 to 59 are blocks.
func mandrillBounce(ev *schemas.Event, msg jsonscan.Value) {
	ev.RejectReason = rejectBounced
	words := strings.ToLower(ev.Description)
	code := idAt(msg, "bgtools_code")
	if len(code) == 2 && code[0] == '5' || strings.Contains(words, "block") || strings.Contains(words, "spam") {
		ev.RejectReason = rejectBlocked
	}
	switch {
	case ev.ProviderType == "hard_bounce":
		ev.BounceClass = bounceHard
	case ev.RejectReason == rejectBlocked:
		ev.BounceClass = bounceBlock
	default:
		ev.BounceClass = bounceSoft
	}
}

// mandrillRejectReason maps the reasons of Mandrill's list of rejections, and those
// that it rejects by itself for.
func mandrillRejectReason(reason string) string {
	switch strings.ToLower(strings.NewReplacer("_", "-", " ", "-").Replace(strings.TrimSpace(reason))) {
	case "hard-bounce", "soft-bounce":
		return rejectBounced
	case "spam":
		return rejectSpam
	case "unsub":
		return rejectUnsubscribed
	case "custom", "manual-edit", "rule":
		return rejectBlocked
	case "invalid", "recipient-invalid":
		return rejectInvalid
	}
	return rejectOther
}

// mandrillSync reads a change of the list of addresses that are rejected, or of that
// of those that never are. It is no event of a message, and of an unknown type so
// that nothing is counted twice: the bounce or complaint behind it was told of.
func mandrillSync(ev *schemas.Event, o jsonscan.Value, list string) {
	ev.ProviderType = withSubtypes(list, textAt(o, "action"))
	for _, name := range [...]string{"reject", "entry"} {
		entry := lookup(o, name)
		if ev.Recipient = bareAddress(textAt(entry, "email")); ev.Recipient == "" {
			continue
		}
		reason := textAt(entry, "reason")
		if ev.Description = textAt(entry, "detail"); ev.Description == "" {
			ev.Description = reason
		}
		if reason != "" {
			ev.RejectReason = mandrillRejectReason(reason)
		}
		return
	}
}

// mandrillEngagement reads who opened or clicked. Robots that Mandrill knows by their
// agents are machines; an image proxy is a person looking.
func mandrillEngagement(ev *schemas.Event, o jsonscan.Value) {
	ip, code := lookup(o, "ip"), lookup(o, "location", "country_short")
	ev.IP, ev.Country = ipAddress(&ip), country(&code)
	ev.Region, ev.City = known(textAt(o, "location", "region")), known(textAt(o, "location", "city"))
	ev.UserAgent = textAt(o, "user_agent")
	if ev.Type == schemas.EventTypeClicked {
		ev.URL = textAt(o, "url")
	}
	agent := lookup(o, "user_agent_parsed")
	ev.ClientName = known(firstText(agent, []string{"ua_family"}, []string{"ua_name"}))
	ev.ClientOS = known(firstText(agent, []string{"os_family"}, []string{"os_name"}))
	if mobile := lookup(agent, "mobile"); mobile.Kind == jsonscan.Bool {
		ev.DeviceType = "desktop"
		if boolean(&mobile) {
			ev.DeviceType = "mobile"
		}
	}
	ev.Machine, ev.MachineReasons = classifyAgent(ev.UserAgent)
	if strings.EqualFold(textAt(agent, "type"), "robot") && ev.Machine != schemas.MachineProxy {
		ev.Machine, ev.MachineReasons = schemas.MachineMachine, append([]string{"mandrill_robot"}, ev.MachineReasons...)
	}
}
