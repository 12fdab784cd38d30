package delivery

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/posthorn/posthorn/schemas"
)

// EventType is the type of the payload.
const EventType = "trigger.fired"

// maxPayload is the size that Standard Webhooks recommends to stay below.
const maxPayload = 20_000

// Payload is the body of a call. It depends on the trigger alone, so every
// attempt sends the same bytes.
type Payload struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"` // event time of what completed the rule
	Data      Data      `json:"data"`
}

// Data describes the trigger. Times are UTC with microseconds.
type Data struct {
	ID           schemas.ID `json:"id"`
	Tenant       string     `json:"tenant"`
	Rule         string     `json:"rule"`
	RuleVersion  string     `json:"rule_version"`
	Kind         string     `json:"kind"`
	Account      string     `json:"account"`
	Recipient    string     `json:"recipient,omitempty"`
	RecipientID  schemas.ID `json:"recipient_id"`
	Campaign     string     `json:"campaign,omitempty"`
	CampaignName string     `json:"campaign_name,omitempty"`
	Message      string     `json:"message"`
	CustomID     string     `json:"custom_id,omitempty"`
	AnchorAt     time.Time  `json:"anchor_at,omitzero"` // such as the send
	OccurredAt   time.Time  `json:"occurred_at"`
	ArrivedAt    time.Time  `json:"arrived_at"`
	Evidence     []Evidence `json:"evidence"`
	// EvidenceOmitted is the number of events left out to keep the body small.
	EvidenceOmitted int `json:"evidence_omitted,omitempty"`
}

// Evidence is an event that made the rule fire.
type Evidence struct {
	EventID    schemas.ID `json:"event_id"`
	Type       string     `json:"type"`
	OccurredAt time.Time  `json:"occurred_at"`
	Machine    string     `json:"machine"`
}

// payload encodes the body of a call, in less than maxPayload bytes.
func payload(t *schemas.Trigger) []byte {
	p := Payload{Type: EventType, Timestamp: t.OccurredAt.Time(), Data: Data{
		ID: t.TriggerID, Tenant: short(t.Tenant), Rule: short(t.Rule), RuleVersion: short(t.RuleVersion), Kind: short(t.Kind),
		Account: short(t.Account), Recipient: short(t.Recipient), RecipientID: t.RecipientID,
		Campaign: short(t.CampaignID), CampaignName: short(t.CampaignName), Message: short(t.MessageID), CustomID: short(t.CustomID),
		OccurredAt: t.OccurredAt.Time(), ArrivedAt: t.ArrivedAt.Time(),
	}}
	if !t.AnchorAt.IsZero() {
		p.Data.AnchorAt = t.AnchorAt.Time()
	}
	// The first and the last events say most.
	const most = 32
	for i, e := range t.Evidence {
		if len(t.Evidence) > most && i >= most/2 && i < len(t.Evidence)-most/2 {
			p.Data.EvidenceOmitted++
			continue
		}
		p.Data.Evidence = append(p.Data.Evidence, Evidence{EventID: e.EventID, Type: trim(e.Type, 40), OccurredAt: e.OccurredAt.Time(), Machine: trim(e.Machine, 40)})
	}
	if p.Data.Evidence == nil {
		p.Data.Evidence = []Evidence{}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(&p); err != nil {
		panic("delivery: encoding a payload: " + err.Error()) // strings, times and ids always encode
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func short(s string) string { return trim(s, 400) }

// trim cuts s to n bytes. Control characters grow sixfold in JSON and none of
// these fields has a use for them, so they become spaces.
func trim(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
