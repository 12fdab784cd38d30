package trigger

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/posthorn/posthorn/schemas"
)

// drawEvents draws few types at few instants, so that much coincides. Some arrive
// late, or before they occur.
func drawEvents(t *rapid.T, most int) []Event {
	n := rapid.IntRange(0, most).Draw(t, "n")
	events := make([]Event, n)
	for i := range events {
		occurred := rapid.IntRange(0, 6).Draw(t, "occurred")
		delay := rapid.SampledFrom([]int{0, 0, 0, 1, 2, 5, -1}).Draw(t, "delay")
		e := ev(byte(i+1), rapid.SampledFrom([]schemas.EventType{sent, queued, opened, clicked, clicked}).Draw(t, "type"), time.Duration(occurred)*minute)
		e.ArrivedAt += schemas.Timestamp(time.Duration(delay) * minute / time.Microsecond)
		e.URL = rapid.SampledFrom([]string{"/a", "/b"}).Draw(t, "url")
		if rapid.IntRange(0, 4).Draw(t, "machine") == 0 {
			e.Machine = schemas.MachineMachine
		}
		if rapid.IntRange(0, 3).Draw(t, "unmasked") == 0 && (e.Type == opened || e.Type == clicked) {
			e.MachineAt = e.ArrivedAt + schemas.Timestamp(rapid.IntRange(0, 3).Draw(t, "after")*30_000_000)
		}
		events[i] = e
	}
	return events
}

// drawRule draws a rule; waiting makes it one that is decided by the frontier.
func drawRule(t *rapid.T, waiting bool) *Rule {
	kind := rapid.SampledFrom([]string{
		"immediate: {event: clicked}",
		"within: {event: clicked, of: opened, duration: 2m}",
		"within: {event: opened, of: opened, duration: 1m}",
		"within: {event: clicked, of: send, duration: 3m}",
		"absence: {event: clicked, of: opened, duration: 2m, wait: 1m}",
		"absence: {event: opened, of: send, duration: 2m}",
		"sequence: {events: [send, opened, clicked], duration: 4m}",
		"sequence: {events: [opened, {event: clicked, when: 'event.url == \"/a\"'}, clicked], duration: 3m}",
		"sequence: {events: [clicked, clicked], duration: 2m}",
	}).Draw(t, "kind")
	common := rapid.SampledFrom([]string{"", "\ncooldown: 2m", "\nmax_age: 90s", "\nmax_age: 1m\ncooldown: 3m", "\nwhen: event.url != \"/b\""}).Draw(t, "common")
	if waiting && kind[0] != 'a' {
		common += "\nsettle: 30s"
	} else if kind[0] != 'a' {
		common += "\nsettle: 0s"
	}
	return mustRule(t, kind+common)
}

// final is what remains of firings: of each occurrence the first live, else the
// first expired.
type final map[string]Firing

func (f final) take(t *rapid.T, firings []Firing) {
	for _, x := range firings {
		old, seen := f[x.Occurrence]
		if !seen || old.Status == schemas.TriggerStatusExpired && x.Status != schemas.TriggerStatusExpired {
			f[x.Occurrence] = x
		} else if old.Status == x.Status && outline([]Firing{old}) != outline([]Firing{x}) {
			t.Fatalf("%s was fired, now it is %s", outline([]Firing{old}), outline([]Firing{x}))
		}
	}
}

func (f final) String() string {
	var all []string
	for _, x := range f {
		all = append(all, outline([]Firing{x}))
	}
	slices.Sort(all)
	return fmt.Sprint(all)
}

// known are the events that had arrived by a time, and what they tell.
func known(events []Event, by schemas.Timestamp) (seen []Event) {
	for _, e := range events {
		if e.ArrivedAt <= by {
			if e.MachineAt > by {
				e.MachineAt = 0
			}
			seen = append(seen, e)
		}
	}
	return seen
}

func all(t *rapid.T, r *Rule, events []Event) string {
	want := final{}
	firings, next := r.Judge(message(), events, math.MaxInt64)
	if next != 0 {
		t.Fatalf("next %s after everything", next)
	}
	want.take(t, firings)
	return want.String()
}

// What is decided by the frontier is the same in whatever order events are
// processed and wherever the frontier stops, as long as it is one.
func TestAnyOrderAndFrontier(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, events := drawRule(t, true), drawEvents(t, 8)
		want := all(t, r, events)
		got := final{}
		for frontier := schemas.Timestamp(0); frontier < 30; {
			frontier += schemas.Timestamp(rapid.IntRange(1, 10).Draw(t, "step"))
			now := at(time.Duration(frontier) * 30 * time.Second)
			// Some of what comes after the frontier is known already, in any order.
			ahead := now + schemas.Timestamp(rapid.IntRange(0, 4).Draw(t, "ahead")*60_000_000)
			seen := known(events, ahead)
			if len(seen) > 1 {
				seen = rapid.Permutation(seen).Draw(t, "order")
			}
			firings, _ := r.Judge(message(), seen, now)
			got.take(t, firings)
		}
		if got.String() != want {
			t.Fatalf("%s %v: got %v, want %s", r.Kind, r.Settle, got, want)
		}
	})
}

