package trigger

import (
	"cmp"

	"github.com/posthorn/posthorn/schemas"
)

// Event is what rules know of an event.
type Event struct {
	ID           schemas.ID
	Type         schemas.EventType
	OccurredAt   schemas.Timestamp
	ArrivedAt    schemas.Timestamp
	Machine      schemas.Machine
	TimeSuspect  bool
	URL          string
	Country      string
	ListID       string
	BounceClass  string
	RejectReason string
	// CampaignID is the campaign that the event itself names; conditions see that
	// of the message.
	CampaignID string
	// Source received the event. It, the client, the device and the position of the
	// link in the message (from 1; 0: not known) are for statistics: conditions
	// don't see them.
	Source     string
	ClientName string
	ClientOS   string
	DeviceType string
	LinkIndex  int32
	// MachineAt is when what the other events of the message tell had arrived that
	// makes the event a machine's; zero: nothing does.
	MachineAt schemas.Timestamp
}

// At is the event's time in conditions: when it occurred, but never later than
// it arrived.
func (e *Event) At() schemas.Timestamp { return min(e.OccurredAt, e.ArrivedAt) }

// Human tells that the event is not known to be a machine's.
func (e *Event) Human() bool { return e.Machine != schemas.MachineMachine }

// Counted is what a count keeps of an event.
type Counted struct {
	ID                    schemas.ID
	Type                  schemas.EventType
	Machine               schemas.Machine
	OccurredAt, ArrivedAt schemas.Timestamp
	// OnceKey is what a firing that the event completes is once for, by the event's
	// own facts; empty where it is the same for all that are counted together.
	// NoKey tells that the event can complete none, and is counted all the same.
	OnceKey string
	NoKey   bool
}

// CountedOf is what a count keeps of an event.
func CountedOf(e *Event) Counted {
	return Counted{ID: e.ID, Type: e.Type, Machine: e.Machine, OccurredAt: e.OccurredAt, ArrivedAt: e.ArrivedAt}
}

// At is the event's time in conditions, as of an Event.
func (c *Counted) At() schemas.Timestamp { return min(c.OccurredAt, c.ArrivedAt) }

// event is the event as evidence.
func (c *Counted) event() *Event {
	return &Event{ID: c.ID, Type: c.Type, Machine: c.Machine, OccurredAt: c.OccurredAt, ArrivedAt: c.ArrivedAt}
}

// compareAt orders events by their time in conditions, then by id.
func compareAt(a, b *Event) int {
	if c := cmp.Compare(a.At(), b.At()); c != 0 {
		return c
	}
	return compareID(a.ID, b.ID)
}

// compareOccurred orders events by the time they occurred, then by id.
func compareOccurred(a, b *Event) int {
	if c := cmp.Compare(a.OccurredAt, b.OccurredAt); c != 0 {
		return c
	}
	return compareID(a.ID, b.ID)
}

func compareID(a, b schemas.ID) int { return cmp.Compare(string(a[:]), string(b[:])) }

// Message is what rules know of a message. Only facts are in it that do not
// change once they are known; counts, outcome and first times change as events
// arrive, and a condition on them would depend on the order of arrival.
type Message struct {
	Tenant      string
	Account     string
	Provider    string
	MessageID   string
	RecipientID schemas.ID
	// Recipient is the address; empty where no event has one.
	Recipient       string
	RecipientDomain string
	CampaignID      string
	CampaignName    string
	CustomID        string
	ContactID       string
	Tags            []string
	Metadata        map[string]string
	SentAt          schemas.Timestamp
}
