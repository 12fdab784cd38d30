package engagement

import (
	"slices"
	"strings"

	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// What the other events of a message tell of an open or click that looks human by
// itself. It depends on the kept set alone, so that evidence which comes late
// revises the message and its campaign. Times that are suspect are no evidence.
// Rules see it by when it arrived, see MachineAt: what has fired can't be revoked,
// and what fires must not depend on what came first.
const (
	// fastClick: a click is a machine's that occurs sooner after the delivery than
	// mail is shown, read and clicked. Many providers' times are of whole seconds.
	fastClick = 3_000_000
	// skew is how long before the delivery, by the clocks of one provider, an open
	// may occur that is a person's all the same.
	skew = 60_000_000
	// A burst is burstLinks different links, clicked in less than burstLength: a
	// scanner follows all there are. All clicks of it are a machine's.
	burstLinks  = 3
	burstLength = 2_000_000
)

// suspicion is a set of such reasons.
type suspicion uint8

const (
	beforeDelivery suspicion = 1 << iota
	fast
	burst
)

// suspicions are their names, in the order of their bits. They are never changed,
// only added to.
var suspicions = [...]string{"before_delivery", "fast_click", "link_burst"}

func (r suspicion) String() string {
	var names []string
	for i, name := range suspicions {
		if r&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// suspect weighs the kept events against each other.
func (s *state) suspect() {
	s.suspicions = s.suspicions[:0]
	if s.trusting {
		return
	}
	var delivered schemas.Timestamp
	acted := false
	for i := range s.events {
		e := &s.events[i]
		if e.Type == schemas.EventTypeDelivered && delivered == 0 && !e.TimeSuspect {
			delivered = e.OccurredAt
		}
		acted = acted || e.Type == schemas.EventTypeOpened || e.Type == schemas.EventTypeClicked
	}
	if !acted {
		return
	}
	s.suspicions = slices.Grow(s.suspicions, len(s.events))[:len(s.events)]
	clear(s.suspicions)
	for i := range s.events {
		e := &s.events[i]
		if delivered != 0 {
			s.suspicions[i] = suspiciousAfter(e, delivered)
		}
	}
	s.findBursts()
}

// suspiciousAfter is what a delivery tells of an event.
func suspiciousAfter(e *trigger.Event, delivered schemas.Timestamp) suspicion {
	switch after := e.OccurredAt - delivered; {
	case e.TimeSuspect:
	case e.Type == schemas.EventTypeClicked && after >= 0 && after < fastClick:
		return fast
	case e.Type == schemas.EventTypeClicked && after < 0, e.Type == schemas.EventTypeOpened && after < -skew:
		return beforeDelivery
	}
	return 0
}

// burstable tells whether an event may be part of a burst.
func burstable(e *trigger.Event) bool {
	return e.Type == schemas.EventTypeClicked && !e.TimeSuspect
}

// findBursts marks the clicks of bursts. It remembers where the links that were
// clicked last were, the latest first: a click ends a burst if the last of them
// is near.
func (s *state) findBursts() {
	var last [burstLinks]int
	links := 0
	for i := range s.events {
		e := &s.events[i]
		if !burstable(e) {
			continue
		}
		if e.URL != "" {
			at := 0
			for at < links && s.events[last[at]].URL != e.URL {
				at++
			}
			if at == links {
				links = min(links+1, burstLinks)
				at = links - 1
			}
			copy(last[1:at+1], last[:at])
			last[0] = i
		}
		if links < burstLinks || e.OccurredAt-s.events[last[burstLinks-1]].OccurredAt >= burstLength {
			continue
		}
		for j := i; j >= 0 && e.OccurredAt-s.events[j].OccurredAt < burstLength; j-- {
			if burstable(&s.events[j]) {
				s.suspicions[j] |= burst
			}
		}
	}
}

// human tells whether the event at i is by a person, as far as is known. Suspect
// must have been called since the set changed.
func (s *state) human(i int) bool {
	return s.events[i].Human() && (len(s.suspicions) == 0 || s.suspicions[i] == 0)
}

// reasons joins the names of what tells that events are a machine's which look
// human by themselves.
func (s *state) reasons() string {
	all := suspicion(0)
	for i, r := range s.suspicions {
		if r != 0 && s.events[i].Human() {
			all |= r
		}
	}
	return all.String()
}
