package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// fill writes n batches of which each says its number in three places, with a
// position that says it too: a state that is torn shows two numbers.
func fill(t testing.TB, db database, from, n int) {
	t.Helper()
	for i := from; i < from+n; i++ {
		v := binary.BigEndian.AppendUint64(nil, uint64(i))
		pad := make([]byte, 1000) // that does not compress
		noise := rand.NewChaCha8([32]byte(append(v, pad[:24]...)))
		_, _ = noise.Read(pad)
		mustApply(t, db, batch{
			writes:    []write{put(1, 1, "n", string(v)), put(1, 1, fmt.Sprintf("k%d", i), string(pad)), put(2, 2, "n", string(v)), timerWrite(1, "n", int64(i))},
			positions: []storePosition{{1, 1, position{next: int64(i)}}},
		})
	}
}

// level returns the number of the last batch in db, and fails where it is torn.
func level(t testing.TB, db database) int {
	t.Helper()
	p, ok, err := db.position(1, 1)
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		equal(t, pairs(t, scanOf(db, 1, 1), nil, nil, 9))
		return 0
	}
	n := int(p.next)
	want := binary.BigEndian.AppendUint64(nil, uint64(n))
	for _, v := range [][]byte{mustGet(t, db, 1, 1, "n"), mustGet(t, db, 2, 2, "n"), mustGet(t, db, 1, 0, "tn")} {
		if string(v) != string(want) {
			t.Errorf("torn: position %d, value %x", n, v)
		}
	}
	equal(t, dueIndex(t, db, 1), fmt.Sprintf("%d:n", n))
	for i := range n {
		if mustGet(t, db, 1, 1, fmt.Sprintf("k%d", i+1)) == nil {
			t.Errorf("position %d, but batch %d is missing", n, i+1)
		}
	}
	return n
}

// The files of a process that is killed are the files as they are: what they
// hold is level with some commit, and never torn.
func TestCrashImageIsBehindOrLevel(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	db := openTestPebble(t, vfs.Default, dir)
	defer db.close()
	for i := range 5 {
		fill(t, db, 1+i*200, 200)
		image := filepath.Join(t.TempDir(), "image")
		if err := os.CopyFS(image, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		crashed := openTestPebble(t, vfs.Default, image)
		if n := level(t, crashed); n > (i+1)*200 {
			t.Errorf("the image is at %d, ahead of %d", n, (i+1)*200)
		}
		if err := crashed.close(); err != nil {
			t.Error(err)
		}
	}
}

// A machine that loses power loses what was not synced, and any part of it. The
// state is then behind, or damaged and empty, and never ahead or torn.
func TestPowerCutLeavesStateBehind(t *testing.T) {
	const batches = 300
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		disk := vfs.NewCrashableMem()
		db := openTestPebble(t, disk, "/state")
		fill(t, db, 1, batches)
		if seed%2 == 0 {
			if err := db.db.Flush(); err != nil {
				t.Fatal(err)
			}
			fill(t, db, batches+1, batches)
		}
		crashed := openTestPebble(t, disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: int(seed * 5), RNG: rng}), "/state")
		n := level(t, crashed)
		if n > 2*batches {
			t.Errorf("seed %d: %d is ahead", seed, n)
		}
		fill(t, crashed, n+1, 10)
		level(t, crashed)
		if err := errors.Join(crashed.close(), db.close()); err != nil {
			t.Error(err)
		}
	}
}

