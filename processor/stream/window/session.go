package window

import (
	"math"
	"slices"
	"sort"

	"github.com/posthorn/posthorn/processor/stream"
)

// extend sets last to the session that an event at that time makes, joins or
// bridges to the next. entries are the sessions of the open transaction alone.
func (w *Windows[E, A]) extend(k *openKey[A], at int64) {
	gap := w.shape.size
	i := sort.Search(len(k.entries), func(i int) bool { return k.entries[i].mark >= at-gap })
	k.last = i
	if i == len(k.entries) || k.entries[i].start > at+gap {
		k.entries = slices.Insert(k.entries, i, entry[A]{start: at, mark: at})
		return
	}
	s := &k.entries[i]
	s.start, s.mark = min(s.start, at), max(s.mark, at)
	if i+1 < len(k.entries) && k.entries[i+1].start <= s.mark+gap {
		w.join(s, &k.entries[i+1])
		k.entries = slices.Delete(k.entries, i+1, i+2)
	}
}

// join adds a session to the one before it.
func (w *Windows[E, A]) join(s, next *entry[A]) {
	s.mark = max(s.mark, next.mark)
	w.cfg.Aggregate.Merge(&s.acc, &next.acc)
}

// session is one of a key: of the state and the open transaction together.
type session[A any] struct {
	entry[A]
	touched  bool
	replaced []int64 // starts of sessions of the state that it took in
	stored   bool    // the state has one of the same start
}

func (w *Windows[E, A]) flushSessions(ctx stream.Context, k *openKey[A]) error {
	store, key := ctx.Store(w.cfg.Store), []byte(k.key)
	sessions, err := w.sessions(store, k.key, k.entries, k.entries[len(k.entries)-1].mark+w.shape.size)
	if err != nil {
		return err
	}
	for i := range sessions {
		s := &sessions[i]
		if !s.touched {
			continue
		}
		for _, start := range s.replaced {
			store.Delete(w.stateKey(nil, k.key, &entry[A]{start: start}))
			if err := w.emit(ctx, key, start, start, nil); err != nil {
				return err
			}
		}
		w.put(store, k.key, &s.entry)
		if !s.stored && len(s.replaced) == 0 {
			if err := w.arm(ctx, k.key, w.shape.over(s.start, s.mark, w.retention)); err != nil {
				return err
			}
		}
		if err := w.emit(ctx, key, s.start, s.mark, &s.acc); err != nil {
			return err
		}
	}
	return nil
}

// sessions returns the sessions of a key that start up to last, in order, those
// of the state joined with those of the open transaction. How far back one
// begins can't be known, so all that are there are read.
func (w *Windows[E, A]) sessions(store stream.Store, key string, open []entry[A], last int64) ([]session[A], error) {
	stored, err := w.load(store, key, math.MinInt64, last)
	if err != nil {
		return nil, err
	}
	var sessions []session[A]
	for len(stored) > 0 || len(open) > 0 {
		var next session[A]
		if len(open) == 0 || len(stored) > 0 && stored[0].start <= open[0].start {
			next = session[A]{entry: stored[0], stored: true}
			stored = stored[1:]
		} else {
			next = session[A]{entry: entry[A]{start: open[0].start, mark: open[0].mark}, touched: true}
			w.cfg.Aggregate.Merge(&next.acc, &open[0].acc) // a copy, in case it holds references
			open = open[1:]
		}
		if n := len(sessions); n > 0 && next.start <= sessions[n-1].mark+w.shape.size {
			s := &sessions[n-1]
			w.join(&s.entry, &next.entry)
			s.touched = s.touched || next.touched
			if next.stored && next.start != s.start {
				s.replaced = append(s.replaced, next.start)
			}
			s.stored = s.stored || next.stored && next.start == s.start
			continue
		}
		sessions = append(sessions, next)
	}
	return sessions, nil
}
