package reference

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/posthorn/posthorn/schemas"
)

// Seconds and Day are lengths of time in the unit of timestamps.
const (
	Second schemas.Timestamp = 1_000_000
	Minute                   = 60 * Second
	Hour                     = 60 * Minute
	Day                      = 24 * Hour
)

// Event is an event as its message knows it.
type Event struct {
	*schemas.Event
	// Machine tells that a machine opened or clicked, by the event's own evidence or
	// by that of the message's other events.
	Machine bool
}

// Message is what the events of one message to one recipient say.
type Message struct {
	Account, ID string
	Recipient   schemas.ID
	Addressed   bool // the address is known
	Events      []Event
	// Campaign is "-" where no event names one. Source and List are those of the
	// first event that has one.
	Campaign, Source, List, Domain string

	FirstEvent, LastEvent, LastArrived schemas.Timestamp
	// First times; zero where there is none.
	Sent, Delivered, Opened, HumanOpened, Clicked, HumanClicked, Unsubscribed, Complained schemas.Timestamp
	Outcome                                                                               schemas.Outcome
	OutcomeAt                                                                             schemas.Timestamp
	LateBounce                                                                            bool
	BounceClass, RejectReason                                                             string
}

// NoCampaign is the campaign of messages that have none.
const NoCampaign = "-"

// Messages puts events together to messages, in any order.
func Messages(events []schemas.Event) (all []*Message) {
	type key struct {
		account, id string
		recipient   schemas.ID
	}
	of := map[key][]*schemas.Event{}
	for i := range events {
		e := &events[i]
		k := key{e.Account, e.MessageID, e.RecipientID}
		if k.id == "" {
			k.id = "~" + e.CampaignID // what has no id belongs together by campaign
		}
		of[k] = append(of[k], e)
	}
	for k, versions := range of {
		m := MessageOf(versions)
		m.Account, m.ID, m.Recipient = k.account, k.id, k.recipient
		all = append(all, m)
	}
	return all
}

// MessageOf is what all events of one message say. An event that came more than
// once is the one that arrived first.
func MessageOf(versions []*schemas.Event) *Message {
	first := map[schemas.ID]*schemas.Event{}
	for _, e := range versions {
		if f := first[e.EventID]; f == nil || cmp.Or(cmp.Compare(e.ArrivedAt, f.ArrivedAt), cmp.Compare(e.OccurredAt, f.OccurredAt), cmp.Compare(e.Source, f.Source)) < 0 {
			first[e.EventID] = e
		}
	}
	m := &Message{}
	for _, e := range first {
		m.Events = append(m.Events, Event{e, e.Machine == schemas.MachineMachine})
	}
	slices.SortFunc(m.Events, func(a, b Event) int {
		return cmp.Or(cmp.Compare(a.OccurredAt, b.OccurredAt), bytes.Compare(a.EventID[:], b.EventID[:]))
	})
	m.facts()
	m.findMachines()
	m.times()
	m.outcome()
	return m
}

func (m *Message) facts() {
	set := func(fact *string, text string) {
		if *fact == "" {
			*fact = text
		}
	}
	for _, e := range m.Events {
		set(&m.Campaign, e.CampaignID)
		set(&m.Source, e.Source)
		set(&m.List, e.ListID)
		set(&m.Domain, strings.ToLower(e.RecipientDomain))
		m.Addressed = m.Addressed || e.Event.Recipient != ""
		m.LastArrived = max(m.LastArrived, e.ArrivedAt)
	}
	set(&m.Campaign, NoCampaign)
	m.FirstEvent, m.LastEvent = m.Events[0].OccurredAt, m.Events[len(m.Events)-1].OccurredAt
}

