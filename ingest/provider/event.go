package provider

import (
	"bytes"
	"strings"
	"time"

	"github.com/posthorn/posthorn/ingest/provider/jsonscan"
	"github.com/posthorn/posthorn/schemas"
)

// A decoder is the tool of providers whose bodies are read a field at a time,
// wherever it stands. Those of which very many events come have their own.
type decoder struct {
	w       *schemas.Webhook
	name    string
	version int32
	yield   func(index int, ev *schemas.Event, err error)
}

// newDecoder returns the decoder of a webhook.
func newDecoder(p Provider, w *schemas.Webhook, yield func(int, *schemas.Event, error)) *decoder {
	return &decoder{w, p.Name(), p.Version(), yield}
}

// parse reads the body, or a part of it that is JSON too. Where that fails it
// refuses the body and returns false.
func (d *decoder) parse(text []byte) (jsonscan.Value, bool) {
	v, err := jsonscan.Parse(bytes.TrimPrefix(text, byteOrderMark))
	if err != nil {
		d.refuse(-1, &Error{Reason: ReasonBadJSON, Detail: "the body is not JSON: " + err.Error()})
		return v, false
	}
	return v, true
}

// elements calls f for each element of an array of objects, or for an object
// that stands alone. Other elements are refused.
func (d *decoder) elements(root jsonscan.Value, f func(index int, o jsonscan.Value)) {
	one := func(i int, v jsonscan.Value) {
		if v.Kind != jsonscan.Object {
			d.refuse(i, &Error{Reason: ReasonNotAnEvent, Detail: "not a JSON object"})
			return
		}
		f(i, v)
	}
	switch root.Kind {
	case jsonscan.Object:
		one(0, root)
	case jsonscan.Array:
		for i, all := 0, root.Elements(); all.Next(); i++ {
			one(i, all.Value())
		}
	default:
		d.refuse(-1, &Error{Reason: ReasonNotAnEvent, Detail: "the body is neither a JSON object nor an array"})
	}
}

func (d *decoder) refuse(index int, err *Error) { d.yield(index, nil, err) }

// event begins an event of an element with what is the same for all.
func (d *decoder) event(index int) *schemas.Event {
	ev := &schemas.Event{
		Tenant: d.w.Tenant, Account: d.w.Account, Source: d.w.Source, Provider: d.name,
		ReceivedAt: d.w.ReceivedAt, MapperVersion: d.version,
	}
	ev.RawRef.WebhookID, ev.RawRef.Index = d.w.ID, int32(index)
	return ev
}

// emit completes an event and hands it on; id are the parts of its identity, which
// are frozen: see fingerprint.
func (d *decoder) emit(ev *schemas.Event, id ...string) {
	ev.Recipient = strings.TrimSpace(ev.Recipient)
	ev.RecipientDomain = domainOf(ev.Recipient)
	if ev.CampaignID == "" {
		ev.CampaignID = ev.CampaignName
	}
	var p fingerprint
	for _, s := range append([]string{d.name, d.w.Tenant, d.w.Account}, id...) {
		p.text(s)
	}
	ev.EventID = p.id()
	d.yield(int(ev.RawRef.Index), ev, nil)
}

// lookup returns the member of that path in nested objects; of a name that comes
// twice the last. Where there is none the value is missing.
func lookup(v jsonscan.Value, path ...string) jsonscan.Value {
	for _, name := range path {
		var found, n, member jsonscan.Value
		if v.Kind == jsonscan.Object {
			for all := v.Members(); all.Next(&n, &member); {
				if n.Text() == name {
					found = member
				}
			}
		}
		v = found
	}
	return v
}

// textAt reads a string or a number's digits; see text.
func textAt(v jsonscan.Value, path ...string) string {
	found := lookup(v, path...)
	return text(&found)
}

// idAt reads an id; see identifier.
func idAt(v jsonscan.Value, path ...string) string {
	found := lookup(v, path...)
	return identifier(&found)
}

// isoTime reads a time as of ISO 8601 with its zone, and its resolution in ms.
// Without a time that can be read it returns zero.
func isoTime(s string) (_ schemas.Timestamp, precisionMS int32) {
	s = strings.TrimSpace(s)
	for _, layout := range [...]string{
		time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05Z07", "2006-01-02 15:04:05.999999Z07",
	} {
		t, err := time.Parse(layout, s)
		if err != nil {
			continue
		}
		precisionMS = 1000
		if strings.ContainsRune(s, '.') {
			precisionMS = 1
		}
		return schemas.FromTime(t), precisionMS
	}
	return 0, 0
}

// each calls f for the elements of an array, or for a value that stands alone.
func each(v jsonscan.Value, f func(jsonscan.Value)) {
	if v.Kind != jsonscan.Array {
		f(v)
		return
	}
	for all := v.Elements(); all.Next(); {
		f(all.Value())
	}
}

// texts reads a list of strings, or one that stands alone. Empty ones are left out.
func texts(v jsonscan.Value) (list []string) {
	each(v, func(v jsonscan.Value) {
		if s := strings.TrimSpace(text(&v)); s != "" {
			list = append(list, s)
		}
	})
	return list
}
