package window

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/posthorn/posthorn/processor/stream"
)

// A state key is the name and the event's key, each after its length, so that
// no key is the beginning of another's, then the start of the pane or session
// and, where there is one, the mark of a pane: 8 bytes big-endian that sort
// like the times. The value of a session begins with its end.

const maxKey = math.MaxUint16

func appendTime(b []byte, micro int64) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(micro)^1<<63)
}

func readTime(b []byte) int64 { return int64(binary.BigEndian.Uint64(b) ^ 1<<63) }

// prefix appends what all state keys of a key begin with.
func (w *Windows[E, A]) prefix(dst []byte, key string) []byte {
	dst = append(dst, w.name...)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(key)))
	return append(dst, key...)
}

func (w *Windows[E, A]) stateKey(dst []byte, key string, e *entry[A]) []byte {
	dst = appendTime(w.prefix(dst, key), e.start)
	if e.mark != onTime && !w.shape.session() {
		dst = appendTime(dst, e.mark)
	}
	return dst
}

func (w *Windows[E, A]) timerKey(key string) []byte {
	return append(append(make([]byte, 0, len(w.name)+len(key)), w.name...), key...)
}

// times reads start and mark; rest is the state key without the prefix.
func (w *Windows[E, A]) times(rest, value []byte) (start, mark int64, err error) {
	mark = onTime
	switch {
	case w.shape.session() && len(rest) == 8 && len(value) >= 8:
		mark = readTime(value)
	case !w.shape.session() && len(rest) == 16:
		mark = readTime(rest[8:])
	case w.shape.session() || len(rest) != 8:
		return 0, 0, fmt.Errorf("window: state of another shape, or not of windows, in store %s under the name %q", w.cfg.Store, w.cfg.Name)
	}
	return readTime(rest), mark, nil
}

func (w *Windows[E, A]) decode(rest, value []byte, e *entry[A]) (err error) {
	if e.start, e.mark, err = w.times(rest, value); err != nil {
		return err
	}
	if w.shape.session() {
		value = value[8:]
	}
	if err := w.cfg.Aggregate.Decode(value, &e.acc); err != nil {
		return fmt.Errorf("window: decoding state: %w", err)
	}
	return nil
}

func (w *Windows[E, A]) put(store stream.Store, key string, e *entry[A]) {
	var value []byte
	if w.shape.session() {
		value = appendTime(make([]byte, 0, 24), e.mark)
	}
	store.Put(w.stateKey(nil, key, e), w.cfg.Aggregate.Append(value, &e.acc))
}

// load reads the entries of a key that start in [from, to].
func (w *Windows[E, A]) load(store stream.Store, key string, from, to int64) ([]entry[A], error) {
	prefix := w.prefix(nil, key)
	n := len(prefix)
	low := appendTime(prefix[:n:n], from)
	high := stream.PrefixEnd(appendTime(prefix[:n:n], to))
	var entries []entry[A]
	var failed error
	err := store.Scan(low, high, func(k, v []byte) bool {
		var e entry[A]
		if failed = w.decode(k[n:], v, &e); failed == nil {
			entries = append(entries, e)
		}
		return failed == nil
	})
	if failed != nil {
		return nil, failed
	}
	return entries, err
}
