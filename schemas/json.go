package schemas

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// ToJSON reads a value of a topic and returns it as one line of JSON for people
// and scripts: ids as UUIDs, times in RFC 3339 with microseconds, without what
// is null or an empty list.
func (s *Serde) ToJSON(topic string, value []byte) ([]byte, error) {
	rec := recordOf(topic)
	if rec == nil {
		return nil, fmt.Errorf("topic %q holds no records of the contract", topic)
	}
	if err := s.Decode(value, rec); err != nil {
		return nil, err
	}
	return ToJSON(rec)
}

// ToJSON returns a record as one line of JSON, as Serde.ToJSON does.
func ToJSON(rec Record) ([]byte, error) {
	var v any = rec
	if w, ok := rec.(*Webhook); ok {
		v = webhookJSON(w)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("writing %s as JSON: %w", recordName(rec), err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// webhookJSON shows the body as text where it is text, and else in base64 under
// another name. The outer fields hide the embedded one.
func webhookJSON(w *Webhook) any {
	v := struct {
		*Webhook
		Body   string `json:"body,omitzero"`
		Base64 []byte `json:"body_base64,omitzero"`
	}{Webhook: w}
	if utf8.Valid(w.Body) {
		v.Body = string(w.Body)
	} else {
		v.Base64 = w.Body
	}
	return v
}
