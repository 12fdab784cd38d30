package verify

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// verdict is what the events of a message say about a rule.
type verdict int

const (
	unsatisfied verdict = iota
	expired
	live
)

// judge looks at every pair of A and B.
func judge(r *trigger.Rule, m *schemas.Message, all []*schemas.Event) verdict {
	result := unsatisfied
	events := considered(all)
	for _, b := range events {
		if !isEvidence(r, b) {
			continue
		}
		for _, a := range anchors(r, events) {
			if v := judgePair(r, a, b); v > result && condition(r, m, all, b) {
				result = v
			}
		}
	}
	return result
}

// considered leaves out what rules do not see of a message with very many
// events: of those that may repeat, all but the earliest 512 and the firsts. A
// first is the earliest of its type, of its type by a human, or of those that
// name a campaign, among what had arrived by the end of some window.
func considered(events []*schemas.Event) []*schemas.Event {
	const most = 512
	type mark struct {
		t        schemas.EventType
		human    bool
		campaign bool
	}
	earliest := map[mark]schemas.Timestamp{} // arrival window
	isFirst := func(e *schemas.Event, m mark) bool {
		arrived := windowOf(e.ArrivedAt)
		before, seen := earliest[m]
		if seen && before <= arrived {
			return false
		}
		earliest[m] = arrived
		return true
	}
	var kept []*schemas.Event
	others := 0
	for _, e := range events { // in order
		first := isFirst(e, mark{t: e.Type})
		if e.Machine != schemas.MachineMachine && isFirst(e, mark{t: e.Type, human: true}) {
			first = true
		}
		if e.CampaignID != "" && isFirst(e, mark{campaign: true}) {
			first = true
		}
		switch e.Type {
		case schemas.EventTypeQueued, schemas.EventTypeSent, schemas.EventTypeDelivered,
			schemas.EventTypeBounced, schemas.EventTypeRejected, schemas.EventTypeFailed:
			first = true
		}
		if !first {
			if others++; others > most {
				continue
			}
		}
		kept = append(kept, e)
	}
	return kept
}

func isEvidence(r *trigger.Rule, e *schemas.Event) bool {
	return e.Type == r.Event && (!r.HumanOnly || e.Machine != schemas.MachineMachine)
}

func isAnchor(r *trigger.Rule, e *schemas.Event) bool {
	byHuman := !r.HumanOnly || e.Machine != schemas.MachineMachine
	switch r.Of {
	case trigger.AnchorSend:
		return isSend(e)
	case trigger.AnchorDelivered:
		return e.Type == schemas.EventTypeDelivered
	case trigger.AnchorOpened:
		return e.Type == schemas.EventTypeOpened && byHuman
	case trigger.AnchorClicked:
		return e.Type == schemas.EventTypeClicked && byHuman
	}
	return false
}

// anchors returns the events that may be A: for a send the earliest alone.
func anchors(r *trigger.Rule, events []*schemas.Event) (found []*schemas.Event) {
	for _, e := range events { // in order of event time
		if isAnchor(r, e) {
			found = append(found, e)
			if r.Of == trigger.AnchorSend {
				break
			}
		}
	}
	return found
}

// at is an event's time in conditions: nothing happens after it arrived.
func at(e *schemas.Event) schemas.Timestamp { return min(e.OccurredAt, e.ArrivedAt) }

func judgePair(r *trigger.Rule, a, b *schemas.Event) verdict {
	within := schemas.Timestamp(r.Duration.Microseconds())
	if a.EventID == b.EventID || at(b) < at(a) || at(b) > at(a)+within {
		return unsatisfied
	}
	if max(a.ArrivedAt, b.ArrivedAt)-at(b) > schemas.Timestamp(r.MaxAge.Microseconds()) {
		return expired
	}
	return live
}

// longestURL is how much of a URL conditions see, in bytes.
const longestURL = 1024

// condition asks the rule's own CEL condition, with an anchor made up so that
// nothing but the condition decides.
func condition(r *trigger.Rule, m *schemas.Message, events []*schemas.Event, b *schemas.Event) bool {
	if r.When == "" {
		return true
	}
	evidence := trigger.Event{
		ID: b.EventID, Type: b.Type, OccurredAt: b.OccurredAt, ArrivedAt: b.ArrivedAt, Machine: b.Machine,
		TimeSuspect: b.TimeSuspect, URL: b.URL[:min(len(b.URL), longestURL)], Country: b.Country, ListID: b.ListID,
		BounceClass: b.BounceClass, RejectReason: b.RejectReason,
	}
	anchor := trigger.Event{
		ID: schemas.ID{1}, OccurredAt: evidence.At(), ArrivedAt: b.ArrivedAt,
		Type: map[trigger.Anchor]schemas.EventType{
			trigger.AnchorSend: schemas.EventTypeSent, trigger.AnchorDelivered: schemas.EventTypeDelivered,
			trigger.AnchorOpened: schemas.EventTypeOpened, trigger.AnchorClicked: schemas.EventTypeClicked,
		}[r.Of],
	}
	_, ok := r.Evaluate(ruleFacts(m, events), []trigger.Event{anchor, evidence})
	return ok
}

func ruleFacts(m *schemas.Message, events []*schemas.Event) *trigger.Message {
	facts := &trigger.Message{
		Tenant: m.Tenant, Account: m.Account, Provider: m.Provider, MessageID: m.MessageID, RecipientID: m.RecipientID,
		Recipient: address(events), RecipientDomain: m.RecipientDomain, CampaignID: m.CampaignID,
		CampaignName: m.CampaignName, CustomID: m.CustomID, ContactID: m.ContactID, SentAt: m.SentAt,
	}
	for _, e := range events {
		if len(facts.Tags) == 0 {
			facts.Tags = e.Tags
		}
		if len(facts.Metadata) == 0 {
			facts.Metadata = e.Metadata
		}
	}
	return facts
}

func address(events []*schemas.Event) string {
	return firstText(events, func(e *schemas.Event) string { return e.Recipient })
}

// triggerID is the id of the trigger of a rule and message, and false when the
// message does not take part.
func triggerID(r *trigger.Rule, m *schemas.Message, events []*schemas.Event) (schemas.ID, bool) {
	known, recipient := address(events) != "", string(m.RecipientID[:])
	key := m.Account + "\x00" + m.MessageID + "\x00" + recipient
	switch r.OncePer {
	case trigger.OncePerRecipient:
		if !known {
			return schemas.ID{}, false
		}
		key = recipient
	case trigger.OncePerCampaign:
		if !known || m.CampaignID == "" {
			return schemas.ID{}, false
		}
		key = m.CampaignID + "\x00" + recipient
	}
	h := sha256.New()
	for _, part := range []string{m.Tenant, r.Name, key, "once"} {
		_, _ = h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		_, _ = h.Write([]byte(part))
	}
	return schemas.ID(h.Sum(nil)[:16]), true
}
