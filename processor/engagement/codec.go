package engagement

import (
	"errors"
	"fmt"
	"slices"

	"github.com/posthorn/posthorn/schemas"
	"github.com/posthorn/posthorn/schemas/avro"
)

// A state is written in Avro's primitives, but densely: times as differences,
// and per event bits that say which texts follow. It is read by this stage
// alone and versioned by its first byte. A message is its last life, then those
// before it; each begins with its last arrival, so that a sweep need not read
// further. Version 1 knew no lives, nor which event names which campaign; until
// version 3 events were not weighed against each other; until version 4 rules
// fired once for ever and had no timers; until version 5 there were no
// breakdowns, and neither source, client, device nor position of a link.
const (
	stateVersion  = 5
	stateVersion4 = 4
	stateVersion3 = 3
	stateVersion2 = 2
	stateVersion1 = 1
)

// encode is the message's state as it is stored.
func (m *message) encode() []byte { return m.append(make([]byte, 0, 160+48*len(m.state.events))) }

func (m *message) append(b []byte) []byte {
	version := byte(stateVersion)
	switch {
	case m.state.trusting:
		version = stateVersion2
	case m.state.uncounted:
		version = stateVersion4
	}
	b = m.state.append(append(b, version), version)
	b = avro.AppendLong(b, int64(len(m.earlier)))
	for _, s := range m.earlier {
		b = s.append(b, version)
	}
	if version > stateVersion3 {
		b = avro.AppendLong(b, m.timerOffset())
	}
	return b
}

// timerOffset is the message's timer as written: zero without one, else how far
// from its last arrival it is due, with zero left out.
func (m *message) timerOffset() int64 {
	switch d := int64(m.timer - m.state.last); {
	case m.timer == 0:
		return 0
	case d < 0:
		return d
	default:
		return d + 1
	}
}

func (m *message) setTimerOffset(d int64) {
	switch {
	case d == 0:
		m.timer = 0
	case d < 0:
		m.timer = m.state.last + schemas.Timestamp(d)
	default:
		m.timer = m.state.last + schemas.Timestamp(d-1)
	}
}

func (s *state) append(b []byte, version byte) []byte {
	b = avro.AppendLong(b, int64(s.last))
	b = avro.AppendLong(b, int64(s.last-s.first))
	b = avro.AppendLong(b, int64(len(s.facts)))
	for i := range s.facts {
		b = s.facts[i].append(b, s.last)
	}
	b = avro.AppendLong(b, int64(len(s.events)))
	b = s.appendEvents(b, version)
	b = s.folded.append(b)
	b = avro.AppendLong(b, int64(len(s.fired)))
	for i := range s.fired {
		f := &s.fired[i]
		b = avro.AppendString(b, f.name)
		if version > stateVersion3 {
			b = f.append(b)
		} else {
			b = avro.AppendBool(b, f.once == markExpired)
		}
	}
	return b
}

func (f *facts) append(b []byte, last schemas.Timestamp) []byte {
	b = avro.AppendLong(b, int64(f.occurredAt-last))
	b = append(b, f.eventID[:]...)
	bits := f.has()
	b = avro.AppendLong(b, int64(bits))
	for i, s := range f.text {
		if bits&(1<<i) != 0 {
			b = avro.AppendString(b, s)
		}
	}
	if bits&hasTags != 0 {
		b = avro.AppendStrings(b, f.tags)
	}
	if bits&hasMetadata != 0 {
		b = avro.AppendStringMap(b, f.metadata)
	}
	return b
}

func (f *folded) append(b []byte) []byte {
	b = avro.AppendLong(b, f.events)
	if f.events == 0 {
		return b
	}
	b = avro.AppendLong(b, int64(f.lastEventAt))
	b = avro.AppendLong(b, int64(f.lastArrivedAt))
	b = avro.AppendBool(b, f.timeSuspect)
	b = avro.AppendLong(b, int64(len(f.windows)))
	for i := range f.windows {
		w := &f.windows[i]
		b = avro.AppendLong(b, int64(w.start))
		b = avro.AppendLong(b, int64((w.arrived-w.start)/windowLength))
		for _, n := range w.counts() {
			b = avro.AppendLong(b, *n)
		}
	}
	return b
}

func (w *foldedWindow) counts() [8]*int64 {
	return [...]*int64{&w.opens, &w.humanOpens, &w.clicks, &w.humanClicks, &w.deferrals, &w.complaints, &w.unsubscribes, &w.other}
}

var errTooLong = errors.New("a count is larger than the rest of the state")

