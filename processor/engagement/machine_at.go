package engagement

import (
	"math"
	"slices"

	"github.com/posthorn/posthorn/schemas"
)

// dateSuspicions sets MachineAt of each kept event: the earliest time at which
// those events that had arrived by then, weighed as suspect weighs them, make it
// a machine's. What arrives later does not change it: so a rule that waited until
// then decides the same whenever it is judged.
func (s *state) dateSuspicions() {
	clicks := false
	for i := range s.events {
		e := &s.events[i]
		e.MachineAt = 0
		clicks = clicks || e.Type == schemas.EventTypeClicked
	}
	s.dateByDelivery()
	if clicks {
		s.dateBursts()
	}
}

// suspectAt takes a time at which the event at i is a machine's into account.
func (s *state) suspectAt(i int, at schemas.Timestamp) {
	e := &s.events[i]
	at = max(at, e.ArrivedAt)
	if e.MachineAt == 0 || at < e.MachineAt {
		e.MachineAt = at
	}
}

// dateByDelivery dates what the delivery tells. Of several deliveries the first
// to occur counts, of those that had arrived.
func (s *state) dateByDelivery() {
	replaced := schemas.Timestamp(math.MaxInt64) // when one that occurred before arrived
	for d := range s.events {
		delivery := &s.events[d]
		if delivery.Type != schemas.EventTypeDelivered || delivery.TimeSuspect || delivery.ArrivedAt >= replaced {
			continue
		}
		for i := range s.events {
			e := &s.events[i]
			if max(e.ArrivedAt, delivery.ArrivedAt) < replaced && suspiciousAfter(e, delivery.OccurredAt) != 0 {
				s.suspectAt(i, delivery.ArrivedAt)
			}
		}
		replaced = delivery.ArrivedAt
	}
}

// dateBursts dates the clicks of bursts: a click is a machine's once three links
// had arrived that were clicked within a burst with it.
func (s *state) dateBursts() {
	links := map[string]schemas.Timestamp{} // when each arrived first
	var arrived []schemas.Timestamp
	end := 0
	for start := range s.events {
		if !burstable(&s.events[start]) {
			continue
		}
		for end < len(s.events) && s.events[end].OccurredAt-s.events[start].OccurredAt < burstLength {
			end++
		}
		clear(links)
		for i := start; i < end; i++ {
			if e := &s.events[i]; burstable(e) && e.URL != "" {
				if at, ok := links[e.URL]; !ok || e.ArrivedAt < at {
					links[e.URL] = e.ArrivedAt
				}
			}
		}
		if len(links) < burstLinks {
			continue
		}
		arrived = arrived[:0]
		for _, at := range links {
			arrived = append(arrived, at)
		}
		slices.Sort(arrived)
		for i := start; i < end; i++ {
			if burstable(&s.events[i]) {
				s.suspectAt(i, arrived[burstLinks-1])
			}
		}
	}
}
