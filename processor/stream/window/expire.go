package window

import (
	"bytes"
	"time"

	"github.com/posthorn/posthorn/processor/stream"
)

// arm sets the timer of a key that got new state, if it has none.
func (w *Windows[E, A]) arm(ctx stream.Context, key string, over int64) error {
	timer := w.timerKey(key)
	due, err := ctx.GetTimer(timer)
	if err != nil || !due.IsZero() {
		return err
	}
	ctx.SetTimer(timer, toTime(over))
	return nil
}

// Timer deletes the state of windows that are closed. Pass it every timer of
// the task; mine tells whether this one belongs to the windows.
func (w *Windows[E, A]) Timer(ctx stream.Context, timer []byte, _ time.Time) (mine bool, err error) {
	if !bytes.HasPrefix(timer, w.name) {
		return false, nil
	}
	key := string(timer[len(w.name):])
	// What the open transaction added came before the frontier moved, and may
	// need the state that is over now.
	if k := w.open[key]; k != nil {
		if err := w.flush(ctx, k); err != nil {
			return true, err
		}
	}
	return true, w.expire(ctx, key)
}

func (w *Windows[E, A]) expire(ctx stream.Context, key string) error {
	store, now := ctx.Store(w.cfg.Store), frontier(ctx)
	prefix := w.prefix(nil, key)
	var gone [][]byte
	var newest int64
	left := false
	var failed error
	err := store.Scan(prefix, stream.PrefixEnd(prefix), func(k, v []byte) bool {
		start, mark, err := w.times(k[len(prefix):], v)
		if err != nil {
			failed = err
			return false
		}
		if over := w.shape.over(start, mark, w.retention); over <= now {
			gone = append(gone, bytes.Clone(k))
		} else if !left || over > newest {
			newest, left = over, true
		}
		return true
	})
	if failed != nil {
		return failed
	}
	if err != nil {
		return err
	}
	for _, k := range gone {
		store.Delete(k)
	}
	if left {
		ctx.SetTimer(w.timerKey(key), toTime(newest))
	} else {
		ctx.DeleteTimer(w.timerKey(key))
	}
	return nil
}

// frontier is the arrival frontier in microseconds, before all times while
// unknown.
func frontier(ctx stream.Context) int64 {
	if f := ctx.Frontier(); !f.IsZero() {
		return f.UnixMicro()
	}
	return onTime
}
