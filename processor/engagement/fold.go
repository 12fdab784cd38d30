package engagement

import (
	"cmp"
	"slices"

	"github.com/posthorn/posthorn/schemas"
)

// maxKept is how many events of a message are kept in detail. A robot that
// opens a message all day must not make its state grow without bound; what
// comes later than the earliest maxKept is folded into counts. Only events that
// may repeat are folded; sends, deliveries, bounces, rejections and failures
// never are, nor the earliest event of each type, nor the earliest open and
// click by a human. Folded events take part in counts but in no rule.
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
	windows       []foldedWindow // by start
}

// foldedWindow counts folded events of one window.
type foldedWindow struct {
	start                           schemas.Timestamp
	opens, humanOpens               int64
	clicks, humanClicks             int64
	deferrals                       int64
	complaints, unsubscribes, other int64
}

func mayRepeat(t schemas.EventType) bool {
	switch t {
	case schemas.EventTypeQueued, schemas.EventTypeSent, schemas.EventTypeDelivered,
		schemas.EventTypeBounced, schemas.EventTypeRejected, schemas.EventTypeFailed:
		return false
	}
	return true
}

// fold folds the latest event that may be folded, if there are too many.
func (s *state) fold() (id schemas.ID, ok bool) {
	if len(s.events) <= maxKept {
		return id, false
	}
	repeatable, latest := 0, -1
	var seen, seenHuman [schemas.EventTypeAutoresponded + 1]bool
	for i := range s.events {
		e := &s.events[i]
		if !mayRepeat(e.Type) {
			continue
		}
		repeatable++
		first := !seen[e.Type] || e.Human() && !seenHuman[e.Type]
		seen[e.Type] = true
		seenHuman[e.Type] = seenHuman[e.Type] || e.Human()
		if !first {
			latest = i
		}
	}
	if repeatable <= maxKept || latest < 0 {
		return id, false
	}
	e := s.events[latest]
	s.events = slices.Delete(s.events, latest, latest+1)

	f := &s.folded
	f.events++
	f.lastEventAt = max(f.lastEventAt, e.OccurredAt)
	f.lastArrivedAt = max(f.lastArrivedAt, e.ArrivedAt)
	f.timeSuspect = f.timeSuspect || e.TimeSuspect
	w := f.window(windowStart(e.OccurredAt))
	human := int64(0)
	if e.Human() {
		human = 1
	}
	switch e.Type {
	case schemas.EventTypeOpened:
		w.opens++
		w.humanOpens += human
	case schemas.EventTypeClicked:
		w.clicks++
		w.humanClicks += human
	case schemas.EventTypeDeferred:
		w.deferrals++
	case schemas.EventTypeComplained:
		w.complaints++
	case schemas.EventTypeUnsubscribed:
		w.unsubscribes++
	default:
		w.other++
	}
	return e.ID, true
}

func (f *folded) window(start schemas.Timestamp) *foldedWindow {
	at, ok := slices.BinarySearchFunc(f.windows, start, func(w foldedWindow, start schemas.Timestamp) int {
		return cmp.Compare(w.start, start)
	})
	if !ok {
		f.windows = slices.Insert(f.windows, at, foldedWindow{start: start})
	}
	return &f.windows[at]
}

// windowStart is the start of the window that t is in.
func windowStart(t schemas.Timestamp) schemas.Timestamp {
	const length = WindowSeconds * 1_000_000
	rest := t % length
	if rest < 0 {
		rest += length
	}
	return t - rest
}
