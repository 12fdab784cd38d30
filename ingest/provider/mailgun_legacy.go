package provider

import (
	"strings"

	"github.com/posthorn/posthorn/ingest/provider/jsonscan"
	"github.com/posthorn/posthorn/schemas"
)

// isMailgunForm tells whether an object has fields that only the legacy form has.
func isMailgunForm(o jsonscan.Value) bool {
	if lookup(o, "signature").Kind == jsonscan.String {
		return true
	}
	for _, name := range [...]string{"token", "message-headers", "Message-Id", "message-id", "X-Mailgun-Sid", "body-plain"} {
		if lookup(o, name).Kind > jsonscan.Null {
			return true
		}
	}
	event := textAt(o, "event")
	return event == "dropped" || event == "bounced"
}

// formOf returns the form that an object was made of: lists hold the values of a
// name that came several times.
func formOf(o jsonscan.Value) (f form) {
	var name, value jsonscan.Value
	for all := o.Members(); all.Next(&name, &value) && len(f) < maxFormFields; {
		values := []jsonscan.Value{value}
		if value.Kind == jsonscan.Array && isFlat(value) {
			values = nil
			for each := value.Elements(); each.Next() && len(values) < maxFormFields; {
				values = append(values, each.Value())
			}
		}
		for _, v := range values {
			switch v.Kind {
			case jsonscan.Null:
			case jsonscan.Object, jsonscan.Array:
				f = append(f, formField{name.Text(), string(v.AppendCompact(nil))})
			default:
				f = append(f, formField{name.Text(), v.Text()})
			}
		}
	}
	return f
}

// isFlat tells whether a list holds neither lists nor objects.
func isFlat(list jsonscan.Value) bool {
	for all := list.Elements(); all.Next(); {
		if v := all.Value(); v.Kind >= jsonscan.Object {
			return false
		}
	}
	return true
}

// readMailgunForm reads an event of the legacy webhooks. The sender's own data stands
// among the fields and may have the same names: behind Mailgun's own, except that
// the three of the signature come last.
func readMailgunForm(ev *schemas.Event, f form) mailgunReport {
	r := mailgunReport{
		event: f.first("event"), severity: f.first("severity"), reason: f.first("reason"),
		code: strings.TrimSpace(f.first("code")), bot: f.first("bot"), clientType: f.first("client-type"),
	}
	headers := readMailgunHeaders(f.first("message-headers"))
	at := jsonscan.Value{Kind: jsonscan.String, Raw: []byte(f.last("timestamp"))}
	ev.OccurredAt, ev.OccurredPrecisionMS = unixSeconds(&at)
	ev.ProviderEventID = f.last("token")
	messageID := f.first("Message-Id", "message-id")
	if messageID == "" {
		messageID = headers.messageID
	}
	ev.MessageID, ev.RFCMessageID = mailgunMessage(messageID)
	ev.Recipient = bareAddress(f.first("recipient"))
	ev.CampaignID, ev.CampaignName = f.first("campaign-id"), f.first("campaign-name")
	ev.ListID = f.first("mailing-list")
	for _, tags := range [...][]string{f.all("tag"), f.all("X-Mailgun-Tag"), headers.tags} {
		if len(tags) > 0 {
			ev.Tags = tags
			break
		}
	}
	ev.Metadata = headers.variables
	if f.first("message-headers") == "" {
		ev.Metadata = mailgunOwnData(f)
	}
	ev.MTAResponse, ev.Description = f.first("error", "notification"), f.first("description")
	readMailgunFormClient(ev, f)
	r.id = []string{"legacy", r.event, messageID, f.first("recipient"), f.last("timestamp"),
		ev.URL, f.first("ip"), ev.UserAgent, r.code, r.reason}
	return r
}

func readMailgunFormClient(ev *schemas.Event, f form) {
	ip := jsonscan.Value{Kind: jsonscan.String, Raw: []byte(f.first("ip"))}
	code := jsonscan.Value{Kind: jsonscan.String, Raw: []byte(f.first("country"))}
	ev.IP, ev.Country = ipAddress(&ip), country(&code)
	ev.Region, ev.City = known(f.first("region")), known(f.first("city"))
	ev.UserAgent, ev.URL = f.first("user-agent"), f.first("url")
	ev.ClientName, ev.ClientOS = known(f.first("client-name")), known(f.first("client-os"))
	ev.DeviceType = known(strings.ToLower(f.first("device-type")))
}

// mailgunHeaders are what is wanted of a message's headers.
type mailgunHeaders struct {
	messageID string
	tags      []string
	variables map[string]string
}

// readMailgunHeaders reads a JSON array of pairs of name and value.
func readMailgunHeaders(text string) (h mailgunHeaders) {
	list, err := jsonscan.Parse([]byte(text))
	if err != nil || list.Kind != jsonscan.Array {
		return h
	}
	for all := list.Elements(); all.Next(); {
		pair := all.Value()
		if pair.Kind != jsonscan.Array {
			continue
		}
		var parts [2]jsonscan.Value
		for i, each := 0, pair.Elements(); i < len(parts) && each.Next(); i++ {
			parts[i] = each.Value()
		}
		value := parts[1]
		switch strings.ToLower(strings.TrimSpace(textAt(parts[0]))) {
		case "message-id":
			h.messageID = textAt(value)
		case "x-mailgun-tag":
			h.tags = append(h.tags, texts(value)...)
		case "x-mailgun-variables":
			for name, v := range variables(&value) {
				if h.variables == nil {
					h.variables = map[string]string{}
				}
				h.variables[name] = v
			}
		}
	}
	return h
}

// mailgunFields are the fields of opened, clicked and unsubscribed, in which there are
// no headers to read the sender's own data from: any other field is that.
var mailgunFields = map[string]bool{
	"event": true, "recipient": true, "domain": true, "ip": true, "country": true, "region": true, "city": true,
	"user-agent": true, "device-type": true, "client-type": true, "client-name": true, "client-os": true, "bot": true,
	"campaign-id": true, "campaign-name": true, "tag": true, "mailing-list": true, "url": true,
	"timestamp": true, "token": true, "signature": true,
	"message-id": true, "Message-Id": true, "body-plain": true, "h": true, // Not documented.
}

// mailgunOwnData returns the sender's own data.
func mailgunOwnData(f form) map[string]string {
	switch f.first("event") {
	case "opened", "clicked", "unsubscribed":
	default:
		return nil
	}
	var m map[string]string
	seen := map[string]bool{}
	for _, field := range f {
		name := strings.ToValidUTF8(field.name, "\ufffd")
		if seen[name] || name == "tag" || strings.HasPrefix(name, "X-Mailgun-") {
			continue
		}
		seen[name] = true
		values := f.all(field.name)
		value := values[len(values)-1]
		switch {
		case mailgunFields[name] && len(values) == 1:
			continue
		case name == "signature" || name == "timestamp" || name == "token":
			value = values[0]
		}
		if m == nil {
			m = map[string]string{}
		}
		m[name] = value
	}
	return m
}
