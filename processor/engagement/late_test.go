package engagement

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/posthorn/posthorn/schemas"
)

const day = 24 * time.Hour

// Times that let the tests have many lives and closed windows.
var shortTimes = Config{Horizon: 4 * day, Retention: day}

// drawLate draws events that occur and arrive over some days, and repetitions of
// them.
func drawLate(t *rapid.T) []schemas.Event {
	events := drawEvents(t, rapid.Bool().Draw(t, "fickle"))
	for i := range events {
		e := &events[i]
		if rapid.Bool().Draw(t, "punctual") {
			continue
		}
		// Often just when something ends.
		hours := rapid.SampledFrom([]int{0, 1, 23, 24, 25, 48, 94, 95, 96, 97, 190, 192, 200, 300}).Draw(t, "hours late")
		e.ArrivedAt = base + e.ArrivedAt%(60_000_000*60) + at(time.Duration(hours)*time.Hour) - base
		e.ArrivedAt += at(time.Duration(rapid.SampledFrom([]int{0, 1, 5, 8}).Draw(t, "minutes late"))*time.Minute) - base
		if e.TimeSuspect {
			e.OccurredAt = e.ArrivedAt
		}
	}
	return events
}

// runLate processes the events in an order, with the frontier where it may be:
// nowhere beyond what is still to come.
func runLate(t *testing.T, rt *rapid.T, events []schemas.Event) output {
	t.Helper()
	h := newHarnessOf(t, shortTimes)
	var open []schemas.Event
	for i, e := range events {
		h.process(e)
		open = append(open, e)
		then := rapid.IntRange(0, 8).Draw(rt, "then")
		if then == 0 {
			h.abort()
			h.process(open...)
		}
		switch {
		case then < 4 && i+1 < len(events):
			next := slices.MinFunc(events[i+1:], func(a, b schemas.Event) int { return int(a.ArrivedAt - b.ArrivedAt) })
			h.advance(next.ArrivedAt)
			open = nil
		case then < 6:
			h.commit()
			open = nil
		}
	}
	h.commit()
	return h.out
}

// Whatever is late, and for whatever life of its message, the outputs follow
// from the events and their arrival alone, and closed windows do not change.
func TestLateOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		events := drawLate(rt)
		want := modelOf(events, shortTimes.Horizon, shortTimes.Retention)
		got := runLate(t, rt, slices.SortedStableFunc(slices.Values(events), func(a, b schemas.Event) int { return int(a.ArrivedAt - b.ArrivedAt) }))
		compare(rt, got, want)

		got = runLate(t, rt, rapid.Permutation(events).Draw(rt, "order"))
		// Two lives that one event makes one may both have passed on an event.
		for id, n := range want.events {
			if got.events[id] < n {
				rt.Fatalf("event %s is there %d times, want %d", id, got.events[id], n)
			}
		}
		got.events = want.events
		compare(rt, got, want)
	})
}

// Windows and the late total together are what the lifetime is.
func TestLateIsWhatIsMissing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		lifetime, byEvent := map[string]schemas.Counters{}, map[string]schemas.Counters{}
		for k, c := range runLate(t, rt, drawLate(rt)).counters {
			to := byEvent
			switch k.basis {
			case schemas.BasisLifetime:
				to = lifetime
			case schemas.BasisSendTime, schemas.BasisSendTimeLate:
				continue
			}
			sum := to[k.campaign]
			sum.Add(&c)
			to[k.campaign] = sum
		}
		maps.DeleteFunc(byEvent, func(_ string, c schemas.Counters) bool { return c == schemas.Counters{} })
		if !maps.Equal(lifetime, byEvent) {
			rt.Fatalf("lifetime %+v\nwindows and late %+v", lifetime, byEvent)
		}
	})
}

// An open that arrives three days after it happened, when its window has been
// closed for two, by hand.
func TestLateGolden(t *testing.T) {
	s := &story{}
	h := newHarnessOf(t, shortTimes)
	h.process(s.event(delivered, 0), s.event(opened, 10*time.Minute), s.event(opened, 2*time.Minute, arrives(3*day)))
	h.commit()
	type c = schemas.Counters
	key := func(basis schemas.Basis, after time.Duration) countersKey {
		k := countersKey{"default", "spring", basis, 0}
		if basis.Windowed() {
			k.start = at(after)
		}
		return k
	}
	want := map[countersKey]c{
		key(schemas.BasisLifetime, 0): {Messages: 1, Delivered: 1, Opened: 1, HumanOpened: 1, Opens: 2, HumanOpens: 2, OpenDelays: 1, OpenDelayMS: 120_000},
		// In time the message was first opened after ten minutes, and so it stays.
		key(schemas.BasisEventTime, 0):              {Messages: 1, Delivered: 1},
		key(schemas.BasisEventTime, 10*time.Minute): {Opened: 1, HumanOpened: 1, Opens: 1, HumanOpens: 1, OpenDelays: 1, OpenDelayMS: 600_000},
		key(schemas.BasisEventTimeLate, 0):          {Opens: 1, HumanOpens: 1, OpenDelayMS: -480_000},
		key(schemas.BasisSendTime, 0):               {Messages: 1, Delivered: 1, Opened: 1, HumanOpened: 1, Opens: 1, HumanOpens: 1, OpenDelays: 1, OpenDelayMS: 600_000},
		key(schemas.BasisSendTimeLate, 0):           {Opens: 1, HumanOpens: 1, OpenDelayMS: -480_000},
	}
	if !maps.Equal(h.out.counters, want) {
		t.Errorf("got  %+v\nwant %+v", h.out.counters, want)
	}
	if h.driver.Late != 1 {
		t.Errorf("%d late events are counted", h.driver.Late)
	}
}

