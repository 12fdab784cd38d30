package trigger

import (
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
)

// fact is something that conditions may use.
type fact struct {
	name string
	typ  *cel.Type
	// get returns the value; nil: it is not known.
	get func(*activation) any
	// event and message return the text of such a fact; nil: it is another one. A
	// message's text is unknown while it is empty: see the package comment.
	event   func(*Event) string
	message func(*Message) string
}

// Texts are given to CEL as its own type, which it would make of Go's.
func eventText(name string, f func(*Event) string) fact {
	return fact{name: "event." + name, typ: cel.StringType, event: f, get: func(a *activation) any { return types.String(f(a.event)) }}
}

func messageText(name string, f func(*Message) string) fact {
	return fact{name: "message." + name, typ: cel.StringType, message: f, get: func(a *activation) any {
		if s := f(a.message); s != "" {
			return types.String(s)
		}
		return nil
	}}
}

// The names of facts that are not text alone.
const (
	factTags     = "message.tags"
	factMetadata = "message.metadata"
)

// facts lists the facts that conditions may use.
var facts = sync.OnceValue(func() []fact {
	return []fact{
		eventText("type", func(e *Event) string { return e.Type.String() }),
		eventText("machine", func(e *Event) string { return e.Machine.String() }),
		eventText("url", func(e *Event) string { return e.URL }),
		eventText("country", func(e *Event) string { return e.Country }),
		eventText("list_id", func(e *Event) string { return e.ListID }),
		eventText("bounce_class", func(e *Event) string { return e.BounceClass }),
		eventText("reject_reason", func(e *Event) string { return e.RejectReason }),
		{name: "event.time_suspect", typ: cel.BoolType, get: func(a *activation) any { return a.event.TimeSuspect }},
		{name: "event.occurred_at", typ: cel.TimestampType, get: func(a *activation) any { return a.event.At().Time() }},
		messageText("tenant", func(m *Message) string { return m.Tenant }),
		messageText("account", func(m *Message) string { return m.Account }),
		messageText("provider", func(m *Message) string { return m.Provider }),
		messageText("message_id", func(m *Message) string { return m.MessageID }),
		messageText("campaign_id", func(m *Message) string { return m.CampaignID }),
		messageText("campaign_name", func(m *Message) string { return m.CampaignName }),
		messageText("custom_id", func(m *Message) string { return m.CustomID }),
		messageText("contact_id", func(m *Message) string { return m.ContactID }),
		messageText("recipient_domain", func(m *Message) string { return m.RecipientDomain }),
		{name: factTags, typ: cel.ListType(cel.StringType), get: func(a *activation) any {
			if len(a.message.Tags) == 0 {
				return nil
			}
			return a.message.Tags
		}},
		{name: factMetadata, typ: cel.MapType(cel.StringType, cel.StringType), get: func(a *activation) any {
			if len(a.message.Metadata) == 0 {
				return nil
			}
			return a.message.Metadata
		}},
		{name: "message.sent_at", typ: cel.TimestampType, get: func(a *activation) any {
			if a.message.SentAt == 0 {
				return nil
			}
			return a.message.SentAt.Time()
		}},
	}
})
