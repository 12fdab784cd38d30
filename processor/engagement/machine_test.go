package engagement

import (
	"fmt"
	"testing"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

func link(url string) func(*schemas.Event) { return func(e *schemas.Event) { e.URL = url } }

func suspectTime(e *schemas.Event) { e.TimeSuspect = true }

// What other events of a message tell of opens and clicks that look human, at the
// borders of the thresholds.
func TestSuspicion(t *testing.T) {
	const s, m, us = time.Second, time.Minute, time.Microsecond
	for _, tt := range []struct {
		name   string
		events func(*story) []schemas.Event
		want   string // human opens and clicks, reasons
	}{
		{"a click at once", func(st *story) []schemas.Event {
			return []schemas.Event{st.event(delivered, 0), st.event(clicked, 0)}
		}, "0 0 fast_click"},
		{"a click just before 3 s", func(st *story) []schemas.Event {
			return []schemas.Event{st.event(delivered, 0), st.event(clicked, 3*s-us)}
		}, "0 0 fast_click"},
		{"a click after 3 s", func(st *story) []schemas.Event {
			return []schemas.Event{st.event(delivered, 0), st.event(clicked, 3*s)}
		}, "0 1 "},
		{"a click before the delivery", func(st *story) []schemas.Event {
			return []schemas.Event{st.event(delivered, m), st.event(clicked, m-us)}
		}, "0 0 before_delivery"},
		{"an open by clocks that differ", func(st *story) []schemas.Event {
			return []schemas.Event{st.event(delivered, m), st.event(opened, 0)}
		}, "1 0 "},
		{"an open before the delivery", func(st *story) []schemas.Event {
			return []schemas.Event{st.event(delivered, m+us), st.event(opened, 0)}
		}, "0 0 before_delivery"},
		{"an open at once", func(st *story) []schemas.Event {
			return []schemas.Event{st.event(delivered, 0), st.event(opened, 0)}
		}, "1 0 "},
		{"no delivery known", func(st *story) []schemas.Event {
			return []schemas.Event{st.event(schemas.EventTypeSent, 0), st.event(clicked, 0)}
		}, "0 1 "},
		{"a click at a time that is suspect", func(st *story) []schemas.Event {
			return []schemas.Event{st.event(delivered, 0), st.event(clicked, 0, suspectTime)}
		}, "0 1 "},
		{"a delivery at a time that is suspect", func(st *story) []schemas.Event {
			return []schemas.Event{st.event(delivered, 0, suspectTime), st.event(clicked, 0)}
		}, "0 1 "},
		{"three links", func(st *story) []schemas.Event {
			return []schemas.Event{st.event(clicked, m, link("a")), st.event(clicked, m+s, link("b")), st.event(clicked, m+2*s-us, link("c"))}
		}, "0 0 link_burst"},
		{"three links, not so fast", func(st *story) []schemas.Event {
			return []schemas.Event{st.event(clicked, m, link("a")), st.event(clicked, m+s, link("b")), st.event(clicked, m+2*s, link("c"))}
		}, "0 3 "},
		{"two links, one twice", func(st *story) []schemas.Event {
			return []schemas.Event{st.event(clicked, m, link("a")), st.event(clicked, m, link("b")), st.event(clicked, m, link("a"))}
		}, "0 3 "},
		{"links that are not known", func(st *story) []schemas.Event {
			return []schemas.Event{st.event(clicked, m), st.event(clicked, m), st.event(clicked, m)}
		}, "0 3 "},
		{"a person after a scanner", func(st *story) []schemas.Event {
			return []schemas.Event{st.event(delivered, 0), st.event(opened, 0), st.event(clicked, 4*s, link("a")), st.event(clicked, 4*s, link("b")),
				st.event(clicked, 5*s, link("a")), st.event(clicked, 5*s, link("c")), st.event(clicked, 5*m, link("a"))}
		}, "1 1 link_burst"},
		{"a scanner that says so", func(st *story) []schemas.Event {
			return []schemas.Event{st.event(delivered, 0), st.event(clicked, 0, byMachine)}
		}, "0 0 "},
		{"all of it", func(st *story) []schemas.Event {
			return []schemas.Event{st.event(delivered, m), st.event(clicked, m-s, link("a")), st.event(clicked, m, link("b")), st.event(clicked, m, link("c"))}
		}, "0 0 before_delivery,fast_click,link_burst"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st := &story{}
			events := tt.events(st)
			for range len(events) { // each event comes last once
				h := newHarness(t, nil)
				h.process(events...)
				h.commit()
				for _, msg := range h.out.messages {
					if got := fmt.Sprintf("%d %d %s", msg.HumanOpens, msg.HumanClicks, msg.MachineReasons); got != tt.want {
						t.Errorf("got %s, want %s", got, tt.want)
					}
				}
				events = append(events[1:], events[0])
			}
		})
	}
}

// A delivery that arrives after the click takes the click out of the human counts.
func TestSuspicionRevises(t *testing.T) {
	st := &story{}
	h := newHarness(t, nil)
	h.process(st.event(clicked, time.Second))
	h.commit()
	lifetime := countersKey{"default", "spring", schemas.BasisLifetime, 0}
	if c := h.out.counters[lifetime]; c.HumanClicks != 1 || c.HumanClicked != 1 {
		t.Fatalf("%+v", c)
	}
	h.process(st.event(delivered, 0, arrives(time.Hour)))
	h.commit()
	if c := h.out.counters[lifetime]; c.HumanClicks != 0 || c.HumanClicked != 0 || c.Clicks != 1 || c.Clicked != 1 {
		t.Errorf("%+v", c)
	}
}

// What a state of the version before contributed was without suspicion: that is
// what is taken back when it changes, and it keeps its version until then.
func TestTrustingState(t *testing.T) {
	st := &story{}
	var m message
	m.identity = identity{tenant: "default", account: "main", messageID: "m1", recipientID: schemas.ID{7}}
	for _, e := range []schemas.Event{st.event(delivered, 0), st.event(clicked, time.Second)} {
		m.state.add(&e, factsOf(&e))
	}
	m.state.trusting = true
	b := m.append(nil)
	var old message
	if err := old.decode(b); err != nil {
		t.Fatal(err)
	}
	old.state.derive(&m.identity, &old.derived)
	if old.derived.HumanClicks != 1 || old.append(nil)[0] != stateVersion2 {
		t.Errorf("%d human clicks, version %d", old.derived.HumanClicks, old.append(nil)[0])
	}
	(&task{}).touch(&old)
	old.state.derive(&m.identity, &old.derived)
	if old.derived.HumanClicks != 0 || old.append(nil)[0] != stateVersion {
		t.Errorf("changed: %d human clicks, version %d", old.derived.HumanClicks, old.append(nil)[0])
	}
}
