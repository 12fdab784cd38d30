package spool

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// batchBytes is how much is written at once, at most: the time of one write
// bounds how long the records behind it wait.
const batchBytes = 4 << 20

// writer is what the goroutine that writes owns.
type writer struct {
	file   vfs.File // the active segment's; nil: none
	marker marker
	seq    uint64 // the last one used
	batch  []*pending
	buf    []byte
	pause  *backoff.ExponentialBackOff
}

// write is the goroutine that writes: what is waiting goes to disk with one
// fsync, while the next appends come together.
func (s *Spool) write() {
	defer close(s.ended)
	for range s.wake {
		for {
			batch, seal, closed := s.take()
			if len(batch) > 0 {
				err := s.attempt(batch)
				for _, p := range batch {
					p.done <- err
				}
			}
			if seal || (closed && len(batch) == 0) {
				s.sealActive()
			}
			if len(batch) > 0 {
				continue
			}
			if closed {
				return
			}
			break
		}
	}
}

// take takes the next batch. Its bytes stay counted in queued until it is done.
func (s *Spool) take() (batch []*pending, seal, closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, size := 0, int64(0)
	for n < len(s.queue) && (n == 0 || size+framed(s.queue[n].record) <= batchBytes) {
		size += framed(s.queue[n].record)
		n++
	}
	w := &s.writer
	clear(w.batch)
	w.batch = append(w.batch[:0], s.queue[:n]...)
	s.queue = slices.Delete(s.queue, 0, n)
	seal, s.seal = s.seal, false
	return w.batch, seal, s.closed
}

// attempt writes a batch. After a failure that says something about the disk,
// nothing is tried for a while.
func (s *Spool) attempt(batch []*pending) error {
	size := int64(0)
	for _, p := range batch {
		size += framed(p.record)
	}
	err := s.paused()
	if err == nil {
		if err = s.room(size); err == nil {
			err = s.append(batch, size)
		}
		s.noteAttempt(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queued -= size
	if err == nil {
		s.counts.Appended += uint64(len(batch))
		signal(s.grown)
	}
	return err
}

func (s *Spool) append(batch []*pending, size int64) error {
	w := &s.writer
	if w.file != nil && s.active.size+size > s.cfg.SegmentBytes {
		s.sealActive()
	}
	if w.file == nil {
		if err := s.begin(); err != nil {
			return fmt.Errorf("beginning segment: %w", noSpace(err))
		}
	}
	w.buf = w.buf[:0]
	for _, p := range batch {
		w.buf = appendRecord(w.buf, w.marker, p.record)
	}
	err := writeFull(w.file, w.buf)
	if err == nil {
		err = w.file.SyncData()
	}
	if cap(w.buf) > batchBytes {
		w.buf = nil // one large record must not hold memory for good
	}
	s.mu.Lock()
	s.active.size += size // After a failure too: that much may be there.
	if err == nil {
		s.active.records += int64(len(batch))
	}
	s.mu.Unlock()
	if err != nil {
		// What a failed fsync has left nobody knows, and another one would not
		// tell: this file gets nothing more. What it had before stays good.
		s.leave()
		return fmt.Errorf("writing segment: %w", noSpace(err))
	}
	return nil
}

// begin makes the file of another segment. Its header goes to disk with the
// first records.
func (s *Spool) begin() error {
	w := &s.writer
	w.seq++
	w.marker = newMarker()
	name, created := s.path(segmentName(w.seq)), time.Now()
	file, err := s.fs.Create(name, category)
	if err != nil {
		return err
	}
	err = writeFull(file, appendHeader(nil, w.marker, created))
	if err == nil {
		err = s.syncDir()
	}
	if err != nil {
		return errors.Join(err, file.Close(), s.fs.Remove(name))
	}
	w.file = file
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active = &segment{seq: w.seq, size: headerSize, created: created}
	return nil
}

// sealActive finishes the active segment: its end says that all of it was
// written in order.
func (s *Spool) sealActive() {
	w := &s.writer
	if w.file == nil {
		return
	}
	// Without the end a reader only knows less.
	err := writeFull(w.file, appendRecord(nil, w.marker, nil))
	if err == nil {
		err = w.file.SyncData()
	}
	if err != nil {
		s.log.Debug("a segment has no end", "segment", segmentName(w.seq), "error", err)
	}
	s.mu.Lock()
	s.active.size += recordHeader
	s.mu.Unlock()
	s.leave()
}

// leave gives the active segment to Drain as it is.
func (s *Spool) leave() {
	w := &s.writer
	if err := w.file.Close(); err != nil {
		s.log.Debug("closing a segment", "segment", segmentName(w.seq), "error", err)
	}
	w.file = nil
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sealed = append(s.sealed, s.active)
	s.active = nil
	signal(s.grown)
}

// room checks that the disk has space for size bytes beside what is left to
// others: a full disk must stop webhooks before it stops all else.
func (s *Spool) room(size int64) error {
	if s.cfg.MinFreeBytes == 0 {
		return nil
	}
	usage, err := s.fs.GetDiskUsage(s.cfg.Dir)
	if err != nil {
		return nil // the write will tell
	}
	if usage.AvailBytes < uint64(s.cfg.MinFreeBytes+size) {
		return fmt.Errorf("%w: %d MiB are free, %d MiB are to stay free", ErrDiskFull, usage.AvailBytes>>20, s.cfg.MinFreeBytes>>20)
	}
	return nil
}

// noteAttempt notes how an attempt ended.
func (s *Spool) noteAttempt(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.trouble
	s.trouble = err
	if err == nil {
		if was != nil {
			s.writer.pause.Reset()
			s.log.Info("the spool takes records again")
		}
		return
	}
	s.retryAt = time.Now().Add(s.writer.pause.NextBackOff())
	if was == nil {
		s.log.Error("the spool can't take records", "error", err)
	}
}

// paused returns the last failure until it is time to try again.
func (s *Spool) paused() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trouble != nil && time.Now().Before(s.retryAt) {
		return s.trouble
	}
	return nil
}

// noSpace makes the many ways to say so one.
func noSpace(err error) error {
	if vfs.IsNoSpaceError(err) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrDiskFull, err)
	}
	return err
}

func writeFull(f vfs.File, b []byte) error {
	n, err := f.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return err
}

func newMarker() (m marker) {
	for m == (marker{}) {
		_, _ = rand.Read(m[:]) // it never fails
	}
	return m
}
