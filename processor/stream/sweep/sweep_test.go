package sweep

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/stream/streamtest"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// keeper keeps each record's key until its value, a time, is past.
type keeper struct {
	sweep  Sweep
	looked *int
}

func (k *keeper) Process(ctx stream.Context, rec *kgo.Record) error {
	ctx.Store("kept").Put(rec.Key, rec.Value)
	return k.sweep.Start(ctx)
}
func (k *keeper) Timer(ctx stream.Context, _ []byte, _ time.Time) error { return k.sweep.Timer(ctx) }
func (k *keeper) Flush(stream.Context) error                            { return nil }

func newDriver(t *testing.T, looked *int) *streamtest.Driver {
	d, err := streamtest.New(stream.Stage{Name: "keeper", Stores: []string{"kept"}, NewTask: func(int32) (stream.Task, error) {
		k := &keeper{looked: looked}
		k.sweep = Sweep{
			Store: "kept",
			Expired: func(_, value []byte, frontier time.Time) (bool, error) {
				*k.looked++
				until, err := time.Parse(time.RFC3339, string(value))
				return !until.After(frontier), err
			},
			Delete: func(ctx stream.Context, key []byte) error { ctx.Store("kept").Delete(key); return nil },
		}
		return k, nil
	}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func put(t *testing.T, d *streamtest.Driver, key string, until time.Time) {
	t.Helper()
	if err := d.Process(&kgo.Record{Key: []byte(key), Value: []byte(until.Format(time.RFC3339))}); err != nil {
		t.Fatal(err)
	}
}

func advance(t *testing.T, d *streamtest.Driver, to time.Time) {
	t.Helper()
	if err := d.Advance(to); err != nil {
		t.Fatal(err)
	}
	if err := d.Commit(); err != nil {
		t.Fatal(err)
	}
}

// A walk looks at every key once, a chunk each minute, also when tasks die
// meanwhile, and a standstill of the frontier is not made up for.
func TestWalk(t *testing.T) {
	looked := 0
	d := newDriver(t, &looked)
	advance(t, d, noon)
	const n = 2*Chunk + Chunk/2
	for i := range n {
		until := noon.Add(time.Hour)
		if i%2 == 0 {
			until = noon
		}
		put(t, d, fmt.Sprintf("k%05d", i), until)
	}
	advance(t, d, noon)
	if looked != 0 || len(d.Timers()) != 1 {
		t.Fatalf("looked at %d keys at once, timers %v", looked, d.Timers())
	}
	for i, want := range []int{Chunk, 2 * Chunk, n, n} {
		if i == 2 {
			if err := d.Abort(); err != nil {
				t.Fatal(err)
			}
			put(t, d, "k00001", noon.Add(time.Hour)) // the new task goes on with the walk
		}
		advance(t, d, noon.Add(time.Duration(i+1)*Pause))
		if looked != want {
			t.Errorf("looked at %d keys after %d minutes, want %d", looked, i+1, want)
		}
	}
	if got := len(d.State("kept")); got != n/2+1 { // and the cursor
		t.Errorf("%d keys are left, want %d", got, n/2+1)
	}
	advance(t, d, noon.Add(30*24*time.Hour))
	if looked != n+Chunk {
		t.Errorf("looked at %d keys after a month, want one chunk more than %d", looked, n)
	}
	advance(t, d, noon.Add(30*24*time.Hour+2*Pause))
	if got := len(d.State("kept")); got != 1 {
		t.Errorf("%d keys are left, want the cursor alone", got)
	}
}

// An idle task fires once a day.
func TestIdle(t *testing.T) {
	looked := 0
	d := newDriver(t, &looked)
	put(t, d, "k", noon.Add(365*24*time.Hour))
	for i := range 10 * 24 * 60 {
		advance(t, d, noon.Add(time.Duration(i)*time.Minute))
	}
	if looked != 10 {
		t.Errorf("looked %d times in ten days", looked)
	}
}

// twoSweeps keeps each record's key in two stores, of which only the second
// forgets.
type twoSweeps struct{ none, all Sweep }

func (k *twoSweeps) Process(ctx stream.Context, rec *kgo.Record) error {
	ctx.Store("kept").Put(rec.Key, rec.Value)
	ctx.Store("gone").Put(rec.Key, rec.Value)
	if err := k.none.Start(ctx); err != nil {
		return err
	}
	return k.all.Start(ctx)
}

func (k *twoSweeps) Timer(ctx stream.Context, key []byte, _ time.Time) error {
	switch {
	case k.none.Owns(key) && !k.all.Owns(key):
		return k.none.Timer(ctx)
	case k.all.Owns(key) && !k.none.Owns(key):
		return k.all.Timer(ctx)
	}
	return fmt.Errorf("timer %q is nobody's", key)
}
func (k *twoSweeps) Flush(stream.Context) error { return nil }

// A task may sweep several stores.
func TestTwoSweeps(t *testing.T) {
	sweepOf := func(name, store string, expired bool) Sweep {
		return Sweep{Name: name, Store: store,
			Expired: func(_, _ []byte, _ time.Time) (bool, error) { return expired, nil },
			Delete:  func(ctx stream.Context, key []byte) error { ctx.Store(store).Delete(key); return nil },
		}
	}
	d, err := streamtest.New(stream.Stage{Name: "keeper", Stores: []string{"kept", "gone"}, NewTask: func(int32) (stream.Task, error) {
		return &twoSweeps{sweepOf("", "kept", false), sweepOf("all", "gone", true)}, nil
	}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	put(t, d, "k", noon)
	advance(t, d, noon)
	advance(t, d, noon.Add(time.Hour))
	if kept, gone := d.State("kept"), d.State("gone"); len(kept) != 2 || len(gone) != 1 {
		t.Errorf("kept %v, gone %v, want a cursor in each and the key in the first", kept, gone)
	}
}
