package verify

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/posthorn/posthorn/schemas"
)

// facts is one bucket: everything about some recipients.
type facts struct {
	// expected holds every occurrence of an event in the webhooks: a webhook
	// that was delivered twice gives two, of which the processor keeps one.
	expected map[schemas.ID][]*schemas.Event
	found    map[schemas.ID][]*schemas.Event
	// other are found events of webhooks outside of the cut.
	other    map[schemas.ID]*schemas.Event
	messages map[messageKey]*schemas.Message
	triggers []*schemas.Trigger
}

func (v *verifier) loadFacts(i int) (*facts, error) {
	f := &facts{
		expected: map[schemas.ID][]*schemas.Event{}, found: map[schemas.ID][]*schemas.Event{},
		other: map[schemas.ID]*schemas.Event{}, messages: map[messageKey]*schemas.Message{},
	}
	err := v.facts.each(i, func(k kind, value []byte) error {
		switch k {
		case kindMessage:
			m := new(schemas.Message)
			if err := m.DecodeAvro(value); err != nil {
				return err
			}
			f.messages[messageKey{m.Tenant, m.Account, m.MessageID, m.RecipientID}] = m
			return nil
		case kindTrigger:
			t := new(schemas.Trigger)
			f.triggers = append(f.triggers, t)
			return t.DecodeAvro(value)
		}
		e := new(schemas.Event)
		if err := e.DecodeAvro(value); err != nil {
			return err
		}
		switch k {
		case kindExpectedEvent:
			v.report.Occurrences++
			f.expected[e.EventID] = append(f.expected[e.EventID], e)
		case kindFoundEvent:
			f.found[e.EventID] = append(f.found[e.EventID], e)
		case kindOtherEvent:
			f.other[e.EventID] = e
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading bucket %d: %w", i, err)
	}
	return f, nil
}

// derived is a message as the verifier works it out.
type derived struct {
	message *schemas.Message
	events  []*schemas.Event
	// touched: events outside of the cut have changed it as well.
	touched bool
}

func (v *verifier) compareFacts(i int) error {
	f, err := v.loadFacts(i)
	if err != nil {
		return err
	}
	chosen := v.compareEvents(f)

	groups := map[messageKey]*derived{}
	group := func(e *schemas.Event) *derived {
		k := keyOf(e)
		if groups[k] == nil {
			groups[k] = &derived{}
		}
		return groups[k]
	}
	for _, e := range chosen {
		d := group(e)
		d.events = append(d.events, e)
	}
	touchedCampaigns := map[[2]string]bool{}
	for _, e := range f.other {
		group(e).touched = true
		touchedCampaigns[[2]string{e.Tenant, campaignOf(&schemas.Message{CampaignID: e.CampaignID})}] = true
	}
	counts := map[windowKey]*schemas.Counters{}
	spans := map[[2]string]*span{}
	for k, d := range groups {
		if len(d.events) == 0 {
			continue
		}
		d.message = derive(k, d.events)
		contribute(counts, d.message, d.events)
		of := [2]string{d.message.Tenant, campaignOf(d.message)}
		if spans[of] == nil {
			spans[of] = &span{}
		}
		spans[of].add(d.message)
		if d.touched {
			touchedCampaigns[of] = true
			for _, e := range d.events {
				touchedCampaigns[[2]string{e.Tenant, campaignOf(&schemas.Message{CampaignID: e.CampaignID})}] = true
			}
		}
	}
	v.compareMessages(f, groups)
	v.compareTriggers(f, groups)
	return v.keepContributions(counts, spans, touchedCampaigns)
}

// compareEvents returns one occurrence of every event, the one that counts for
// its message: which of them became the fact depends on what came first, but the
// message is of the one that arrived first, at a tie of the one that occurred
// first.
func (v *verifier) compareEvents(f *facts) []*schemas.Event {
	check := v.report.check(checkEvents)
	check.Skipped += int64(len(f.other))
	var chosen []*schemas.Event
	for id, occurrences := range f.expected {
		check.Expected++
		found := f.found[id]
		check.Found += int64(len(found))
		pick := slices.MinFunc(occurrences, func(a, b *schemas.Event) int {
			return cmp.Or(cmp.Compare(a.ArrivedAt, b.ArrivedAt), cmp.Compare(a.OccurredAt, b.OccurredAt))
		})
		switch {
		case len(found) == 0 && f.other[id] == nil:
			v.report.missing(check, "%s %s (%s) of %s is missing", pick.Type, id, describe(pick), pick.OccurredAt)
		case len(found) == 0:
			// A repetition after the cut was processed before the one in it.
		case len(found) > 1:
			v.report.surplus(check, "%s %s (%s) is there %d times", pick.Type, id, describe(pick), len(found))
		default:
			same := false
			for _, o := range occurrences {
				// An earlier version of the decoder may have read other things in it.
				same = same || equal(o, found[0]) || found[0].MapperVersion < o.MapperVersion
			}
			if !same {
				v.report.differ(check, "%s %s (%s): %s", pick.Type, id, describe(pick), diff(closest(occurrences, found[0]), found[0]))
			}
		}
		chosen = append(chosen, pick)
	}
	for id, found := range f.found {
		if f.expected[id] == nil && v.refusedBefore[element{place{found[0].RawRef.Partition, found[0].RawRef.Offset}, found[0].RawRef.Index}] {
			check.Skipped++ // replayed after the cut
			continue
		}
		if f.expected[id] == nil {
			check.Found += int64(len(found))
			v.report.surplus(check, "%s %s (%s) is unexpected: no webhook holds it", found[0].Type, id, describe(found[0]))
		}
	}
	return chosen
}

// closest is the occurrence that found claims to be.
func closest(occurrences []*schemas.Event, found *schemas.Event) *schemas.Event {
	for _, o := range occurrences {
		if o.RawRef == found.RawRef {
			return o
		}
	}
	return occurrences[0]
}

func describe(e *schemas.Event) string {
	return fmt.Sprintf("message %s, webhook %d:%d:%d", e.MessageID, e.RawRef.Partition, e.RawRef.Offset, e.RawRef.Index)
}

func (v *verifier) compareMessages(f *facts, groups map[messageKey]*derived) {
	check := v.report.check(checkMessages)
	for k, d := range groups {
		found := f.messages[k]
		switch {
		case d.touched:
			check.Skipped++
			continue
		case found == nil:
			v.report.missing(check, "message %s of recipient %s is missing", k.message, k.recipient)
		case !equal(d.message, found):
			v.report.differ(check, "message %s of recipient %s: %s", k.message, k.recipient, diff(d.message, found))
		}
		check.Expected++
		if found != nil {
			check.Found++
		}
	}
	for k, m := range f.messages {
		sums := v.messageSums[m.Outcome.String()]
		if sums == nil {
			sums = &messageSums{}
			v.messageSums[m.Outcome.String()] = sums
		}
		sums.add(m)
		if groups[k] == nil {
			check.Found++
			v.report.surplus(check, "message %s of recipient %s is unexpected: no event belongs to it", k.message, k.recipient)
		}
	}
}