// ruin overwrites the middle of every file of that kind.
func ruin(t *testing.T, dir, pattern string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for i := len(b) / 4; i < len(b)*3/4; i++ {
			b[i] ^= 0x5a
		}
		if err := os.WriteFile(f, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// asides lists the directories set aside beside dir.
func asides(t *testing.T, dir string) []string {
	t.Helper()
	list, err := filepath.Glob(dir + damagedSuffix + "*")
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// filled makes a state of several files on disk and closes it.
func filled(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "state")
	db := openTestPebble(t, vfs.Default, dir)
	fill(t, db, 1, 300)
	if err := db.db.Flush(); err != nil {
		t.Fatal(err)
	}
	fill(t, db, 301, 10)
	if err := db.close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestDamagedFilesAreSetAsideAtTheStart(t *testing.T) {
	for name, harm := range map[string]func(t *testing.T, dir string){
		"manifest":         func(t *testing.T, dir string) { ruin(t, dir, "MANIFEST-*") },
		"end of manifest":  func(t *testing.T, dir string) { cutShort(t, dir, "MANIFEST-*", 20) },
		"missing table":    func(t *testing.T, dir string) { removeFiles(t, dir, "*.sst") },
		"missing manifest": func(t *testing.T, dir string) { removeFiles(t, dir, "MANIFEST-*") },
		"empty table": func(t *testing.T, dir string) {
			files, _ := filepath.Glob(filepath.Join(dir, "*.sst"))
			for _, f := range files {
				if err := os.Truncate(f, 0); err != nil {
					t.Fatal(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filled(t)
			harm(t, dir)
			var log lockedLog
			db, err := openPebble(vfs.Default, dir, 1<<20, slog.New(slog.NewTextHandler(&log, nil)))
			if err != nil {
				t.Fatal(err)
			}
			defer db.close()
			if n := level(t, db); n != 0 {
				t.Errorf("the state begins at %d", n)
			}
			kept := asides(t, dir)
			if len(kept) != 1 || !strings.Contains(log.String(), kept[0]) {
				t.Errorf("set aside: %v, log: %s", kept, &log)
			}
			fill(t, db, 1, 10)
			level(t, db)
		})
	}
}

func cutShort(t *testing.T, dir, pattern string, by int64) {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(dir, pattern))
	for _, f := range files {
		info, err := os.Stat(f)
		if err == nil {
			err = os.Truncate(f, info.Size()-by)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func removeFiles(t *testing.T, dir, pattern string) {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(dir, pattern))
	for _, f := range files {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
}

// A log of writes that is damaged ends there: the state is behind.
func TestDamagedWriteAheadLogLeavesStateBehind(t *testing.T) {
	dir := filled(t)
	ruin(t, dir, "*.log")
	db := openTestPebble(t, vfs.Default, dir)
	defer db.close()
	if n := level(t, db); n >= 310 {
		t.Errorf("the state is at %d", n)
	}
}

// Damage inside a table is found when the block is read. The read fails, and
// the repair between two sessions begins anew.
func TestDamageFoundWhileReading(t *testing.T) {
	for name, use := range map[string]func(db database) error{
		"get":  func(db database) error { _, err := db.get(1, 1, []byte("k250")); return err },
		"scan": func(db database) error { return db.scan(1, 1, nil, nil, func(_, _ []byte) bool { return true }) },
		"apply": func(db database) error {
			// The due index is kept by reading the timer that was.
			return db.apply(&batch{writes: []write{timerWrite(1, "n", 5)}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filled(t)
			ruin(t, dir, "*.sst")
			db := openTestPebble(t, vfs.Default, dir)
			defer db.close()
			if err := use(db); err == nil {
				t.Fatal("damage was read over")
			}
			if err := db.apply(&batch{writes: []write{put(1, 1, "x", "y")}}); err == nil {
				t.Error("damaged state is written to")
			}
			for range 2 { // the second has nothing to do
				if err := db.repair(); err != nil {
					t.Fatal(err)
				}
			}
			if n := level(t, db); n != 0 {
				t.Errorf("the state begins at %d", n)
			}
			if kept := asides(t, dir); len(kept) != 1 {
				t.Errorf("set aside: %v", kept)
			}
			fill(t, db, 1, 10)
			level(t, db)
		})
	}
}

// Damage that comes back does not fill the disk.
func TestOnlyTheLastDamagedStateIsKept(t *testing.T) {
	dir := filled(t)
	var last string
	for range 3 {
		ruin(t, dir, "MANIFEST-*")
		if err := openTestPebble(t, vfs.Default, dir).close(); err != nil {
			t.Fatal(err)
		}
		kept := asides(t, dir)
		if len(kept) != 1 || kept[0] == last {
			t.Fatalf("set aside: %v, before %s", kept, last)
		}
		last = kept[0]
	}
}

// Two processes on one directory are a mistake of whoever started them, no
// damage.
func TestStateInUseIsNoDamage(t *testing.T) {
	dir := filled(t)
	if os.Getenv("STREAM_TEST_LOCK") != "" {
		dir = os.Getenv("STREAM_TEST_LOCK")
	}
	check := func(err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), "state directory of its own") {
			t.Errorf("the error is %v", err)
		}
		if kept := asides(t, dir); len(kept) > 0 {
			t.Errorf("set aside: %v", kept)
		}
	}
	if os.Getenv("STREAM_TEST_LOCK") != "" {
		_, err := openPebble(vfs.Default, dir, 1<<20, slog.New(slog.DiscardHandler))
		check(err)
		return
	}
	db := openTestPebble(t, vfs.Default, dir)
	defer db.close()
	_, err := openPebble(vfs.Default, dir, 1<<20, slog.New(slog.DiscardHandler))
	check(err)
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestStateInUseIsNoDamage$")
	child.Env = append(os.Environ(), "STREAM_TEST_LOCK="+dir)
	if out, err := child.CombinedOutput(); err != nil {
		t.Errorf("another process: %v\n%s", err, out)
	}
	if n := level(t, db); n != 310 {
		t.Errorf("the state is at %d", n)
	}
}

// What the operating system refuses is told as it is, and nothing is moved.
func TestWhatIsNoDamage(t *testing.T) {
	for _, err := range []error{
		nil, errors.New("not from opening"), openError{&fs.PathError{Err: syscall.ENOSPC}}, openError{fmt.Errorf("x: %w", syscall.EMFILE)},
		openError{&fs.PathError{Err: fs.ErrPermission}}, openError{&fs.PathError{Err: syscall.EACCES}}, openError{&fs.PathError{Err: syscall.EROFS}},
	} {
		if isDamage(err) {
			t.Errorf("%v counts as damage", err)
		}
	}
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openPebble(vfs.Default, dir, 1<<20, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("a file in place of the directory: %v", err)
	}
}

type lockedLog struct {
	mu sync.Mutex
	strings.Builder
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Builder.Write(p)
}
