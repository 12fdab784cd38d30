package engagement

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
	"github.com/posthorn/posthorn/schemas/avro"
)

// Occurrences of a rule that have fired for one key. None is ever forgotten
// while what fired may be derived again: a message fires again and again with
// what it holds, and must be told that it has. In a message's state there is at
// most one for each of its kept events. In the store of rules they lie in blocks
// of time, so that no value grows without bound.

// mark tells how an occurrence has fired. One may fire again with a greater mark.
type mark byte

const (
	markNone    mark = iota
	markExpired      // only with evidence that was too old
	markFired        // live, or in the shadow
)

func markOf(s schemas.TriggerStatus) mark {
	if s == schemas.TriggerStatusExpired {
		return markExpired
	}
	return markFired
}

// occurrences are those of one rule and key.
type occurrences struct {
	once      mark      // of a rule without cooldown
	stretches []stretch // of one with, by start
}

// stretch is a stretch of a cooldown's length in which a rule has fired.
type stretch struct {
	start   schemas.Timestamp
	expired bool
}

// occurrence is a trigger.Firing's Occurrence, read.
type occurrence struct {
	once  bool
	start schemas.Timestamp
}

func occurrenceOf(f *trigger.Firing) (occurrence, error) {
	if f.Rule.Cooldown == 0 {
		return occurrence{once: true}, nil
	}
	start, err := strconv.ParseInt(f.Occurrence, 10, 64)
	if err != nil {
		return occurrence{}, fmt.Errorf("rule %s: occurrence %q is no time: %w", f.Rule.Name, f.Occurrence, err)
	}
	return occurrence{start: schemas.Timestamp(start)}, nil
}

func (o *occurrences) find(start schemas.Timestamp) (int, bool) {
	return slices.BinarySearchFunc(o.stretches, start, func(s stretch, t schemas.Timestamp) int { return cmp.Compare(s.start, t) })
}

func (o *occurrences) get(of occurrence) mark {
	if of.once {
		return o.once
	}
	i, ok := o.find(of.start)
	switch {
	case !ok:
		return markNone
	case o.stretches[i].expired:
		return markExpired
	}
	return markFired
}

func (o *occurrences) set(of occurrence, m mark) {
	if of.once {
		o.once = m
		return
	}
	i, ok := o.find(of.start)
	if !ok {
		o.stretches = slices.Insert(o.stretches, i, stretch{start: of.start})
	}
	o.stretches[i].expired = m == markExpired
}

// merge takes in those of another life; live ones win.
func (o *occurrences) merge(other *occurrences) {
	o.once = max(o.once, other.once)
	for _, s := range other.stretches {
		of := occurrence{start: s.start}
		if m := other.get(of); o.get(of) < m {
			o.set(of, m)
		}
	}
}

// append writes the stretches as differences, shifted by a bit for expired.
func (o *occurrences) append(b []byte) []byte {
	b = append(b, byte(o.once))
	b = avro.AppendLong(b, int64(len(o.stretches)))
	last := schemas.Timestamp(0)
	for _, s := range o.stretches {
		n := int64(s.start-last) << 1
		if s.expired {
			n |= 1
		}
		b = avro.AppendLong(b, n)
		last = s.start
	}
	return b
}

func (o *occurrences) read(r *reader) {
	o.once = mark(r.small(int32(markFired) + 1))
	if n := r.count(1); n > 0 {
		o.stretches = make([]stretch, n)
	}
	last := schemas.Timestamp(0)
	for i := range o.stretches {
		n := r.Long()
		last += schemas.Timestamp(n >> 1)
		o.stretches[i] = stretch{start: last, expired: n&1 != 0}
	}
}

// firedRule is a rule that fires once per message and has.
type firedRule struct {
	name string
	occurrences
}

// firedOf is what a rule that fires once per message has fired for it.
func (s *state) firedOf(rule string) *occurrences {
	for i := range s.fired {
		if s.fired[i].name == rule {
			return &s.fired[i].occurrences
		}
	}
	return nil
}

func (s *state) hasFired(rule string, of occurrence) mark {
	if o := s.firedOf(rule); o != nil {
		return o.get(of)
	}
	return markNone
}

func (s *state) setFired(rule string, of occurrence, m mark) {
	o := s.firedOf(rule)
	if o == nil {
		s.fired = append(s.fired, firedRule{name: rule})
		o = &s.fired[len(s.fired)-1].occurrences
	}
	o.set(of, m)
}

// encode is the value of a key of the store of rules: of a rule without cooldown
// one letter, else a block of occurrences.
func (o *occurrences) encode(once bool) []byte {
	switch {
	case !once:
		return o.append(nil)
	case o.once == markExpired:
		return []byte{ruleExpired}
	}
	return []byte{ruleFired}
}

func decodeFired(b []byte, once bool) (o occurrences, err error) {
	switch {
	case len(b) == 0:
		return o, nil
	case once && b[0] == ruleExpired:
		o.once = markExpired
		return o, nil
	case once:
		o.once = markFired
		return o, nil
	}
	r := reader{Reader: avro.NewReader(b), size: len(b), version: stateVersion}
	o.read(&r)
	if err := r.end(); err != nil {
		return o, fmt.Errorf("decoding what a rule has fired: %w", err)
	}
	return o, nil
}
