package stream

import (
	"encoding/binary"
	"io/fs"
	"log/slog"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// A little state takes little space, also before any of it was written out:
// what is reserved beside it is missing from the disk all the same.
func TestStateTakesTheSpaceItNeeds(t *testing.T) {
	dir := t.TempDir()
	db, err := openPebble(vfs.Default, dir, 1<<20, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer db.close()
	const written = 8 << 20
	value := make([]byte, 1<<10)
	for i := range written / len(value) {
		key := binary.BigEndian.AppendUint32(nil, uint32(i))
		if err := db.apply(&batch{writes: []write{{1, 1, string(key), value}}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.db.LogData(nil, pebble.Sync); err != nil {
		t.Fatal(err)
	}
	if n := space(t, dir); n > 4*written {
		t.Errorf("%d MiB are in use for %d MiB of state", n>>20, written>>20)
	}
}

// space is what the files of a directory take of the disk.
func space(t *testing.T, dir string) (n int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil {
			n += info.Sys().(*syscall.Stat_t).Blocks * 512
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