// decode sets m to the message that b holds.
func (m *message) decode(b []byte) error {
	m.state.reset()
	m.earlier, m.timer = nil, 0
	if len(b) == 0 || b[0] < stateVersion1 || b[0] > stateVersion {
		return fmt.Errorf("decoding message state: unknown version in %x", b[:min(len(b), 8)])
	}
	r := reader{Reader: avro.NewReader(b[1:]), size: len(b), version: b[0]}
	m.state.read(&r)
	if r.version > stateVersion1 {
		for range r.count(stateMinSize) {
			s := new(state)
			s.read(&r)
			m.earlier = append(m.earlier, s)
		}
	}
	if r.version > stateVersion3 {
		m.setTimerOffset(r.Long())
	}
	if err := r.end(); err != nil {
		return fmt.Errorf("decoding message state: %w", err)
	}
	return nil
}

// lastArrival reads no more than when the last event of a message arrived.
func lastArrival(b []byte) (schemas.Timestamp, error) {
	if len(b) > 0 && b[0] >= stateVersion2 && b[0] <= stateVersion {
		r := avro.NewReader(b[1:])
		return schemas.Timestamp(r.Long()), nil
	}
	var m message
	err := m.decode(b)
	return m.state.last, err
}

// read sets s, which is empty, to the state that r holds.
func (s *state) read(r *reader) {
	s.trusting, s.uncounted = r.version < stateVersion3, r.version < stateVersion
	var last schemas.Timestamp
	if r.version > stateVersion1 {
		last = schemas.Timestamp(r.Long())
		s.first, s.last = last-schemas.Timestamp(r.Long()), last
	}
	s.facts = grow(s.facts, r.count(factsMinSize))
	for i := range s.facts {
		s.facts[i].read(r, last)
	}
	s.events = grow(s.events, r.count(eventMinSize))
	s.readEvents(r, last)
	s.folded.read(r)
	if r.version == stateVersion1 && s.folded.events > 0 {
		s.see(s.folded.lastArrivedAt)
	}
	if n := r.count(2); n > 0 {
		s.fired = make([]firedRule, n)
		for i := range s.fired {
			s.fired[i].read(r)
		}
	}
}

// read reads a rule that has fired. Until version 3 all fired once for ever.
func (f *firedRule) read(r *reader) {
	f.name = r.String()
	if r.version > stateVersion3 {
		f.occurrences.read(r)
		return
	}
	f.once = markFired
	if r.Bool() {
		f.once = markExpired
	}
}

// grow returns a slice of n zero elements with room for one more, in the memory
// of s if it suffices. The elements of s are zero.
func grow[T any](s []T, n int) []T { return slices.Grow(s[:0], n+1)[:n] }

// The least bytes that a state, facts, an event and a folded window take.
const (
	stateMinSize  = 6
	factsMinSize  = 18
	eventMinSize  = 21
	windowMinSize = 9
)

// reader reads counts with a bound.
type reader struct {
	avro.Reader
	size    int
	version byte
	tooLong bool
}

// end tells whether all was read, and well.
func (r *reader) end() error {
	if err := r.Close(); err != nil {
		return err
	}
	if r.tooLong {
		return errTooLong
	}
	return nil
}

func (r *reader) count(minSize int) int {
	n := r.Long()
	if n < 0 || n > int64(r.size/minSize) {
		r.tooLong = true
		return 0
	}
	return int(n)
}

// small reads one byte that is a constant of an enum below n.
func (r *reader) small(n int32) int32 {
	var b [1]byte
	r.Fixed(b[:])
	if int32(b[0]) >= n {
		r.tooLong = true
		return 0
	}
	return int32(b[0])
}

func (f *facts) read(r *reader, last schemas.Timestamp) {
	f.occurredAt = last + schemas.Timestamp(r.Long())
	r.Fixed(f.eventID[:])
	bits := r.Long()
	for i := range f.text {
		if bits&(1<<i) != 0 {
			f.text[i] = r.String()
		}
	}
	if bits&hasTags != 0 {
		f.tags = r.Strings()
	}
	if bits&hasMetadata != 0 {
		f.metadata = r.StringMap()
	}
}

func (f *folded) read(r *reader) {
	if f.events = r.Long(); f.events == 0 {
		return
	}
	f.lastEventAt = schemas.Timestamp(r.Long())
	f.lastArrivedAt = schemas.Timestamp(r.Long())
	f.timeSuspect = r.Bool()
	f.windows = make([]foldedWindow, r.count(windowMinSize))
	for i := range f.windows {
		w := &f.windows[i]
		w.start = schemas.Timestamp(r.Long())
		w.arrived = w.start
		if r.version > stateVersion1 {
			w.arrived += windowLength * schemas.Timestamp(r.Long())
		}
		for _, n := range w.counts() {
			*n = r.Long()
		}
	}
}
