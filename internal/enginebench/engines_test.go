package main

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/posthorn/posthorn/internal/testkafka"
)

// TestMain lets this binary be the child that runs the job.
func TestMain(m *testing.M) {
	if spec := os.Getenv(childEnv); spec != "" {
		exit(child(context.Background(), spec))
	}
	os.Exit(m.Run())
}

// TestEnginesAgree runs the job in both engines that process exactly once and
// compares their results with those recomputed. goka is for the benchmark alone:
// now and then it joins its groups and then reads nothing.
func TestEnginesAgree(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and starts another engine")
	}
	if !testkafka.Available() {
		t.Skip("no Java")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	b, err := startBroker(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	c := b.newComparison(t.TempDir(), 20_000, 100*time.Millisecond)
	for _, e := range []engine{posthorn(), kafkaStreams(1, 10)} {
		if m, err := c.measure(ctx, e); err != nil {
			t.Error(err)
		} else {
			t.Logf("%+v", m)
		}
	}
}

// The state of a message does not depend on the order of its events.
func TestMessageIsOrderIndependent(t *testing.T) {
	events := []event{{1, 2, typeSent, 1000}, {1, 2, typeOpened, 1000 + day}, {1, 2, typeOpened, 2000 + day}, {1, 2, typeSent, 1000}}
	for i := range events {
		for j := range events {
			order := append([]event(nil), events...)
			order[i], order[j] = order[j], order[i]
			var m message
			fired := 0
			for _, e := range order {
				if m.add(e) {
					fired++
				}
				m = decodeMessage(m.encode())
			}
			if fired != 1 || !m.fired {
				t.Errorf("order %v: fired %d times", order, fired)
			}
		}
	}
}

func TestDifferenceIsFound(t *testing.T) {
	var events []event
	generate(5000, func(e event) { events = append(events, e) })
	want := recompute(events)
	if len(events) != 5000 || len(want.triggers) == 0 {
		t.Fatalf("%d events, %d triggers", len(events), len(want.triggers))
	}
	if d := want.difference(recompute(events)); d != "" {
		t.Error(d)
	}
	for name, change := range map[string]func(*results){
		"a trigger missing": func(r *results) { delete(r.triggers, first(r.triggers)) },
		"a trigger twice":   func(r *results) { r.triggers[first(r.triggers)]++ },
		"one too many":      func(r *results) { r.triggers[[2]uint64{1 << 60, 1}] = 1 },
		"a count wrong":     func(r *results) { r.counts[first(r.counts)]++ },
		"a window too many": func(r *results) { r.counts[windowKey{1 << 60, 1}] = 1 },
	} {
		got := recompute(events)
		change(got)
		if want.difference(got) == "" {
			t.Errorf("%s: no difference", name)
		}
	}
}

func first[K comparable, V any](m map[K]V) (k K) {
	for k = range m {
		break
	}
	return k
}
