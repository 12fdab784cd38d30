package verify

import (
	"github.com/posthorn/posthorn/schemas"
)

// person is what one recipient's messages count, and the first and last times.
// Those that a transaction has told can't be taken back when a message is revised:
// limits are the farthest that any version of an event could have told.
type person struct{ wanted, limits schemas.RecipientDelta }

// people are the recipients of a bucket.
type people map[recipientKey]*person

// add adds one life of a message, and all that arrived of it.
func (p people) add(d *derived, arrived []*schemas.Event, lifetime *schemas.Counters) {
	m := d.message
	if firstText(d.events, func(e *schemas.Event) string { return e.Recipient }) == "" {
		return // nobody is known
	}
	k := recipientKey{m.Tenant, m.RecipientID}
	who := p[k]
	if who == nil {
		who = new(person)
		p[k] = who
	}
	now := schemas.RecipientDelta{
		RecipientID: m.RecipientID, RecipientDomain: domainOf(m), Counters: *lifetime,
		FirstEventAt: m.FirstEventAt, LastEventAt: m.LastEventAt, LastSentAt: m.SentAt,
	}
	for _, e := range d.events {
		switch {
		case d.folded[e]:
		case e.Type == schemas.EventTypeOpened:
			now.LastOpenedAt = e.OccurredAt // events are in order
		case e.Type == schemas.EventTypeClicked:
			now.LastClickedAt = e.OccurredAt
		}
	}
	addPerson(&who.wanted, &now)
	for _, e := range arrived {
		limits := schemas.RecipientDelta{FirstEventAt: e.OccurredAt, LastEventAt: e.OccurredAt}
		switch {
		case isSend(e):
			limits.LastSentAt = e.OccurredAt
		case e.Type == schemas.EventTypeOpened:
			limits.LastOpenedAt = e.OccurredAt
		case e.Type == schemas.EventTypeClicked:
			limits.LastClickedAt = e.OccurredAt
		}
		addPerson(&who.limits, &limits)
	}
}

// addPerson adds b to a: counters are summed, the earliest and latest times stay.
func addPerson(a, b *schemas.RecipientDelta) {
	a.RecipientID, a.RecipientDomain = b.RecipientID, max(a.RecipientDomain, b.RecipientDomain)
	sum(&a.Counters, &b.Counters)
	if b.FirstEventAt != 0 && (a.FirstEventAt == 0 || b.FirstEventAt < a.FirstEventAt) {
		a.FirstEventAt = b.FirstEventAt
	}
	a.LastEventAt = max(a.LastEventAt, b.LastEventAt)
	a.LastSentAt = max(a.LastSentAt, b.LastSentAt)
	a.LastOpenedAt = max(a.LastOpenedAt, b.LastOpenedAt)
	a.LastClickedAt = max(a.LastClickedAt, b.LastClickedAt)
}

// putPerson spills something of a recipient.
func (v *verifier) putPerson(kind kind, tenant string, d *schemas.RecipientDelta) error {
	value := &schemas.BreakdownDelta{Tenant: tenant, Recipients: []schemas.RecipientDelta{*d}}
	return v.people.put(d.RecipientID[:], kind, value.AppendAvro(nil))
}

// keepPeople spills recipients, and which of them events from outside of the cut
// are of.
func (v *verifier) keepPeople(all people, other map[schemas.ID]*schemas.Event) error {
	for k, who := range all {
		who.limits.RecipientID = k.id
		if err := v.putPerson(kindWantedRecipient, k.tenant, &who.wanted); err != nil {
			return err
		}
		if err := v.putPerson(kindLimits, k.tenant, &who.limits); err != nil {
			return err
		}
	}
	touched := map[recipientKey]bool{}
	for _, e := range other {
		touched[recipientKey{e.Tenant, e.RecipientID}] = true
	}
	for k := range touched {
		if err := v.putPerson(kindTouchedRecipient, k.tenant, &schemas.RecipientDelta{RecipientID: k.id}); err != nil {
			return err
		}
	}
	return nil
}
