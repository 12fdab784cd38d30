package engagement

import (
	"cmp"
	"math"
	"slices"

	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// maxKept is how many events of a message are kept in detail. A robot that
// opens a message all day must not make its state grow without bound: what comes
// later than the earliest maxKept is folded into counts. Folded events take part
// in counts but in no rule.
//
// Only events that may repeat are folded; sends, deliveries, bounces, rejections
// and failures never are. Nor is an event, and it is not one of the maxKept, if
// it is the earliest of its type, the earliest of its type by a human, or the
// earliest that names a campaign, a source or a list: among all, or among those
// that had arrived by the end of some window. So what is derived from the events that arrived in
// time for a window does not need those that are folded.
//
// An event is folded because of earlier ones, and can never come back: so the
// kept set depends on the set of events alone.
const maxKept = 512

// folded counts events that are not kept in detail.
type folded struct {
	events        int64
	lastEventAt   schemas.Timestamp
	lastArrivedAt schemas.Timestamp
	timeSuspect   bool
	windows       []foldedWindow // by start and arrived
}

// foldedWindow counts folded events of one window that arrived in one window.
type foldedWindow struct {
	start, arrived                  schemas.Timestamp // starts of windows
	opens, humanOpens               int64
	clicks, humanClicks             int64
	deferrals                       int64
	complaints, unsubscribes, other int64
}

// addTo adds sign times what the window counts.
func (w *foldedWindow) addTo(n *schemas.Counters, sign int64) {
	n.Opens += sign * w.opens
	n.HumanOpens += sign * w.humanOpens
	n.Clicks += sign * w.clicks
	n.HumanClicks += sign * w.humanClicks
	n.Unsubscribes += sign * w.unsubscribes
	n.Complaints += sign * w.complaints
}

func mayRepeat(t schemas.EventType) bool {
	switch t {
	case schemas.EventTypeQueued, schemas.EventTypeSent, schemas.EventTypeDelivered,
		schemas.EventTypeBounced, schemas.EventTypeRejected, schemas.EventTypeFailed:
		return false
	}
	return true
}

// firsts finds the earliest events of each kind, given in order: an event is one
// if no earlier one of its kind had arrived by the same window.
type firsts [2*eventTypes + 3]schemas.Timestamp // arrival windows, by kind

const eventTypes = schemas.EventTypeUnsuppressed + 1

func newFirsts() (f firsts) {
	for i := range f {
		f[i] = math.MaxInt64
	}
	return f
}

func (f *firsts) first(e *trigger.Event) bool {
	arrived := windowStart(e.ArrivedAt)
	first := false
	see := func(kind int) {
		if arrived < f[kind] {
			f[kind], first = arrived, true
		}
	}
	see(int(e.Type))
	if e.Human() {
		see(int(eventTypes + e.Type))
	}
	for i, names := range [...]string{e.CampaignID, e.Source, e.ListID} {
		if names != "" {
			see(int(2*eventTypes) + i)
		}
	}
	return first
}

// fold folds the latest of the events that may be folded, if there are too many.
func (s *state) fold() (foldedNow []trigger.Event) {
	for len(s.events) > maxKept {
		others, latest := 0, -1
		firsts := newFirsts()
		for i := range s.events {
			if !firsts.first(&s.events[i]) && mayRepeat(s.events[i].Type) {
				others++
				latest = i
			}
		}
		if others <= maxKept {
			break
		}
		e := s.events[latest]
		s.events = slices.Delete(s.events, latest, latest+1)
		s.folded.add(&e, 1)
		foldedNow = append(foldedNow, e)
	}
	return foldedNow
}

// add counts an event in, or out again with the sign -1.
func (f *folded) add(e *trigger.Event, sign int64) {
	f.events += sign
	if sign > 0 {
		f.note(e)
	}
	w := f.window(windowStart(e.OccurredAt), windowStart(e.ArrivedAt))
	human := int64(0)
	if e.Human() {
		human = sign
	}
	switch e.Type {
	case schemas.EventTypeOpened:
		w.opens += sign
		w.humanOpens += human
	case schemas.EventTypeClicked:
		w.clicks += sign
		w.humanClicks += human
	case schemas.EventTypeDeferred:
		w.deferrals += sign
	case schemas.EventTypeComplained:
		w.complaints += sign
	case schemas.EventTypeUnsubscribed:
		w.unsubscribes += sign
	default:
		w.other += sign
	}
	if f.events == 0 {
		*f = folded{}
	} else if empty := (foldedWindow{start: w.start, arrived: w.arrived}); *w == empty {
		f.windows = slices.DeleteFunc(f.windows, func(w foldedWindow) bool { return w == empty })
	}
}

// note takes the times of an event into account.
func (f *folded) note(e *trigger.Event) {
	f.lastEventAt = max(f.lastEventAt, e.OccurredAt)
	f.lastArrivedAt = max(f.lastArrivedAt, e.ArrivedAt)
	f.timeSuspect = f.timeSuspect || e.TimeSuspect
}

// merge adds the events of another life.
func (f *folded) merge(o *folded) {
	if o.events == 0 {
		return
	}
	f.events += o.events
	f.note(&trigger.Event{OccurredAt: o.lastEventAt, ArrivedAt: o.lastArrivedAt, TimeSuspect: o.timeSuspect})
	for i := range o.windows {
		to, from := f.window(o.windows[i].start, o.windows[i].arrived), o.windows[i].counts()
		for j, n := range to.counts() {
			*n += *from[j]
		}
	}
}

func (f *folded) window(start, arrived schemas.Timestamp) *foldedWindow {
	at, ok := slices.BinarySearchFunc(f.windows, foldedWindow{start: start, arrived: arrived}, func(a, b foldedWindow) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.arrived, b.arrived))
	})
	if !ok {
		f.windows = slices.Insert(f.windows, at, foldedWindow{start: start, arrived: arrived})
	}
	return &f.windows[at]
}

// windowLength is that of a campaign's windows, in microseconds.
const windowLength = WindowSeconds * 1_000_000

// windowStart is the start of the window that t is in.
func windowStart(t schemas.Timestamp) schemas.Timestamp {
	rest := t % windowLength
	if rest < 0 {
		rest += windowLength
	}
	return t - rest
}
