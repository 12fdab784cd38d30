package engagement

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
	"github.com/posthorn/posthorn/schemas/avro"
)

// A state is written in Avro's primitives, but densely: times as differences,
// and per event a byte that says which texts follow. It is read by this stage
// alone and versioned by its first byte.
const stateVersion = 1

// Bits of the byte before an event's texts.
const (
	eventSuspect = 1 << iota
	eventURL
	eventCountry
	eventListID
	eventBounceClass
	eventRejectReason
)

func (s *state) append(b []byte) []byte {
	b = append(b, stateVersion)
	b = avro.AppendLong(b, int64(len(s.facts)))
	for i := range s.facts {
		b = s.facts[i].append(b)
	}
	b = avro.AppendLong(b, int64(len(s.events)))
	var last schemas.Timestamp
	for i := range s.events {
		b = appendEvent(b, &s.events[i], last)
		last = s.events[i].OccurredAt
	}
	b = s.folded.append(b)
	b = avro.AppendLong(b, int64(len(s.fired)))
	for _, f := range s.fired {
		b = avro.AppendBool(avro.AppendString(b, f.name), f.expired)
	}
	return b
}

func (f *facts) append(b []byte) []byte {
	b = avro.AppendLong(b, int64(f.occurredAt))
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

func appendEvent(b []byte, e *trigger.Event, last schemas.Timestamp) []byte {
	b = append(b, e.ID[:]...)
	b = append(b, byte(e.Type), byte(e.Machine))
	b = avro.AppendLong(b, int64(e.OccurredAt-last))
	b = avro.AppendLong(b, int64(e.ArrivedAt-e.OccurredAt))
	texts := [...]string{e.URL, e.Country, e.ListID, e.BounceClass, e.RejectReason}
	bits := byte(0)
	if e.TimeSuspect {
		bits = eventSuspect
	}
	for i, s := range texts {
		if s != "" {
			bits |= eventURL << i
		}
	}
	b = append(b, bits)
	for _, s := range texts {
		if s != "" {
			b = avro.AppendString(b, s)
		}
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

// decode sets s to the state that b holds.
func (s *state) decode(b []byte) error {
	s.reset()
	if len(b) == 0 || b[0] != stateVersion {
		return fmt.Errorf("decoding message state: unknown version in %x", b[:min(len(b), 8)])
	}
	r := reader{Reader: avro.NewReader(b[1:]), size: len(b)}
	s.facts = grow(s.facts, r.count(factsMinSize))
	for i := range s.facts {
		s.facts[i].read(&r)
	}
	s.events = grow(s.events, r.count(eventMinSize))
	var last schemas.Timestamp
	for i := range s.events {
		readEvent(&r, &s.events[i], last)
		last = s.events[i].OccurredAt
	}
	s.folded.read(&r)
	if n := r.count(2); n > 0 {
		s.fired = make([]firedRule, n)
		for i := range s.fired {
			s.fired[i] = firedRule{name: r.String(), expired: r.Bool()}
		}
	}
	if err := r.Close(); err != nil {
		return fmt.Errorf("decoding message state: %w", err)
	}
	if r.tooLong {
		return fmt.Errorf("decoding message state: %w", errTooLong)
	}
	return nil
}

// grow returns a slice of n zero elements with room for one more, in the memory
// of s if it suffices. The elements of s are zero.
func grow[T any](s []T, n int) []T { return slices.Grow(s[:0], n+1)[:n] }

// The least bytes that facts, an event and a folded window take.
const (
	factsMinSize  = 18
	eventMinSize  = 21
	windowMinSize = 9
)

// reader reads counts with a bound.
type reader struct {
	avro.Reader
	size    int
	tooLong bool
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

func (f *facts) read(r *reader) {
	f.occurredAt = schemas.Timestamp(r.Long())
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

func readEvent(r *reader, e *trigger.Event, last schemas.Timestamp) {
	r.Fixed(e.ID[:])
	e.Type = schemas.EventType(r.small(int32(schemas.EventTypeAutoresponded) + 1))
	e.Machine = schemas.Machine(r.small(int32(schemas.MachineMachine) + 1))
	e.OccurredAt = last + schemas.Timestamp(r.Long())
	e.ArrivedAt = e.OccurredAt + schemas.Timestamp(r.Long())
	bits := byte(r.small(math.MaxUint8))
	e.TimeSuspect = bits&eventSuspect != 0
	for i, s := range [...]*string{&e.URL, &e.Country, &e.ListID, &e.BounceClass, &e.RejectReason} {
		if bits&(eventURL<<i) != 0 {
			*s = r.String()
		}
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
		for _, n := range w.counts() {
			*n = r.Long()
		}
	}
}
