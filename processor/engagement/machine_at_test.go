package engagement

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/posthorn/posthorn/schemas"
)

// An event is a machine's from when the events make it one that had arrived by
// then: the model weighs them anew at each arrival.
func TestMachineAt(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var s state
		for i := range rapid.IntRange(1, 9).Draw(rt, "events") {
			e := schemas.Event{
				EventID:    schemas.ID{byte(i)},
				Type:       rapid.SampledFrom([]schemas.EventType{delivered, opened, clicked, clicked}).Draw(rt, "type"),
				OccurredAt: at(time.Duration(rapid.IntRange(0, 14).Draw(rt, "occurred")) * time.Second / 2),
				ArrivedAt:  at(time.Duration(rapid.IntRange(0, 9).Draw(rt, "arrived")) * time.Second),
				URL:        rapid.SampledFrom([]string{"", "a", "b", "c", "d"}).Draw(rt, "url"),
			}
			if e.Type != clicked && rapid.Bool().Draw(rt, "minutes") {
				e.OccurredAt -= at(2*time.Minute) - base
			}
			e.TimeSuspect = rapid.IntRange(0, 7).Draw(rt, "suspect") == 0
			s.add(&e, facts{})
		}
		want := map[schemas.ID]schemas.Timestamp{}
		for seconds := range 10 {
			now := at(time.Duration(seconds) * time.Second)
			var known state
			for i := range s.events {
				if s.events[i].ArrivedAt <= now {
					known.events = append(known.events, s.events[i])
				}
			}
			known.suspect()
			for i, reason := range known.suspicions {
				if id := known.events[i].ID; reason != 0 && want[id] == 0 {
					want[id] = now
				}
			}
		}
		s.dateSuspicions()
		for i := range s.events {
			if e := &s.events[i]; e.MachineAt != want[e.ID] {
				rt.Fatalf("%s %x is a machine's at %s, want %s", e.Type, e.ID[0], e.MachineAt, want[e.ID])
			}
		}
	})
}