// findMachines marks opens and clicks that only a machine can have made: a click
// before the delivery or less than 3 s after it, an open more than a minute before
// it, and each of the clicks on 3 links or more in less than 2 s. Times that are
// suspect prove nothing.
func (m *Message) findMachines() {
	var delivered schemas.Timestamp
	var clicks []int
	for i, e := range m.Events {
		switch {
		case e.TimeSuspect:
		case e.Type == schemas.EventTypeDelivered && delivered == 0:
			delivered = e.OccurredAt
		case e.Type == schemas.EventTypeClicked:
			clicks = append(clicks, i)
		}
	}
	for i, e := range m.Events {
		after := e.OccurredAt - delivered
		if delivered != 0 && !e.TimeSuspect &&
			(e.Type == schemas.EventTypeClicked && after < 3*Second || e.Type == schemas.EventTypeOpened && after < -Minute) {
			m.Events[i].Machine = true
		}
	}
	for from := range clicks {
		to, links := from, map[string]bool{}
		for ; to < len(clicks) && m.Events[clicks[to]].OccurredAt-m.Events[clicks[from]].OccurredAt < 2*Second; to++ {
			if url := m.Events[clicks[to]].URL; url != "" {
				links[url] = true
			}
		}
		for _, i := range clicks[from:to] {
			m.Events[i].Machine = m.Events[i].Machine || len(links) >= 3
		}
	}
}

func (m *Message) times() {
	first := func(t *schemas.Timestamp, e Event) {
		if *t == 0 {
			*t = e.OccurredAt
		}
	}
	for _, e := range m.Events {
		switch e.Type {
		case schemas.EventTypeQueued, schemas.EventTypeSent:
			first(&m.Sent, e)
		case schemas.EventTypeDelivered:
			first(&m.Sent, e)
			first(&m.Delivered, e)
		case schemas.EventTypeOpened:
			first(&m.Opened, e)
			if !e.Machine {
				first(&m.HumanOpened, e)
			}
		case schemas.EventTypeClicked:
			first(&m.Clicked, e)
			if !e.Machine {
				first(&m.HumanClicked, e)
			}
		case schemas.EventTypeUnsubscribed:
			first(&m.Unsubscribed, e)
		case schemas.EventTypeComplained:
			first(&m.Complained, e)
		}
	}
}

// outcome is how far the message came. What stands later in the list beats what
// stands before; of the same kind the first event counts.
func (m *Message) outcome() {
	rank := 0
	for _, e := range m.Events {
		r, outcome := 0, schemas.OutcomeUnknown
		hard, late := e.BounceClass == "hard", m.Delivered != 0 && e.OccurredAt >= m.Delivered
		switch {
		case e.Type == schemas.EventTypeQueued, e.Type == schemas.EventTypeSent:
			r, outcome = 1, schemas.OutcomeQueued
		case e.Type == schemas.EventTypeDeferred:
			r, outcome = 2, schemas.OutcomeDeferred
		case e.Type == schemas.EventTypeRejected:
			r, outcome = 3, schemas.OutcomeRejected
		case e.Type == schemas.EventTypeFailed:
			r, outcome = 4, schemas.OutcomeFailed
		case e.Type == schemas.EventTypeBounced && !late && !hard:
			r, outcome = 5, schemas.OutcomeBounced
		case e.Type == schemas.EventTypeBounced && !late && hard:
			r, outcome = 6, schemas.OutcomeBounced
		case e.Type == schemas.EventTypeDelivered:
			r, outcome = 7, schemas.OutcomeDelivered
		case e.Type == schemas.EventTypeBounced && late && !hard:
			r, outcome = 8, schemas.OutcomeBounced
		case e.Type == schemas.EventTypeBounced && late && hard:
			r, outcome = 9, schemas.OutcomeBounced
		}
		if r > rank {
			rank = r
			m.Outcome, m.OutcomeAt, m.LateBounce = outcome, e.OccurredAt, r >= 8
			m.BounceClass, m.RejectReason = "", ""
			if m.Failed() {
				m.BounceClass, m.RejectReason = e.BounceClass, e.RejectReason
			}
		}
	}
}

// Failed tells whether the message bounced, was rejected or failed.
func (m *Message) Failed() bool {
	return m.Outcome == schemas.OutcomeBounced || m.Outcome == schemas.OutcomeRejected || m.Outcome == schemas.OutcomeFailed
}

// Began is when the message was sent, or, where no send is known, when it was first
// heard of.
func (m *Message) Began() schemas.Timestamp {
	if m.Sent != 0 {
		return m.Sent
	}
	return m.FirstEvent
}

// SentOn is the day of the send in UTC, of the first event where the send is not
// known.
func (m *Message) SentOn() schemas.Timestamp { return Floor(m.Began(), Day) }

// Floor rounds down to a multiple.
func Floor(t, to schemas.Timestamp) schemas.Timestamp { return t - (t%to+to)%to }
