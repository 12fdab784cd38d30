package stream

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"
)

// Every database passes these tests; where kept is true, also after it was
// closed and opened again.
var databases = []struct {
	name string
	kept bool
	open func(t rapid.TB, dir string) database
}{
	{"memory", false, func(rapid.TB, string) database { return newMemoryDatabase() }},
	{"pebble", true, func(t rapid.TB, dir string) database { return openTestPebble(t, vfs.Default, dir) }},
	{"buffered", true, func(t rapid.TB, dir string) database {
		return newBufferedDatabase(openTestPebble(t, vfs.Default, dir), 1<<20)
	}},
	{"hardly buffered", true, func(t rapid.TB, dir string) database {
		return newBufferedDatabase(openTestPebble(t, vfs.Default, dir), 3*entryBytes)
	}},
}

func openTestPebble(t rapid.TB, fs vfs.FS, dir string) *pebbleDatabase {
	t.Helper()
	db, err := openPebble(fs, dir, 1<<20, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// eachDatabase runs f with every implementation, empty.
func eachDatabase(t *testing.T, f func(t *testing.T, db database)) {
	for _, d := range databases {
		t.Run(d.name, func(t *testing.T) {
			db := d.open(t, filepath.Join(t.TempDir(), "state"))
			t.Cleanup(func() {
				if err := db.close(); err != nil {
					t.Error(err)
				}
			})
			f(t, db)
		})
	}
}

func mustApply(t rapid.TB, db database, b batch) {
	t.Helper()
	if err := db.apply(&b); err != nil {
		t.Fatal(err)
	}
}

func mustGet(t rapid.TB, db database, partition int32, store uint8, key string) []byte {
	t.Helper()
	v, err := db.get(partition, store, []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func put(partition int32, store uint8, key, value string) write {
	return write{partition, store, key, []byte(value)}
}

func remove(partition int32, store uint8, key string) write {
	return write{partition, store, key, nil}
}

type scanner func(from, to []byte, f func(key, value []byte) bool) error

// pairs lists up to limit keys and values of a scan as key=value.
func pairs(t rapid.TB, scan scanner, from, to []byte, limit int) []string {
	t.Helper()
	var list []string
	err := scan(from, to, func(k, v []byte) bool {
		list = append(list, string(k)+"="+string(v))
		return len(list) < limit
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func scanOf(db database, partition int32, store uint8) scanner {
	return func(from, to []byte, f func(key, value []byte) bool) error {
		return db.scan(partition, store, from, to, f)
	}
}

func equal(t rapid.TB, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDatabaseTellsEmptyValuesFromNone(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		mustApply(t, db, batch{writes: []write{put(1, 1, "empty", ""), put(1, 1, "full", "x")}})
		if v := mustGet(t, db, 1, 1, "empty"); v == nil || len(v) != 0 {
			t.Errorf("the empty value reads %v", v)
		}
		if v := mustGet(t, db, 1, 1, "none"); v != nil {
			t.Errorf("no value reads %v", v)
		}
		equal(t, pairs(t, scanOf(db, 1, 1), nil, nil, 9), "empty=", "full=x")
	})
}

func TestDatabaseDeletesWhatIsAbsent(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		mustApply(t, db, batch{writes: []write{remove(1, 1, "never"), put(1, 1, "a", "1")}})
		mustApply(t, db, batch{writes: []write{remove(1, 1, "a")}})
		mustApply(t, db, batch{writes: []write{remove(1, 1, "a")}})
		if v := mustGet(t, db, 1, 1, "a"); v != nil {
			t.Errorf("a deleted key reads %q", v)
		}
		equal(t, pairs(t, scanOf(db, 1, 1), nil, nil, 9))
	})
}

func TestDatabaseScansWithinBounds(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		mustApply(t, db, batch{writes: []write{
			put(1, 1, "", "0"), put(1, 1, "a", "1"), put(1, 1, "a\x00", "2"), put(1, 1, "b", "3"), put(1, 1, "\xff\xff", "4"),
			put(1, 0, "z", "other store"), put(1, 2, "0", "other store"),
			put(0, 1, "z", "other partition"), put(2, 1, "0", "other partition"),
		}})
		scan := scanOf(db, 1, 1)
		equal(t, pairs(t, scan, nil, nil, 99), "=0", "a=1", "a\x00=2", "b=3", "\xff\xff=4")
		equal(t, pairs(t, scan, []byte("a"), []byte("b"), 99), "a=1", "a\x00=2")
		equal(t, pairs(t, scan, []byte("a\x00"), nil, 99), "a\x00=2", "b=3", "\xff\xff=4")
		equal(t, pairs(t, scan, nil, []byte("a"), 99), "=0")
		equal(t, pairs(t, scan, nil, []byte{}, 99))
		equal(t, pairs(t, scan, []byte("b"), []byte("b"), 99))
		equal(t, pairs(t, scan, []byte("b"), []byte("a"), 99))
		equal(t, pairs(t, scan, nil, nil, 2), "=0", "a=1")
	})
}

// A scan shows what was there when it began, and the database can be read and
// written meanwhile: a restore does, for another partition.
func TestDatabaseIsUsedDuringAScan(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		mustApply(t, db, batch{writes: []write{put(1, 1, "a", "1"), put(1, 1, "c", "3")}})
		var got []string
		if err := db.scan(1, 1, nil, nil, func(k, v []byte) bool {
			done := make(chan error, 1)
			go func() { done <- db.apply(&batch{writes: []write{put(1, 1, "b", "2"), remove(1, 1, "c")}}) }()
			if err := <-done; err != nil {
				t.Error(err)
			}
			if v := mustGet(t, db, 1, 1, "b"); string(v) != "2" {
				t.Errorf("b reads %q", v)
			}
			got = append(got, string(k)+"="+string(v))
			return true
		}); err != nil {
			t.Fatal(err)
		}
		equal(t, got, "a=1", "c=3")
		equal(t, pairs(t, scanOf(db, 1, 1), nil, nil, 9), "a=1", "b=2")
	})
}

