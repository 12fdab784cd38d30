// Package body makes the bodies of calls: the default one, or one by a template.
// Both depend on the trigger alone, so that every attempt sends the same bytes.
package body

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

// MaxDefault is the size of a default body that Standard Webhooks recommends to stay below.
const MaxDefault = 20_000

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
	// Occurrence tells the firings of one once-per key from each other.
	Occurrence string `json:"occurrence"`
	// NotBefore is the begin of the rule's active hours, where it waited for them.
	NotBefore time.Time `json:"not_before,omitzero"`
	// Window, of rules that count, is what they counted in.
	Window *Window `json:"window,omitempty"`
	// State, of rates, is raised or cleared.
	State string `json:"state,omitempty"`
	// EvidenceOmitted is the number of events left out to keep the body small.
	EvidenceOmitted int `json:"evidence_omitted,omitempty"`
}

// Window is what a rule counted.
type Window struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"` // exclusive where the rule is of a campaign
	Hits  int64     `json:"hits"`
	// Base, of rates, is the number that Hits is a share of, and Ratio that share.
	Base  int64   `json:"base,omitempty"`
	Ratio float64 `json:"ratio,omitempty"`
}

func window(t *schemas.Trigger) *Window {
	if t.WindowEnd.IsZero() {
		return nil
	}
	return &Window{Start: t.WindowStart.Time(), End: t.WindowEnd.Time(), Hits: t.Hits, Base: t.Base, Ratio: ratio(t)}
}

func ratio(t *schemas.Trigger) float64 {
	if t.Base == 0 {
		return 0
	}
	return float64(t.Hits) / float64(t.Base)
}

// Evidence is an event that made the rule fire.
type Evidence struct {
	EventID    schemas.ID `json:"event_id"`
	Type       string     `json:"type"`
	OccurredAt time.Time  `json:"occurred_at"`
	Machine    string     `json:"machine"`
}

// Default encodes the default body of a call, in less than MaxDefault bytes.
func Default(t *schemas.Trigger) []byte {
	p := Payload{Type: EventType, Timestamp: t.OccurredAt.Time(), Data: Data{
		ID: t.TriggerID, Tenant: short(t.Tenant), Rule: short(t.Rule), RuleVersion: short(t.RuleVersion), Kind: short(t.Kind),
		Account: short(t.Account), Recipient: short(t.Recipient), RecipientID: t.RecipientID,
		Campaign: short(t.CampaignID), CampaignName: short(t.CampaignName), Message: short(t.MessageID), CustomID: short(t.CustomID),
		OccurredAt: t.OccurredAt.Time(), ArrivedAt: t.ArrivedAt.Time(),
		Occurrence: short(t.Occurrence), Window: window(t), State: trim(t.State, 40),
	}}
	if !t.AnchorAt.IsZero() {
		p.Data.AnchorAt = t.AnchorAt.Time()
	}
	if !t.NotBefore.IsZero() {
		p.Data.NotBefore = t.NotBefore.Time()
	}
	p.Data.Evidence, p.Data.EvidenceOmitted = evidence(t)
	return encode(&p)
}

// evidence lists the events; where there are many, the first and the last, which
// say most.
func evidence(t *schemas.Trigger) (list []Evidence, omitted int) {
	const most = 32
	list = []Evidence{}
	for i, e := range t.Evidence {
		if len(t.Evidence) > most && i >= most/2 && i < len(t.Evidence)-most/2 {
			omitted++
			continue
		}
		list = append(list, Evidence{EventID: e.EventID, Type: trim(e.Type, 40), OccurredAt: e.OccurredAt.Time(), Machine: trim(e.Machine, 40)})
	}
	return list, omitted
}

// encode writes JSON without the escapes that HTML wants.
func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("body: encoding: " + err.Error()) // strings, finite numbers, times and ids always encode
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
