package analytics

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestKept follows a result that takes a second over its ages.
func TestKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs, fail := 0, false
		k := kept[int]{limit: time.Minute, work: func(ctx context.Context) (int, error) {
			if runs++; fail {
				return 0, errors.New("away")
			}
			n := runs
			time.Sleep(time.Second) // of the test's own time
			return n, nil
		}}
		get := func(want int, waits time.Duration) {
			t.Helper()
			began := time.Now()
			n, at, err := k.get(t.Context())
			if err != nil || n != want || time.Since(began) != waits || at.After(time.Now()) {
				t.Fatalf("got %d after %v (%v), want %d after %v", n, time.Since(began), err, want, waits)
			}
		}
		// Several who come at once wait for one run.
		var group sync.WaitGroup
		for range 5 {
			group.Go(func() { get(1, time.Second) })
		}
		group.Wait()
		get(1, 0)
		time.Sleep(19 * time.Second) // Its age is 20 s.
		get(1, 0)
		synctest.Wait()
		if runs != 1 {
			t.Fatalf("worked out %d times while it is fresh", runs)
		}
		time.Sleep(time.Second)
		get(1, 0) // It is told still, and worked out anew.
		get(1, 0)
		time.Sleep(time.Second)
		synctest.Wait() // It is there.
		get(2, 0)
		if runs != 2 {
			t.Fatalf("worked out %d times, want 2", runs)
		}
		time.Sleep(300 * time.Second) // Nobody asked: it is too old.
		get(3, time.Second)
		// While it fails, the old one is told as long as it may be.
		fail = true
		time.Sleep(100 * time.Second)
		get(3, 0)
		time.Sleep(200 * time.Second)
		if _, _, err := k.get(t.Context()); err == nil {
			t.Error("a result of 300 s ago is told")
		}
		synctest.Wait()
		fail = false
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, _, err := k.get(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who does not wait got %v", err)
		}
		synctest.Wait()                         // for who works it out to have begun
		get(runs, time.Second-time.Millisecond) // The work goes on without them.
	})
}

func TestKeptForAMinuteAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		k := kept[int]{limit: time.Minute, work: func(context.Context) (int, error) {
			runs++
			time.Sleep(30 * time.Second)
			return runs, nil
		}}
		for _, step := range []struct {
			after time.Duration
			want  int
		}{{0, 1}, {29 * time.Second, 1}, {2 * time.Second, 1}, {31 * time.Second, 2}} {
			time.Sleep(step.after)
			synctest.Wait()
			if n, _, err := k.get(t.Context()); n != step.want || err != nil {
				t.Errorf("%v later: %d, want %d; %v", step.after, n, step.want, err)
			}
		}
	})
}

// Of results by key those are kept that were asked for last.
func TestKeptBy(t *testing.T) {
	runs := map[int]int{}
	k := keptBy[int, int]{work: func(_ context.Context, key int) (int, error) { runs[key]++; return 10 * key, nil }}
	for _, key := range []int{1, 2, 1} {
		if n, _, err := k.get(t.Context(), key); n != 10*key || err != nil {
			t.Errorf("%d: %d, %v", key, n, err)
		}
	}
	first, second := k.of(1), k.of(2)
	for key := range maxKept - 1 {
		k.of(100 + key)
	}
	if k.of(2) != second || k.of(1) == first || len(k.by) != maxKept || len(k.last) != maxKept {
		t.Errorf("%d and %d are kept", len(k.by), len(k.last))
	}
}