func TestDatabaseKeepsPositions(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		if _, ok, err := db.position(1, 1); ok || err != nil {
			t.Fatalf("a position in an empty database: %v, %v", ok, err)
		}
		want := position{topicID: [16]byte{1, 2, 3}, next: 8, lastOffset: 6, lastCRC: 5, committed: time.UnixMicro(1_700_000_000_000_001)}
		mustApply(t, db, batch{writes: []write{put(1, 1, "a", "1")}, positions: []storePosition{{1, 1, want}, {1, 2, position{next: 1}}}})
		got, ok, err := db.position(1, 1)
		if !ok || err != nil || got != want {
			t.Errorf("got %+v, %v, %v", got, ok, err)
		}
		if _, ok, _ := db.position(2, 1); ok {
			t.Error("another partition has the position too")
		}
	})
}

func TestDatabaseDropsOneStoreAlone(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		var b batch
		for _, p := range []int32{0, 1, 2, 255, 256} {
			for _, s := range []uint8{0, 1, 2} {
				b.writes = append(b.writes, put(p, s, "\xff\xff", "v"), put(p, s, "", "v"))
				b.positions = append(b.positions, storePosition{p, s, position{next: 9}})
			}
		}
		mustApply(t, db, b)
		if err := db.drop(1, 1); err != nil {
			t.Fatal(err)
		}
		for _, p := range b.positions {
			dropped := p.partition == 1 && p.store == 1
			if _, ok, err := db.position(p.partition, p.store); ok == dropped || err != nil {
				t.Errorf("partition %d store %d: position %t, %v", p.partition, p.store, ok, err)
			}
			if n := len(pairs(t, scanOf(db, p.partition, p.store), nil, nil, 9)); (n == 0) != dropped {
				t.Errorf("partition %d store %d: %d keys", p.partition, p.store, n)
			}
		}
		mustApply(t, db, batch{writes: []write{put(1, 1, "again", "v")}})
		equal(t, pairs(t, scanOf(db, 1, 1), nil, nil, 9), "again=v")
	})
}

func TestDatabaseReopened(t *testing.T) {
	for _, d := range databases {
		if !d.kept {
			continue
		}
		t.Run(d.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			want := position{next: 8, lastOffset: 7, committed: time.UnixMicro(1)}
			db := d.open(t, dir)
			mustApply(t, db, batch{writes: []write{put(1, 1, "a", "1"), put(1, 1, "b", "2")}, positions: []storePosition{{1, 1, want}}})
			mustApply(t, db, batch{writes: []write{remove(1, 1, "b"), put(1, 1, "c", "")}})
			for range 3 {
				if err := db.close(); err != nil {
					t.Fatal(err)
				}
				db = d.open(t, dir)
				equal(t, pairs(t, scanOf(db, 1, 1), nil, nil, 9), "a=1", "c=")
				if p, ok, err := db.position(1, 1); p != want || !ok || err != nil {
					t.Errorf("position %+v, %v, %v", p, ok, err)
				}
			}
			if err := db.close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func timerWrite(partition int32, key string, due int64) write {
	if due == 0 {
		return write{partition, 0, string(timerKey(key)), nil}
	}
	return write{partition, 0, string(timerKey(key)), binary.BigEndian.AppendUint64(nil, uint64(due))}
}

// dueIndex lists the index of timers by due time as due:key.
func dueIndex(t rapid.TB, db database, partition int32) []string {
	t.Helper()
	var list []string
	if err := db.scan(partition, 0, []byte{timerByDue}, []byte{timerByDue + 1}, func(k, _ []byte) bool {
		list = append(list, fmt.Sprintf("%d:%s", binary.BigEndian.Uint64(k[1:9]), k[9:]))
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return list
}

// The changelog holds timers by key alone; what a write makes obsolete in the
// index by due time is found by the database, in a restore as in a commit.
func TestDatabaseKeepsTimersByDueTime(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		mustApply(t, db, batch{writes: []write{timerWrite(1, "a", 300), timerWrite(1, "b", 100), timerWrite(1, "", 200), timerWrite(2, "a", 1)}})
		equal(t, dueIndex(t, db, 1), "100:b", "200:", "300:a")
		mustApply(t, db, batch{writes: []write{timerWrite(1, "a", 50), timerWrite(1, "b", 100), timerWrite(1, "", 0), timerWrite(1, "never", 0)}})
		equal(t, dueIndex(t, db, 1), "50:a", "100:b")
		equal(t, dueIndex(t, db, 2), "1:a")
		// A restore may bring the same tail again.
		mustApply(t, db, batch{writes: []write{timerWrite(1, "a", 50), timerWrite(1, "b", 0)}})
		equal(t, dueIndex(t, db, 1), "50:a")
		if err := db.drop(1, 0); err != nil {
			t.Fatal(err)
		}
		equal(t, dueIndex(t, db, 1))
		mustApply(t, db, batch{writes: []write{timerWrite(1, "a", 70)}})
		equal(t, dueIndex(t, db, 1), "70:a")
	})
}

// model is what a database is, in the fewest words.
type model struct {
	values    map[storeID]map[string]string
	positions map[storeID]position
}

// Both databases do what the model does, whatever is done to them.
func TestDatabasesEqualTheModel(t *testing.T) {
	for _, d := range databases {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(r *rapid.T) { checkModel(t, r, d.kept, d.open) })
		})
	}
}

