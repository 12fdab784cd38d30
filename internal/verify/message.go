package verify

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/posthorn/posthorn/schemas"
)

// messageKey tells messages apart, as the key of posthorn.messages does.
type messageKey struct {
	tenant, account, message string
	recipient                schemas.ID
}

// keyOf returns the message that an event belongs to. Events without a message
// id belong together by campaign.
func keyOf(e *schemas.Event) messageKey {
	id := e.MessageID
	if id == "" {
		id = "~" + e.CampaignID
	}
	return messageKey{e.Tenant, e.Account, id, e.RecipientID}
}

// byTime orders events by event time, then by id: an order that does not
// depend on how they came in.
func byTime(a, b *schemas.Event) int {
	return cmp.Or(cmp.Compare(a.OccurredAt, b.OccurredAt), bytes.Compare(a.EventID[:], b.EventID[:]))
}

// derive works a message out from all its events at once. Of those in folded
// nothing is known but that they were.
func derive(key messageKey, events []*schemas.Event, folded set) *schemas.Message {
	slices.SortFunc(events, byTime)
	automated := automatedOf(events, folded)
	byPerson := func(t schemas.EventType) test {
		return func(e *schemas.Event) bool { return human(t)(e) && !automated[e].any() }
	}
	inDetail := func(is test) test {
		return func(e *schemas.Event) bool { return is(e) && !folded[e] }
	}
	m := &schemas.Message{
		Tenant: key.tenant, Account: key.account, MessageID: key.message, RecipientID: key.recipient,
		Provider:     firstText(events, func(e *schemas.Event) string { return e.Provider }),
		MessageUUID:  firstText(events, func(e *schemas.Event) string { return e.MessageUUID }),
		CampaignID:   firstText(events, func(e *schemas.Event) string { return e.CampaignID }),
		CampaignName: firstText(events, func(e *schemas.Event) string { return e.CampaignName }),
		CustomID:     firstText(events, func(e *schemas.Event) string { return e.CustomID }),
		ContactID:    firstText(events, func(e *schemas.Event) string { return e.ContactID }),
		RecipientDomain: firstText(events, func(e *schemas.Event) string {
			return e.RecipientDomain
		}),
		FirstEventAt: events[0].OccurredAt,
		LastEventAt:  events[len(events)-1].OccurredAt,
		Revision:     int64(len(events)),

		MachineReasons: automated.String(),
	}
	for _, e := range events {
		m.TimeSuspect = m.TimeSuspect || e.TimeSuspect
		m.LastArrivedAt = max(m.LastArrivedAt, e.ArrivedAt)
	}
	if send := first(events, isSend); send != nil {
		m.SentAt = send.OccurredAt
		// At a tie the basis is the first of queued, sent and delivered.
		for _, t := range []schemas.EventType{schemas.EventTypeDelivered, schemas.EventTypeSent, schemas.EventTypeQueued} {
			if firstTime(events, is(t)) == m.SentAt {
				m.SendBasis = t.String()
			}
		}
	}
	m.DeliveredAt = firstTime(events, is(schemas.EventTypeDelivered))
	m.FirstOpenedAt = firstTime(events, is(schemas.EventTypeOpened))
	m.FirstHumanOpenedAt = firstTime(events, inDetail(byPerson(schemas.EventTypeOpened)))
	m.FirstClickedAt = firstTime(events, is(schemas.EventTypeClicked))
	m.FirstHumanClickedAt = firstTime(events, inDetail(byPerson(schemas.EventTypeClicked)))
	m.BouncedAt = firstTime(events, is(schemas.EventTypeBounced))
	m.ComplainedAt = firstTime(events, is(schemas.EventTypeComplained))
	m.UnsubscribedAt = firstTime(events, is(schemas.EventTypeUnsubscribed))
	m.Opens = count(events, is(schemas.EventTypeOpened))
	m.HumanOpens = count(events, byPerson(schemas.EventTypeOpened))
	m.Clicks = count(events, is(schemas.EventTypeClicked))
	m.HumanClicks = count(events, byPerson(schemas.EventTypeClicked))
	m.Deferrals = count(events, is(schemas.EventTypeDeferred))
	m.Complaints = count(events, is(schemas.EventTypeComplained))
	m.Unsubscribes = count(events, is(schemas.EventTypeUnsubscribed))
	m.OpenDelayMS = delay(m.DeliveredAt, m.FirstOpenedAt)
	m.ClickDelayMS = delay(m.FirstOpenedAt, m.FirstClickedAt)
	setOutcome(m, events)
	return m
}

