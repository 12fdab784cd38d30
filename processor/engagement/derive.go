package engagement

import (
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// identity is what tells messages apart.
type identity struct {
	tenant, account, messageID string
	recipientID                schemas.ID
}

func identityOf(e *schemas.Event) identity {
	id := identity{e.Tenant, e.Account, e.MessageID, e.RecipientID}
	if id.messageID == "" {
		id.messageID = "~" + e.CampaignID
	}
	return id
}

// bounceHard is the class of permanent bounces; all others count as soft.
const bounceHard = "hard"

// derive is the message that a set of events makes. The package comment has the
// definitions.
func (s *state) derive(id *identity, m *schemas.Message) {
	f := s.known()
	*m = schemas.Message{
		Tenant:          id.tenant,
		Account:         id.account,
		MessageID:       id.messageID,
		RecipientID:     id.recipientID,
		Provider:        f.text[factProvider],
		MessageUUID:     f.text[factMessageUUID],
		RecipientDomain: f.text[factRecipientDomain],
		CampaignID:      f.text[factCampaignID],
		CampaignName:    f.text[factCampaignName],
		CustomID:        f.text[factCustomID],
		ContactID:       f.text[factContactID],
		Revision:        int64(len(s.events)) + s.folded.events,
		TimeSuspect:     s.folded.timeSuspect,
		LastEventAt:     s.folded.lastEventAt,
		LastArrivedAt:   s.folded.lastArrivedAt,
	}
	if len(s.events) == 0 {
		return
	}
	m.FirstEventAt = s.events[0].OccurredAt
	m.LastEventAt = max(m.LastEventAt, s.events[len(s.events)-1].OccurredAt)
	s.suspect()
	m.MachineReasons = s.reasons()
	send := schemas.EventTypeUnknown
	for i := range s.events {
		e := &s.events[i]
		m.LastArrivedAt = max(m.LastArrivedAt, e.ArrivedAt)
		m.TimeSuspect = m.TimeSuspect || e.TimeSuspect
		switch e.Type {
		case schemas.EventTypeQueued, schemas.EventTypeSent, schemas.EventTypeDelivered:
			if m.SentAt == 0 || m.SentAt == e.OccurredAt && e.Type < send {
				m.SentAt, send = e.OccurredAt, e.Type
			}
			if e.Type == schemas.EventTypeDelivered {
				first(&m.DeliveredAt, e)
			}
		case schemas.EventTypeOpened:
			m.Opens++
			first(&m.FirstOpenedAt, e)
			if s.human(i) {
				m.HumanOpens++
				first(&m.FirstHumanOpenedAt, e)
			}
		case schemas.EventTypeClicked:
			m.Clicks++
			first(&m.FirstClickedAt, e)
			if s.human(i) {
				m.HumanClicks++
				first(&m.FirstHumanClickedAt, e)
			}
		case schemas.EventTypeDeferred:
			m.Deferrals++
		case schemas.EventTypeBounced:
			first(&m.BouncedAt, e)
		case schemas.EventTypeComplained:
			m.Complaints++
			first(&m.ComplainedAt, e)
		case schemas.EventTypeUnsubscribed:
			m.Unsubscribes++
			first(&m.UnsubscribedAt, e)
		}
	}
	for i := range s.folded.windows {
		w := &s.folded.windows[i]
		m.Opens += w.opens
		m.HumanOpens += w.humanOpens
		m.Clicks += w.clicks
		m.HumanClicks += w.humanClicks
		m.Deferrals += w.deferrals
		m.Complaints += w.complaints
		m.Unsubscribes += w.unsubscribes
	}
	if m.SentAt != 0 {
		m.SendBasis = send.String()
	}
	m.OpenDelayMS = delay(m.DeliveredAt, m.FirstOpenedAt)
	m.ClickDelayMS = delay(m.FirstOpenedAt, m.FirstClickedAt)
	s.decide(m)
}

// first sets a time to that of the first event that comes; events come in order.
func first(t *schemas.Timestamp, e *trigger.Event) {
	if *t == 0 {
		*t = e.OccurredAt
	}
}

func delay(from, to schemas.Timestamp) schemas.NullInt64 {
	if from == 0 || to == 0 {
		return schemas.NullInt64{}
	}
	return schemas.Int64Of(max(0, int64(to-from)/1000))
}

// decide finds the outcome of a message.
func (s *state) decide(m *schemas.Message) {
	var decisive *trigger.Event
	rank := 0
	for i := range s.events {
		e := &s.events[i]
		r, outcome := 0, schemas.OutcomeUnknown
		switch e.Type {
		case schemas.EventTypeQueued, schemas.EventTypeSent:
			r, outcome = 1, schemas.OutcomeQueued
		case schemas.EventTypeDeferred:
			r, outcome = 2, schemas.OutcomeDeferred
		case schemas.EventTypeRejected:
			r, outcome = 3, schemas.OutcomeRejected
		case schemas.EventTypeFailed:
			r, outcome = 4, schemas.OutcomeFailed
		case schemas.EventTypeDelivered:
			r, outcome = 7, schemas.OutcomeDelivered
		case schemas.EventTypeBounced:
			r, outcome = 5, schemas.OutcomeBounced
			if m.DeliveredAt != 0 && e.OccurredAt >= m.DeliveredAt {
				r = 8
			}
			if e.BounceClass == bounceHard {
				r++
			}
		}
		if r > rank {
			rank, decisive, m.Outcome = r, e, outcome
		}
	}
	if decisive == nil {
		return
	}
	m.OutcomeAt = decisive.OccurredAt
	m.LateBounce = rank >= 8
	switch m.Outcome {
	case schemas.OutcomeBounced, schemas.OutcomeRejected, schemas.OutcomeFailed:
		m.BounceClass, m.RejectReason = decisive.BounceClass, decisive.RejectReason
	}
}
