package window

import (
	"fmt"
	"time"
)

// Shape says how windows lie in time. Lengths are whole microseconds.
type Shape struct {
	// Windows are put together of panes, which are what the state holds: a hop
	// of hopping windows, a single time of sliding ones. A tumbling window is
	// one pane. In microseconds:
	size int64 // of a window; the gap of sessions
	step int64 // between panes; 0 for sessions
	lead int64 // from a pane's start to the end of the first window that holds it
	err  error
}

// Tumbling windows have the size and follow each other without a gap.
func Tumbling(size time.Duration) Shape { return Hopping(size, size) }

// Hopping windows have the size and begin every hop, of which size must be a
// multiple.
func Hopping(size, hop time.Duration) Shape {
	s := Shape{size: size.Microseconds(), step: hop.Microseconds(), lead: hop.Microseconds()}
	switch {
	case size <= 0 || size%time.Microsecond != 0 || hop <= 0 || hop%time.Microsecond != 0:
		s.err = fmt.Errorf("window: size %v, hop %v: must be whole microseconds above zero", size, hop)
	case size%hop != 0:
		s.err = fmt.Errorf("window: size %v is not a multiple of hop %v", size, hop)
	}
	return s
}

// Sliding windows have the size and end at each event.
func Sliding(size time.Duration) Shape {
	s := Shape{size: size.Microseconds(), step: 1}
	if size <= 0 || size%time.Microsecond != 0 {
		s.err = fmt.Errorf("window: size %v: must be whole microseconds above zero", size)
	}
	return s
}

// Session windows hold events with at most gap between one and the next.
func Session(gap time.Duration) Shape {
	s := Shape{size: gap.Microseconds()}
	if gap <= 0 || gap%time.Microsecond != 0 {
		s.err = fmt.Errorf("window: gap %v: must be whole microseconds above zero", gap)
	}
	return s
}

func (s Shape) session() bool { return s.step == 0 }
func (s Shape) sliding() bool { return s.step != 0 && s.lead == 0 }

// pane returns the start of the pane that holds a time.
func (s Shape) pane(at int64) int64 { return floorDiv(at, s.step) * s.step }

// ends returns the ends of the first and the last window that hold a pane.
func (s Shape) ends(pane int64) (first, last int64) {
	return pane + s.lead, pane + s.lead + s.reach()
}

// panes returns the first and the last pane of the window that ends at end.
func (s Shape) panes(end int64) (first, last int64) {
	return end - s.lead - s.reach(), end - s.lead
}

// reach is how far apart two panes of one window are at most.
func (s Shape) reach() int64 { return s.size - s.step }

// place finds where an event belongs: the start of its entry and, for panes,
// its mark. late tells that a window it belongs to is closed for it, counted
// that another is not.
func (s Shape) place(at, arrived, retention int64) (start, mark int64, late, counted bool) {
	if s.session() {
		late = arrived >= at+s.size+retention
		return at, at, late, !late
	}
	pane := s.pane(at)
	first, last := s.ends(pane)
	if arrived < first+retention {
		return pane, onTime, false, true
	}
	open := first + (floorDiv(arrived-retention-first, s.step)+1)*s.step
	return pane, open, true, open <= last
}

// over returns when an entry no longer matters to any window that is open.
func (s Shape) over(start, mark, retention int64) int64 {
	if s.session() {
		// One gap away an event may still join, until it is late itself.
		return mark + 2*s.size + retention
	}
	_, last := s.ends(start)
	return last + retention
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
