package main

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/linkedin/goavro/v2"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/schemas"
)

// naiveSchema is Mailjet's event, field by field.
const naiveSchema = `{"type": "record", "name": "MailjetEvent", "fields": [
	{"name": "event", "type": "string"}, {"name": "time", "type": "long"}, {"name": "MessageID", "type": "long"},
	{"name": "Message_GUID", "type": "string"}, {"name": "email", "type": "string"}, {"name": "mj_campaign_id", "type": "long"},
	{"name": "mj_contact_id", "type": "long"}, {"name": "customcampaign", "type": "string"}, {"name": "CustomID", "type": "string"},
	{"name": "Payload", "type": "string"}, {"name": "ip", "type": "string"}, {"name": "geo", "type": "string"}, {"name": "agent", "type": "string"}]}`

// naiveEvent is what encoding/json reads.
type naiveEvent struct {
	Event     string `json:"event"`
	Time      int64  `json:"time"`
	MessageID int64  `json:"MessageID"`
	GUID      string `json:"Message_GUID"`
	Email     string `json:"email"`
	Campaign  int64  `json:"mj_campaign_id"`
	Contact   int64  `json:"mj_contact_id"`
	Custom    string `json:"customcampaign"`
	CustomID  string `json:"CustomID"`
	Payload   string `json:"Payload"`
	IP        string `json:"ip"`
	Geo       string `json:"geo"`
	Agent     string `json:"agent"`
}

// native is the form that goavro takes.
func (e *naiveEvent) native() map[string]any {
	return map[string]any{
		"event": e.Event, "time": e.Time, "MessageID": e.MessageID, "Message_GUID": e.GUID, "email": e.Email, "mj_campaign_id": e.Campaign,
		"mj_contact_id": e.Contact, "customcampaign": e.Custom, "CustomID": e.CustomID, "Payload": e.Payload, "ip": e.IP, "geo": e.Geo, "agent": e.Agent,
	}
}

// newNaive makes the gateway that one writes first: it checks the password,
// decodes the body, writes a record for each event and waits for all of them.
func newNaive(cl *kgo.Client) (http.Handler, error) {
	codec, err := goavro.NewCodec(naiveSchema)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, _ := r.BasicAuth(); u != username || p != password {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		var events []naiveEvent
		if err := json.NewDecoder(r.Body).Decode(&events); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		records := make([]*kgo.Record, len(events))
		for i := range events {
			value, err := codec.BinaryFromNative([]byte{0, 0, 0, 0, 1}, events[i].native())
			if err != nil {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			records[i] = &kgo.Record{Topic: schemas.TopicWebhooks, Value: value}
		}
		if err := cl.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}), nil
}
