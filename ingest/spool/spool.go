// Package spool keeps records on disk while Kafka does not take them: a
// directory of append-only segment files, bounded by bytes.
//
// Append returns once a record is on disk; appends that come together share one
// fsync. Drain sends what is there, oldest segment first, and removes a segment
// once all its records are confirmed. After a crash a segment that was not
// removed is sent again as a whole: records come at least once.
//
// Nothing that was acknowledged is dropped. A segment with damaged bytes is
// renamed to .damaged once its readable records are sent, and a record that the
// receiver will never take goes into a .refused file of its own, a segment like
// any other. Both count towards the bound until somebody removes them, or renames
// them to .spool to be sent again; the next Open takes notice of it.
package spool

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Why a record was not appended.
var (
	ErrFull     = errors.New("the spool is full")
	ErrDiskFull = errors.New("the disk is full")
	ErrClosed   = errors.New("the spool is closed")
)

// ErrRefused is what Send reports for a record that will never be taken.
var ErrRefused = errors.New("refused for good")

// Config configures a Spool. Dir is required; any other zero value means the
// default.
type Config struct {
	Dir string
	// MaxBytes bounds all files together; default 1 GiB.
	MaxBytes int64
	// MinFreeBytes of the disk are left to others; default none.
	MinFreeBytes int64
	// SegmentBytes is the size from which on another segment is begun; a single
	// record may be larger. A segment is read as a whole. Default 8 MiB.
	SegmentBytes int64

	FS     vfs.FS // default: the operating system's
	Logger *slog.Logger
}

// Spool is safe for concurrent use.
type Spool struct {
	cfg  Config
	fs   vfs.FS
	log  *slog.Logger
	lock io.Closer

	wake  chan struct{} // there is work for the writer
	grown chan struct{} // there may be work for Drain
	ended chan struct{} // the writer is gone

	mu      sync.Mutex
	queue   []*pending // what the writer has not taken yet
	queued  int64      // bytes that queue and the writer's batch will take
	closed  bool
	seal    bool       // Drain wants the active segment
	sealed  []*segment // oldest first
	active  *segment   // nil: the next append begins one
	aside   int64      // bytes of files set aside
	counts  Counts
	trouble error // why nothing is tried until retryAt
	retryAt time.Time
	// full tells that the last record had no room, saidFull that the log knows.
	full, saidFull bool

	writer writer
}

// Counts are of this process.
type Counts struct {
	Appended     uint64 // records
	Drained      uint64 // records confirmed
	Refused      uint64 // records set aside
	DamagedBytes uint64 // bytes that belong to no readable record
}

// Stats is the state of a spool.
type Stats struct {
	Counts
	Bytes   int64     // of all files, those set aside included
	Records int64     // not yet confirmed
	Oldest  time.Time // when the segment of the oldest of them was begun; zero: none
}

// Open makes the directory or takes over what is there. It reads all of it:
// records that a crash has torn, which nobody was told are stored, are left out.
func Open(cfg Config) (_ *Spool, err error) {
	orDefault(&cfg.MaxBytes, 1<<30)
	orDefault(&cfg.SegmentBytes, 8<<20)
	if cfg.Dir == "" || cfg.MaxBytes < 0 || cfg.MinFreeBytes < 0 || cfg.SegmentBytes < 0 {
		return nil, errors.New("spool: Dir is required, and sizes are not negative")
	}
	if cfg.FS == nil {
		cfg.FS = vfs.Default
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Spool{
		cfg: cfg, fs: cfg.FS, log: cfg.Logger.With("spool", cfg.Dir),
		wake: make(chan struct{}, 1), grown: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	if err := s.makeDir(cfg.Dir); err != nil {
		return nil, fmt.Errorf("making spool: %w", err)
	}
	if s.lock, err = s.fs.Lock(s.path("LOCK")); err != nil {
		return nil, fmt.Errorf("locking spool %s: %w: stop the other process that uses it, or give this one a directory of its own", cfg.Dir, err)
	}
	if err := s.recover(); err != nil {
		return nil, errors.Join(fmt.Errorf("opening spool %s: %w", cfg.Dir, err), s.lock.Close())
	}
	s.writer.pause = backoff.NewExponentialBackOff()
	s.writer.pause.MaxInterval = 15 * time.Second
	go s.write()
	return s, nil
}

func orDefault(v *int64, value int64) {
	if *v == 0 {
		*v = value
	}
}

// pending is a record whose append waits.
type pending struct {
	record []byte
	done   chan error
}

// Append returns once the record is on disk, or why it is not: ErrFull,
// ErrDiskFull, ErrClosed or what the disk said. A record that was refused may be
// sent by Drain all the same. The record must not change meanwhile.
func (s *Spool) Append(record []byte) error {
	if len(record) == 0 || len(record) > math.MaxInt32 {
		return fmt.Errorf("spool: a record of %d bytes", len(record))
	}
	p := &pending{record: record, done: make(chan error, 1)}
	if err := s.enqueue(p); err != nil {
		return err
	}
	signal(s.wake)
	return <-p.done
}

func (s *Spool) enqueue(p *pending) error {
	size := framed(p.record)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	if s.bytes()+s.queued+headerSize+size > s.cfg.MaxBytes {
		s.full = true
		if !s.saidFull {
			s.saidFull = true
			s.log.Error("the spool is full", "max_bytes", s.cfg.MaxBytes)
		}
		return ErrFull
	}
	s.full = false
	s.queued += size
	s.queue = append(s.queue, p)
	return nil
}

// bytes is the size of all files. s.mu is held.
func (s *Spool) bytes() int64 {
	n := s.aside
	for _, seg := range s.sealed {
		n += seg.size
	}
	if s.active != nil {
		n += s.active.size
	}
	return n
}

// Err tells why an append would fail now, as far as that is known.
func (s *Spool) Err() error {
	s.mu.Lock()
	closed, full := s.closed, s.full
	s.mu.Unlock()
	switch {
	case closed:
		return ErrClosed
	case full:
		return ErrFull
	}
	if err := s.paused(); err != nil {
		return err
	}
	return s.room(0)
}

// Stats tells the state.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Stats{Counts: s.counts, Bytes: s.bytes()}
	add := func(seg *segment) {
		if seg.records == 0 {
			return
		}
		st.Records += seg.records
		if st.Oldest.IsZero() {
			st.Oldest = seg.created
		}
	}
	for _, seg := range s.sealed {
		add(seg)
	}
	if s.active != nil {
		add(s.active)
	}
	return st
}

// Empty tells whether no record is left to send.
func (s *Spool) Empty() bool { return s.Stats().Records == 0 }

// Close finishes the appends that wait and lets go of the directory. Drain must
// have returned.
func (s *Spool) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	signal(s.wake)
	<-s.ended
	return s.lock.Close()
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
