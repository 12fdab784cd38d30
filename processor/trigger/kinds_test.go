package trigger

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// The types, short for tables.
const (
	queued    = schemas.EventTypeQueued
	sent      = schemas.EventTypeSent
	delivered = schemas.EventTypeDelivered
	opened    = schemas.EventTypeOpened
	clicked   = schemas.EventTypeClicked
)

const minute, hour = time.Minute, time.Hour

func machine(e Event) Event { e.Machine = schemas.MachineMachine; return e }

func arrived(e Event, d time.Duration) Event { e.ArrivedAt = at(d); return e }

func unmasked(e Event, d time.Duration) Event { e.MachineAt = at(d); return e }

func visits(e Event, url string) Event { e.URL = url; return e }

// outline writes firings as "occurrence evidence at arrival status", with times
// as durations since base.
func outline(firings []Firing) string {
	var all []string
	since := func(t schemas.Timestamp) time.Duration { return time.Duration(t-base) * time.Microsecond }
	for _, f := range firings {
		var ids []string
		for _, e := range f.Evidence {
			ids = append(ids, fmt.Sprint(e.ID[0]))
		}
		all = append(all, fmt.Sprintf("%s[%s] %s %s %s", f.Occurrence, strings.Join(ids, " "), since(f.At), since(f.ArrivedAt), f.Status))
	}
	return strings.Join(all, "; ")
}

