package verify

import (
	"cmp"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// scene is one life of a message as rules see it.
type scene struct {
	*derived
	seen  []*schemas.Event // those that rules see, in order of event time
	facts *trigger.Message

	byID    map[schemas.ID]*schemas.Event
	held    map[question]bool
	machine map[int]proofs // by how many events had arrived
	arrived []*schemas.Event
}

// question is whether a condition holds for an event; step -1 is the rule's own.
type question struct {
	rule  *trigger.Rule
	step  int
	event *schemas.Event
}

func sceneOf(d *derived) *scene {
	s := &scene{
		derived: d, seen: considered(d.events), facts: ruleFacts(d.message, d.events), byID: map[schemas.ID]*schemas.Event{},
		held: map[question]bool{}, machine: map[int]proofs{}, arrived: byArrival(d.events),
	}
	for _, e := range d.events {
		s.byID[e.EventID] = e
	}
	return s
}

func byArrival(events []*schemas.Event) []*schemas.Event {
	sorted := slices.Clone(events)
	slices.SortStableFunc(sorted, func(a, b *schemas.Event) int { return cmp.Compare(a.ArrivedAt, b.ArrivedAt) })
	return sorted
}

// holds asks the rule's own condition in CEL, or that of one of its steps.
func (s *scene) holds(r *trigger.Rule, step int, e *schemas.Event) bool {
	q := question{r, step, e}
	if answer, asked := s.held[q]; asked {
		return answer
	}
	x := ruleEvent(e)
	answer := true
	if step < 0 {
		answer = r.Holds(s.facts, &x)
	} else {
		answer = r.StepHolds(step, s.facts, &x)
	}
	s.held[q] = answer
	return answer
}

// byPerson tells whether the rule takes an event for a person's, at the time that
// a firing with it is decided.
func (s *scene) byPerson(r *trigger.Rule, e *schemas.Event, decided schemas.Timestamp) bool {
	switch {
	case !r.HumanOnly:
		return true
	case e.Machine == schemas.MachineMachine:
		return false
	case r.Settle == 0:
		return true
	}
	return !s.suspectBy(decided, e)
}

// suspectBy tells whether the other events of the message that had arrived by
// then make an event a machine's.
func (s *scene) suspectBy(by schemas.Timestamp, e *schemas.Event) bool {
	n := 0
	for n < len(s.arrived) && s.arrived[n].ArrivedAt <= by {
		n++
	}
	known, ok := s.machine[n]
	if !ok {
		events := slices.Clone(s.arrived[:n])
		slices.SortFunc(events, byTime)
		known = automatedOf(events, s.folded)
		s.machine[n] = known
	}
	return known[s.byID[e.EventID]].any()
}

// send is the earliest send, nil where there is none.
func (s *scene) send() *schemas.Event { return first(s.seen, isSend) }

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

// at is an event's time in conditions: nothing happens after it arrived.
func at(e *schemas.Event) schemas.Timestamp { return min(e.OccurredAt, e.ArrivedAt) }

func micros(d time.Duration) schemas.Timestamp { return schemas.Timestamp(d.Microseconds()) }

// longestText is how much of a text conditions see, in bytes.
const longestText = 1024

// bounded cuts a text to what conditions see of it, between characters.
func bounded(s string) string {
	if len(s) <= longestText {
		return s
	}
	end := longestText
	for end > longestText-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

// ruleEvent is an event as conditions see it.
func ruleEvent(e *schemas.Event) trigger.Event {
	return trigger.Event{
		ID: e.EventID, Type: e.Type, OccurredAt: e.OccurredAt, ArrivedAt: e.ArrivedAt, Machine: e.Machine,
		TimeSuspect: e.TimeSuspect, URL: bounded(e.URL), Country: bounded(e.Country), ListID: bounded(e.ListID),
		BounceClass: bounded(e.BounceClass), RejectReason: bounded(e.RejectReason), CampaignID: e.CampaignID,
	}
}

// ruleFacts is a message as conditions see it.
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

// ownFacts is a message as counting rules see it: what one event tells of it.
func ownFacts(e *schemas.Event) *trigger.Message {
	one := []*schemas.Event{e}
	return ruleFacts(derive(keyOf(e), one, nil), one)
}

func address(events []*schemas.Event) string {
	return firstText(events, func(e *schemas.Event) string { return e.Recipient })
}
