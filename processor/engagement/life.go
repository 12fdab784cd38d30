package engagement

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// near tells whether an event that arrived at that time belongs to this life of
// its message: whether no silence of the horizon lies between them.
func (s *state) near(arrivedAt, horizon schemas.Timestamp) bool {
	return arrivedAt > s.first-horizon && arrivedAt < s.last+horizon
}

// over tells whether nothing that is still to come can belong to this life.
func (s *state) over(horizon, frontier schemas.Timestamp) bool { return s.last+horizon <= frontier }

// see takes note of an arrival and tells whether the life became longer by it.
func (s *state) see(arrivedAt schemas.Timestamp) bool {
	switch {
	case s.first == 0:
		s.first, s.last = arrivedAt, arrivedAt
	case arrivedAt < s.first:
		s.first = arrivedAt
	case arrivedAt > s.last:
		s.last = arrivedAt
	default:
		return false
	}
	return true
}

// spans tells whether an event that arrived at that time is one of this life.
func (s *state) spans(arrivedAt schemas.Timestamp) bool {
	return arrivedAt >= s.first && arrivedAt <= s.last
}

// life returns the life of a message that an event belongs to. Nearly always it
// is the only one. Where the event came after a silence of the horizon, the life
// before it stays until the arrival frontier has passed its end: until then an
// event may come that arrived in between and makes the two one.
func (t *task) life(ctx stream.Context, m *message, arrivedAt schemas.Timestamp) (*state, error) {
	if len(m.earlier) == 0 && (len(m.state.events) == 0 || m.state.near(arrivedAt, t.horizon)) {
		return &m.state, nil
	}
	if err := t.forget(ctx, m); err != nil {
		return nil, err
	}
	if len(m.state.events) == 0 {
		return &m.state, nil
	}
	var near []*state // at most two, one after the other
	for _, s := range m.lives() {
		if s.near(arrivedAt, t.horizon) {
			near = append(near, s)
		}
	}
	if len(near) == 1 {
		return near[0], nil
	}
	t.touch(m)
	if len(near) == 2 {
		m.earlier = slices.DeleteFunc(m.earlier, func(s *state) bool { return s == near[0] })
		t.keepFolded(ctx, m, near[1].absorb(near[0]))
		return near[1], nil
	}
	if arrivedAt > m.state.last {
		before := m.state
		m.earlier = append(m.earlier, &before)
		m.state = state{}
		return &m.state, nil
	}
	at := 0
	for at < len(m.earlier) && m.earlier[at].last < arrivedAt {
		at++
	}
	m.earlier = slices.Insert(m.earlier, at, new(state))
	return m.earlier[at], nil
}

// lives returns all lives of a message, in order.
func (m *message) lives() []*state { return append(slices.Clone(m.earlier), &m.state) }

// forget drops the lives that are over. What they contributed stays.
func (t *task) forget(ctx stream.Context, m *message) error {
	frontier := schemas.FromTime(ctx.Frontier())
	if m.changed || frontier == 0 {
		return nil // what it contributed is taken back, and will be added again
	}
	for _, s := range m.lives() {
		if !s.over(t.horizon, frontier) {
			break
		}
		if err := t.deleteFolded(ctx, m.key, s); err != nil {
			return err
		}
		if len(m.earlier) > 0 {
			m.earlier = m.earlier[1:]
		} else {
			m.state.reset()
			m.derived = schemas.Message{}
		}
	}
	return nil
}

// absorb takes in the life before, and returns the events that were folded for
// it.
func (s *state) absorb(o *state) (foldedNow []trigger.Event) {
	s.see(o.first)
	s.see(o.last)
	for i := range o.facts {
		s.learn(o.facts[i])
	}
	for i := range o.events {
		foldedNow = append(foldedNow, s.put(o.events[i])...)
	}
	s.folded.merge(&o.folded)
	for i := range o.fired {
		if known := s.firedOf(o.fired[i].name); known != nil {
			known.merge(&o.fired[i].occurrences)
		} else {
			s.fired = append(s.fired, o.fired[i])
		}
	}
	return foldedNow
}

// expired tells whether a key of the store of messages has passed the horizon.
func (t *task) expired(key, value []byte, frontier time.Time) (bool, error) {
	if key[0] != keyMessage {
		return false, nil
	}
	if m := t.cache.peek(key); m != nil && m.dirty {
		return false, nil // it is about to be written
	}
	last, err := lastArrival(value)
	if err != nil {
		return false, err
	}
	return last+t.horizon <= schemas.FromTime(frontier), nil
}

// expire deletes a message, and the ids of its folded events. Where the frontier
// has leapt, its timer may be due at the same time: what it is for comes first.
func (t *task) expire(ctx stream.Context, key []byte) error {
	m, err := t.stored(ctx, key)
	if m == nil || err != nil {
		return err
	}
	if m.timer != 0 {
		if err := t.judge(ctx, m); err != nil {
			return err
		}
		t.setTimer(ctx, m, 0)
	}
	for _, s := range m.lives() {
		if err := t.deleteFolded(ctx, key, s); err != nil {
			return err
		}
	}
	t.cache.drop(key)
	ctx.Store(storeMessages).Delete(key)
	return nil
}

// keepFolded writes the ids of events that were folded.
func (t *task) keepFolded(ctx stream.Context, m *message, events []trigger.Event) {
	for i := range events {
		ctx.Store(storeMessages).Put(foldedKey(m.key, events[i].ID), appendFolded(nil, &events[i]))
	}
}

// eachFolded calls f for every folded event of a life.
func (t *task) eachFolded(ctx stream.Context, message []byte, s *state, f func(key []byte, e *trigger.Event)) error {
	if s.folded.events == 0 {
		return nil
	}
	prefix := foldedKey(message, schemas.ID{})[:len(message)]
	var failed error
	err := ctx.Store(storeMessages).Scan(prefix, stream.PrefixEnd(prefix), func(key, value []byte) bool {
		if len(key) != len(prefix)+len(schemas.ID{}) {
			return true // of a message whose id is longer
		}
		var e trigger.Event
		if e, failed = decodeFolded(value, s); failed == nil && s.spans(e.ArrivedAt) {
			f(bytes.Clone(key), &e)
		}
		return failed == nil
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return fmt.Errorf("reading folded events: %w", err)
	}
	return nil
}

func (t *task) deleteFolded(ctx stream.Context, message []byte, s *state) error {
	var keys [][]byte
	if err := t.eachFolded(ctx, message, s, func(key []byte, _ *trigger.Event) { keys = append(keys, key) }); err != nil {
		return err
	}
	for _, key := range keys {
		ctx.Store(storeMessages).Delete(key)
	}
	return nil
}
