package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func open(t testing.TB, cfg Config) *Spool {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func appendAll(t testing.TB, s *Spool, records ...string) {
	t.Helper()
	for _, r := range records {
		if err := s.Append([]byte(r)); err != nil {
			t.Fatal(err)
		}
	}
}

// sink takes records and answers what answer says; nil: all.
type sink struct {
	mu     sync.Mutex
	got    []string
	answer func(record string) error
}

func (k *sink) send(record []byte, done func(error)) {
	var err error
	if k.answer != nil {
		err = k.answer(string(record))
	}
	if err == nil {
		k.mu.Lock()
		k.got = append(k.got, string(record))
		k.mu.Unlock()
	}
	done(err)
}

func (k *sink) records() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.got)
}

// drained runs Drain until nothing is left, and waits for its end.
func drained(t testing.TB, s *Spool, k *sink) []string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); s.Drain(ctx, k.send) }()
	until(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.sealed) == 0 && (s.active == nil || s.active.records == 0) && s.queued == 0
	})
	cancel()
	<-ended
	return k.records()
}

func until(t testing.TB, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not within 20 s")
		}
	}
}

func files(t testing.TB, s *Spool) (names []string) {
	t.Helper()
	all, err := s.fs.List(s.cfg.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		if name != "LOCK" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func TestAppendDrain(t *testing.T) {
	s := open(t, Config{SegmentBytes: 100})
	want := []string{"one", "two", strings.Repeat("3", 200), "four"}
	appendAll(t, s, want...)
	if st := s.Stats(); st.Records != 4 || st.Appended != 4 || st.Bytes < 200 || time.Since(st.Oldest) > time.Minute {
		t.Errorf("%+v", st)
	}
	if got := drained(t, s, &sink{}); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if left := files(t, s); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	if st := s.Stats(); st.Records != 0 || st.Drained != 4 || st.Bytes != 0 || !st.Oldest.IsZero() || !s.Empty() {
		t.Errorf("%+v", st)
	}
}

func TestReopen(t *testing.T) {
	cfg := Config{Dir: t.TempDir(), SegmentBytes: 60}
	s := open(t, cfg)
	appendAll(t, s, "one", "two", "three", "four")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Append([]byte("x")); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	s = open(t, cfg)
	if st := s.Stats(); st.Records != 4 || st.DamagedBytes != 0 {
		t.Errorf("%+v", st)
	}
	appendAll(t, s, "five")
	if got := drained(t, s, &sink{}); !slices.Equal(got, []string{"one", "two", "three", "four", "five"}) {
		t.Errorf("got %q", got)
	}
}

func TestOneProcessADirectory(t *testing.T) {
	s := open(t, Config{})
	if _, err := Open(Config{Dir: s.cfg.Dir}); err == nil || !strings.Contains(err.Error(), "stop the other process") {
		t.Errorf("a second one: %v", err)
	}
	s.Close()
	open(t, Config{Dir: s.cfg.Dir})
}

func TestFull(t *testing.T) {
	s := open(t, Config{MaxBytes: 1000, SegmentBytes: 300})
	var want []string
	var err error
	for i := 0; err == nil; i++ {
		r := fmt.Sprintf("record %d %s", i, strings.Repeat("x", 50))
		if err = s.Append([]byte(r)); err == nil {
			want = append(want, r)
		}
	}
	if !errors.Is(err, ErrFull) || len(want) < 9 {
		t.Fatalf("%v after %d", err, len(want))
	}
	if b := s.Stats().Bytes; b > 1000 || b < 800 {
		t.Errorf("%d bytes", b)
	}
	if err := s.Err(); !errors.Is(err, ErrFull) {
		t.Errorf("Err: %v", err)
	}
	appendAll(t, s, "small")
	if err := s.Err(); err != nil {
		t.Errorf("Err after one that had room: %v", err)
	}
	if err := s.Append(make([]byte, 900)); !errors.Is(err, ErrFull) {
		t.Error(err)
	}
	if got := drained(t, s, &sink{}); !slices.Equal(got[:len(want)], want) {
		t.Errorf("got %q", got)
	}
	if err := s.Err(); err != nil {
		t.Error(err)
	}
	appendAll(t, s, "again")
}

// syncs counts fsyncs of segments, and holds them up.
type syncs struct {
	vfs.FS
	mu   sync.Mutex
	n    int
	hold chan struct{}
}

func (c *syncs) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := c.FS.Create(name, category)
	return counted{f, c}, err
}

type counted struct {
	vfs.File
	c *syncs
}

func (f counted) SyncData() error {
	<-f.c.hold
	f.c.mu.Lock()
	f.c.n++
	f.c.mu.Unlock()
	return f.File.SyncData()
}

func TestAppendsShareASync(t *testing.T) {
	fs := &syncs{FS: vfs.NewMem(), hold: make(chan struct{})}
	s := open(t, Config{Dir: "/spool", FS: fs})
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() { appendAll(t, s, fmt.Sprint("record ", i)) })
	}
	until(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.queue)+len(s.writer.batch) == 100
	})
	close(fs.hold)
	wg.Wait()
	if fs.n > 2 {
		t.Errorf("%d syncs for 100 appends that came while the first one was held", fs.n)
	}
}

func TestDrainGoesOnAfterFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Config{SegmentBytes: 200})
		var want []string
		for i := range 40 {
			want = append(want, fmt.Sprintf("record %02d", i))
		}
		appendAll(t, s, want...)
		failures := 0
		k := &sink{answer: func(r string) error {
			if failures++; failures%7 == 0 {
				return errors.New("not now")
			}
			return nil
		}}
		got := drained(t, s, k)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("not each once: %q", got)
		}
	})
}

// TestOneRecordFirst: while the receiver fails it is not shown a window.
func TestOneRecordFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Config{})
		appendAll(t, s, "1", "2", "3", "4", "5")
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		calls := make(chan func(error), 10)
		go func() {
			defer close(ended)
			s.Drain(ctx, func(_ []byte, done func(error)) { calls <- done })
		}()
		for range 3 {
			done := <-calls
			if len(calls) != 0 {
				t.Fatal("more than one record is on its way")
			}
			done(errors.New("not now"))
		}
		(<-calls)(nil)
		for range 4 {
			(<-calls)(nil)
		}
		until(t, s.Empty)
		cancel()
		<-ended
	})
}

// TestWindow: no more than a window is on its way, and Drain ends with its
// context though nothing was answered.
func TestWindow(t *testing.T) {
	s := open(t, Config{})
	record := bytes.Repeat([]byte("x"), 300<<10)
	for range 8 {
		if err := s.Append(record); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	calls := make(chan func(error), 10)
	go func() {
		defer close(ended)
		s.Drain(ctx, func(_ []byte, done func(error)) { calls <- done })
	}()
	(<-calls)(nil)
	flying := []func(error){<-calls, <-calls, <-calls}
	select {
	case <-calls:
		t.Error("1.2 MB are on their way")
	default:
	}
	cancel()
	<-ended
	for _, done := range flying {
		done(nil)
	}
	if n := s.Stats().Records; n != 7 {
		t.Errorf("%d records left", n)
	}
}

func TestRefusedIsKept(t *testing.T) {
	var log bytes.Buffer
	cfg := Config{Dir: t.TempDir(), SegmentBytes: 100, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	s := open(t, cfg)
	appendAll(t, s, "one", "poison", "three")
	k := &sink{answer: func(r string) error {
		if r == "poison" {
			return fmt.Errorf("%w: too large", ErrRefused)
		}
		return nil
	}}
	if got := drained(t, s, k); !slices.Equal(got, []string{"one", "three"}) {
		t.Errorf("got %q", got)
	}
	names := files(t, s)
	if !slices.Equal(names, []string{"0000000000000001-1.refused"}) {
		t.Fatalf("files %q", names)
	}
	if st := s.Stats(); st.Refused != 1 || st.Drained != 2 || st.Records != 0 || st.Bytes == 0 {
		t.Errorf("%+v", st)
	}
	if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), names[0]) {
		t.Errorf("log: %s", &log)
	}
	kept := s.Stats().Bytes
	s.Close()
	s = open(t, cfg)
	if got := s.Stats().Bytes; got != kept {
		t.Errorf("%d bytes after the next start, were %d", got, kept)
	}
	s.Close()
	if err := vfs.Default.Rename(s.path(names[0]), s.path(strings.Replace(names[0], ".refused", ".spool", 1))); err != nil {
		t.Fatal(err)
	}
	s = open(t, cfg)
	if got := drained(t, s, &sink{}); !slices.Equal(got, []string{"poison"}) {
		t.Errorf("sent again: %q", got)
	}
}
