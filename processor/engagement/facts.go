package engagement

import (
	"cmp"
	"slices"
	"unicode/utf8"

	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// The facts of a message that are text. The order is part of the state's
// format: append only.
const (
	factProvider = iota
	factMessageUUID
	factRecipient
	factRecipientDomain
	factCampaignID
	factCampaignName
	factCustomID
	factContactID
	textFacts
)

// facts are what one event carries of its message. In a state only those are
// kept that no earlier event carries.
type facts struct {
	occurredAt schemas.Timestamp
	eventID    schemas.ID
	text       [textFacts]string
	tags       []string
	metadata   map[string]string
}

// Bits of facts.has beside those of the text facts.
const (
	hasTags     = 1 << textFacts
	hasMetadata = 1 << (textFacts + 1)
)

// has returns a bit for each fact that is not empty.
func (f *facts) has() int {
	bits := 0
	for i := range f.text {
		if f.text[i] != "" {
			bits |= 1 << i
		}
	}
	if len(f.tags) > 0 {
		bits |= hasTags
	}
	if len(f.metadata) > 0 {
		bits |= hasMetadata
	}
	return bits
}

// drop empties the facts of bits.
func (f *facts) drop(bits int) {
	for i := range f.text {
		if bits&(1<<i) != 0 {
			f.text[i] = ""
		}
	}
	if bits&hasTags != 0 {
		f.tags = nil
	}
	if bits&hasMetadata != 0 {
		f.metadata = nil
	}
}

// add takes over the facts of another event.
func (f *facts) add(other *facts) {
	for i := range f.text {
		if f.text[i] == "" {
			f.text[i] = other.text[i]
		}
	}
	if f.tags == nil {
		f.tags = other.tags
	}
	if f.metadata == nil {
		f.metadata = other.metadata
	}
}

func factsOf(e *schemas.Event) facts {
	f := facts{occurredAt: e.OccurredAt, eventID: e.EventID}
	f.text = [textFacts]string{
		factProvider:        e.Provider,
		factMessageUUID:     e.MessageUUID,
		factRecipient:       e.Recipient,
		factRecipientDomain: e.RecipientDomain,
		factCampaignID:      e.CampaignID,
		factCampaignName:    e.CampaignName,
		factCustomID:        e.CustomID,
		factContactID:       e.ContactID,
	}
	f.tags, f.metadata = boundTags(e.Tags), boundMetadata(e.Metadata)
	return f
}

// maxMetadata and maxText bound, in bytes, what a state keeps for rules.
const (
	maxMetadata = 4096
	maxText     = 1024
)

// boundTags returns the first tags that fit in maxMetadata.
func boundTags(tags []string) []string {
	size := 0
	for i, t := range tags {
		if size += len(t); size > maxMetadata {
			return tags[:i]
		}
	}
	return tags
}

// boundMetadata returns the first entries, in order of keys, that fit in
// maxMetadata.
func boundMetadata(m map[string]string) map[string]string {
	size := 0
	for k, v := range m {
		size += len(k) + len(v)
	}
	if size <= maxMetadata {
		return m
	}
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	kept := map[string]string{}
	size = 0
	for _, k := range keys {
		if size += len(k) + len(m[k]); size > maxMetadata {
			break
		}
		kept[k] = m[k]
	}
	return kept
}

// boundText cuts s to maxText bytes, and not within a character.
func boundText(s string) string {
	if len(s) <= maxText {
		return s
	}
	end := maxText
	for end > maxText-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

// compareOrigin orders by time of occurrence, then by event id.
func compareOrigin(at schemas.Timestamp, id *schemas.ID, at2 schemas.Timestamp, id2 *schemas.ID) int {
	if c := cmp.Compare(at, at2); c != 0 {
		return c
	}
	return cmp.Compare(string(id[:]), string(id2[:]))
}

// learns tells whether f would change the facts of the message.
func (s *state) learns(f *facts) bool {
	unknown := f.has()
	for i := range s.facts {
		known := &s.facts[i]
		if compareOrigin(known.occurredAt, &known.eventID, f.occurredAt, &f.eventID) <= 0 {
			unknown &^= known.has()
		}
	}
	return unknown != 0
}

// learn takes f into the facts of the message.
func (s *state) learn(f facts) {
	if len(s.facts) == 0 {
		s.facts = append(s.facts, f)
		return
	}
	at, _ := slices.BinarySearchFunc(s.facts, f, func(a, b facts) int {
		return compareOrigin(a.occurredAt, &a.eventID, b.occurredAt, &b.eventID)
	})
	s.facts = slices.Insert(s.facts, at, f)
	known := 0
	for i := range s.facts {
		s.facts[i].drop(known)
		known |= s.facts[i].has()
	}
	s.facts = slices.DeleteFunc(s.facts, func(f facts) bool { return f.has() == 0 })
}

// campaign returns the campaign of the message, or an empty text.
func (s *state) campaign() string {
	for i := range s.facts {
		if c := s.facts[i].text[factCampaignID]; c != "" {
			return c
		}
	}
	return ""
}

// known returns all facts of the message.
func (s *state) known() facts {
	if len(s.facts) == 0 {
		return facts{}
	}
	all := s.facts[0]
	for i := range s.facts[1:] {
		all.add(&s.facts[i+1])
	}
	return all
}

// factOf is what a state keeps of an event.
func factOf(e *schemas.Event) trigger.Event {
	return trigger.Event{
		ID:           e.EventID,
		Type:         e.Type,
		OccurredAt:   e.OccurredAt,
		ArrivedAt:    e.ArrivedAt,
		Machine:      e.Machine,
		TimeSuspect:  e.TimeSuspect,
		URL:          boundText(e.URL),
		Country:      boundText(e.Country),
		ListID:       boundText(e.ListID),
		BounceClass:  boundText(e.BounceClass),
		RejectReason: boundText(e.RejectReason),
		CampaignID:   e.CampaignID,
		Source:       boundText(e.Source),
		ClientName:   boundText(e.ClientName),
		ClientOS:     boundText(e.ClientOS),
		DeviceType:   boundText(e.DeviceType),
		LinkIndex:    e.LinkIndex,
	}
}

// source returns the source of the message, or an empty text: that of the first
// of its kept events which has one. Like the list, it is of the version of the
// event that counts, so that whoever else reported the event later changes
// nothing.
func (s *state) source() string {
	for i := range s.events {
		if source := s.events[i].Source; source != "" {
			return source
		}
	}
	return ""
}

// list returns the list of the message, or an empty text.
func (s *state) list() string {
	for i := range s.events {
		if list := s.events[i].ListID; list != "" {
			return list
		}
	}
	return ""
}

// person tells whether any event names the address of the message's recipient.
func (s *state) person() bool {
	for i := range s.facts {
		if s.facts[i].text[factRecipient] != "" {
			return true
		}
	}
	return false
}