func checkModel(t *testing.T, r *rapid.T, kept bool, open func(rapid.TB, string) database) {
	dir := filepath.Join(t.TempDir(), "state")
	db := open(t, dir)
	defer func() { _ = db.close() }()
	m := model{map[storeID]map[string]string{}, map[storeID]position{}}
	stores := rapid.Custom(func(r *rapid.T) storeID {
		return storeID{rapid.SampledFrom([]int32{0, 1, 256}).Draw(r, "partition"), rapid.SampledFrom([]uint8{0, 1, 2}).Draw(r, "store")}
	})
	keys := rapid.StringOfN(rapid.SampledFrom([]rune{'a', 'b', 0, 0x7f}), 0, 3, -1)
	var serial int64
	actions := map[string]func(*rapid.T){
		"apply": func(r *rapid.T) {
			var b batch
			seen := map[string]bool{}
			for range rapid.IntRange(0, 6).Draw(r, "writes") {
				s, key := stores.Draw(r, "in"), keys.Draw(r, "key")
				if id := fmt.Sprint(s, key); seen[id] {
					continue
				} else {
					seen[id] = true
				}
				if m.values[s] == nil {
					m.values[s] = map[string]string{}
				}
				if rapid.IntRange(0, 3).Draw(r, "delete") == 0 {
					delete(m.values[s], key)
					b.writes = append(b.writes, remove(s.partition, s.store, key))
				} else {
					v := rapid.StringN(0, 3, -1).Draw(r, "value")
					m.values[s][key] = v
					b.writes = append(b.writes, put(s.partition, s.store, key, v))
				}
				serial++
				m.positions[s] = position{next: serial, lastOffset: serial - 1, committed: time.UnixMicro(serial)}
			}
			for s, p := range m.positions {
				b.positions = append(b.positions, storePosition{s.partition, s.store, p})
			}
			mustApply(r, db, b)
		},
		"drop": func(r *rapid.T) {
			s := stores.Draw(r, "store")
			delete(m.values, s)
			delete(m.positions, s)
			if err := db.drop(s.partition, s.store); err != nil {
				r.Fatal(err)
			}
		},
		"scan": func(r *rapid.T) {
			s, limit := stores.Draw(r, "store"), rapid.IntRange(1, 5).Draw(r, "limit")
			bound := rapid.OneOf(rapid.Just([]byte(nil)), rapid.Map(keys, func(s string) []byte { return []byte(s) }))
			from, to := bound.Draw(r, "from"), bound.Draw(r, "to")
			var want []string
			for k, v := range m.values[s] {
				if k >= string(from) && (to == nil || k < string(to)) {
					want = append(want, k+"="+v)
				}
			}
			slices.SortFunc(want, func(a, b string) int {
				ka, _, _ := bytes.Cut([]byte(a), []byte("="))
				kb, _, _ := bytes.Cut([]byte(b), []byte("="))
				return bytes.Compare(ka, kb)
			})
			if got := pairs(r, scanOf(db, s.partition, s.store), from, to, limit); !slices.Equal(got, want[:min(limit, len(want))]) {
				r.Fatalf("scan of %v from %q to %q: got %q, want %q", s, from, to, got, want)
			}
		},
		"": func(r *rapid.T) {
			for s, values := range m.values {
				for k, v := range values {
					if got := mustGet(r, db, s.partition, s.store, k); got == nil || string(got) != v {
						r.Fatalf("%q of %v reads %q, want %q", k, s, got, v)
					}
				}
			}
			for s, want := range m.positions {
				if p, ok, err := db.position(s.partition, s.store); p != want || !ok || err != nil {
					r.Fatalf("position of %v: %+v, %v, %v", s, p, ok, err)
				}
			}
		},
	}
	if kept {
		actions["reopen"] = func(r *rapid.T) {
			if err := db.close(); err != nil {
				r.Fatal(err)
			}
			db = open(r, dir)
		}
	}
	r.Repeat(actions)
}
