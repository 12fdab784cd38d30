package window

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/posthorn/posthorn/processor/stream"
)

// Add adds an event that happened at one time and arrived at another. A key of
// more than 65,535 bytes is a permanent error.
func (w *Windows[E, A]) Add(ctx stream.Context, key []byte, at, arrived time.Time, e E) error {
	if len(key) > maxKey {
		return stream.Permanent(fmt.Errorf("window: key of %d bytes, at most %d", len(key), maxKey))
	}
	a := arrived.UnixMicro()
	micro := min(at.UnixMicro(), a)
	// What arrived before the frontier was processed before: this changes
	// nothing, unless a broker's clock was set back. Then it keeps a deleted
	// window from being made again.
	if f := ctx.Frontier(); !f.IsZero() {
		a = max(a, f.UnixMicro())
	}
	start, mark, late, counted := w.shape.place(micro, a, w.retention)
	if late {
		ctx.Late(1)
	}
	if late && w.cfg.Late != nil {
		l := Late[E]{Key: key, At: toTime(micro), Arrived: arrived, Event: e, Counted: counted}
		if err := w.cfg.Late(ctx, l); err != nil {
			return err
		}
	}
	if !counted {
		return nil
	}
	k := w.open[string(key)]
	if k == nil {
		k = w.openKey(key)
	}
	if w.shape.session() {
		w.extend(k, start)
	} else {
		k.seek(start, mark)
	}
	w.cfg.Aggregate.Add(&k.entries[k.last].acc, e)
	return nil
}

func (w *Windows[E, A]) openKey(key []byte) *openKey[A] {
	k := &openKey[A]{}
	if n := len(w.free); n > 0 {
		k, w.free = w.free[n-1], w.free[:n-1]
	}
	k.key = string(key)
	w.open[k.key] = k
	w.order = append(w.order, k)
	return k
}

// seek sets last to the entry, which it makes if needed.
func (k *openKey[A]) seek(start, mark int64) {
	if k.last < len(k.entries) && k.entries[k.last].start == start && k.entries[k.last].mark == mark {
		return
	}
	i, found := slices.BinarySearchFunc(k.entries, entry[A]{start: start, mark: mark}, compareEntries)
	if !found {
		k.entries = slices.Insert(k.entries, i, entry[A]{start: start, mark: mark})
	}
	k.last = i
}

func compareEntries[A any](a, b entry[A]) int {
	return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.mark, b.mark))
}

// maxFree and maxFreeEntries bound what is kept for the next transaction.
const maxFree, maxFreeEntries = 4096, 64

// Flush writes what changed and emits it, key by key in order of their first
// events and each in order of time.
func (w *Windows[E, A]) Flush(ctx stream.Context) error {
	for _, k := range w.order {
		if err := w.flush(ctx, k); err != nil {
			return err
		}
		if len(w.free) < maxFree && cap(k.entries) <= maxFreeEntries {
			w.free = append(w.free, k)
		}
	}
	clear(w.open)
	clear(w.order)
	w.order = w.order[:0]
	return nil
}

func (w *Windows[E, A]) flush(ctx stream.Context, k *openKey[A]) error {
	if len(k.entries) == 0 {
		return nil
	}
	var err error
	switch {
	case w.shape.session():
		err = w.flushSessions(ctx, k)
	case w.shape.reach() == 0:
		err = w.flushSingle(ctx, k)
	default:
		err = w.flushPanes(ctx, k)
	}
	clear(k.entries)
	k.entries, k.last = k.entries[:0], 0
	return err
}

// emit emits the result of a window. A nil value removes it.
func (w *Windows[E, A]) emit(ctx stream.Context, key []byte, start, end int64, value *A) error {
	return w.cfg.Emit(ctx, Result[A]{Key: key, Window: Window{toTime(start), toTime(end)}, Value: value})
}

func toTime(micro int64) time.Time { return time.UnixMicro(micro).UTC() }
