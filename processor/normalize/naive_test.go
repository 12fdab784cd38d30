package normalize

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/linkedin/goavro/v2"

	"github.com/posthorn/posthorn/processor/normalize/client"
	"github.com/posthorn/posthorn/schemas"
)

// naive is the way one would write it first, as the measure for the codec: maps
// out of encoding/json, maps into goavro.
type naive struct{ codec *goavro.Codec }

func newNaive() naive {
	codec, err := goavro.NewCodec(new(schemas.Event).AvroSchema())
	if err != nil {
		panic(err)
	}
	return naive{codec}
}

// normalize appends the Avro of every event of the body.
func (n naive) normalize(hook *schemas.Webhook, arrived time.Time) (values [][]byte, err error) {
	// Element by element, since one that is no object must not cost the others.
	var elements []json.RawMessage
	if err := json.Unmarshal(hook.Body, &elements); err != nil {
		return nil, err
	}
	for i, element := range elements {
		dec := json.NewDecoder(bytes.NewReader(element))
		dec.UseNumber()
		var m map[string]any
		if err := dec.Decode(&m); err != nil {
			return nil, err
		}
		value, err := n.codec.BinaryFromNative(nil, n.native(hook, arrived, i, m))
		if err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	return values, nil
}

func (n naive) native(hook *schemas.Webhook, arrived time.Time, index int, m map[string]any) map[string]any {
	str := func(name string) string {
		if v, ok := m[name]; ok && v != nil {
			return fmt.Sprint(v)
		}
		return ""
	}
	opt := func(s string) any {
		if s == "" {
			return nil
		}
		return goavro.Union("string", s)
	}
	id := func(name string) string {
		if s := str(name); s != "0" {
			return s
		}
		return ""
	}
	var seconds int64
	_, _ = fmt.Sscan(str("time"), &seconds)
	fingerprint := sha256.New()
	message := str("Message_GUID")
	if message == "" {
		message = str("MessageID")
	}
	for _, s := range []string{"mailjet", hook.Tenant, hook.Account, str("event"), message, str("email"), str("time"), str("url"), str("ip"), str("agent")} {
		fingerprint.Write(binary.BigEndian.AppendUint32(nil, uint32(len(s))))
		fingerprint.Write([]byte(s))
	}
	recipient := schemas.RecipientID(secret, str("email"))
	_, domain, _ := strings.Cut(str("email"), "@")
	campaign := id("mj_campaign_id")
	if campaign == "" {
		campaign = str("customcampaign")
	}
	metadata := map[string]any{}
	if p := str("Payload"); p != "" {
		var inner map[string]any
		dec := json.NewDecoder(strings.NewReader(p))
		dec.UseNumber()
		if dec.Decode(&inner) != nil {
			metadata["payload"] = p
		}
		for k, v := range inner {
			metadata[k] = fmt.Sprint(v)
		}
	}
	reader := client.Parse(str("agent"))
	native := map[string]any{
		"event_id": fingerprint.Sum(nil)[:16], "provider_event_id": nil, "tenant": hook.Tenant, "account": hook.Account, "source": hook.Source, "provider": "mailjet",
		"type": "unknown", "provider_type": str("event"), "occurred_at": time.Unix(seconds, 0).UTC(), "occurred_precision_ms": 1000, "provider_time": nil, "time_suspect": false,
		"received_at": hook.ReceivedAt.Time(), "arrived_at": arrived, "message_id": str("MessageID"), "message_uuid": opt(str("Message_GUID")), "rfc_message_id": nil,
		"recipient": opt(str("email")), "recipient_id": recipient[:], "recipient_domain": opt(strings.ToLower(domain)), "recipient_ambiguous": false,
		"campaign_id": opt(campaign), "campaign_name": opt(str("customcampaign")), "contact_id": opt(id("mj_contact_id")), "list_id": opt(id("mj_list_id")), "custom_id": opt(str("CustomID")),
		"tags": []any{}, "metadata": metadata, "url": nil, "link_index": nil, "ip": opt(str("ip")), "user_agent": opt(str("agent")), "country": opt(strings.ToUpper(str("geo"))), "region": nil, "city": nil,
		"client_name": opt(reader.Name), "client_os": opt(reader.OS), "device_type": opt(reader.Device), "machine": "unknown", "machine_reasons": []any{}, "first": false,
		"bounce_class": nil, "reject_reason": nil, "smtp_code": nil, "smtp_enhanced": nil, "mta_response": nil, "description": nil, "complaint_source": nil, "attempt": nil,
		"raw_ref":        map[string]any{"webhook_id": hook.ID[:], "partition": 5, "offset": 40, "index": index},
		"mapper_version": 1 + client.Version,
	}
	switch str("event") {
	case "sent":
		native["type"] = "delivered"
		reply := str("smtp_reply")
		native["mta_response"] = opt(reply)
		var code int
		var enhanced string
		if _, err := fmt.Sscanf(reply, "sent (%d %s", &code, &enhanced); err == nil {
			native["smtp_code"], native["smtp_enhanced"] = goavro.Union("int", code), opt(enhanced)
		}
	case "open":
		native["type"] = "opened"
	case "click":
		native["type"], native["url"] = "clicked", opt(str("url"))
	case "unsub":
		native["type"] = "unsubscribed"
	case "spam":
		native["type"], native["complaint_source"] = "complained", opt(str("source"))
	}
	if agent := str("agent"); agent == "Mozilla/5.0" {
		native["machine"], native["machine_reasons"] = "machine", []any{"apple_mail_privacy_protection"}
	} else if agent != "" {
		native["machine"] = "human"
	}
	return native
}