func TestJudge(t *testing.T) {
	const (
		anyClick  = "immediate: {event: clicked}"
		noOpen    = "absence: {event: opened, of: send, duration: 48h, wait: 10m}"
		noSecond  = "absence: {event: opened, of: opened, duration: 1h}"
		toPayment = "sequence: {events: [send, opened, {event: clicked, when: 'event.url == \"/pay\"'}], duration: 72h}\nsettle: 0s"
		twoClicks = "sequence: {events: [clicked, {event: clicked, when: 'event.url == \"/a\"'}, complained], duration: 1h}\nsettle: 0s"
	)
	complained := schemas.EventTypeComplained
	end := time.Duration(math.MaxInt64)
	for _, tt := range []struct {
		name, rule string
		events     []Event
		frontier   time.Duration
		want       string
		next       time.Duration // 0: never
	}{
		{"immediate", anyClick + "\nsettle: 0s", []Event{ev(1, clicked, 0), ev(2, opened, 0)}, 0, "once[1] 0s 0s fired", 0},
		{"the first to arrive", anyClick, []Event{arrived(ev(1, clicked, 0), hour), ev(2, clicked, minute)}, end, "once[2] 1m0s 1m0s fired", 0},
		{"immediate, by a machine", anyClick, []Event{machine(ev(1, clicked, 0))}, end, "", 0},
		{"immediate, every day", anyClick + "\ncooldown: 1d", []Event{ev(1, clicked, -13*hour), ev(2, clicked, 0), ev(3, clicked, hour), ev(4, clicked, 24*hour)}, end,
			"1772236800000000[1] -13h0m0s -13h0m0s fired; 1772323200000000[2] 0s 0s fired; 1772409600000000[4] 24h0m0s 24h0m0s fired", 0},
		{"immediate, each day expired or not", anyClick + "\ncooldown: 1d\nmax_age: 1h", []Event{arrived(ev(1, clicked, 0), 2*hour), arrived(ev(2, clicked, 24*hour), 26*hour), ev(3, clicked, 27*hour)}, end,
			"1772323200000000[1] 0s 2h0m0s expired; 1772409600000000[3] 27h0m0s 27h0m0s fired", 0},

		{"settling", anyClick, []Event{ev(1, clicked, 0)}, 4 * time.Second, "", 5 * time.Second},
		{"settled", anyClick, []Event{ev(1, clicked, 0)}, 5 * time.Second, "once[1] 0s 0s fired", 0},
		{"unmasked in time", anyClick, []Event{unmasked(ev(1, clicked, 0), 5*time.Second), ev(2, clicked, minute)}, end, "once[2] 1m0s 1m0s fired", 0},
		{"unmasked too late", anyClick, []Event{unmasked(ev(1, clicked, 0), 5*time.Second+1000)}, end, "once[1] 0s 0s fired", 0},
		{"unmasked, but nobody minds", anyClick + "\nhuman_only: false", []Event{unmasked(ev(1, clicked, 0), 0)}, end, "once[1] 0s 0s fired", 0},
		{"unmasked, but it does not settle", anyClick + "\nsettle: 0s", []Event{unmasked(ev(1, clicked, 0), 0)}, 0, "once[1] 0s 0s fired", 0},
		{"unmasked A", "within: {event: complained, of: clicked, duration: 1h}", []Event{unmasked(ev(1, clicked, 0), 0), ev(2, complained, minute)}, end, "", 0},
		{"settling is not for what does not hold", anyClick + "\nwhen: event.url == \"/a\"", []Event{ev(1, clicked, 0)}, 0, "", 0},

		{"a send before came too late", "within: {event: opened, of: send, duration: 1h}", []Event{ev(1, sent, 0), ev(2, opened, minute), arrived(ev(3, queued, -2*hour), hour)}, end, "once[1 2] 1m0s 1m0s fired", 0},

		{"absence, not due", noOpen, []Event{ev(1, sent, 0)}, 48 * hour, "", 48*hour + 10*minute},
		{"absence, due", noOpen, []Event{ev(1, sent, 0)}, 48*hour + 10*minute, "once[1] 48h0m0s 48h10m0s fired", 0},
		{"absence, opened", noOpen, []Event{ev(1, sent, 0), ev(2, opened, 48*hour)}, 0, "", 0},
		{"absence, opened too late", noOpen, []Event{ev(1, sent, 0), ev(2, opened, 48*hour+1000)}, end, "once[1] 48h0m0s 48h10m0s fired", 0},
		{"absence, opened in time, heard just in time", noOpen, []Event{ev(1, sent, 0), arrived(ev(2, opened, hour), 48*hour+10*minute)}, end, "", 0},
		{"absence, opened in time, heard too late", noOpen, []Event{ev(1, sent, 0), arrived(ev(2, opened, hour), 49*hour)}, end, "once[1] 48h0m0s 48h10m0s fired", 0},
		{"absence, opened by a machine", noOpen, []Event{ev(1, sent, 0), machine(ev(2, opened, hour))}, end, "once[1] 48h0m0s 48h10m0s fired", 0},
		{"absence of a machine's", noOpen + "\nhuman_only: false", []Event{ev(1, sent, 0), machine(ev(2, opened, hour))}, end, "", 0},
		{"absence, opened before", noOpen, []Event{ev(1, sent, 0), ev(2, opened, -hour)}, end, "once[1] 48h0m0s 48h10m0s fired", 0},
		{"absence, the send is another", noOpen, []Event{ev(1, sent, 0), arrived(ev(2, queued, -hour), hour)}, 0, "", 47*hour + 10*minute},
		{"absence, late send is due at once", noOpen, []Event{arrived(ev(1, sent, 0), 60*hour)}, end, "once[1] 48h0m0s 60h10m0s fired", 0},
		{"absence, expired", noOpen, []Event{arrived(ev(1, sent, 0), 97*hour)}, end, "once[1] 48h0m0s 97h10m0s expired", 0},
		{"absence of a second", noSecond, []Event{ev(1, opened, 0), ev(2, opened, 30*minute)}, end, "once[2] 1h30m0s 1h30m0s fired", 0},
		{"absence, condition", noOpen + "\nwhen: event.country == \"FR\"", []Event{ev(1, sent, 0)}, 0, "", 0},

		{"sequence", toPayment, []Event{ev(1, sent, 0), ev(2, opened, hour), visits(ev(3, clicked, hour), "/pay")}, 0, "once[1 2 3] 1h0m0s 1h0m0s fired", 0},
		{"sequence, any order of arrival", toPayment, []Event{visits(ev(3, clicked, hour), "/pay"), arrived(ev(1, sent, 0), 9*hour), ev(2, opened, minute)}, 0, "once[1 2 3] 1h0m0s 9h0m0s fired", 0},
		{"sequence, another link", toPayment, []Event{ev(1, sent, 0), ev(2, opened, hour), visits(ev(3, clicked, hour), "/")}, end, "", 0},
		{"sequence, wrong order", toPayment, []Event{ev(1, sent, 0), ev(2, opened, 2*hour), visits(ev(3, clicked, hour), "/pay")}, end, "", 0},
		{"sequence, too long", toPayment, []Event{ev(1, sent, 0), ev(2, opened, hour), visits(ev(3, clicked, 73*hour), "/pay")}, end, "", 0},
		{"sequence, just not too long", toPayment, []Event{ev(1, sent, 0), ev(2, opened, hour), visits(ev(3, clicked, 72*hour), "/pay")}, end, "once[1 2 3] 72h0m0s 72h0m0s fired", 0},
		{"sequence, a second click pays", toPayment, []Event{ev(1, sent, 0), visits(ev(3, clicked, 0), "/"), ev(2, opened, hour), visits(ev(4, clicked, 2*hour), "/pay")}, end, "once[1 2 4] 2h0m0s 2h0m0s fired", 0},
		{"sequence, opened by a machine", toPayment, []Event{ev(1, sent, 0), machine(ev(2, opened, hour)), visits(ev(3, clicked, hour), "/pay")}, end, "", 0},
		{"sequence, one event is no two", twoClicks, []Event{visits(ev(1, clicked, 0), "/a"), ev(2, complained, 0)}, end, "", 0},
		{"sequence, of an instant", twoClicks, []Event{visits(ev(1, clicked, 0), "/a"), ev(2, clicked, 0), ev(3, complained, 0)}, end, "once[2 1 3] 0s 0s fired", 0},
		{"sequence, expired", toPayment, []Event{arrived(ev(1, sent, 0), 60*hour), ev(2, opened, hour), visits(ev(3, clicked, hour), "/pay")}, end, "once[1 2 3] 1h0m0s 60h0m0s expired", 0},
		{"sequence settles", "sequence: {events: [opened, clicked], duration: 1h}", []Event{ev(1, opened, 0), unmasked(ev(2, clicked, 0), 0), ev(3, clicked, minute)}, minute, "", minute + 5*time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := mustRule(t, tt.rule)
			frontier := at(tt.frontier)
			if tt.frontier == end {
				frontier = math.MaxInt64
			}
			want := schemas.Timestamp(0)
			if tt.next != 0 {
				want = at(tt.next)
			}
			for range 2 {
				firings, next := r.Judge(message(), tt.events, frontier)
				slices.SortFunc(firings, func(a, b Firing) int { return int(a.At - b.At) })
				if got := outline(firings); got != tt.want || next != want {
					t.Errorf("got %s, next %s, want %s, next %s", got, next, tt.want, want)
				}
				tt.events = slices.Clone(tt.events)
				slices.Reverse(tt.events)
			}
		})
	}
}

