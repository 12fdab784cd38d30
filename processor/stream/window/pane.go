package window

import (
	"cmp"
	"math"
	"slices"

	"github.com/posthorn/posthorn/processor/stream"
)

// flushSingle is flushPanes for windows of one pane each, which need no scan.
// These are the tumbling ones.
func (w *Windows[E, A]) flushSingle(ctx stream.Context, k *openKey[A]) error {
	store, key := ctx.Store(w.cfg.Store), []byte(k.key)
	fresh := false
	for i := range k.entries {
		e := &k.entries[i]
		w.key = w.stateKey(w.key[:0], k.key, e)
		value, err := store.Get(w.key)
		if err != nil {
			return err
		}
		sum := e
		if value == nil {
			fresh = true
		} else {
			sum = &entry[A]{}
			if err := w.decode(w.key[len(w.key)-8:], value, sum); err != nil {
				return err
			}
			w.cfg.Aggregate.Merge(&sum.acc, &e.acc)
		}
		w.put(store, k.key, sum)
		end, _ := w.shape.ends(e.start)
		if err := w.emit(ctx, key, end-w.shape.size, end, &sum.acc); err != nil {
			return err
		}
	}
	if !fresh {
		return nil
	}
	return w.arm(ctx, k.key, w.shape.over(k.entries[len(k.entries)-1].start, onTime, w.retention))
}

// flushPanes handles panes together that share windows.
func (w *Windows[E, A]) flushPanes(ctx stream.Context, k *openKey[A]) error {
	for from := 0; from < len(k.entries); {
		to := from + 1
		for to < len(k.entries) && k.entries[to].start-k.entries[to-1].start <= w.shape.reach() {
			to++
		}
		if err := w.flushNear(ctx, k.key, k.entries[from:to]); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// flushNear writes the touched panes and emits the windows that hold them.
func (w *Windows[E, A]) flushNear(ctx stream.Context, key string, touched []entry[A]) error {
	store := ctx.Store(w.cfg.Store)
	reach, newest := w.shape.reach(), touched[len(touched)-1].start
	stored, err := w.load(store, key, touched[0].start-reach, newest+reach)
	if err != nil {
		return err
	}
	fresh := false
	all := w.combine(stored, touched, func(e *entry[A], isNew bool) {
		w.put(store, key, e)
		fresh = fresh || isNew
	})
	if fresh {
		if err := w.arm(ctx, key, w.shape.over(newest, onTime, w.retention)); err != nil {
			return err
		}
	}
	keyBytes := []byte(key)
	return w.results(all, w.endsOf(touched, all), func(end int64, value *A) (bool, error) {
		return true, w.emit(ctx, keyBytes, end-w.shape.size, end, value)
	})
}

// combine merges sorted entries that the open transaction touched into stored
// ones, and calls changed for each that it touched.
func (w *Windows[E, A]) combine(stored, touched []entry[A], changed func(e *entry[A], isNew bool)) []entry[A] {
	all := make([]entry[A], 0, len(stored)+len(touched))
	for i := range touched {
		n, found := slices.BinarySearchFunc(stored, touched[i], compareEntries)
		all = append(all, stored[:n]...)
		stored = stored[n:]
		// A copy, in case the value holds references.
		e := entry[A]{start: touched[i].start, mark: touched[i].mark}
		if found {
			e, stored = stored[0], stored[1:]
		}
		w.cfg.Aggregate.Merge(&e.acc, &touched[i].acc)
		all = append(all, e)
		changed(&all[len(all)-1], !found)
	}
	return append(all, stored...)
}

// interval is a range of window ends, both included.
type interval struct{ first, last int64 }

// endsOf returns, in order, the ends of the windows in which one of touched
// counts. all holds every pane of these windows.
func (w *Windows[E, A]) endsOf(touched, all []entry[A]) []int64 {
	ranges := make([]interval, 0, len(touched))
	for i := range touched {
		first, last := w.shape.ends(touched[i].start)
		ranges = append(ranges, interval{max(first, touched[i].mark), last})
	}
	slices.SortFunc(ranges, func(a, b interval) int { return cmp.Compare(a.first, b.first) })
	var ends []int64
	if w.shape.sliding() {
		last := int64(math.MinInt64) // of the ranges that begin before
		for i := range all {
			end := all[i].start
			for ; len(ranges) > 0 && ranges[0].first <= end; ranges = ranges[1:] {
				last = max(last, ranges[0].last)
			}
			if all[i].mark == onTime && end <= last {
				ends = append(ends, end)
			}
		}
		return ends
	}
	for _, r := range ranges {
		end := r.first
		if len(ends) > 0 {
			end = max(end, ends[len(ends)-1]+w.shape.step)
		}
		for ; end <= r.last; end += w.shape.step {
			ends = append(ends, end)
		}
	}
	return ends
}

// results calls f with the value of each window that ends at one of ends,
// which ascend, until it returns false.
func (w *Windows[E, A]) results(all []entry[A], ends []int64, f func(end int64, value *A) (bool, error)) error {
	merge := w.cfg.Aggregate.Merge
	var late []entry[A]
	punctual := make([]entry[A], 0, len(all))
	for i := range all {
		if all[i].mark == onTime {
			punctual = append(punctual, all[i])
		} else {
			late = append(late, all[i])
		}
	}
	sum := slide[A]{merge: merge, entries: punctual}
	for _, end := range ends {
		first, last := w.shape.panes(end)
		value := sum.over(first, last)
		for i, _ := slices.BinarySearchFunc(late, entry[A]{start: first, mark: onTime}, compareEntries); i < len(late) && late[i].start <= last; i++ {
			if late[i].mark <= end {
				merge(&value, &late[i].acc)
			}
		}
		if more, err := f(end, &value); err != nil || !more {
			return err
		}
	}
	return nil
}
