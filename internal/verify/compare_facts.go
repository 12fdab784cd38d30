package verify

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
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
	other        map[schemas.ID]*schemas.Event
	messages     map[messageKey]*schemas.Message
	triggers     []*schemas.Trigger
	suppressions map[suppressionKey]*schemas.Suppression
}

func (v *verifier) loadFacts(i int) (*facts, error) {
	f := &facts{
		expected: map[schemas.ID][]*schemas.Event{}, found: map[schemas.ID][]*schemas.Event{},
		other: map[schemas.ID]*schemas.Event{}, messages: map[messageKey]*schemas.Message{},
		suppressions: map[suppressionKey]*schemas.Suppression{},
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
		case kindSuppression:
			s := new(schemas.Suppression)
			if err := s.DecodeAvro(value); err != nil {
				return err
			}
			f.suppressions[suppressionKey{s.Tenant, s.RecipientID, s.Scope}] = s // later ones replace earlier ones
			return nil
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

// locate takes over the place that an event was found with, where its webhook
// names none but the address of a person. It came out of the database of the day,
// which may be another by now: it can't be worked out again.
func (f *facts) locate() {
	for id, found := range f.found {
		for _, o := range f.expected[id] {
			if o.Country != "" || o.IP == "" || o.Machine == schemas.MachineProxy || o.Machine == schemas.MachineMachine {
				continue
			}
			from := found[0]
			if i := slices.IndexFunc(found, func(e *schemas.Event) bool { return e.RawRef == o.RawRef }); i >= 0 {
				from = found[i]
			}
			if from.IP != o.IP || !countryCode.MatchString(from.Country) {
				continue
			}
			o.Country = from.Country
			if o.Region == "" && o.City == "" {
				o.Region, o.City = from.Region, from.City
			}
		}
	}
}

var countryCode = regexp.MustCompile(`^[A-Z]{2}$`)

// derived is a message as the verifier works it out, or one of its lives.
type derived struct {
	message *schemas.Message
	events  []*schemas.Event
	folded  set
	// touched: events outside of the cut have changed it as well.
	touched bool
	// until is the arrival time at which the life is over.
	until  schemas.Timestamp
	asSeen *scene
}

// scene returns the message as rules see it.
func (d *derived) scene() *scene {
	if d.asSeen == nil {
		d.asSeen = sceneOf(d)
	}
	return d.asSeen
}

// group is all that belongs to one message.
type group struct {
	occurrences []*schemas.Event
	lives       []*derived
	touched     bool
}

func (v *verifier) compareFacts(i int) error {
	f, err := v.loadFacts(i)
	if err != nil {
		return err
	}
	f.locate()
	groups := map[messageKey]*group{}
	of := func(e *schemas.Event) *group {
		k := keyOf(e)
		if groups[k] == nil {
			groups[k] = &group{}
		}
		return groups[k]
	}
	for _, occurrences := range f.expected {
		for _, e := range occurrences {
			g := of(e)
			g.occurrences = append(g.occurrences, e)
		}
	}
	touchedCampaigns := map[[2]string]bool{}
	if err := v.keepLater(f.other); err != nil {
		return err
	}
	for _, e := range f.other {
		of(e).touched = true
		touchedCampaigns[[2]string{e.Tenant, campaignOf(&schemas.Message{CampaignID: e.CampaignID})}] = true
	}
	chosen := map[schemas.ID][]*schemas.Event{}
	sums := &bucketSums{campaigns: map[windowKey]*schemas.Counters{}, cells: cellSums{}}
	people := people{}
	spans := map[[2]string]*span{}
	steps := stepSums{}
	for k, g := range groups {
		for _, life := range v.lives(g.occurrences) {
			d := &derived{events: choose(life), touched: g.touched, until: life[len(life)-1].ArrivedAt + micros(v.cfg.Horizon)}
			slices.SortFunc(d.events, byTime)
			d.folded = foldedOf(d.events)
			d.message = derive(k, d.events, d.folded)
			g.lives = append(g.lives, d)
			for _, e := range d.events {
				chosen[e.EventID] = append(chosen[e.EventID], e)
			}
			lifetime := v.contribute(sums, d.message, d.events, d.folded)
			sums.cells.countDays(d.message, d.events, d.folded, lifetime)
			people.add(d, life, lifetime)
			v.countSteps(steps, d.events)
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
			if len(sums.cells) > maxSums {
				if err := v.keepCells(sums.cells); err != nil {
					return err
				}
			}
		}
	}
	if err := v.keepCells(sums.cells); err != nil {
		return err
	}
	for of := range touchedCampaigns {
		v.touchedCampaigns[of] = true
		v.touchedCampaigns[[2]string{of[0], ""}] = true // what is above campaigns
	}
	if err := v.keepPeople(people, f.other); err != nil {
		return err
	}
	v.compareEvents(f, chosen)
	v.compareMessages(f, groups)
	v.compareTriggers(f, groups)
	v.compareSuppressions(f)
	if err := v.keepSteps(steps); err != nil {
		return err
	}
	return v.keepContributions(sums.campaigns, spans, touchedCampaigns)
}

// lives cuts what arrived for a message wherever nothing did for the horizon:
// there it was forgotten.
func (v *verifier) lives(occurrences []*schemas.Event) (lives [][]*schemas.Event) {
	slices.SortFunc(occurrences, func(a, b *schemas.Event) int { return cmp.Compare(a.ArrivedAt, b.ArrivedAt) })
	begin := 0
	for i := range occurrences {
		if i+1 == len(occurrences) || occurrences[i+1].ArrivedAt.Time().Sub(occurrences[i].ArrivedAt.Time()) >= v.cfg.Horizon {
			lives = append(lives, occurrences[begin:i+1])
			begin = i + 1
		}
	}
	return lives
}

// choose returns one occurrence of every event, the one that counts for its
// message: which of them became the fact depends on what came first, but the
// message is of the one that arrived first, at a tie of the one that occurred
// first, and then of the source that comes first.
func choose(occurrences []*schemas.Event) (chosen []*schemas.Event) {
	byID := map[schemas.ID]*schemas.Event{}
	for _, e := range occurrences {
		if o := byID[e.EventID]; o == nil || cmp.Or(cmp.Compare(e.ArrivedAt, o.ArrivedAt), cmp.Compare(e.OccurredAt, o.OccurredAt), cmp.Compare(e.Source, o.Source)) < 0 {
			byID[e.EventID] = e
		}
	}
	return slices.Collect(maps.Values(byID))
}

// compareEvents compares the events with those chosen, one for each life of its
// message that an event occurs in.
func (v *verifier) compareEvents(f *facts, chosen map[schemas.ID][]*schemas.Event) {
	check := v.report.check(checkEvents)
	check.Skipped += int64(len(f.other))
	for id, picks := range chosen {
		check.Expected += int64(len(picks))
		found, pick := f.found[id], picks[0]
		check.Found += int64(len(found))
		switch {
		case len(found) < len(picks) && f.other[id] == nil:
			v.report.missing(check, "%s %s (%s) of %s is missing", pick.Type, id, describe(pick), pick.OccurredAt)
		case len(found) < len(picks):
			// A repetition after the cut was processed before the one in it.
		case len(found) > len(picks):
			v.report.surplus(check, "%s %s (%s) is there %d times", pick.Type, id, describe(pick), len(found))
		default:
			for _, e := range found {
				v.compareEvent(check, f.expected[id], e)
			}
		}
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
}

// compareEvent finds the occurrence that an event is of.
func (v *verifier) compareEvent(check *Check, occurrences []*schemas.Event, found *schemas.Event) {
	for _, o := range occurrences {
		// An earlier version of the decoder may have read other things in it.
		if equal(o, found) || found.MapperVersion < o.MapperVersion {
			return
		}
	}
	v.report.differ(check, "%s %s (%s): %s", found.Type, found.EventID, describe(found), diff(closest(occurrences, found), found))
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

// compareMessages compares the records of messages, which are of their last
// lives.
func (v *verifier) compareMessages(f *facts, groups map[messageKey]*group) {
	check := v.report.check(checkMessages)
	for k, g := range groups {
		if g.touched {
			check.Skipped++
			continue
		}
		found, want := f.messages[k], g.lives[len(g.lives)-1].message
		switch {
		case found == nil:
			v.report.missing(check, "message %s of recipient %s is missing", k.message, k.recipient)
		case !equal(want, found):
			v.report.differ(check, "message %s of recipient %s: %s", k.message, k.recipient, diff(want, found))
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
