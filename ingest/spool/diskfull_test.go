package spool

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// disk is a file system with faults: room for so many bytes, fsyncs that fail,
// bytes that can't be read.
type disk struct {
	vfs.FS
	mu       sync.Mutex
	room     int // bytes that can still be written; negative: no bound
	failSync error
	unread   string // files that hold this can't be read
}

func (d *disk) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, category)
	if err != nil {
		return nil, err
	}
	return faulty{f, d, name}, nil
}

func (d *disk) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := d.FS.Open(name, opts...)
	if err != nil {
		return nil, err
	}
	return faulty{f, d, name}, nil
}

func (d *disk) set(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change()
}

type faulty struct {
	vfs.File
	d    *disk
	name string
}

func (f faulty) Write(b []byte) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.d.room >= 0 && len(b) > f.d.room {
		n, err := f.File.Write(b[:f.d.room])
		f.d.room = 0
		return n, errors.Join(err, syscall.ENOSPC)
	}
	if f.d.room >= 0 {
		f.d.room -= len(b)
	}
	return f.File.Write(b)
}

func (f faulty) SyncData() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.d.failSync != nil {
		return f.d.failSync
	}
	return f.File.SyncData()
}

func (f faulty) bad() bool { return f.d.unread != "" && strings.Contains(f.name, f.d.unread) }

func (f faulty) Read(b []byte) (int, error) {
	if f.bad() {
		return 0, syscall.EIO
	}
	return f.File.Read(b)
}

// ReadAt fails for the second block of 4 KiB.
func (f faulty) ReadAt(b []byte, at int64) (int, error) {
	if f.bad() && at == 4096 {
		return 0, syscall.EIO
	}
	return f.File.ReadAt(b, at)
}

// appendSome appends until one fails, and returns the others.
func appendSome(s *Spool, from, most int) (acked []string, err error) {
	for i := range most {
		r := fmt.Sprintf("record %03d %s", from+i, strings.Repeat("x", 40))
		if err = s.Append([]byte(r)); err != nil {
			return acked, err
		}
		acked = append(acked, r)
	}
	return acked, nil
}

func missing(acked, got []string) (n int) {
	for _, r := range acked {
		if !slices.Contains(got, r) {
			n++
		}
	}
	return n
}

// TestShortWrite: a disk that is full in the middle of a record loses none that
// were acknowledged, and the spool goes on once there is room.
func TestShortWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for room := 1000; room < 1100; room += 7 { // wherever in a record that is
			fs := &disk{FS: vfs.NewMem(), room: room}
			s := open(t, Config{Dir: "/spool", FS: fs, SegmentBytes: 400})
			acked, err := appendSome(s, 0, 100)
			if !errors.Is(err, ErrDiskFull) || len(acked) < 10 {
				t.Fatalf("%v after %d", err, len(acked))
			}
			if err := s.Append([]byte("x")); !errors.Is(err, ErrDiskFull) {
				t.Errorf("right after: %v", err)
			}
			if err := s.Err(); !errors.Is(err, ErrDiskFull) {
				t.Errorf("Err: %v", err)
			}
			fs.set(func() { fs.room = -1 })
			until(t, func() bool { return s.Append([]byte("again")) == nil })
			s.Close()
			s = open(t, Config{Dir: "/spool", FS: fs})
			if st := s.Stats(); st.DamagedBytes != 0 {
				t.Errorf("what was torn counts as damage: %+v", st)
			}
			if got := drained(t, s, &sink{}); missing(append(acked, "again"), got) > 0 {
				t.Errorf("%d of %d are missing", missing(acked, got), len(acked))
			}
			s.Close()
		}
	})
}