// The window of noon is closed a day and five minutes later, to the microsecond.
func TestLateBoundary(t *testing.T) {
	for late, arrives := range []schemas.Timestamp{at(day+5*time.Minute) - 1, at(day + 5*time.Minute)} {
		s := &story{}
		h := newHarnessOf(t, shortTimes)
		h.process(s.event(delivered, 0), s.event(opened, time.Minute, func(e *schemas.Event) { e.ArrivedAt = arrives }))
		h.commit()
		if got := h.out.counters[countersKey{"default", "spring", schemas.BasisEventTimeLate, 0}]; got.Opens != int64(late) {
			t.Errorf("an open that arrived at %s: late %+v", arrives, got)
		}
	}
}

// Events that are folded and late, with repetitions that arrived earlier: some
// late at random, or the earlier they occurred the later, so that of what was in
// time for a window nothing is among the earliest.
func TestFoldingLate(t *testing.T) {
	for _, tt := range []struct {
		name string
		lag  func(r *rand.Rand, after time.Duration) time.Duration
	}{
		{"at random", func(r *rand.Rand, _ time.Duration) time.Duration { return time.Duration(r.Int64N(int64(3 * day))) }},
		{"last come first", func(r *rand.Rand, after time.Duration) time.Duration {
			return 6*(20*time.Hour-after) + time.Duration(r.IntN(2))*time.Hour
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, 4))
			testFoldingLate(t, r, func(after time.Duration) time.Duration { return tt.lag(r, after) })
		})
	}
}

func testFoldingLate(t *testing.T, r *rand.Rand, lag func(time.Duration) time.Duration) {
	s := &story{}
	events := []schemas.Event{s.event(delivered, 0, noCampaign), s.event(bounced, 90*time.Minute, bounce("hard"), noCampaign, arrives(2*day))}
	for i := range 1000 {
		after := time.Duration(r.IntN(20)) * time.Hour
		e := s.event([]schemas.EventType{opened, opened, clicked, schemas.EventTypeDeferred, schemas.EventTypeComplained,
			schemas.EventTypeUnsubscribed, schemas.EventTypeUnknown}[r.IntN(7)], after)
		if r.IntN(2) == 0 {
			e.Machine = schemas.MachineMachine
		}
		if r.IntN(100) > 0 {
			e.CampaignID = ""
		}
		e.EventID = schemas.ID{1, byte(i >> 8), byte(i)}
		for range 1 + r.IntN(2) {
			e.ArrivedAt = at(after + lag(after))
			events = append(events, e)
		}
	}
	want := modelOf(events, shortTimes.Horizon+day, shortTimes.Retention)
	if late := want.counters[countersKey{"default", "spring", schemas.BasisEventTimeLate, 0}]; late.Opens < 100 {
		t.Fatalf("too little is late: %+v", late)
	}
	var state map[string][]byte
	for round := range 4 {
		r.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		h := newHarnessOf(t, Config{Horizon: shortTimes.Horizon + day, Retention: shortTimes.Retention})
		for chunk := range slices.Chunk(events, 100+round*300) {
			h.process(chunk...)
			h.commit()
		}
		if !maps.Equal(h.out.events, want.events) || !maps.Equal(h.out.messages, want.messages) {
			t.Fatalf("round %d\n got %+v\nwant %+v", round, h.out.messages, want.messages)
		}
		for k, c := range want.counters {
			if h.out.counters[k] != c {
				t.Errorf("round %d: %v\n got %+v\nwant %+v", round, k, h.out.counters[k], c)
			}
		}
		if len(h.out.counters) != len(want.counters) {
			t.Errorf("round %d: %d counters, want %d", round, len(h.out.counters), len(want.counters))
		}
		got := h.driver.State(storeMessages)
		if len(got) < 200 {
			t.Fatalf("only %d events are folded", len(got))
		}
		if state != nil && !maps.EqualFunc(state, got, slices.Equal) {
			t.Error("the state depends on the order")
		}
		state = got
	}
}