// A rule that is judged when events arrive, and when it says, misses nothing, and
// what it says first stands.
func TestArrivalOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, events := drawRule(t, rapid.Bool().Draw(t, "waiting")), drawEvents(t, 8)
		want := all(t, r, events)
		var moments []schemas.Timestamp
		for _, e := range events {
			moments = append(moments, e.ArrivedAt, e.MachineAt)
		}
		slices.Sort(moments)
		got := final{}
		next := schemas.Timestamp(0)
		judge := func(now schemas.Timestamp) {
			var firings []Firing
			firings, next = r.Judge(message(), known(events, now), now)
			got.take(t, firings)
			if next != 0 && next <= now {
				t.Fatalf("wants to be judged at %s, at %s", next, now)
			}
		}
		for _, m := range moments {
			for next != 0 && next < m {
				judge(next)
			}
			judge(m)
		}
		for next != 0 {
			judge(next)
		}
		if got.String() != want {
			t.Fatalf("%s %v: got %v, want %s", r.Kind, r.Settle, got, want)
		}
	})
}

// Without settling, what a rule without a send says does not depend on the order
// either, but for which evidence came first.
func TestAnyOrderAtOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, events := drawRule(t, false), drawEvents(t, 8)
		if r.Kind == KindAbsence || r.Of == AnchorSend || r.Kind == KindSequence && r.Steps[0].Send {
			t.Skip("decided by the frontier, or by the send that is known")
		}
		statuses := func(f final) map[string]schemas.TriggerStatus {
			m := map[string]schemas.TriggerStatus{}
			for k, x := range f {
				m[k] = x.Status
			}
			return m
		}
		want := final{}
		firings, _ := r.Judge(message(), events, 0)
		want.take(t, firings)
		order := events
		if len(events) > 1 {
			order = rapid.Permutation(events).Draw(t, "order")
		}
		got := final{}
		for i := range order {
			firings, next := r.Judge(message(), order[:i+1], 0)
			if next != 0 {
				t.Fatal("wants to be judged again")
			}
			for _, f := range firings {
				if old, ok := got[f.Occurrence]; !ok || old.Status == schemas.TriggerStatusExpired {
					got[f.Occurrence] = f
				}
			}
		}
		if fmt.Sprint(statuses(got)) != fmt.Sprint(statuses(want)) {
			t.Fatalf("%s: got %v, want %v", r.Kind, got, want)
		}
	})
}

// TestSequenceOracle tries all chains.
func TestSequenceOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := mustRule(t, rapid.SampledFrom([]string{
			"sequence: {events: [send, opened, clicked], duration: 4m}",
			"sequence: {events: [clicked, {event: clicked, when: 'event.url == \"/a\"'}, opened], duration: 3m}",
			"sequence: {events: [{event: clicked, when: 'event.url == \"/b\"'}, clicked, {event: clicked, when: 'event.url == \"/a\"'}, clicked], duration: 9m}",
		}).Draw(t, "rule")+rapid.SampledFrom([]string{"", "\nsettle: 0s"}).Draw(t, "settle"))
		events := drawEvents(t, 7)
		best, found := candidate{}, false
		chain := make([]*Event, 0, len(r.Steps))
		var try func()
		try = func() {
			if step := len(chain); step < len(r.Steps) {
				for i := range events {
					if e := &events[i]; !slices.Contains(chain, e) && (step == 0 || e.At() >= chain[step-1].At()) && r.Steps[step].types().Has(e.Type) &&
						(r.Steps[step].Send || r.acts(e)) && r.StepHolds(step, message(), e) {
						chain = append(chain, e)
						try()
						chain = chain[:step]
					}
				}
				return
			}
			last := chain[len(chain)-1]
			c := candidate{subject: last, at: last.At(), arrived: slices.MaxFunc(chain, func(a, b *Event) int { return int(a.ArrivedAt - b.ArrivedAt) }).ArrivedAt}
			c.decided = c.arrived + micros(r.Settle)
			if c.at-chain[0].At() > micros(r.Duration) || found && earlier(c, best) >= 0 {
				return
			}
			for step, e := range chain {
				if r.unmasked(e, c.decided) {
					return
				}
				for i := range events {
					s := &events[i]
					if r.Steps[step].Send && sendTypes.Has(s.Type) && s.ArrivedAt <= c.decided && compareOccurred(s, e) < 0 {
						return
					}
				}
			}
			best, found = c, true
		}
		try()
		firings, _ := r.Judge(message(), events, math.MaxInt64)
		if len(firings) == 1 != found {
			t.Fatalf("got %s, want %t", outline(firings), found)
		}
		if found && (firings[0].At != best.at || firings[0].ArrivedAt != best.arrived || firings[0].Evidence[len(r.Steps)-1].ID != best.subject.ID) {
			t.Fatalf("got %s, want %d", outline(firings), best.subject.ID[0])
		}
	})
}
