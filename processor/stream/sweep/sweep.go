// Package sweep deletes what has expired from the state of a task.
//
// A timer for each key would write every key twice. A [Sweep] has one timer a
// task: it walks the store a bounded number of keys at a time, so that no
// transaction waits for it, and rests for a day of arrival time between two
// walks. Expired state so stays for a while, which is why nothing may depend on
// whether it is still there: state expires when the arrival frontier says that
// it can never change again.
package sweep

import (
	"bytes"
	"fmt"
	"time"

	"github.com/posthorn/posthorn/processor/stream"
)

const (
	// Chunk is how many keys one firing of the timer looks at.
	Chunk = 1000
	// Pause is the arrival time between two firings of a walk, Rest that
	// between two walks.
	Pause = time.Minute
	Rest  = 24 * time.Hour
)

// prefix begins the key of a sweep's timer, and of its cursor in the store it
// walks: the next key to look at. No other key of the store, and no other timer,
// may begin with a zero byte.
const prefix = "\x00sweep"

// Sweep is the walk through one store of one task. Its methods are called by
// the methods of the task that owns it.
type Sweep struct {
	// Name tells the sweeps of a task apart; one may have none.
	Name string
	// Store is the store's name.
	Store string
	// From is where walks begin; nil: at the first key.
	From []byte
	// Expired tells whether a key has expired at the frontier. It must not write
	// to the store.
	Expired func(key, value []byte, frontier time.Time) (bool, error)
	// Delete deletes a key that has expired. The key is its own.
	Delete func(ctx stream.Context, key []byte) error

	started bool
}

// key is the key of the timer and the cursor.
func (s *Sweep) key() []byte { return []byte(prefix + s.Name) }

// Owns tells whether a timer is the sweep's.
func (s *Sweep) Owns(timer []byte) bool {
	return len(timer) == len(prefix)+len(s.Name) && string(timer[:len(prefix)]) == prefix && string(timer[len(prefix):]) == s.Name
}

// Start sets the timer if there is none yet. It is called for every
// record and costs nothing after the first.
func (s *Sweep) Start(ctx stream.Context) error {
	if s.started {
		return nil
	}
	due, err := ctx.GetTimer(s.key())
	if err != nil {
		return fmt.Errorf("reading timer of sweep: %w", err)
	}
	if due.IsZero() {
		ctx.SetTimer(s.key(), ctx.Frontier().Add(Pause))
	}
	s.started = true
	return nil
}

// Timer looks at the next keys. It is the task's Timer where that has no other
// timers.
func (s *Sweep) Timer(ctx stream.Context) error {
	store := ctx.Store(s.Store)
	from, err := store.Get(s.key())
	if err != nil {
		return fmt.Errorf("reading cursor of sweep: %w", err)
	}
	if len(from) == 0 {
		from = s.first()
	}
	var expired [][]byte
	var next []byte
	var failed error
	n := 0
	err = store.Scan(from, nil, func(k, v []byte) bool {
		if n++; n > Chunk {
			next = bytes.Clone(k)
			return false
		}
		var gone bool
		if gone, failed = s.Expired(k, v, ctx.Frontier()); gone {
			expired = append(expired, bytes.Clone(k))
		}
		return failed == nil
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return fmt.Errorf("sweeping store %s: %w", s.Store, err)
	}
	for _, k := range expired {
		if err := s.Delete(ctx, k); err != nil {
			return err
		}
	}
	pause := Pause
	if next == nil {
		next, pause = []byte{}, Rest
	}
	store.Put(s.key(), next)
	// From the frontier, not from when the timer was due: after a standstill one
	// chunk follows, not all that were missed.
	ctx.SetTimer(s.key(), ctx.Frontier().Add(pause))
	return nil
}

// first is the first key of a walk, behind the sweep's own.
func (s *Sweep) first() []byte {
	if s.From != nil {
		return s.From
	}
	return append(s.key(), 0)
}
