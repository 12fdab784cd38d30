package engagement

import (
	"maps"
	"testing"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// story builds the events of one message to one recipient. Times are after
// noon of 1 March 2026; an event arrives as it occurs unless told otherwise.
type story struct{ n byte }

func (s *story) event(t schemas.EventType, after time.Duration, change ...func(*schemas.Event)) schemas.Event {
	s.n++
	e := schemas.Event{
		EventID: schemas.ID{s.n}, Tenant: "default", Account: "main", Provider: "mailjet", Type: t,
		OccurredAt: at(after), ArrivedAt: at(after), ReceivedAt: at(after), MessageID: "m1",
		Recipient: "ada@example.org", RecipientID: schemas.ID{7}, RecipientDomain: "example.org", CampaignID: "spring",
	}
	for _, f := range change {
		f(&e)
	}
	return e
}

func byMachine(e *schemas.Event)  { e.Machine = schemas.MachineMachine }
func noCampaign(e *schemas.Event) { e.CampaignID = "" }
func bounce(class string) func(*schemas.Event) {
	return func(e *schemas.Event) { e.BounceClass, e.RejectReason = class, "bounced" }
}
func arrives(after time.Duration) func(*schemas.Event) {
	return func(e *schemas.Event) { e.ArrivedAt, e.ReceivedAt = at(after), at(after) }
}

const (
	delivered = schemas.EventTypeDelivered
	opened    = schemas.EventTypeOpened
	clicked   = schemas.EventTypeClicked
	bounced   = schemas.EventTypeBounced
)

// Windows of 5 minutes, as seconds after noon.
type windows map[int]schemas.Counters

func TestGolden(t *testing.T) {
	const m, h = time.Minute, time.Hour
	type c = schemas.Counters
	for _, tt := range []struct {
		name     string
		events   func(*story) []schemas.Event
		message  func(*schemas.Message) // what differs from the plain message
		campaign string                 // default spring
		lifetime c
		event    windows // by event time
		send     windows // by send time
	}{
		{
			name:   "delivered",
			events: func(s *story) []schemas.Event { return []schemas.Event{s.event(delivered, 0)} },
			message: func(msg *schemas.Message) {
				msg.SentAt, msg.SendBasis, msg.DeliveredAt = at(0), "delivered", at(0)
				msg.Outcome, msg.OutcomeAt = schemas.OutcomeDelivered, at(0)
				msg.FirstEventAt, msg.LastEventAt, msg.LastArrivedAt, msg.Revision = at(0), at(0), at(0), 1
			},
			lifetime: c{Messages: 1, Delivered: 1},
			event:    windows{0: {Messages: 1, Delivered: 1}},
			send:     windows{0: {Messages: 1, Delivered: 1}},
		},
		{
			name: "late bounce",
			events: func(s *story) []schemas.Event {
				return []schemas.Event{s.event(delivered, 0), s.event(bounced, 2*h, bounce("hard"))}
			},
			message: func(msg *schemas.Message) {
				msg.SentAt, msg.SendBasis, msg.DeliveredAt, msg.BouncedAt = at(0), "delivered", at(0), at(2*h)
				msg.Outcome, msg.OutcomeAt, msg.LateBounce, msg.BounceClass, msg.RejectReason = schemas.OutcomeBounced, at(2*h), true, "hard", "bounced"
				msg.FirstEventAt, msg.LastEventAt, msg.LastArrivedAt, msg.Revision = at(0), at(2*h), at(2*h), 2
			},
			lifetime: c{Messages: 1, HardBounced: 1, LateBounces: 1},
			event:    windows{0: {Messages: 1}, 7200: {HardBounced: 1, LateBounces: 1}},
			send:     windows{0: {Messages: 1, HardBounced: 1, LateBounces: 1}},
		},
		{
			name: "deferred then delivered",
			events: func(s *story) []schemas.Event {
				return []schemas.Event{s.event(schemas.EventTypeDeferred, 0), s.event(delivered, 10*m)}
			},
			message: func(msg *schemas.Message) {
				msg.SentAt, msg.SendBasis, msg.DeliveredAt, msg.Deferrals = at(10*m), "delivered", at(10*m), 1
				msg.Outcome, msg.OutcomeAt = schemas.OutcomeDelivered, at(10*m)
				msg.FirstEventAt, msg.LastEventAt, msg.LastArrivedAt, msg.Revision = at(0), at(10*m), at(10*m), 2
			},
			lifetime: c{Messages: 1, Delivered: 1},
			event:    windows{0: {Messages: 1}, 600: {Delivered: 1}},
			send:     windows{600: {Messages: 1, Delivered: 1}},
		},
		{
			name: "soft bounce then delivered",
			events: func(s *story) []schemas.Event {
				return []schemas.Event{s.event(bounced, 0, bounce("soft")), s.event(delivered, 10*m)}
			},
			message: func(msg *schemas.Message) {
				msg.SentAt, msg.SendBasis, msg.DeliveredAt, msg.BouncedAt = at(10*m), "delivered", at(10*m), at(0)
				msg.Outcome, msg.OutcomeAt = schemas.OutcomeDelivered, at(10*m)
				msg.FirstEventAt, msg.LastEventAt, msg.LastArrivedAt, msg.Revision = at(0), at(10*m), at(10*m), 2
			},
			lifetime: c{Messages: 1, Delivered: 1},
			event:    windows{0: {Messages: 1}, 600: {Delivered: 1}},
			send:     windows{600: {Messages: 1, Delivered: 1}},
		},
		{
			name: "soft then hard bounce",
			events: func(s *story) []schemas.Event {
				return []schemas.Event{s.event(bounced, 0, bounce("soft")), s.event(bounced, 10*m, bounce("hard"))}
			},
			message: func(msg *schemas.Message) {
				msg.BouncedAt, msg.Outcome, msg.OutcomeAt, msg.BounceClass, msg.RejectReason = at(0), schemas.OutcomeBounced, at(10*m), "hard", "bounced"
				msg.FirstEventAt, msg.LastEventAt, msg.LastArrivedAt, msg.Revision = at(0), at(10*m), at(10*m), 2
			},
			lifetime: c{Messages: 1, HardBounced: 1},
			event:    windows{0: {Messages: 1}, 600: {HardBounced: 1}},
		},
		{
			name: "open arrives before its delivery",
			events: func(s *story) []schemas.Event {
				return []schemas.Event{s.event(opened, 6*m), s.event(delivered, 0, arrives(7*m))}
			},
			message: func(msg *schemas.Message) {
				msg.SentAt, msg.SendBasis, msg.DeliveredAt = at(0), "delivered", at(0)
				msg.FirstOpenedAt, msg.FirstHumanOpenedAt, msg.Opens, msg.HumanOpens = at(6*m), at(6*m), 1, 1
				msg.OpenDelayMS = schemas.Int64Of(360_000)
				msg.Outcome, msg.OutcomeAt = schemas.OutcomeDelivered, at(0)
				msg.FirstEventAt, msg.LastEventAt, msg.LastArrivedAt, msg.Revision = at(0), at(6*m), at(7*m), 2
			},
			lifetime: c{Messages: 1, Delivered: 1, Opened: 1, HumanOpened: 1, Opens: 1, HumanOpens: 1, OpenDelayMS: 360_000, OpenDelays: 1},
			event: windows{0: {Messages: 1, Delivered: 1},
				300: {Opened: 1, HumanOpened: 1, Opens: 1, HumanOpens: 1, OpenDelayMS: 360_000, OpenDelays: 1}},
			send: windows{0: {Messages: 1, Delivered: 1, Opened: 1, HumanOpened: 1, Opens: 1, HumanOpens: 1, OpenDelayMS: 360_000, OpenDelays: 1}},
		},
		{
			name: "open dated before its delivery",
			events: func(s *story) []schemas.Event {
				return []schemas.Event{s.event(opened, 0), s.event(delivered, 2*time.Second)}
			},
			message: func(msg *schemas.Message) {
				msg.SentAt, msg.SendBasis, msg.DeliveredAt = at(2*time.Second), "delivered", at(2*time.Second)
				msg.FirstOpenedAt, msg.FirstHumanOpenedAt, msg.Opens, msg.HumanOpens = at(0), at(0), 1, 1
				msg.OpenDelayMS = schemas.Int64Of(0)
				msg.Outcome, msg.OutcomeAt = schemas.OutcomeDelivered, at(2*time.Second)
				msg.FirstEventAt, msg.LastEventAt, msg.LastArrivedAt, msg.Revision = at(0), at(2*time.Second), at(2*time.Second), 2
			},
			lifetime: c{Messages: 1, Delivered: 1, Opened: 1, HumanOpened: 1, Opens: 1, HumanOpens: 1, OpenDelays: 1},
			event:    windows{0: {Messages: 1, Delivered: 1, Opened: 1, HumanOpened: 1, Opens: 1, HumanOpens: 1, OpenDelays: 1}},
			send:     windows{0: {Messages: 1, Delivered: 1, Opened: 1, HumanOpened: 1, Opens: 1, HumanOpens: 1, OpenDelays: 1}},
		},
		{
			name: "campaign learned late: the open had none",
			events: func(s *story) []schemas.Event {
				return []schemas.Event{s.event(opened, 0, noCampaign), s.event(delivered, 0, arrives(m))}
			},
			message: func(msg *schemas.Message) {
				msg.SentAt, msg.SendBasis, msg.DeliveredAt = at(0), "delivered", at(0)
				msg.FirstOpenedAt, msg.FirstHumanOpenedAt, msg.Opens, msg.HumanOpens = at(0), at(0), 1, 1
				msg.OpenDelayMS = schemas.Int64Of(0)
				msg.Outcome, msg.OutcomeAt = schemas.OutcomeDelivered, at(0)
				msg.FirstEventAt, msg.LastEventAt, msg.LastArrivedAt, msg.Revision = at(0), at(0), at(m), 2
			},
			lifetime: c{Messages: 1, Delivered: 1, Opened: 1, HumanOpened: 1, Opens: 1, HumanOpens: 1, OpenDelays: 1},
			event:    windows{0: {Messages: 1, Delivered: 1, Opened: 1, HumanOpened: 1, Opens: 1, HumanOpens: 1, OpenDelays: 1}},
			send:     windows{0: {Messages: 1, Delivered: 1, Opened: 1, HumanOpened: 1, Opens: 1, HumanOpens: 1, OpenDelays: 1}},
		},
		{
			name:     "open without campaign and without delivery",
			campaign: "-",
			events:   func(s *story) []schemas.Event { return []schemas.Event{s.event(opened, 0, noCampaign)} },
			message: func(msg *schemas.Message) {
				msg.CampaignID = ""
				msg.FirstOpenedAt, msg.FirstHumanOpenedAt, msg.Opens, msg.HumanOpens = at(0), at(0), 1, 1
				msg.FirstEventAt, msg.LastEventAt, msg.LastArrivedAt, msg.Revision = at(0), at(0), at(0), 1
			},
			lifetime: c{Messages: 1, Opened: 1, HumanOpened: 1, Opens: 1, HumanOpens: 1},
			event:    windows{0: {Messages: 1, Opened: 1, HumanOpened: 1, Opens: 1, HumanOpens: 1}},
		},
		{
			name: "machine then human open, then a click",
			events: func(s *story) []schemas.Event {
				return []schemas.Event{s.event(delivered, 0), s.event(opened, m, byMachine), s.event(opened, h), s.event(clicked, h+m)}
			},
			message: func(msg *schemas.Message) {
				msg.SentAt, msg.SendBasis, msg.DeliveredAt = at(0), "delivered", at(0)
				msg.FirstOpenedAt, msg.FirstHumanOpenedAt, msg.Opens, msg.HumanOpens = at(m), at(h), 2, 1
				msg.FirstClickedAt, msg.FirstHumanClickedAt, msg.Clicks, msg.HumanClicks = at(h+m), at(h+m), 1, 1
				msg.OpenDelayMS, msg.ClickDelayMS = schemas.Int64Of(60_000), schemas.Int64Of(3_600_000)
				msg.Outcome, msg.OutcomeAt = schemas.OutcomeDelivered, at(0)
				msg.FirstEventAt, msg.LastEventAt, msg.LastArrivedAt, msg.Revision = at(0), at(h+m), at(h+m), 4
			},
			lifetime: c{Messages: 1, Delivered: 1, Opened: 1, HumanOpened: 1, Opens: 2, HumanOpens: 1, OpenDelayMS: 60_000, OpenDelays: 1,
				Clicked: 1, HumanClicked: 1, Clicks: 1, HumanClicks: 1, ClickDelayMS: 3_600_000, ClickDelays: 1},
			event: windows{
				0: {Messages: 1, Delivered: 1, Opened: 1, Opens: 1, OpenDelayMS: 60_000, OpenDelays: 1},
				3600: {HumanOpened: 1, Opens: 1, HumanOpens: 1, Clicked: 1, HumanClicked: 1, Clicks: 1, HumanClicks: 1,
					ClickDelayMS: 3_600_000, ClickDelays: 1}},
			send: windows{0: {Messages: 1, Delivered: 1, Opened: 1, HumanOpened: 1, Opens: 2, HumanOpens: 1, OpenDelayMS: 60_000, OpenDelays: 1,
				Clicked: 1, HumanClicked: 1, Clicks: 1, HumanClicks: 1, ClickDelayMS: 3_600_000, ClickDelays: 1}},
		},
		{
			name: "duplicate days later",
			events: func(s *story) []schemas.Event {
				e := s.event(delivered, 0)
				again := e
				again.ArrivedAt, again.Source = at(72*h), "backup"
				return []schemas.Event{e, again}
			},
			message: func(msg *schemas.Message) {
				msg.SentAt, msg.SendBasis, msg.DeliveredAt = at(0), "delivered", at(0)
				msg.Outcome, msg.OutcomeAt = schemas.OutcomeDelivered, at(0)
				msg.FirstEventAt, msg.LastEventAt, msg.LastArrivedAt, msg.Revision = at(0), at(0), at(0), 1
			},
			lifetime: c{Messages: 1, Delivered: 1},
			event:    windows{0: {Messages: 1, Delivered: 1}},
			send:     windows{0: {Messages: 1, Delivered: 1}},
		},
		{
			name: "event from the future, dated by its receipt",
			events: func(s *story) []schemas.Event {
				return []schemas.Event{s.event(delivered, 0), s.event(opened, m, func(e *schemas.Event) {
					e.TimeSuspect, e.ProviderTime = true, at(9000*h)
				})}
			},
			message: func(msg *schemas.Message) {
				msg.SentAt, msg.SendBasis, msg.DeliveredAt, msg.TimeSuspect = at(0), "delivered", at(0), true
				msg.FirstOpenedAt, msg.FirstHumanOpenedAt, msg.Opens, msg.HumanOpens = at(m), at(m), 1, 1
				msg.OpenDelayMS = schemas.Int64Of(60_000)
				msg.Outcome, msg.OutcomeAt = schemas.OutcomeDelivered, at(0)
				msg.FirstEventAt, msg.LastEventAt, msg.LastArrivedAt, msg.Revision = at(0), at(m), at(m), 2
			},
			lifetime: c{Messages: 1, Delivered: 1, Opened: 1, HumanOpened: 1, Opens: 1, HumanOpens: 1, OpenDelayMS: 60_000, OpenDelays: 1},
			event:    windows{0: {Messages: 1, Delivered: 1, Opened: 1, HumanOpened: 1, Opens: 1, HumanOpens: 1, OpenDelayMS: 60_000, OpenDelays: 1}},
			send:     windows{0: {Messages: 1, Delivered: 1, Opened: 1, HumanOpened: 1, Opens: 1, HumanOpens: 1, OpenDelayMS: 60_000, OpenDelays: 1}},
		},
		{
			name: "queued, sent, then rejected; unsubscribed twice, complained",
			events: func(s *story) []schemas.Event {
				return []schemas.Event{s.event(schemas.EventTypeSent, m), s.event(schemas.EventTypeQueued, m),
					s.event(schemas.EventTypeRejected, 2*m, bounce("")), s.event(schemas.EventTypeUnsubscribed, 3*m),
					s.event(schemas.EventTypeUnsubscribed, 5*m), s.event(schemas.EventTypeComplained, 5*m)}
			},
			message: func(msg *schemas.Message) {
				msg.SentAt, msg.SendBasis = at(m), "queued"
				msg.UnsubscribedAt, msg.Unsubscribes, msg.ComplainedAt, msg.Complaints = at(3*m), 2, at(5*m), 1
				msg.Outcome, msg.OutcomeAt, msg.RejectReason = schemas.OutcomeRejected, at(2*m), "bounced"
				msg.FirstEventAt, msg.LastEventAt, msg.LastArrivedAt, msg.Revision = at(m), at(5*m), at(5*m), 6
			},
			lifetime: c{Messages: 1, Rejected: 1, Unsubscribed: 1, Unsubscribes: 2, Complained: 1, Complaints: 1},
			event: windows{0: {Messages: 1, Rejected: 1, Unsubscribed: 1, Unsubscribes: 1},
				300: {Unsubscribes: 1, Complained: 1, Complaints: 1}},
			send: windows{0: {Messages: 1, Rejected: 1, Unsubscribed: 1, Unsubscribes: 2, Complained: 1, Complaints: 1}},
		},
		{
			name: "unknown type: counted as an event only",
			events: func(s *story) []schemas.Event {
				return []schemas.Event{s.event(delivered, 0), s.event(schemas.EventTypeUnknown, 6*m)}
			},
			message: func(msg *schemas.Message) {
				msg.SentAt, msg.SendBasis, msg.DeliveredAt = at(0), "delivered", at(0)
				msg.Outcome, msg.OutcomeAt = schemas.OutcomeDelivered, at(0)
				msg.FirstEventAt, msg.LastEventAt, msg.LastArrivedAt, msg.Revision = at(0), at(6*m), at(6*m), 2
			},
			lifetime: c{Messages: 1, Delivered: 1},
			event:    windows{0: {Messages: 1, Delivered: 1}},
			send:     windows{0: {Messages: 1, Delivered: 1}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := schemas.Message{Tenant: "default", Account: "main", Provider: "mailjet", MessageID: "m1", RecipientID: schemas.ID{7},
				RecipientDomain: "example.org", CampaignID: "spring"}
			tt.message(&want)
			if tt.campaign == "" {
				tt.campaign = "spring"
			}
			counters := map[countersKey]schemas.Counters{{"default", tt.campaign, schemas.BasisLifetime, 0}: tt.lifetime}
			for s, n := range tt.event {
				counters[countersKey{"default", tt.campaign, schemas.BasisEventTime, at(time.Duration(s) * time.Second)}] = n
			}
			for s, n := range tt.send {
				counters[countersKey{"default", tt.campaign, schemas.BasisSendTime, at(time.Duration(s) * time.Second)}] = n
			}
			h := newHarness(t, nil)
			for _, e := range tt.events(&story{}) {
				h.process(e)
				h.commit() // one by one: corrections must come out right
			}
			if got := h.out.messages["default/main/m1/"+schemas.ID{7}.String()]; got != want {
				t.Errorf("message\n got %+v\nwant %+v", got, want)
			}
			if !maps.Equal(h.out.counters, counters) {
				t.Errorf("counters\n got %+v\nwant %+v", h.out.counters, counters)
			}
			for id, n := range h.out.events {
				if n != 1 {
					t.Errorf("event %s passed on %d times", id, n)
				}
			}
		})
	}
}