func TestActiveOutside(t *testing.T) {
	const fields = "immediate: {event: clicked}\nsettle: 0s\nactive: {from: \"13:00\", to: \"14:00\", outside: "
	events := []Event{ev(1, clicked, 0), ev(2, clicked, hour)} // 12:00, 13:00
	firings, _ := mustRule(t, fields+"wait}").Judge(message(), events, 0)
	if got := outline(firings); got != "once[1] 0s 0s fired" || firings[0].NotBefore != at(hour) {
		t.Errorf("waits: %s, not before %s", got, firings[0].NotBefore)
	}
	firings, _ = mustRule(t, fields+"skip}").Judge(message(), events, 0)
	if got := outline(firings); got != "once[2] 1h0m0s 1h0m0s fired" || firings[0].NotBefore != 0 {
		t.Errorf("skips: %s", got)
	}
	absent := mustRule(t, "absence: {event: opened, of: send, duration: 1h}\nactive: {from: \"13:00\", to: \"14:00\", outside: skip}")
	if firings, _ := absent.Judge(message(), []Event{ev(1, sent, 0)}, at(hour)); len(firings) != 1 {
		t.Error("an absence that is due in the hours does not fire")
	}
	if firings, next := absent.Judge(message(), []Event{ev(1, sent, hour)}, at(9*hour)); len(firings) != 0 || next != 0 {
		t.Error("an absence that is due outside fires")
	}
}
