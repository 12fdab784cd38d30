package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// category is what the file system counts these writes under.
const category = vfs.WriteCategoryUnspecified

// segment is one file of records.
type segment struct {
	seq     uint64
	size    int64
	records int64 // not yet confirmed
	created time.Time
	damaged int64 // bytes known to be damaged
}

func (s *Spool) path(name string) string { return filepath.Join(s.cfg.Dir, name) }

func segmentName(seq uint64) string { return fmt.Sprintf("%016d.spool", seq) }
func damagedName(seq uint64) string { return fmt.Sprintf("%016d.damaged", seq) }

func refusedName(seq uint64, record int) string {
	return fmt.Sprintf("%016d-%d.refused", seq, record)
}

var fileName = regexp.MustCompile(`^(\d{16})(-\d+)?\.(spool|damaged|refused)$`)

// recover takes over what is in the directory.
func (s *Spool) recover() error {
	names, err := s.fs.List(s.cfg.Dir)
	if err != nil {
		return err
	}
	slices.Sort(names)
	names = slices.DeleteFunc(names, func(name string) bool { return !fileName.MatchString(name) })
	for _, name := range names {
		// Sixteen digits are always a number.
		seq, _ := strconv.ParseUint(name[:16], 10, 64)
		s.writer.seq = max(s.writer.seq, seq)
	}
	for _, name := range names {
		if err := s.recoverFile(name); err != nil {
			return fmt.Errorf("file %s: %w", name, err)
		}
	}
	return nil
}

func (s *Spool) recoverFile(name string) error {
	info, err := s.fs.Stat(s.path(name))
	if err != nil {
		return err
	}
	if filepath.Ext(name) != ".spool" {
		s.aside += info.Size()
		return nil
	}
	seg := &segment{size: info.Size(), created: info.ModTime()}
	seg.seq, _ = strconv.ParseUint(name[:16], 10, 64)
	if name != segmentName(seg.seq) { // a refused record that is to be sent again
		s.writer.seq++
		seg.seq = s.writer.seq
		if err := errors.Join(s.fs.Rename(s.path(name), s.path(segmentName(seg.seq))), s.syncDir()); err != nil {
			return err
		}
	}
	c, err := s.load(seg)
	if err != nil {
		return err
	}
	if len(c.records) == 0 && c.damaged == 0 {
		return errors.Join(s.fs.Remove(s.path(segmentName(seg.seq))), s.syncDir())
	}
	s.sealed = append(s.sealed, seg)
	return nil
}

// load reads a segment and notes what it holds. A part of the disk that can't be
// read is damage like any other.
func (s *Spool) load(seg *segment) (contents, error) {
	name := segmentName(seg.seq)
	data, err := s.read(name)
	if err != nil {
		return contents{}, err
	}
	c, err := parse(data)
	if err != nil {
		return contents{}, err
	}
	if c.torn > 0 {
		s.log.Info("left out what a crash has torn and nobody was told is stored", "segment", name, "bytes", c.torn)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	seg.size, seg.records = int64(len(data)), int64(len(c.records))
	if !c.created.IsZero() {
		seg.created = c.created
	}
	if c.damaged > seg.damaged {
		s.counts.DamagedBytes += uint64(c.damaged - seg.damaged)
		seg.damaged = c.damaged
		s.log.Error("a segment of the spool is damaged; what can be read is sent, and the file kept as "+damagedName(seg.seq),
			"segment", name, "damaged_bytes", c.damaged, "records", len(c.records))
	}
	return c, nil
}

// read reads a whole file. Bytes that the disk does not give back are 0xff: no
// record, and nothing that a crash leaves.
func (s *Spool) read(name string) (_ []byte, err error) {
	f, err := s.fs.Open(s.path(name))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	data := make([]byte, info.Size())
	const block = 4 << 10
	if _, err := io.ReadFull(f, data); err == nil {
		return data, nil
	}
	unreadable := 0
	for at := 0; at < len(data); at += block {
		part := data[at:min(at+block, len(data))]
		if n, err := f.ReadAt(part, int64(at)); err != nil && n < len(part) {
			for i := n; i < len(part); i++ {
				part[i] = 0xff
			}
			unreadable += len(part) - n
		}
	}
	s.log.Error("the disk does not give back all of a segment", "segment", name, "bytes", unreadable)
	return data, nil
}

// finish removes a segment of which all is confirmed; one that is damaged is
// kept by another name.
func (s *Spool) finish(seg *segment) error {
	name := s.path(segmentName(seg.seq))
	var err error
	if seg.damaged > 0 {
		err = s.fs.Rename(name, s.path(damagedName(seg.seq)))
	} else {
		err = s.fs.Remove(name)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.full, s.saidFull = false, false
	s.sealed = slices.DeleteFunc(s.sealed, func(other *segment) bool { return other == seg })
	if seg.damaged > 0 && err == nil {
		s.aside += seg.size
	}
	return nil
}

// refuse keeps one record in a file of its own.
func (s *Spool) refuse(seg *segment, record int, payload []byte) error {
	m := newMarker()
	data := appendHeader(nil, m, seg.created)
	data = appendRecord(data, m, payload)
	data = appendRecord(data, m, nil)
	f, err := s.fs.Create(s.path(refusedName(seg.seq, record)), category)
	if err != nil {
		return err
	}
	if err := writeFull(f, data); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close(), s.syncDir()); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.aside += int64(len(data))
	s.counts.Refused++
	return nil
}

// makeDir makes a directory that outlives a crash, with those above it.
func (s *Spool) makeDir(dir string) error {
	if _, err := s.fs.Stat(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	above := filepath.Dir(dir)
	if err := s.makeDir(above); err != nil {
		return err
	}
	if err := s.fs.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return s.sync(above)
}

func (s *Spool) syncDir() error { return s.sync(s.cfg.Dir) }

func (s *Spool) sync(path string) error {
	dir, err := s.fs.OpenDir(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
