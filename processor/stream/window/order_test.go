package window_test

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/stream/streamtest"
	"github.com/posthorn/posthorn/processor/stream/window"
)

func micros(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

func (s shape) windows() window.Shape {
	switch s.kind {
	case "hopping":
		return window.Hopping(micros(s.size), micros(s.hop))
	case "sliding":
		return window.Sliding(micros(s.size))
	default:
		return window.Session(micros(s.size))
	}
}

func drawShape(t *rapid.T) shape {
	s := shape{kind: rapid.SampledFrom([]string{"hopping", "sliding", "session"}).Draw(t, "kind")}
	s.hop = rapid.Int64Range(1, 8).Draw(t, "hop")
	s.size = s.hop * rapid.Int64Range(1, 5).Draw(t, "hops")
	s.retention = rapid.Int64Range(0, 25).Draw(t, "retention")
	if s.kind == "sliding" {
		s.retention = max(1, s.retention)
	}
	return s
}

func drawEvents(t *rapid.T) []event {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) event {
		at := rapid.Int64Range(-15, 100).Draw(t, "at")
		return event{
			Key: rapid.SampledFrom([]string{"a", "b", "ab"}).Draw(t, "key"), At: at,
			Arrived: max(1, at+rapid.Int64Range(-15, 60).Draw(t, "after")), // no frontier is before 1970
			ID:      rapid.IntRange(0, 1000).Draw(t, "id"),
		}
	}), 0, 40).Draw(t, "events")
}

// run is one way for the same events to go: an order, a cut into transactions,
// some of which fail, and moments at which the frontier moves.
type run struct {
	*rapid.T
	h         *harness
	s         shape
	events    []event
	next      int // event to process
	committed int
	frontier  int64
	reached   int64 // the frontier before restarts
}

// bound is the latest time that the frontier may have reached: all that
// arrived before it was processed.
func (r *run) bound() int64 {
	bound := int64(200)
	for _, e := range r.events[r.next:] {
		bound = min(bound, e.Arrived)
	}
	return bound
}

// abort tells whether the end of the transaction is to fail.
func (r *run) abort(err error) {
	if !errors.Is(err, streamtest.ErrAborted) {
		r.Fatalf("the transaction ended with %v", err)
	}
	r.next = r.committed
}

func (r *run) step() {
	switch rapid.SampledFrom([]string{"event", "event", "event", "event", "commit", "advance", "abort", "fail", "fail advance", "restart", "fetch"}).Draw(r.T, "step") {
	case "event":
		if r.next < len(r.events) {
			r.h.add(r.events[r.next])
			r.next++
		}
	case "commit":
		r.h.commit()
		r.committed = r.next
	case "advance":
		if to := r.bound() - rapid.Int64Range(0, 20).Draw(r.T, "behind"); to > r.frontier {
			r.frontier, r.reached = to, max(r.reached, to)
			r.h.advance(to)
			r.committed = r.next
		}
	case "abort":
		if err := r.h.Abort(); err != nil {
			r.Fatal(err)
		}
		r.next = r.committed
	case "fail":
		r.h.FailNext()
		r.abort(r.h.Commit())
	case "fail advance":
		r.h.FailNext()
		r.abort(r.h.Advance(time.UnixMicro(r.bound())))
	case "restart":
		if err := r.h.Restart(); err != nil {
			r.Fatal(err)
		}
		r.next, r.frontier = r.committed, math.MinInt64
	case "fetch":
		r.fetch()
	}
}

// fetch reads windows of a key in the middle of a transaction and compares
// them with the model of what was processed until then.
func (r *run) fetch() {
	key := rapid.SampledFrom([]string{"a", "b", "ab", ""}).Draw(r.T, "of")
	from := rapid.Int64Range(-40, 120).Draw(r.T, "from")
	to := from + rapid.Int64Range(-1, 80).Draw(r.T, "length")
	got, want := map[place]result{}, map[place]result{}
	last := int64(math.MinInt64)
	r.h.ask = func(ctx stream.Context) {
		err := r.h.windows.Fetch(ctx, []byte(key), time.UnixMicro(from), time.UnixMicro(to), func(win window.Window, value *ids) bool {
			start := win.Start.UnixMicro()
			if start <= last {
				r.Fatalf("a window at %d after one at %d", start, last)
			}
			last = start
			got[place{key, start}] = result{win.End.UnixMicro(), fmt.Sprint([]int(*value))}
			return true
		})
		if err != nil {
			r.Fatal(err)
		}
	}
	if err := r.h.Process(&kgo.Record{Topic: askTopic}); err != nil {
		r.Fatal(err)
	}
	m := r.s.model(r.events[:r.next])
	for p, res := range m.results {
		if p.key == key && m.closes[p] > r.frontier && r.s.overlaps(p.start, res.end, from, to) {
			want[p] = res
		}
	}
	if r.frontier < r.reached {
		// After a restart the frontier is unknown for a while, and what is
		// closed but not deleted is seen.
		maps.DeleteFunc(got, func(p place, _ result) bool { return m.closes[p] <= r.reached })
		maps.DeleteFunc(want, func(p place, _ result) bool { return m.closes[p] <= r.reached })
	}
	if !maps.Equal(got, want) {
		r.Fatalf("%v: fetched %v of [%d, %d), want %v", r.s, got, from, to, want)
	}
}

func (s shape) overlaps(start, end, from, to int64) bool {
	for at := max(start, from); at <= end && at < to; at++ {
		if s.kind == "session" || s.kind == "hopping" && at < end || s.kind == "sliding" && at > start {
			return true
		}
	}
	return false
}

// What the windows end with is a function of the set of events.
func TestOrderCutsAndFailuresDoNotMatter(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := drawShape(rt)
		events := drawEvents(rt)
		want := s.model(events)
		r := &run{T: rt, h: newHarness(t, s.windows(), micros(s.retention)), s: s, frontier: math.MinInt64, reached: math.MinInt64,
			events: rapid.Permutation(events).Draw(rt, "order")}
		for range rapid.IntRange(0, 120).Draw(rt, "steps") {
			r.step()
		}
		r.h.add(r.events[r.next:]...)
		r.h.commit()
		if !maps.Equal(r.h.results, want.results) {
			rt.Fatalf("%v: results\n%v, want\n%v", s, r.h.results, want.results)
		}
		if !maps.Equal(r.h.late, want.late) {
			rt.Fatalf("%v: late\n%v, want\n%v", s, r.h.late, want.late)
		}
		// In the end nothing is kept, and deleting tells nobody.
		r.h.advance(1000)
		r.h.advance(2000)
		if state, timers := r.h.State("windows"), r.h.Timers(); len(state) > 0 || len(timers) > 0 {
			rt.Fatalf("%v: kept %d values and %d timers", s, len(state), len(timers))
		}
		if !maps.Equal(r.h.results, want.results) || !maps.Equal(r.h.late, want.late) {
			rt.Fatalf("%v: closing windows changed results", s)
		}
	})
}
