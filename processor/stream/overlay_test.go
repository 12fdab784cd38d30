package stream

import (
	"encoding/binary"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"
)

type idleTask struct{}

func (idleTask) Process(Context, *kgo.Record) error     { return nil }
func (idleTask) Timer(Context, []byte, time.Time) error { return nil }
func (idleTask) Flush(Context) error                    { return nil }
func idleStage(stores ...string) Stage {
	return Stage{Name: "s", Stores: stores, NewTask: func(int32) (Task, error) { return idleTask{}, nil }}
}

// openTask is a task in an open transaction over db, without a client.
func openTask(t rapid.TB, db database, stage Stage) *taskRunner {
	t.Helper()
	w := &Worker{stage: stage, stores: append([]string{engineStore}, stage.Stores...), db: db}
	runner, err := newTaskRunner(&session{w: w, inTxn: true}, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	return runner
}

// commit does what a commit does with the task's writes, where the broker has
// acknowledged the changelog up to the offset.
func (t *taskRunner) commit(db database, offset int64) error {
	for key, due := range t.timers {
		var v []byte
		if due != 0 {
			v = binary.BigEndian.AppendUint64(nil, uint64(due))
		}
		t.stores[0].writes[string(timerKey([]byte(key)))] = v
	}
	clear(t.timers)
	for _, o := range t.stores {
		o.ack(&kgo.Record{Offset: offset})
	}
	var b batch
	t.collect(&b, time.UnixMicro(offset))
	return db.apply(&b)
}

func TestOverlayShowsOpenWrites(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		mustApply(t, db, batch{writes: []write{
			put(1, 1, "b", "old"), put(1, 1, "d", "old"), put(1, 1, "f", "old"), put(1, 1, "h", "old"), put(1, 2, "a", "other"),
		}})
		task := openTask(t, db, idleStage("one", "two"))
		s := task.Store("one")
		s.Put([]byte("a"), []byte("new")) // before all
		s.Put([]byte("d"), []byte("new")) // in place of one
		s.Delete([]byte("f"))
		s.Delete([]byte("g")) // never was
		s.Put([]byte("h"), nil)
		s.Put([]byte("i"), []byte{}) // behind all
		for key, want := range map[string]string{"a": "new", "b": "old", "d": "new", "h": "", "i": ""} {
			if v, err := s.Get([]byte(key)); v == nil || string(v) != want || err != nil {
				t.Errorf("%s reads %v, %v; want %q", key, v, err, want)
			}
		}
		for _, key := range []string{"f", "g", "c"} {
			if v, err := s.Get([]byte(key)); v != nil || err != nil {
				t.Errorf("%s reads %q, %v", key, v, err)
			}
		}
		equal(t, pairs(t, s.Scan, nil, nil, 99), "a=new", "b=old", "d=new", "h=", "i=")
		equal(t, pairs(t, s.Scan, []byte("b"), []byte("h"), 99), "b=old", "d=new")
		equal(t, pairs(t, s.Scan, []byte("c"), nil, 99), "d=new", "h=", "i=")
		for limit := 1; limit <= 5; limit++ {
			if n := len(pairs(t, s.Scan, nil, nil, limit)); n != limit {
				t.Errorf("a scan stopped after %d, not %d", n, limit)
			}
		}
		equal(t, pairs(t, task.Store("two").Scan, nil, nil, 99), "a=other")

		if err := task.renew(); err != nil { // an abort
			t.Fatal(err)
		}
		equal(t, pairs(t, s.Scan, nil, nil, 99), "b=old", "d=old", "f=old", "h=old")
	})
}

// What was written and where its changelog stands go into one batch.
func TestOverlayCommitsPositionsWithWrites(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		task := openTask(t, db, idleStage("one", "two"))
		task.Store("one").Put([]byte("a"), []byte("1"))
		task.SetTimer([]byte("a"), time.UnixMicro(9))
		if err := task.commit(db, 41); err != nil {
			t.Fatal(err)
		}
		equal(t, pairs(t, scanOf(db, 1, 1), nil, nil, 9), "a=1")
		equal(t, dueIndex(t, db, 1), "9:a")
		for store, want := range []int64{42, 42, 0} {
			if p, _, err := db.position(1, uint8(store)); p.next != want || err != nil {
				t.Errorf("store %d stands at %d, %v; want %d", store, p.next, err, want)
			}
		}
	})
}

// A task's view over either database is that of one map, whenever it commits
// or aborts.
func TestOverlayEqualsTheModel(t *testing.T) {
	for _, d := range databases {
		t.Run(d.name, func(t *testing.T) {
			db := d.open(t, t.TempDir())
			defer db.close()
			rapid.Check(t, func(r *rapid.T) {
				if err := db.drop(1, 1); err != nil {
					r.Fatal(err)
				}
				checkOverlay(r, db)
			})
		})
	}
}

func checkOverlay(r *rapid.T, db database) {
	task := openTask(r, db, idleStage("one"))
	s := task.Store("one")
	committed, open := map[string]string{}, map[string]string{}
	var offset int64
	keys := rapid.StringOfN(rapid.SampledFrom([]rune{'a', 'b', 0}), 0, 2, -1)
	r.Repeat(map[string]func(*rapid.T){
		"put": func(r *rapid.T) {
			k, v := keys.Draw(r, "key"), rapid.StringN(0, 2, -1).Draw(r, "value")
			open[k] = v
			s.Put([]byte(k), []byte(v))
		},
		"delete": func(r *rapid.T) {
			k := keys.Draw(r, "key")
			delete(open, k)
			s.Delete([]byte(k))
		},
		"commit": func(r *rapid.T) {
			offset++
			if err := task.commit(db, offset); err != nil {
				r.Fatal(err)
			}
			committed = maps.Clone(open)
		},
		"abort": func(r *rapid.T) {
			if err := task.renew(); err != nil {
				r.Fatal(err)
			}
			open = maps.Clone(committed)
		},
		"": func(r *rapid.T) {
			bound := rapid.OneOf(rapid.Just([]byte(nil)), rapid.Map(keys, func(s string) []byte { return []byte(s) }))
			from, to, limit := bound.Draw(r, "from"), bound.Draw(r, "to"), rapid.IntRange(1, 4).Draw(r, "limit")
			var want []string
			for _, k := range slices.Sorted(maps.Keys(open)) {
				if k >= string(from) && (to == nil || k < string(to)) && len(want) < limit {
					want = append(want, k+"="+open[k])
				}
				if v, err := s.Get([]byte(k)); v == nil || string(v) != open[k] || err != nil {
					r.Fatalf("%q reads %q, %v; want %q", k, v, err, open[k])
				}
			}
			if got := pairs(r, s.Scan, from, to, limit); !slices.Equal(got, want) {
				r.Fatalf("scan from %q to %q, at most %d: got %q, want %q", from, to, limit, got, want)
			}
		},
	})
}
