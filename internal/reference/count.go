package reference

import "github.com/posthorn/posthorn/schemas"

// Ever takes everything in; see Count.
func Ever(schemas.Timestamp) bool { return true }

// Count is what a message counts, of what happened at times that are in. What
// counts once per message counts when it first happened.
func Count(m *Message, in func(schemas.Timestamp) bool) (c schemas.Counters) {
	once := func(n *int64, t schemas.Timestamp) {
		if t != 0 && in(t) {
			*n++
		}
	}
	once(&c.Messages, m.FirstEvent)
	if n := outcomeOf(m, &c); n != nil {
		once(n, m.OutcomeAt)
	}
	if m.LateBounce {
		once(&c.LateBounces, m.OutcomeAt)
	}
	once(&c.Opened, m.Opened)
	once(&c.HumanOpened, m.HumanOpened)
	once(&c.Clicked, m.Clicked)
	once(&c.HumanClicked, m.HumanClicked)
	once(&c.Unsubscribed, m.Unsubscribed)
	once(&c.Complained, m.Complained)
	if ms, known := Delay(m.Delivered, m.Opened); known && in(m.Opened) {
		c.OpenDelays, c.OpenDelayMS = 1, ms
	}
	if ms, known := Delay(m.Opened, m.Clicked); known && in(m.Clicked) {
		c.ClickDelays, c.ClickDelayMS = 1, ms
	}
	for _, e := range m.Events {
		if in(e.OccurredAt) {
			countEvent(&c, e)
		}
	}
	return c
}

func countEvent(c *schemas.Counters, e Event) {
	switch e.Type {
	case schemas.EventTypeOpened:
		c.Opens++
		if !e.Machine {
			c.HumanOpens++
		}
	case schemas.EventTypeClicked:
		c.Clicks++
		if !e.Machine {
			c.HumanClicks++
		}
	case schemas.EventTypeUnsubscribed:
		c.Unsubscribes++
	case schemas.EventTypeComplained:
		c.Complaints++
	}
}

// outcomeOf is the counter of the message's outcome; nil: it has none.
func outcomeOf(m *Message, c *schemas.Counters) *int64 {
	switch m.Outcome {
	case schemas.OutcomeQueued:
		return &c.Queued
	case schemas.OutcomeDeferred:
		return &c.Deferred
	case schemas.OutcomeDelivered:
		return &c.Delivered
	case schemas.OutcomeRejected:
		return &c.Rejected
	case schemas.OutcomeFailed:
		return &c.Failed
	case schemas.OutcomeBounced:
		if m.BounceClass == "hard" {
			return &c.HardBounced
		}
		return &c.SoftBounced
	}
	return nil
}

// Delay is the time between two moments in milliseconds, never negative; known is
// false where one of them is not.
func Delay(from, to schemas.Timestamp) (ms int64, known bool) {
	if from == 0 || to == 0 {
		return 0, false
	}
	return max(0, int64(to-from)/1000), true
}

// Add adds b to a.
func Add(a *schemas.Counters, b schemas.Counters) {
	of := fields(&b)
	for i, n := range fields(a) {
		*n += *of[i]
	}
}

// Minus is a without b.
func Minus(a, b schemas.Counters) schemas.Counters {
	of := fields(&b)
	for i, n := range fields(&a) {
		*n -= *of[i]
	}
	return a
}

func fields(c *schemas.Counters) []*int64 {
	return []*int64{
		&c.Messages, &c.Queued, &c.Deferred, &c.Delivered, &c.Rejected, &c.Failed, &c.HardBounced, &c.SoftBounced,
		&c.Opened, &c.HumanOpened, &c.Opens, &c.HumanOpens, &c.Clicked, &c.HumanClicked, &c.Clicks, &c.HumanClicks,
		&c.Unsubscribed, &c.Unsubscribes, &c.Complained, &c.Complaints, &c.LateBounces,
		&c.OpenDelayMS, &c.OpenDelays, &c.ClickDelayMS, &c.ClickDelays,
	}
}
