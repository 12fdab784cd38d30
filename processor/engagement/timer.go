package engagement

import (
	"bytes"
	"fmt"
	"time"

	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/schemas"
)

// A message has one timer, under its own key, for all its rules and lives. When
// it is due is in its state as well: so nothing is read, and nothing written
// where it stays as it is.

// setTimer sets the timer of a message, whose state is about to be written; zero:
// to none.
func (t *task) setTimer(ctx stream.Context, m *message, due schemas.Timestamp) {
	switch {
	case due == m.timer:
		return
	case due == 0:
		ctx.DeleteTimer(m.key)
	default:
		ctx.SetTimer(m.key, due.Time())
	}
	m.timer = due
}

// Timer judges a message again, or looks for what has expired.
func (t *task) Timer(ctx stream.Context, key []byte, _ time.Time) error {
	t.begin()
	switch {
	case t.sweep.Owns(key):
		return t.sweep.Timer(ctx)
	case t.countSweep.Owns(key):
		return t.countSweep.Timer(ctx)
	}
	m := t.cache.peek(key)
	if m == nil {
		return t.judgeStored(ctx, key)
	}
	m.timer, m.due = 0, true
	t.write(m)
	return nil
}

// judgeStored judges a message that is not in memory, and does not keep it
// there: after a standstill a great many may be due at once.
func (t *task) judgeStored(ctx stream.Context, key []byte) error {
	m, err := t.stored(ctx, key)
	if m == nil || err != nil {
		return err
	}
	m.timer = 0 // it has fired
	if err := t.judge(ctx, m); err != nil {
		return err
	}
	ctx.Store(storeMessages).Put(m.key, m.encode())
	t.cache.recycle(m)
	return nil
}

// stored reads a message from its store; nil: there is none.
func (t *task) stored(ctx stream.Context, key []byte) (*message, error) {
	value, err := ctx.Store(storeMessages).Get(key)
	if err != nil {
		return nil, fmt.Errorf("reading message: %w", err)
	}
	if value == nil {
		return nil, nil
	}
	m := t.cache.fresh()
	if m.identity, err = identityOfKey(key); err != nil {
		return nil, err
	}
	m.key = bytes.Clone(key)
	if err := m.decode(value); err != nil {
		return nil, err
	}
	m.state.derive(&m.identity, &m.derived)
	return m, nil
}
