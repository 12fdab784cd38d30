package reference

import (
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// Window is the length of the windows that counts are kept by.
const Window = 5 * Minute

// Counts are counts by windows, by their starts, and in all.
type Counts struct {
	Windows  map[schemas.Timestamp]schemas.Counters
	Lifetime schemas.Counters
	// Placed is of the messages that belong into windows: by send, those whose send
	// is known.
	Placed schemas.Counters
}

// Late is what is in no window since it came after that was closed, less what
// closed windows have too many.
func (c *Counts) Late() schemas.Counters {
	late := c.Placed
	for _, w := range c.Windows {
		late = Minus(late, w)
	}
	return late
}

// Basis is how counts are put into windows.
type Basis int

const (
	ByEvent Basis = iota // each at its event
	BySend               // all of a message at its send
)

// Scope is what a message counts for: its campaign, account, source or list; empty
// where it counts for none.
type Scope func(*Message) string

// Tenant is the scope of all messages.
func Tenant(*Message) string { return "tenant" }

// Campaign, Account, Source and List are scopes.
func Campaign(m *Message) string { return m.Campaign }
func Account(m *Message) string  { return m.Account }
func Source(m *Message) string   { return m.Source }
func List(m *Message) string     { return m.List }

// CountsBy counts messages by window. A window holds what the events say that had
// arrived within the retention after its end.
func CountsBy(messages []*Message, scope Scope, basis Basis, retention time.Duration) map[string]*Counts {
	all := map[string]*Counts{}
	of := func(name string) *Counts {
		if all[name] == nil {
			all[name] = &Counts{Windows: map[schemas.Timestamp]schemas.Counters{}}
		}
		return all[name]
	}
	add := func(to *Counts, window schemas.Timestamp, c schemas.Counters) {
		if w := to.Windows[window]; c != (schemas.Counters{}) {
			Add(&w, c)
			to.Windows[window] = w
		}
	}
	for _, m := range messages {
		ever := Count(m, Ever)
		Add(&of(scope(m)).Lifetime, ever)
		if basis == ByEvent || m.Sent != 0 {
			Add(&of(scope(m)).Placed, ever)
		}
		windows := map[schemas.Timestamp]bool{}
		for _, e := range m.Events {
			windows[Floor(e.OccurredAt, Window)] = true
		}
		for start := range windows {
			then := m.until(start + Window + schemas.Timestamp(retention.Microseconds()))
			switch {
			case then == nil:
			case basis == ByEvent:
				add(of(scope(then)), start, Count(then, func(t schemas.Timestamp) bool { return Floor(t, Window) == start }))
			case then.Sent != 0 && Floor(then.Sent, Window) == start:
				add(of(scope(then)), start, Count(then, Ever))
			}
		}
	}
	delete(all, "")
	return all
}

// until is the message as the events say that arrived before then; nil: none had.
func (m *Message) until(then schemas.Timestamp) *Message {
	if m.LastArrived < then {
		return m
	}
	var arrived []*schemas.Event
	for _, e := range m.Events {
		if e.ArrivedAt < then {
			arrived = append(arrived, e.Event)
		}
	}
	if arrived == nil {
		return nil
	}
	before := MessageOf(arrived)
	before.Account, before.ID, before.Recipient = m.Account, m.ID, m.Recipient
	return before
}

// Buckets sums windows up: a day or an hour has those that begin in it by the
// clocks of a place, the lifetime has all there is.
func Buckets(c *Counts, of func(schemas.Timestamp) time.Time) map[time.Time]schemas.Counters {
	all := map[time.Time]schemas.Counters{}
	for start, n := range c.Windows {
		b := all[of(start)]
		Add(&b, n)
		all[of(start)] = b
	}
	return all
}

// LocalDay is the first moment of the day of t; see Buckets.
func LocalDay(loc *time.Location) func(schemas.Timestamp) time.Time {
	return func(t schemas.Timestamp) time.Time {
		at := t.Time().In(loc)
		y, m, d := at.Date()
		start := time.Date(y, m, d, 0, 0, 0, 0, loc)
		return start.UTC()
	}
}

// LocalHour is the first moment of the hour of t. When clocks are set back, there
// are two of one name.
func LocalHour(loc *time.Location) func(schemas.Timestamp) time.Time {
	return func(t schemas.Timestamp) time.Time {
		at := t.Time().In(loc)
		return at.Add(-time.Duration(at.Minute())*time.Minute - time.Duration(at.Second())*time.Second - time.Duration(at.Nanosecond())).UTC()
	}
}

// FiveMinutes is the window itself.
func FiveMinutes(t schemas.Timestamp) time.Time { return t.Time().UTC() }
