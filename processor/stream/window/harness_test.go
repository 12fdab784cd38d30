package window_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/stream/streamtest"
	"github.com/posthorn/posthorn/processor/stream/window"
)

func TestMain(m *testing.M) {
	// Rare coincidences matter here, and a check takes a tenth of a millisecond.
	if err := flag.Set("rapid.checks", "3000"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// event is an event of the tests; times are microseconds.
type event struct {
	Key         string
	At, Arrived int64
	ID          int
}

// ids is the result of the tests: which events a window holds, sorted. It is a
// slice so that parts shared between results would show.
type ids []int

func collect() window.Aggregate[event, ids] {
	insert := func(acc *ids, id int) {
		i, _ := slices.BinarySearch(*acc, id)
		*acc = slices.Insert(*acc, i, id)
	}
	return window.Aggregate[event, ids]{
		Add: func(acc *ids, e event) { insert(acc, e.ID) },
		Merge: func(acc, other *ids) {
			for _, id := range *other {
				insert(acc, id)
			}
		},
		Append: func(dst []byte, acc *ids) []byte {
			for _, id := range *acc {
				dst = binary.BigEndian.AppendUint32(dst, uint32(id))
			}
			return dst
		},
		Decode: func(b []byte, acc *ids) error {
			if len(b)%4 != 0 || len(b) == 0 {
				return errors.New("not ids")
			}
			for ; len(b) > 0; b = b[4:] {
				*acc = append(*acc, int(binary.BigEndian.Uint32(b)))
			}
			return nil
		},
	}
}

// place names a result: a key and the window's start.
type place struct {
	key   string
	start int64
}

type result struct {
	end int64
	ids string
}

// harness runs windows in a task and collects their last results.
type harness struct {
	testing.TB
	*streamtest.Driver
	results map[place]result
	late    map[string]int // events by how they were told
	windows *window.Windows[event, ids]
	ask     func(ctx stream.Context)
}

type task struct{ h *harness }

const askTopic = "ask"

func (t task) Process(ctx stream.Context, rec *kgo.Record) error {
	if rec.Topic == askTopic {
		t.h.ask(ctx)
		return nil
	}
	var e event
	if err := json.Unmarshal(rec.Value, &e); err != nil {
		return stream.Permanent(err)
	}
	return t.h.windows.Add(ctx, []byte(e.Key), time.UnixMicro(e.At), time.UnixMicro(e.Arrived), e)
}

func (t task) Timer(ctx stream.Context, key []byte, due time.Time) error {
	if mine, err := t.h.windows.Timer(ctx, key, due); err != nil || mine {
		return err
	}
	return fmt.Errorf("timer %q is not of the windows", key)
}

func (t task) Flush(ctx stream.Context) error { return t.h.windows.Flush(ctx) }

func newHarness(t testing.TB, shape window.Shape, retention time.Duration) *harness {
	t.Helper()
	h := &harness{TB: t, results: map[place]result{}, late: map[string]int{}}
	cfg := window.Config[event, ids]{
		Shape: shape, Retention: retention, Store: "windows", Name: "test", Aggregate: collect(),
		Emit: func(ctx stream.Context, r window.Result[ids]) error {
			rec := &kgo.Record{Topic: "out", Key: binary.BigEndian.AppendUint64(slices.Clone(r.Key), uint64(r.Window.Start.UnixMicro()))}
			if r.Value != nil {
				rec.Value = fmt.Appendf(binary.BigEndian.AppendUint64(nil, uint64(r.Window.End.UnixMicro())), "%v", *r.Value)
			}
			ctx.Produce(rec)
			return nil
		},
		Late: func(ctx stream.Context, l window.Late[event]) error {
			ctx.Produce(&kgo.Record{Topic: "late", Value: []byte(lateName(l.Event.ID, string(l.Key), l.At.UnixMicro(), l.Counted))})
			return nil
		},
	}
	stage := stream.Stage{Name: "test", Input: "in", Stores: []string{"windows"}, NewTask: func(int32) (stream.Task, error) {
		var err error
		h.windows, err = window.New(cfg)
		return task{h}, err
	}}
	var err error
	if h.Driver, err = streamtest.New(stage, 0); err != nil {
		t.Fatal(err)
	}
	return h
}

func lateName(id int, key string, at int64, counted bool) string {
	return fmt.Sprintf("%d of %s at %d counted %t", id, key, at, counted)
}

func (h *harness) add(events ...event) {
	h.Helper()
	for _, e := range events {
		value, err := json.Marshal(e)
		if err == nil {
			err = h.Process(&kgo.Record{Value: value})
		}
		if err != nil {
			h.Fatal(err)
		}
	}
}

func (h *harness) commit() {
	h.Helper()
	if err := h.Commit(); err != nil {
		h.Fatal(err)
	}
	h.collect()
}

func (h *harness) advance(to int64) {
	h.Helper()
	if err := h.Advance(time.UnixMicro(to)); err != nil {
		h.Fatal(err)
	}
	h.collect()
}

// collect reads the outputs: the last record of a key replaces the one before.
func (h *harness) collect() {
	h.Helper()
	told := map[string]bool{}
	for _, rec := range h.Take("out") {
		if told[string(rec.Key)] {
			h.Fatalf("%q was emitted twice in a transaction", rec.Key)
		}
		told[string(rec.Key)] = true
		n := len(rec.Key) - 8
		p := place{string(rec.Key[:n]), int64(binary.BigEndian.Uint64(rec.Key[n:]))}
		if rec.Value != nil {
			h.results[p] = result{int64(binary.BigEndian.Uint64(rec.Value)), string(rec.Value[8:])}
		} else if _, ok := h.results[p]; !ok {
			h.Fatalf("%v is removed and was never there", p)
		} else {
			delete(h.results, p)
		}
	}
	for _, rec := range h.Take("late") {
		h.late[string(rec.Value)]++
	}
}
