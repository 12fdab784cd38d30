package engagement

import (
	"testing"
	"time"

	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

const lifeRules = `
rules:
  - {name: each, within: {event: opened, of: delivered, duration: 1h}, max_age: 10d}
  - {name: ever, within: {event: opened, of: delivered, duration: 1h}, max_age: 10d, once_per: recipient}
`

// again is the same event, arrived later.
func again(e schemas.Event, after time.Duration) schemas.Event {
	e.ArrivedAt = at(after)
	return e
}

func lifetime(h *harness) schemas.Counters {
	return h.out.counters[countersKey{"default", "spring", schemas.BasisLifetime, 0}]
}

// After a silence of the horizon a message is one that was never seen, whether
// its state is still there or not.
func TestSecondLife(t *testing.T) {
	for _, tt := range []struct {
		name     string
		frontier time.Duration // before the second life begins
		left     int           // lives kept
	}{{"unknown", 0, 2}, {"before the horizon", 4*day + time.Hour - time.Minute, 2}, {"at the horizon", 4*day + time.Hour, 1}, {"swept", 7 * day, 1}} {
		t.Run(tt.name, func(t *testing.T) {
			s := &story{}
			h := newHarnessOf(t, Config{Horizon: 4 * day, Rules: trigger.NewLive(mustRules(t, lifeRules))})
			h.refires = true
			sent, open := s.event(delivered, 0), s.event(opened, time.Minute)
			h.process(sent, open, again(sent, time.Hour)) // the repetition prolongs the life
			h.commit()
			if tt.frontier != 0 {
				h.advance(at(min(tt.frontier, 4*day))) // a walk, the last for a day
				h.advance(at(tt.frontier))
				h.commit()
			}
			if swept := len(lives(t, h)) == 0; swept != (tt.name == "swept") {
				t.Fatalf("swept: %t", swept)
			}
			if h.out.fired != 2 {
				t.Fatalf("%d triggers", h.out.fired)
			}
			h.process(again(sent, 7*day), again(open, 7*day))
			h.commit()
			if got, want := lifetime(h), (schemas.Counters{Messages: 2, Delivered: 2, Opened: 2, HumanOpened: 2, Opens: 2, HumanOpens: 2, OpenDelays: 2, OpenDelayMS: 120_000}); got != want {
				t.Errorf("lifetime %+v, want %+v", got, want)
			}
			for id, n := range h.out.events {
				if n != 2 {
					t.Errorf("event %s is there %d times", id, n)
				}
			}
			for k, m := range h.out.messages {
				if m.Revision != 2 || m.LastArrivedAt != at(7*day) {
					t.Errorf("message %s: %+v", k, m)
				}
			}
			// The rule that fires once for the recipient has.
			if h.out.fired != 3 {
				t.Errorf("%d triggers, want one more", h.out.fired)
			}
			if got := len(lives(t, h)); got != tt.left {
				t.Errorf("%d lives are kept, want %d", got, tt.left)
			}
		})
	}
}

// lives reads those of the only message from its store.
func lives(t *testing.T, h *harness) []*state {
	t.Helper()
	for k, v := range h.driver.State(storeMessages) {
		if k[0] == keyMessage {
			var m message
			if err := m.decode(v); err != nil {
				t.Fatal(err)
			}
			return m.lives()
		}
	}
	return nil
}

// A silence of the horizon begins a life, one of a microsecond less does not,
// forwards and backwards.
func TestHorizonBoundary(t *testing.T) {
	for lives, short := range []schemas.Timestamp{1, 0} {
		s := &story{}
		sent, bounce := s.event(delivered, 0), s.event(bounced, 0)
		bounce.ArrivedAt = at(4*day) - short
		for _, events := range [][]schemas.Event{{sent, bounce}, {bounce, sent}} {
			h := newHarnessOf(t, Config{Horizon: 4 * day})
			h.process(events...)
			h.commit()
			if got := lifetime(h).Messages; got != int64(lives)+1 {
				t.Errorf("%d messages after a silence of 4 days less %d us", got, short)
			}
		}
	}
}

// An event that arrived between two lives makes them one, in which nothing
// fires or counts a second time.
func TestLivesBecomeOne(t *testing.T) {
	s := &story{}
	h := newHarnessOf(t, Config{Horizon: 4 * day, Rules: trigger.NewLive(mustRules(t, lifeRules))})
	h.process(s.event(delivered, 0), s.event(opened, time.Minute))
	h.commit()
	h.process(s.event(opened, 2*time.Minute, arrives(6*day)))
	h.commit()
	if got := lifetime(h).Messages; got != 2 {
		t.Fatalf("%d messages", got)
	}
	between := s.event(clicked, 3*time.Minute, arrives(3*day))
	h.process(between)
	h.commit()
	if got := lifetime(h); got.Messages != 1 || got.Opens != 2 || got.Clicks != 1 || got.OpenDelayMS != 60_000 {
		t.Errorf("lifetime %+v", got)
	}
	if h.out.fired != 2 {
		t.Errorf("%d triggers, want 2", h.out.fired)
	}
	for k, m := range h.out.messages {
		if m.Revision != 4 {
			t.Errorf("message %s: %+v", k, m)
		}
	}
}

// A sweep leaves nothing of a message, also of one with folded events, nor does
// a second life that begins before it.
func TestSweepTakesFoldedEvents(t *testing.T) {
	for _, swept := range []bool{true, false} {
		s := &story{}
		h := newHarnessOf(t, Config{Horizon: 4 * day})
		events := []schemas.Event{s.event(delivered, 0)}
		for i := range 600 {
			e := s.event(opened, time.Duration(i)*time.Minute, byMachine)
			e.EventID = schemas.ID{1, byte(i >> 8), byte(i)}
			events = append(events, e)
		}
		h.process(events...)
		// A message whose key begins like that of a folded event.
		other := s.event(delivered, 5*day)
		other.MessageID += string(other.RecipientID[:])
		h.process(other)
		h.commit()
		if got := len(h.driver.State(storeMessages)); got < 80 {
			t.Fatalf("%d keys", got)
		}
		h.advance(at(time.Hour)) // the first walk
		if !swept {
			h.advance(at(4*day + 11*time.Hour))
			h.process(again(events[590], 4*day+11*time.Hour))
			h.commit()
			if h.out.events[events[590].EventID] != 2 {
				t.Error("a folded event of the life before is still known")
			}
		}
		h.advance(at(8 * day))
		h.commit()
		want := 2 // the cursor and the other message
		if !swept {
			want++
		}
		if got := h.driver.State(storeMessages); len(got) != want {
			t.Errorf("swept %t: %d keys, want %d", swept, len(got), want)
		}
	}
}