// TestFailedSync: after a failed fsync nothing is appended to that file, and
// nothing counts as stored that was to be synced.
func TestFailedSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewCrashableMem()
		fs := &disk{FS: mem, room: -1}
		s := open(t, Config{Dir: "/spool", FS: fs})
		acked, err := appendSome(s, 0, 10)
		if err != nil {
			t.Fatal(err)
		}
		fs.set(func() { fs.failSync = syscall.EIO })
		if _, err := appendSome(s, 10, 1); !errors.Is(err, syscall.EIO) {
			t.Errorf("got %v", err)
		}
		fs.set(func() { fs.failSync = nil })
		var more []string
		until(t, func() bool { more, err = appendSome(s, 20, 10); return err == nil })
		if names := files(t, s); len(names) != 2 {
			t.Errorf("files: %q", names)
		}
		after := mem.CrashClone(vfs.CrashCloneCfg{}) // all that was not synced is gone
		s = open(t, Config{Dir: "/spool", FS: after})
		if got := drained(t, s, &sink{}); !slices.Equal(got, append(acked, more...)) {
			t.Errorf("got %q", got)
		}
	})
}

// TestUnreadableBlock: what the disk does not give back costs the records that lie
// there, and the file is kept.
func TestUnreadableBlock(t *testing.T) {
	fs := &disk{FS: vfs.NewMem(), room: -1}
	s := open(t, Config{Dir: "/spool", FS: fs})
	acked, err := appendSome(s, 0, 200)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	fs.unread = ".spool"
	s = open(t, Config{Dir: "/spool", FS: fs})
	got := drained(t, s, &sink{})
	if n := missing(acked, got); n == 0 || n > 4096/60 || len(got)+n != 200 {
		t.Errorf("%d are missing, %d were sent", n, len(got))
	}
	if st := s.Stats(); st.DamagedBytes < 4096 || st.DamagedBytes > 4096+200 || st.Bytes == 0 {
		t.Errorf("%+v", st)
	}
	if names := files(t, s); !slices.Equal(names, []string{"0000000000000001.damaged"}) {
		t.Errorf("files: %q", names)
	}
}

func TestLowDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 10 << 20})
		s := open(t, Config{Dir: "/spool", FS: fs, MinFreeBytes: 9 << 20})
		appendAll(t, s, "one")
		if err := s.Append(make([]byte, 2<<20)); !errors.Is(err, ErrDiskFull) {
			t.Errorf("got %v", err)
		}
		fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 8 << 20})
		if err := s.Err(); !errors.Is(err, ErrDiskFull) {
			t.Errorf("got %v", err)
		}
		fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 20 << 20})
		until(t, func() bool { return s.Err() == nil && s.Append([]byte("two")) == nil })
	})
}

// TestDamagedSegment: a segment in the middle with a bad byte.
func TestDamagedSegment(t *testing.T) {
	cfg := Config{Dir: t.TempDir(), SegmentBytes: 300}
	s := open(t, cfg)
	acked, err := appendSome(s, 0, 12)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	name := s.path(segmentName(2))
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	data[headerSize+recordHeader+recordHeader+52] ^= 1 // in the second record, of 51 bytes
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, cfg)
	if st := s.Stats(); st.DamagedBytes != 63 || st.Records != 11 {
		t.Errorf("%+v", st)
	}
	got := drained(t, s, &sink{})
	if missing(acked, got) != 1 || len(got) != 11 {
		t.Errorf("got %q", got)
	}
	kept, err := os.ReadFile(s.path(damagedName(2)))
	if err != nil || !slices.Equal(kept, data) {
		t.Errorf("what was damaged is not kept as it was: %v", err)
	}
	if st := s.Stats(); st.Bytes != int64(len(data)) || st.DamagedBytes != 63 {
		t.Errorf("%+v", st)
	}
}

// TestTornTail: a record that a crash has torn is left out, those before it stay.
func TestTornTail(t *testing.T) {
	cfg := Config{Dir: t.TempDir()}
	s := open(t, cfg)
	acked, err := appendSome(s, 0, 3)
	if err != nil {
		t.Fatal(err)
	}
	name := s.path(segmentName(1))
	data, err := os.ReadFile(name) // as it is before it is ended in order
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	for cut := 1; cut < recordHeader+51; cut += 5 {
		if err := os.WriteFile(name, data[:len(data)-cut], 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, cfg)
		if got := drained(t, s, &sink{}); !slices.Equal(got, acked[:2]) {
			t.Errorf("cut by %d: %q", cut, got)
		}
		if st := s.Stats(); st.DamagedBytes != 0 || st.Bytes != 0 {
			t.Errorf("cut by %d: %+v", cut, st)
		}
		s.Close()
	}
}
