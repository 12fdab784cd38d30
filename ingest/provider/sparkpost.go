package provider

import (
	"strings"

	"github.com/posthorn/posthorn/ingest/provider/jsonscan"
	"github.com/posthorn/posthorn/schemas"
)

// SparkPost posts an array of events, each below "msys" and the name of its class.
// An array with an empty one asks whether the address is there. It signs nothing,
// and repeats for 8 hours what was not answered with a status of 200 to 299 in 10
// seconds.
//
// https://developers.sparkpost.com/api/webhooks/
type SparkPost struct{}

// Name returns "sparkpost".
func (SparkPost) Name() string { return "sparkpost" }

// Version returns the version of this decoder.
func (SparkPost) Version() int32 { return 1 }

// Verifier checks Basic authentication, or a key: as a bearer token, or in the
// header named.
func (SparkPost) Verifier(c Credentials) (Verifier, error) {
	if c.Header == "" {
		return newTokenVerifier(c, authorization)
	}
	return newTokenVerifier(c, c.Header)
}

// Decode reads an array of events, or one that stands alone.
func (p SparkPost) Decode(w *schemas.Webhook, yield func(index int, ev *schemas.Event, err error)) {
	d := newDecoder(p, w, yield)
	root, ok := d.parse(w.Body)
	if !ok {
		return
	}
	d.elements(root, d.sparkpost)
}

// sparkpost reads an element, which holds one event as a rule. One without a
// wrapper is read too: SparkPost's API lists events like that.
func (d *decoder) sparkpost(index int, element jsonscan.Value) {
	wrapper := lookup(element, "msys")
	switch {
	case wrapper.Kind == jsonscan.Missing && textAt(element, "type") != "":
		d.sparkpostEvent(index, "", element)
		return
	case wrapper.Kind == jsonscan.Null:
		return
	case wrapper.Kind != jsonscan.Object:
		d.refuse(index, &Error{Reason: ReasonNotAnEvent, Field: "msys", Detail: "not a JSON object"})
		return
	}
	var class, event jsonscan.Value
	for all := wrapper.Members(); all.Next(&class, &event); {
		if event.Kind != jsonscan.Object {
			d.refuse(index, &Error{Reason: ReasonNotAnEvent, Field: "msys." + class.Text(), Detail: "not a JSON object"})
			continue
		}
		d.sparkpostEvent(index, class.Text(), event)
	}
}

func (d *decoder) sparkpostEvent(index int, class string, o jsonscan.Value) {
	ev := d.event(index)
	ev.ProviderType = strings.TrimSpace(textAt(o, "type"))
	if ev.ProviderType == "" {
		ev.ProviderType = class // As of mail that comes in, which has no type.
	}
	if ev.ProviderType == "" {
		d.refuse(index, &Error{Reason: ReasonMissingField, Field: "type", Detail: "no type of event"})
		return
	}
	name := ev.ProviderType
	ev.ProviderEventID = idAt(o, "event_id")
	ev.MessageID = sparkpostMessage(o)
	// The other is in lower case.
	ev.Recipient = firstText(o, []string{"raw_rcpt_to"}, []string{"rcpt_to"})
	ev.CampaignName = strings.TrimSpace(textAt(o, "campaign_id"))
	ev.Tags = texts(lookup(o, "rcpt_tags"))
	if metadata := lookup(o, "rcpt_meta"); metadata.Kind == jsonscan.Object {
		// Without any it may be an empty array.
		ev.Metadata = payload(&metadata)
	}
	ev.OccurredAt, ev.OccurredPrecisionMS = anyTime(lookup(o, "timestamp"))
	sparkpostClassify(ev, o)
	if ev.ProviderEventID != "" {
		d.emit(ev, name, ev.ProviderEventID)
		return
	}
	d.emit(ev, name, textAt(o, "message_id"), textAt(o, "transmission_id"), ev.Recipient, textAt(o, "timestamp"),
		textAt(o, "num_retries"), textAt(o, "target_link_url"), textAt(o, "ip_address"), textAt(o, "user_agent"))
}

// sparkpostMessage returns the message's id. A transmission is for many recipients;
// what failed before there was a message has no other id.
func sparkpostMessage(o jsonscan.Value) string {
	if id := idAt(o, "message_id"); id != "" {
		return id
	}
	return idAt(o, "transmission_id")
}
