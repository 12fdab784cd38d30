package spool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// What may be on its way at once. Whoever sends something of his own beside it
// waits for no more than this.
const (
	inFlightBytes   = 1 << 20
	inFlightRecords = 512
)

// Send sends one record and calls done once, from any goroutine: with nil when
// the receiver has it for good, with ErrRefused when it never takes it, with
// anything else to have it sent again. The record must not be changed, and is
// the sender's for as long as it likes.
type Send func(record []byte, done func(error))

// Drain sends what the spool holds, and what is appended meanwhile, until ctx
// ends. While sending fails it waits longer and longer, and then tries a single
// record first. What is on its way when ctx ends is sent again after the next
// Open. At most one Drain runs at a time.
func (s *Spool) Drain(ctx context.Context, send Send) {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 100*time.Millisecond, 3*time.Second
	d := &drain{Spool: s, send: send}
	warned := false
	for ctx.Err() == nil {
		if d.segment == nil && !d.next(ctx) {
			return
		}
		err := d.attempt(ctx)
		if d.trusted {
			pause.Reset()
			warned = false
		}
		if err == nil || ctx.Err() != nil {
			continue
		}
		if !warned {
			s.log.Warn("the spool can't be drained now", "error", err)
			warned = true
		}
		d.trusted = false
		select {
		case <-ctx.Done():
		case <-time.After(pause.NextBackOff()):
		}
	}
}

// drain is the work on one segment after the other.
type drain struct {
	*Spool
	send    Send
	trusted bool // a record was taken since the last failure

	segment *segment // nil: the next is to be found
	loaded  bool
	records [][]byte // nil: done with
}

type outcome struct {
	record int
	err    error
}

// next waits for a segment. It returns false once ctx ends.
func (d *drain) next(ctx context.Context) bool {
	for {
		if d.segment = d.oldest(); d.segment != nil {
			d.loaded = false
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-d.grown:
		}
	}
}

// oldest returns the oldest segment that is sealed, or has the active one sealed.
func (s *Spool) oldest() *segment {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.sealed) > 0 {
		return s.sealed[0]
	}
	if s.active != nil && s.active.records > 0 {
		s.seal = true
		signal(s.wake)
	}
	return nil
}

// attempt sends the segment's records that are not confirmed yet, and is done
// with the segment when all are.
func (d *drain) attempt(ctx context.Context) error {
	if !d.loaded {
		c, err := d.load(d.segment)
		if errors.Is(err, fs.ErrNotExist) {
			d.log.Error("a segment of the spool is gone", "segment", segmentName(d.segment.seq))
			c, err = contents{}, nil
		}
		if err != nil {
			return fmt.Errorf("reading segment: %w", err)
		}
		d.loaded, d.records = true, c.records
	}
	if err := d.sendAll(ctx); err != nil {
		return err
	}
	if err := d.finish(d.segment); err != nil {
		return fmt.Errorf("removing segment: %w", err)
	}
	d.segment, d.records = nil, nil
	if err := d.syncDir(); err != nil {
		d.log.Warn("a segment that was removed may come again", "error", err)
	}
	return nil
}

// sendAll keeps a window of records on their way until all are confirmed, or the
// first failure and what was on its way beside it is known.
func (d *drain) sendAll(ctx context.Context) (failed error) {
	// Room for all, so that whoever reports never waits, even when nobody listens.
	outcomes := make(chan outcome, inFlightRecords)
	next, flying, bytes := 0, 0, 0
	for {
		for ; next < len(d.records) && failed == nil; next++ {
			i, record := next, d.records[next]
			if record == nil {
				continue
			}
			if flying > 0 && (!d.trusted || flying == inFlightRecords || bytes+len(record) > inFlightBytes) {
				break
			}
			flying, bytes = flying+1, bytes+len(record)
			d.send(record, func(err error) { outcomes <- outcome{i, err} })
		}
		if flying == 0 {
			return failed
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case o := <-outcomes:
			flying, bytes = flying-1, bytes-len(d.records[o.record])
			if err := d.note(o); err != nil && failed == nil {
				failed = err
			}
		}
	}
}

// note takes the outcome of one record.
func (d *drain) note(o outcome) error {
	refused := errors.Is(o.err, ErrRefused)
	if refused {
		name := refusedName(d.segment.seq, o.record)
		if err := d.refuse(d.segment, o.record, d.records[o.record]); err != nil {
			return fmt.Errorf("keeping refused record: %w", err)
		}
		d.log.Error("a record of the spool was refused for good and is kept", "file", name, "bytes", len(d.records[o.record]), "error", o.err)
	} else if o.err != nil {
		return o.err
	}
	d.records[o.record] = nil
	d.trusted = true
	d.mu.Lock()
	defer d.mu.Unlock()
	d.segment.records--
	if !refused {
		d.counts.Drained++
	}
	return nil
}
