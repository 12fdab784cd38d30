package engagement

import (
	"slices"

	"github.com/posthorn/posthorn/schemas"
)

// closing is when a window is closed, in arrival time.
func (c *changes) closing(start schemas.Timestamp) schemas.Timestamp {
	return start + windowLength + c.retention
}

// countLate counts a message with events that arrived after the window of one of
// them was closed. All it contributes is late, but for what counts in a window
// by those of its events that had arrived in time for that.
func (c *changes) countLate(change *campaignChange, m *schemas.Message, s *state, sign int64) {
	g := change.grain(m, s, !s.uncounted)
	t := tally{all: true, lifetime: g.window(schemas.BasisLifetime, 0), event: g.window(schemas.BasisEventTimeLate, 0)}
	t.send = &t.nowhere
	if m.SentAt != 0 {
		t.send = g.window(schemas.BasisSendTimeLate, 0)
	}
	t.count(m, s, sign)

	var inTime state
	for _, start := range s.starts() {
		of, known := m, s
		if limit := c.closing(start); m.LastArrivedAt >= limit {
			if !s.arrivedBefore(limit, &inTime) {
				continue
			}
			known = &inTime
			of = new(schemas.Message)
			known.derive(&identity{tenant: m.Tenant}, of)
			of.CampaignID = known.named()
		}
		g := c.campaign(m.Tenant, of.CampaignID).grain(m, known, !s.uncounted)
		// The window gets what the late total must not have.
		for basis, sign := range map[schemas.Basis]int64{schemas.BasisEventTime: sign, schemas.BasisEventTimeLate: -sign} {
			t := tally{start: start, event: g.window(basis, start)}
			t.lifetime, t.send = &t.nowhere, &t.nowhere
			t.count(of, known, sign)
		}
		if of.SentAt == 0 || windowStart(of.SentAt) != start {
			continue
		}
		for basis, sign := range map[schemas.Basis]int64{schemas.BasisSendTime: sign, schemas.BasisSendTimeLate: -sign} {
			t := tally{all: true, send: g.window(basis, start)}
			t.lifetime, t.event = &t.nowhere, &t.nowhere
			t.count(of, known, sign)
		}
	}
}

// starts returns the windows that events of the state are in.
func (s *state) starts() []schemas.Timestamp {
	starts := make([]schemas.Timestamp, 0, len(s.events)+len(s.folded.windows))
	for i := range s.events {
		starts = append(starts, windowStart(s.events[i].OccurredAt))
	}
	for i := range s.folded.windows {
		starts = append(starts, s.folded.windows[i].start)
	}
	slices.Sort(starts)
	return slices.Compact(starts)
}

// arrivedBefore sets to to the events that arrived before a limit, which is the
// end of a window, and tells whether there are any.
func (s *state) arrivedBefore(limit schemas.Timestamp, to *state) bool {
	to.reset()
	for i := range s.events {
		if s.events[i].ArrivedAt < limit {
			to.events = append(to.events, s.events[i])
		}
	}
	for i := range s.folded.windows {
		if s.folded.windows[i].arrived < limit {
			to.folded.windows = append(to.folded.windows, s.folded.windows[i])
		}
	}
	return len(to.events) > 0
}

// named returns the campaign that the first event names that names one.
func (s *state) named() string {
	for i := range s.events {
		if c := s.events[i].CampaignID; c != "" {
			return c
		}
	}
	return ""
}
