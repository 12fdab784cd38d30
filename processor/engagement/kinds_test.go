package engagement

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// rule is a set of one rule, named r.
func rule(t testing.TB, fields string) *trigger.Set {
	return mustRules(t, "rules: [{name: r, "+fields+"}]")
}

// firedAt lists what has fired: when it happened and arrived, in minutes and
// seconds after noon, of how many events, and its status where that is not fired.
func (h *harness) firedAt() string {
	var all []string
	for _, tr := range h.out.triggers {
		s := fmt.Sprintf("%s %s %d", clock(tr.OccurredAt), clock(tr.ArrivedAt), len(tr.Evidence))
		if tr.Status != schemas.TriggerStatusFired {
			s += " " + tr.Status.String()
		}
		all = append(all, s)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

func clock(t schemas.Timestamp) string { return t.Time().Sub(base.Time()).String() }

// Each kind through the stage: what has fired before the frontier reaches a
// moment, and after.
func TestKinds(t *testing.T) {
	const s, m, h = time.Second, time.Minute, time.Hour
	inFrance := func(e *schemas.Event) { e.Country = "FR" }
	for _, tt := range []struct {
		name, rule    string
		events        func(*story) []schemas.Event
		at            time.Duration
		before, after string
	}{
		{"immediate", "immediate: {event: bounced}", func(st *story) []schemas.Event {
			return []schemas.Event{st.event(bounced, m), st.event(bounced, 2*m)}
		}, 0, "1m0s 1m0s 1", "1m0s 1m0s 1"},
		{"immediate, in stretches", "immediate: {event: bounced}, cooldown: 1h", func(st *story) []schemas.Event {
			return []schemas.Event{st.event(bounced, m), st.event(bounced, 59*m), st.event(bounced, h)}
		}, 0, "1h0m0s 1h0m0s 1, 1m0s 1m0s 1", "1h0m0s 1h0m0s 1, 1m0s 1m0s 1"},
		{"immediate, settled", "immediate: {event: clicked}", func(st *story) []schemas.Event {
			return []schemas.Event{st.event(clicked, m)}
		}, m + 5*s, "", "1m0s 1m0s 1"},
		{"within", "within: {event: opened, of: send, duration: 1h}", func(st *story) []schemas.Event {
			return []schemas.Event{st.event(opened, 10*m), st.event(delivered, 0, arrives(20*m))}
		}, 0, "10m0s 20m0s 2", "10m0s 20m0s 2"},
		{"within, expired", "within: {event: opened, of: send, duration: 1h}, max_age: 5m", func(st *story) []schemas.Event {
			return []schemas.Event{st.event(opened, 10*m), st.event(delivered, 0, arrives(20*m))}
		}, 0, "10m0s 20m0s 2 expired", "10m0s 20m0s 2 expired"},
		{"absence", "absence: {event: opened, of: send, duration: 1h, wait: 10m}", func(st *story) []schemas.Event {
			return []schemas.Event{st.event(delivered, m)}
		}, 71 * m, "", "1h1m0s 1h11m0s 1"},
		{"absence of what came in time", "absence: {event: opened, of: send, duration: 1h, wait: 10m}", func(st *story) []schemas.Event {
			return []schemas.Event{st.event(delivered, 0), st.event(opened, 59*m, arrives(70*m))}
		}, 70 * m, "", ""},
		{"absence of what came too late", "absence: {event: opened, of: send, duration: 1h, wait: 10m}", func(st *story) []schemas.Event {
			return []schemas.Event{st.event(delivered, 0), st.event(opened, 59*m, arrives(70*m+s))}
		}, 70 * m, "", "1h0m0s 1h10m0s 1"},
		{"absence, known late", "absence: {event: opened, of: send, duration: 1h}, max_age: 24h", func(st *story) []schemas.Event {
			return []schemas.Event{st.event(delivered, 0, arrives(30*h))}
		}, 30 * h, "", "1h0m0s 30h0m0s 1 expired"},
		{"sequence", `sequence: {events: [send, opened, {event: clicked, when: 'event.country == "FR"'}], duration: 1h}`, func(st *story) []schemas.Event {
			return []schemas.Event{st.event(clicked, 4*m, inFrance), st.event(opened, 5*m), st.event(clicked, 6*m), st.event(clicked, 7*m, inFrance), st.event(delivered, 0)}
		}, 7*m + 5*s, "", "7m0s 7m0s 3"},
		{"count", "count: {event: clicked, times: 3, duration: 10m}", func(st *story) []schemas.Event {
			return []schemas.Event{st.event(clicked, 0), st.event(clicked, 5*m, byMachine), st.event(clicked, 6*m), st.event(clicked, 11*m), st.event(clicked, 16*m)}
		}, 0, "16m0s 16m0s 1", "16m0s 16m0s 1"},
		{"count, too old", "count: {event: clicked, times: 2, duration: 10m}, max_age: 1h", func(st *story) []schemas.Event {
			return []schemas.Event{st.event(clicked, 0), st.event(clicked, m, arrives(m+h+s))}
		}, 0, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			hs := newHarness(t, rule(t, tt.rule))
			st := &story{}
			hs.process(tt.events(st)...)
			hs.commit()
			if tt.at != 0 {
				hs.advance(at(tt.at))
			}
			if got := hs.firedAt(); got != tt.before {
				t.Errorf("by then %q, want %q", got, tt.before)
			}
			hs.advance(at(tt.at + time.Microsecond))
			if got := hs.firedAt(); got != tt.after {
				t.Errorf("after that %q, want %q", got, tt.after)
			}
			hs.advance(at(tt.at + 40*h))
			if got := hs.firedAt(); got != tt.after {
				t.Errorf("in the end %q, want %q", got, tt.after)
			}
		})
	}
}

const silent = "absence: {event: opened, of: send, duration: 48h}"

// An absence needs no event to be noticed, but a frontier that moves: while it
// stands nothing fires, whatever the clock on the wall says.
func TestAbsenceByFrontierAlone(t *testing.T) {
	h := newHarness(t, rule(t, silent))
	h.process((&story{}).event(delivered, 0))
	h.commit()
	for range 3 {
		h.advance(at(48 * time.Hour))
	}
	if h.out.fired != 0 {
		t.Fatal("it has fired while the frontier stood")
	}
	h.advance(at(48*time.Hour + time.Microsecond))
	if got := h.firedAt(); got != "48h0m0s 48h0m0s 1" {
		t.Errorf("fired %q", got)
	}
}

// A task that starts anew between the moment due and the firing fires once.
func TestRestartBeforeFiring(t *testing.T) {
	for _, last := range []string{"restart", "abort", "fail"} {
		h := newHarness(t, rule(t, silent))
		h.process((&story{}).event(delivered, 0))
		h.commit()
		h.advance(at(47 * time.Hour))
		switch last {
		case "restart":
			if err := h.driver.Restart(); err != nil {
				t.Fatal(err)
			}
			h.commit() // the frontier is unknown
		case "abort":
			h.abort()
		case "fail":
			h.driver.FailNext()
			if err := h.driver.Advance(at(50 * time.Hour).Time()); err == nil {
				t.Fatal("no error")
			}
		}
		if h.out.fired != 0 {
			t.Fatalf("%s: fired before it was due", last)
		}
		for d := time.Duration(48); d < 52; d++ {
			h.advance(at(d * time.Hour))
		}
		if got := h.firedAt(); got != "48h0m0s 48h0m0s 1" || h.out.fired != 1 {
			t.Errorf("%s: fired %q, %d records", last, got, h.out.fired)
		}
	}
}

// A timer is set where a rule waits, is gone with what it waited for, and is not
// written again where it stays as it is.
func TestTimers(t *testing.T) {
	h := newHarness(t, rule(t, silent))
	st := &story{}
	timers := func() (due []string) {
		for key, at := range h.driver.Timers() {
			if key[0] == keyMessage {
				due = append(due, at.Sub(base.Time()).String())
			}
		}
		return due
	}
	h.process(st.event(bounced, 0))
	h.commit()
	if got := timers(); got != nil {
		t.Errorf("timers %v without a send", got)
	}
	h.process(st.event(delivered, time.Minute))
	h.commit()
	if got := timers(); len(got) != 1 || got[0] != "48h1m0.000001s" {
		t.Errorf("timers %v", got)
	}
	h.process(st.event(clicked, time.Hour))
	h.commit()
	if got := timers(); len(got) != 1 {
		t.Errorf("timers %v after an event that changes nothing", got)
	}
	h.process(st.event(opened, 2*time.Hour))
	h.commit()
	if got := timers(); got != nil {
		t.Errorf("timers %v after the open", got)
	}
}

// What tells that a machine clicked counts if it arrives while the rule waits.
func TestSettle(t *testing.T) {
	const s = time.Second
	for _, tt := range []struct {
		settle, delivery time.Duration // when the delivery arrives
		want             string
	}{
		{5 * s, 4 * s, ""}, {5 * s, 6 * s, ""}, {5 * s, 6*s + time.Microsecond, "1s 1s 1"}, {5 * s, time.Hour, "1s 1s 1"}, {0, 0, "1s 1s 1"},
	} {
		t.Run(fmt.Sprintf("settle %s, delivery at %s", tt.settle, tt.delivery), func(t *testing.T) {
			events := []schemas.Event{}
			st := &story{}
			events = append(events, st.event(clicked, s), st.event(delivered, 0, arrives(tt.delivery)))
			set := rule(t, fmt.Sprintf("immediate: {event: clicked}, settle: %s", tt.settle))
			slow := newHarness(t, set)
			inOrder(slow, events)
			fast := newHarness(t, set)
			fast.process(events...)
			fast.advance(at(afterAll))
			if slow.firedAt() != tt.want || fast.firedAt() != tt.want {
				t.Errorf("fired %q as it came, %q all at once, want %q", slow.firedAt(), fast.firedAt(), tt.want)
			}
		})
	}
}

// Of a stretch of the cooldown there is one firing for the recipient, an expired
// one before it at most.
func TestCooldownOfRecipient(t *testing.T) {
	h := newHarness(t, rule(t, "immediate: {event: bounced}, once_per: recipient, cooldown: 1h, max_age: 30m"))
	st := &story{}
	of := func(message string) func(*schemas.Event) { return func(e *schemas.Event) { e.MessageID = message } }
	m := time.Minute
	for _, e := range []schemas.Event{
		st.event(bounced, 5*m, of("m1"), arrives(40*m)), // expired
		st.event(bounced, 6*m, of("m2"), arrives(41*m)), // too, and so no record
		st.event(bounced, 20*m, of("m3"), arrives(42*m)),
		st.event(bounced, 50*m, of("m4")),
		st.event(bounced, 70*m, of("m1")),
		st.event(bounced, 80*m, of("m3")),
	} {
		h.process(e)
		h.commit()
	}
	if got, want := h.firedAt(), "1h10m0s 1h10m0s 1, 20m0s 42m0s 1"; got != want || h.out.fired != 3 {
		t.Errorf("fired %q, %d records, want %q", got, h.out.fired, want)
	}
	if err := h.driver.Restart(); err != nil {
		t.Fatal(err)
	}
	h.process(st.event(bounced, 90*m, of("m5")))
	h.commit()
	if h.out.fired != 3 {
		t.Errorf("fired again after a restart: %q", h.firedAt())
	}
}

// Where the frontier leaps over all, a message is not forgotten before its rules
// have been judged.
func TestLeapOfFrontier(t *testing.T) {
	h := newHarnessOf(t, Config{Horizon: 4 * day, Rules: trigger.NewLive(rule(t, silent))})
	h.process((&story{}).event(delivered, 0))
	h.commit()
	h.advance(at(30 * day))
	if got := h.firedAt(); got != "48h0m0s 48h0m0s 1" {
		t.Errorf("fired %q", got)
	}
	h.advance(at(40 * day))
	if left := len(h.driver.State(storeMessages)); left > 1 {
		t.Errorf("%d keys are left", left)
	}
	if got := len(h.driver.Timers()); got != 2 {
		t.Errorf("timers %v", h.driver.Timers())
	}
}

// What is due after a message's life is over does not fire, whether its state is
// still there or not.
func TestDueAfterTheEnd(t *testing.T) {
	for _, end := range []time.Duration{2 * day, 2*day + time.Microsecond} {
		h := newHarnessOf(t, Config{Horizon: end, Rules: trigger.NewLive(rule(t, silent))})
		h.process((&story{}).event(delivered, 0))
		h.commit()
		h.advance(at(2*day + time.Hour))
		if fired := h.out.fired == 1; fired != (end > 2*day) {
			t.Errorf("horizon %s: fired %t", end, fired)
		}
	}
}

// Rules may be replaced while the stage runs. What is counted of a rule goes on,
// and a message is judged by the rules in force when it changes or a rule waits.
func TestRulesAreReplaced(t *testing.T) {
	live := trigger.NewLive(rule(t, silent))
	h := newHarnessOf(t, Config{Rules: live})
	st := &story{}
	h.process(st.event(delivered, 0))
	h.commit()
	live.Store(rule(t, "immediate: {event: clicked}, human_only: false, settle: 0s"))
	h.process(st.event(clicked, time.Hour))
	h.commit()
	h.advance(at(50 * time.Hour))
	if got := h.firedAt(); got != "1h0m0s 1h0m0s 1" {
		t.Errorf("fired %q", got)
	}
	live.Store(nil)
	h.process(st.event(clicked, 51*time.Hour))
	h.commit()
	if h.out.fired != 1 {
		t.Errorf("fired without rules: %q", h.firedAt())
	}
}
