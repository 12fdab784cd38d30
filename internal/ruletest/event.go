package ruletest

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v4"

	"github.com/posthorn/posthorn/schemas"
)

// given is an event of a test.
type given struct {
	schemas.Event
	label       string // what evidence is named by
	at, arrived *moment
}

// What an event has where a test says nothing.
const (
	defaultRecipient = "anna@example.org"
	defaultMessage   = "m1"
)

// secret makes recipients' ids of their addresses. Tests show addresses only.
var secret = []byte("posthorn rules test")

func newGiven() given {
	return given{Event: schemas.Event{
		Tenant: "default", Account: "test", Source: "test", Provider: "native",
		MessageID: defaultMessage, Recipient: defaultRecipient,
	}}
}

// event reads an event over g, which holds the defaults.
func (r *reader) event(n *yaml.Node, path string, g given, asDefaults bool) given {
	text := func(name string, to *string) field {
		return field{name: name, set: func(n *yaml.Node, path string) { *to = r.text(n, path) }}
	}
	orNone := func(name string, to *string) field {
		return field{name: name, set: func(n *yaml.Node, path string) {
			if *to = r.text(n, path); *to == none {
				*to = ""
			}
		}}
	}
	moment := func(name string, to **moment) field {
		return field{name: name, set: func(n *yaml.Node, path string) { m := r.moment(n, path); *to = &m }}
	}
	fields := []field{
		{name: "type", required: !asDefaults, set: func(n *yaml.Node, path string) { g.Type = r.eventType(n, path) }},
		orNone("recipient", &g.Recipient), orNone("message", &g.MessageID), orNone("campaign", &g.CampaignID),
		text("campaign_name", &g.CampaignName),
		{name: "machine", set: func(n *yaml.Node, path string) { g.Machine = r.machine(n, path) }},
		text("url", &g.URL), text("country", &g.Country), text("list_id", &g.ListID),
		text("bounce_class", &g.BounceClass), text("reject_reason", &g.RejectReason),
		text("custom_id", &g.CustomID), text("contact_id", &g.ContactID),
		text("tenant", &g.Tenant), text("account", &g.Account), text("provider", &g.Provider),
		{name: "tags", set: func(n *yaml.Node, path string) { g.Tags = r.texts(n, path) }},
		{name: "metadata", set: func(n *yaml.Node, path string) { g.Metadata = r.pairs(n, path) }},
		{name: "time_suspect", set: func(n *yaml.Node, path string) {
			v, err := strconv.ParseBool(r.text(n, path))
			if err != nil {
				r.fail(n, path, "want true or false")
			}
			g.TimeSuspect = v
		}},
	}
	if !asDefaults {
		fields = append(fields, text("id", &g.label), moment("arrived", &g.arrived))
		fields = slices.Insert(fields, 1, moment("at", &g.at))
		fields[1].required = true
	}
	r.mapping(n, path, fields)
	return g
}

func (r *reader) eventType(n *yaml.Node, path string) schemas.EventType {
	text := r.text(n, path)
	t, ok := schemas.ParseEventType(text)
	if text != "" && (!ok || t == schemas.EventTypeUnknown) {
		var known []string
		for t := schemas.EventTypeUnknown + 1; t <= schemas.EventTypeUnsuppressed; t++ {
			known = append(known, t.String())
		}
		r.fail(n, path, "%s", noSuch("type of event", text, known))
	}
	return t
}

func (r *reader) machine(n *yaml.Node, path string) schemas.Machine {
	text := r.text(n, path)
	m, ok := schemas.ParseMachine(text)
	if text != "" && !ok {
		r.fail(n, path, "%s", noSuch("class", text, machines()))
	}
	return m
}

func machines() (list []string) {
	for m := schemas.MachineUnknown; ; m++ {
		if known, ok := schemas.ParseMachine(m.String()); !ok || known != m {
			return list
		}
		list = append(list, m.String())
	}
}

func (r *reader) pairs(n *yaml.Node, path string) map[string]string {
	if n.Kind != yaml.MappingNode {
		r.fail(n, path, "want keys with values")
		return nil
	}
	pairs := map[string]string{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		pairs[n.Content[i].Value] = r.text(resolve(n.Content[i+1]), join(path, n.Content[i].Value))
	}
	return pairs
}

// timeline makes the events of a test, in the order of their arrival, and the
// labels by event id. Events of the same label are one event, told again.
func timeline(list []given, start schemas.Timestamp) ([]schemas.Event, map[schemas.ID]string) {
	ids, labels := map[string]schemas.ID{}, map[schemas.ID]string{}
	events := make([]schemas.Event, len(list))
	for i, g := range list {
		e := g.Event
		id, told := ids[g.label]
		if !told {
			// By place: where times are the same, the order of the file decides.
			binary.BigEndian.PutUint64(id[8:], uint64(i+1))
			ids[g.label], labels[id] = id, g.label
		}
		e.EventID, e.OccurredAt = id, g.at.in(start)
		e.ArrivedAt = e.OccurredAt
		if g.arrived != nil {
			e.ArrivedAt = g.arrived.in(start)
		}
		e.ReceivedAt = e.ArrivedAt
		e.RecipientID, e.RecipientDomain = schemas.RecipientID(secret, cmp.Or(e.Recipient, "of "+e.MessageID)), domain(e.Recipient)
		events[i] = e
	}
	slices.SortStableFunc(events, func(a, b schemas.Event) int { return cmp.Compare(a.ArrivedAt, b.ArrivedAt) })
	return events, labels
}
