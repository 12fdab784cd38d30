package campaign

import (
	"errors"
	"fmt"

	"github.com/posthorn/posthorn/schemas"
	"github.com/posthorn/posthorn/schemas/avro"
)

// A watch is kept in two values, both in Avro's primitives: the head, with the
// steps that are not decided yet, which every transaction may change, and the
// rest, the decided steps of the window, which change with each boundary alone.
// So a window of a thousand steps is not written ten times a second.
const watchVersion = 1

// Bits of the head's second byte.
const (
	watchRaised = 1 << iota
	watchWaiting
	watchFired
)

// split returns the number of steps that are decided.
func (w *watch) split() int {
	n := 0
	for n < len(w.steps) && w.steps[n].at+w.every <= w.decided {
		n++
	}
	return n
}

func (w *watch) appendHead(b []byte) []byte {
	bits := byte(0)
	for i, set := range [...]bool{w.raised, w.waiting, w.fired} {
		if set {
			bits |= 1 << i
		}
	}
	b = append(b, watchVersion, bits)
	for _, t := range [...]schemas.Timestamp{w.every, w.duration, w.decided, w.due, w.firedIn} {
		b = avro.AppendLong(b, int64(t))
	}
	return w.appendSteps(b, w.steps[w.split():])
}

func (w *watch) appendSteps(b []byte, steps []step) []byte {
	b = avro.AppendLong(b, int64(len(steps)))
	last := schemas.Timestamp(0)
	for _, s := range steps {
		b = avro.AppendLong(b, int64((s.at-last)/w.every))
		b = avro.AppendLong(b, s.hits)
		b = avro.AppendLong(b, s.base)
		last = s.at
	}
	return b
}

var errMalformed = errors.New("malformed")

// decode sets w to what head and rest hold, and leaves tenant and campaign.
func (w *watch) decode(head, rest []byte) error {
	if len(head) < 2 || head[0] != watchVersion {
		return fmt.Errorf("decoding what a rule has counted: unknown version in %x", head[:min(len(head), 8)])
	}
	r := avro.NewCopyingReader(head[2:])
	*w = watch{tenant: w.tenant, campaign: w.campaign,
		raised: head[1]&watchRaised != 0, waiting: head[1]&watchWaiting != 0, fired: head[1]&watchFired != 0}
	for _, t := range [...]*schemas.Timestamp{&w.every, &w.duration, &w.decided, &w.due, &w.firedIn} {
		*t = schemas.Timestamp(r.Long())
	}
	if !r.OK() || w.every <= 0 || w.duration < w.every {
		return fmt.Errorf("decoding what a rule has counted: %w", errMalformed)
	}
	if len(rest) > 0 {
		r := avro.NewCopyingReader(rest)
		if err := w.readSteps(&r, len(rest)); err != nil {
			return err
		}
	}
	return w.readSteps(&r, len(head))
}

// stepSize is the least that a step takes, in bytes.
const stepSize = 3

func (w *watch) readSteps(r *avro.Reader, size int) error {
	n := r.Long()
	if !r.OK() || n < 0 || n > int64(size/stepSize) {
		return fmt.Errorf("decoding steps of a rule: %w", errMalformed)
	}
	last := schemas.Timestamp(0)
	for range n {
		var s step
		s.at = last + schemas.Timestamp(r.Long())*w.every
		s.hits, s.base = r.Long(), r.Long()
		if len(w.steps) > 0 && s.at <= w.steps[len(w.steps)-1].at {
			return fmt.Errorf("decoding steps of a rule: %w", errMalformed)
		}
		w.steps = append(w.steps, s)
		last = s.at
	}
	if err := r.Close(); err != nil {
		return fmt.Errorf("decoding steps of a rule: %w", err)
	}
	return nil
}
