package verify

import (
	"cmp"
	"maps"
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
	suspect map[schemas.ID]schemas.Timestamp // since when; nil: not worked out
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
		held: map[question]bool{},
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

// suspectBy tells whether the other events of the message make an event a
// machine's: those that had arrived by then, or by any time before.
func (s *scene) suspectBy(by schemas.Timestamp, e *schemas.Event) bool {
	if s.suspect == nil {
		s.suspect = map[schemas.ID]schemas.Timestamp{}
		arrived := byArrival(s.seen) // folded events say nothing
		for i := range arrived {
			if i+1 < len(arrived) && arrived[i+1].ArrivedAt == arrived[i].ArrivedAt {
				continue
			}
			known := slices.Clone(arrived[:i+1])
			slices.SortFunc(known, byTime)
			for e, proof := range automatedOf(known, nil) {
				if _, before := s.suspect[e.EventID]; !before && proof.any() {
					s.suspect[e.EventID] = arrived[i].ArrivedAt
				}
			}
		}
	}
	at, ok := s.suspect[e.EventID]
	return ok && at <= by
}

// superseded tells whether a send that occurred before this one had arrived by
// then.
func (s *scene) superseded(send *schemas.Event, by schemas.Timestamp) bool {
	return slices.ContainsFunc(s.seen, func(e *schemas.Event) bool {
		return isSend(e) && e.EventID != send.EventID && e.ArrivedAt <= by && byTime(e, send) < 0
	})
}

// considered leaves out what rules do not see of a message with very many
// events: of those that may repeat, all but the earliest 512 and the firsts. A
// first is the earliest of its type, of its type by a human, or of those that
// name a campaign, a source or a list, among what had arrived by the end of some
// window.
func considered(events []*schemas.Event) []*schemas.Event {
	const most = 512
	type mark struct {
		t     schemas.EventType
		human bool
		names string // campaign, source or list
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
		for name, text := range map[string]string{"campaign": e.CampaignID, "source": e.Source, "list": e.ListID} {
			if text != "" && isFirst(e, mark{names: name}) {
				first = true
			}
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
			facts.Tags = boundedTags(e.Tags)
		}
		if len(facts.Metadata) == 0 {
			facts.Metadata = boundedMetadata(e.Metadata)
		}
	}
	return facts
}

// mostTags is how much of the tags and of the metadata of a message conditions
// see, in bytes.
const mostTags = 4096

func boundedTags(tags []string) (seen []string) {
	size := 0
	for _, tag := range tags {
		if size += len(tag); size > mostTags {
			break
		}
		seen = append(seen, tag)
	}
	return seen
}

// boundedMetadata keeps the first entries in order of keys.
func boundedMetadata(all map[string]string) map[string]string {
	seen, size := map[string]string{}, 0
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if size += len(key) + len(all[key]); size > mostTags {
			break
		}
		seen[key] = all[key]
	}
	return seen
}

// ownFacts is a message as counting rules see it: what one event tells of it.
func ownFacts(e *schemas.Event) *trigger.Message {
	k := keyOf(e)
	m := &schemas.Message{
		Tenant: k.tenant, Account: k.account, MessageID: k.message, RecipientID: k.recipient, Provider: e.Provider,
		RecipientDomain: e.RecipientDomain, CampaignID: e.CampaignID, CampaignName: e.CampaignName, CustomID: e.CustomID, ContactID: e.ContactID,
	}
	return ruleFacts(m, []*schemas.Event{e})
}

func address(events []*schemas.Event) string {
	return firstText(events, func(e *schemas.Event) string { return e.Recipient })
}