// setOutcome decides how far the message came: a later row of the table beats
// an earlier one, and within a row the earliest event decides.
func setOutcome(m *schemas.Message, events []*schemas.Event) {
	bounce := func(late, hard bool) test {
		return func(e *schemas.Event) bool {
			afterDelivery := m.DeliveredAt != 0 && e.OccurredAt >= m.DeliveredAt
			return e.Type == schemas.EventTypeBounced && afterDelivery == late && (e.BounceClass == "hard") == hard
		}
	}
	for _, row := range []struct {
		is      test
		outcome schemas.Outcome
		late    bool
	}{
		{func(e *schemas.Event) bool {
			return e.Type == schemas.EventTypeQueued || e.Type == schemas.EventTypeSent
		}, schemas.OutcomeQueued, false},
		{is(schemas.EventTypeDeferred), schemas.OutcomeDeferred, false},
		{is(schemas.EventTypeRejected), schemas.OutcomeRejected, false},
		{is(schemas.EventTypeFailed), schemas.OutcomeFailed, false},
		{bounce(false, false), schemas.OutcomeBounced, false},
		{bounce(false, true), schemas.OutcomeBounced, false},
		{is(schemas.EventTypeDelivered), schemas.OutcomeDelivered, false},
		{bounce(true, false), schemas.OutcomeBounced, true},
		{bounce(true, true), schemas.OutcomeBounced, true},
	} {
		e := first(events, row.is)
		if e == nil {
			continue
		}
		m.Outcome, m.OutcomeAt, m.LateBounce = row.outcome, e.OccurredAt, row.late
		m.BounceClass, m.RejectReason = "", ""
		switch row.outcome {
		case schemas.OutcomeBounced, schemas.OutcomeRejected, schemas.OutcomeFailed:
			m.BounceClass, m.RejectReason = e.BounceClass, e.RejectReason
		}
	}
}

type test func(*schemas.Event) bool

func is(t schemas.EventType) test { return func(e *schemas.Event) bool { return e.Type == t } }

func human(t schemas.EventType) test {
	return func(e *schemas.Event) bool { return e.Type == t && e.Machine != schemas.MachineMachine }
}

func isSend(e *schemas.Event) bool {
	return e.Type == schemas.EventTypeQueued || e.Type == schemas.EventTypeSent || e.Type == schemas.EventTypeDelivered
}

func first(events []*schemas.Event, is test) *schemas.Event {
	for _, e := range events {
		if is(e) {
			return e
		}
	}
	return nil
}

func firstTime(events []*schemas.Event, is test) schemas.Timestamp {
	if e := first(events, is); e != nil {
		return e.OccurredAt
	}
	return 0
}

func firstText(events []*schemas.Event, field func(*schemas.Event) string) string {
	for _, e := range events {
		if text := field(e); text != "" {
			return text
		}
	}
	return ""
}

func count(events []*schemas.Event, is test) (n int64) {
	for _, e := range events {
		if is(e) {
			n++
		}
	}
	return n
}

func delay(from, to schemas.Timestamp) schemas.NullInt64 {
	if from == 0 || to == 0 {
		return schemas.NullInt64{}
	}
	return schemas.NullInt64{Int64: max(0, int64(to-from)/1000), Valid: true}
}
