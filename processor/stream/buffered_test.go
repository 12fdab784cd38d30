package stream

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func openTestBuffered(t *testing.T, dir string, limit int64) *bufferedDatabase {
	d := newBufferedDatabase(openTestPebble(t, vfs.Default, dir), limit)
	t.Cleanup(func() {
		if err := d.close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// count writes i as the value of n, in two stores, at position i.
func count(t *testing.T, d *bufferedDatabase, i int) {
	t.Helper()
	value := string(binary.BigEndian.AppendUint64(nil, uint64(i)))
	at := position{next: int64(i), lastOffset: int64(i) - 1}
	mustApply(t, d, batch{
		writes:    []write{put(1, 1, "n", value), put(1, 1, fmt.Sprint("k", i), value), put(1, 2, "n", value)},
		positions: []storePosition{{1, 1, at}, {1, 2, at}},
	})
}

// checkCount fails where a store holds more or less than its position says, and
// returns how far store 1 is.
func checkCount(t *testing.T, d database) int64 {
	t.Helper()
	var first int64
	for store := uint8(1); store <= 2; store++ {
		at, _, err := d.position(1, store)
		if err != nil {
			t.Fatal(err)
		}
		var n int64
		if v := mustGet(t, d, 1, store, "n"); v != nil {
			n = int64(binary.BigEndian.Uint64(v))
		}
		if n != at.next {
			t.Errorf("store %d holds %d, its position is %d", store, n, at.next)
		}
		if store == 1 {
			first = n
		}
	}
	return first
}

// What a crash takes is the end: each store holds just what its position says.
func TestCrashTakesTheEndOfTheBuffers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	d := openTestBuffered(t, dir, 20*entryBytes)
	var behind int64
	for i := 1; i <= 100; i++ {
		count(t, d, i)
		if n := checkCount(t, d); n != int64(i) {
			t.Fatalf("at %d after %d", n, i)
		}
		if i%10 != 0 {
			continue
		}
		image := filepath.Join(t.TempDir(), "image")
		if err := os.CopyFS(image, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		crashed := openTestPebble(t, vfs.Default, image)
		n := checkCount(t, crashed)
		if n > int64(i) {
			t.Errorf("the image is at %d, ahead of %d", n, i)
		}
		behind = max(behind, int64(i)-n)
		if err := crashed.close(); err != nil {
			t.Error(err)
		}
	}
	if behind == 0 {
		t.Error("nothing was ever only in memory")
	}
}

func TestBuffersAreBounded(t *testing.T) {
	const limit = 50 * entryBytes
	d := openTestBuffered(t, filepath.Join(t.TempDir(), "state"), limit)
	for i := range 1000 {
		p := int32(i % 7)
		mustApply(t, d, batch{writes: []write{put(p, 1, fmt.Sprint("k", i/3), "value")}})
		var sum int64
		for _, b := range d.buffers {
			for key, value := range b.writes {
				sum += int64(len(key)+len(value)) + entryBytes
			}
		}
		if sum != d.bytes || sum > limit {
			t.Fatalf("%d bytes in the buffers, counted %d, limit %d", sum, d.bytes, limit)
		}
	}
	for i := range 1000 {
		if v := mustGet(t, d, int32(i%7), 1, fmt.Sprint("k", i/3)); string(v) != "value" {
			t.Fatalf("key %d of partition %d: %q", i/3, i%7, v)
		}
	}
}

func TestBuffersSettle(t *testing.T) {
	d := openTestBuffered(t, filepath.Join(t.TempDir(), "state"), 1<<20)
	count(t, d, 1)
	for _, c := range []struct {
		after time.Duration
		want  int64
	}{{bufferedFor / 2, 0}, {bufferedFor + time.Second, 1}} {
		if err := d.settle(time.Now().Add(c.after)); err != nil {
			t.Fatal(err)
		}
		if n := checkCount(t, d.disk); n != c.want {
			t.Errorf("after %s %d is on disk, want %d", c.after, n, c.want)
		}
	}
	count(t, d, 2)
	if n := checkCount(t, d.disk); n != 1 {
		t.Errorf("%d is on disk, want 1", n)
	}
}

// A restore writes to disk: older writes in memory must not hide it.
func TestRestoreComesAfterTheBuffers(t *testing.T) {
	d := openTestBuffered(t, filepath.Join(t.TempDir(), "state"), 1<<20)
	count(t, d, 1)
	at := position{next: 5, lastOffset: 4}
	mustApply(t, d, batch{restored: true, writes: []write{put(1, 1, "n", "restored")}, positions: []storePosition{{1, 1, at}}})
	if v := mustGet(t, d, 1, 1, "n"); string(v) != "restored" {
		t.Errorf("got %q", v)
	}
	if p, _, err := d.position(1, 1); err != nil || p.next != 5 {
		t.Errorf("position %d, %v", p.next, err)
	}
	if v := mustGet(t, d, 1, 1, "k1"); v == nil {
		t.Error("what was in memory is lost")
	}
}

// Where files are damaged, writes in memory are no beginning of a changelog.
func TestRepairForgetsTheBuffers(t *testing.T) {
	d := openTestBuffered(t, filepath.Join(t.TempDir(), "state"), 1<<20)
	count(t, d, 1)
	if err := d.repair(); err != nil {
		t.Fatal(err)
	}
	if n := checkCount(t, d); n != 1 {
		t.Errorf("healthy state is at %d after a repair, want 1", n)
	}
	d.disk.damage.note(fmt.Errorf("a block is damaged"))
	if err := d.apply(&batch{writes: []write{put(1, 1, "n", "x")}}); err == nil {
		t.Error("damaged state took a write")
	}
	if err := d.repair(); err != nil {
		t.Fatal(err)
	}
	if n := checkCount(t, d); n != 0 || len(asides(t, d.disk.dir)) != 1 {
		t.Errorf("at %d after a repair, want 0; set aside: %v", n, asides(t, d.disk.dir))
	}
}
