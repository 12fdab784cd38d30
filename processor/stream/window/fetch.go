package window

import (
	"slices"
	"time"

	"github.com/posthorn/posthorn/processor/stream"
)

// Fetch calls f for the windows of a key that hold an instant of [from, to), in
// order of time, until f returns false: with what the state holds and the open
// transaction added. Windows that are closed are left out, by the frontier and
// not by what happens to be deleted; while it is unknown, after a restart, some
// that are closed may be seen. f may write to the store and may not keep
// the value.
//
// What Fetch finds depends on which events came before, as every look at
// intermediate state does. Where a decision must not depend on their order,
// take it in Emit, which sees every change.
func (w *Windows[E, A]) Fetch(ctx stream.Context, key []byte, from, to time.Time, f func(win Window, value *A) bool) error {
	if !from.Before(to) {
		return nil
	}
	var open []entry[A]
	if k := w.open[string(key)]; k != nil {
		open = k.entries
	}
	if w.shape.session() {
		return w.fetchSessions(ctx, string(key), open, from.UnixMicro(), to.UnixMicro(), f)
	}
	s, closed := w.shape, frontier(ctx)
	if closed != onTime {
		closed -= w.retention
	}
	// Ends of windows in question, then their panes.
	first, last := from.UnixMicro()+1+s.lead-s.step, to.UnixMicro()-1+s.lead+s.reach()
	low, _ := s.panes(first)
	_, high := s.panes(last)
	stored, err := w.load(ctx.Store(w.cfg.Store), string(key), low, high)
	if err != nil {
		return err
	}
	all := w.combine(stored, open, func(*entry[A], bool) {})
	ends := slices.DeleteFunc(w.endsOf(all, all), func(end int64) bool {
		return end < first || end > last || end <= closed
	})
	return w.results(all, ends, func(end int64, value *A) (bool, error) {
		return f(Window{toTime(end - s.size), toTime(end)}, value), nil
	})
}

func (w *Windows[E, A]) fetchSessions(ctx stream.Context, key string, open []entry[A], from, to int64, f func(Window, *A) bool) error {
	now := frontier(ctx)
	last := to - 1
	if n := len(open); n > 0 {
		last = max(last, open[n-1].mark+w.shape.size) // one that begins later may be joined
	}
	sessions, err := w.sessions(ctx.Store(w.cfg.Store), key, open, last)
	if err != nil {
		return err
	}
	for i := range sessions {
		s := &sessions[i]
		if s.start >= to || s.mark < from || w.shape.over(s.start, s.mark, w.retention) <= now {
			continue
		}
		if !f(Window{toTime(s.start), toTime(s.mark)}, &s.acc) {
			return nil
		}
	}
	return nil
}
