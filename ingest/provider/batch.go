package provider

import (
	"bytes"
	"strings"
	"sync"

	"github.com/posthorn/posthorn/ingest/provider/jsonscan"
	"github.com/posthorn/posthorn/schemas"
)

// A batch is what a body of many events is decoded in, by the providers of which
// very many come: one event and one fingerprint for all of them.
type batch struct {
	event schemas.Event
	print fingerprint
}

var batches = sync.Pool{New: func() any { return new(batch) }}

var byteOrderMark = []byte("\ufeff")

// decodeBatch calls read for each object of an array, or for one that stands alone,
// and yields the batch's event, or why there is none.
func decodeBatch(w *schemas.Webhook, yield func(index int, ev *schemas.Event, err error), read func(b *batch, w *schemas.Webhook, index int, members jsonscan.Members) *Error) {
	root, err := jsonscan.Parse(bytes.TrimPrefix(w.Body, byteOrderMark))
	if err != nil {
		yield(-1, nil, &Error{Reason: ReasonBadJSON, Detail: "the body is not JSON: " + err.Error()})
		return
	}
	b := batches.Get().(*batch)
	defer func() {
		b.event = schemas.Event{} // Hold on to no body.
		batches.Put(b)
	}()
	element := func(index int, members jsonscan.Members, isObject bool) {
		if !isObject {
			yield(index, nil, &Error{Reason: ReasonNotAnEvent, Detail: "not a JSON object"})
		} else if refused := read(b, w, index, members); refused != nil {
			yield(index, nil, refused)
		} else {
			yield(index, &b.event, nil)
		}
	}
	switch root.Kind {
	case jsonscan.Object:
		element(0, root.Members(), true)
	case jsonscan.Array:
		for i, all := 0, root.Elements(); all.Next(); i++ {
			members, ok := all.Object()
			element(i, members, ok)
		}
	default:
		yield(-1, nil, &Error{Reason: ReasonNotAnEvent, Detail: "the body is neither a JSON object nor an array"})
	}
}

// begin empties the event but for what is the same for all.
func (b *batch) begin(w *schemas.Webhook, index int, name string, version int32) *schemas.Event {
	b.event = schemas.Event{}
	ev := &b.event
	ev.Tenant, ev.Account, ev.Source, ev.Provider = w.Tenant, w.Account, w.Source, name
	ev.ReceivedAt = w.ReceivedAt
	ev.RawRef.WebhookID, ev.RawRef.Index = w.ID, int32(index)
	ev.MapperVersion = version
	return ev
}

// identity begins the fingerprint of the event.
func (b *batch) identity() *fingerprint {
	p := &b.print
	p.reset()
	p.text(b.event.Provider)
	p.text(b.event.Tenant)
	p.text(b.event.Account)
	return p
}

// noType returns why a type of event is none, or nil.
func noType(v *jsonscan.Value) *Error {
	switch {
	case v.Kind <= jsonscan.Null || v.Kind == jsonscan.String && strings.TrimSpace(string(v.Raw)) == "":
		return &Error{Reason: ReasonMissingField, Field: "event", Detail: "no type of event"}
	case v.Kind != jsonscan.String:
		return &Error{Reason: ReasonBadField, Field: "event", Detail: "the type of event is not a string"}
	}
	return nil
}
