package window_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/stream/window"
)

func TestBoundaries(t *testing.T) {
	tumbling, hopping := window.Tumbling(micros(10)), window.Hopping(micros(10), micros(5))
	sliding, session := window.Sliding(micros(10)), window.Session(micros(10))
	for _, tt := range []struct {
		name   string
		shape  window.Shape
		events []event // retention is 20
		want   map[int64]result
		late   string
	}{
		{"start is in", tumbling, []event{{At: 100, Arrived: 100}}, map[int64]result{100: {110, "[0]"}}, ""},
		{"end is out", tumbling, []event{{At: 110, Arrived: 110}}, map[int64]result{110: {120, "[0]"}}, ""},
		{"last instant", tumbling, []event{{At: 109, Arrived: 109}}, map[int64]result{100: {110, "[0]"}}, ""},
		{"before 1970", tumbling, []event{{At: -1, Arrived: 1}}, map[int64]result{-10: {0, "[0]"}}, ""},
		{"just in time", tumbling, []event{{At: 100, Arrived: 129}}, map[int64]result{100: {110, "[0]"}}, ""},
		{"at retention", tumbling, []event{{At: 100, Arrived: 130}}, nil, "0 of k at 100 counted false"},
		{"from the future", tumbling, []event{{At: 1000, Arrived: 105}}, map[int64]result{100: {110, "[0]"}}, ""},

		{"both hops", hopping, []event{{At: 107, Arrived: 107}}, map[int64]result{100: {110, "[0]"}, 105: {115, "[0]"}}, ""},
		{"hopping before 1970", hopping, []event{{At: -5, Arrived: 1}}, map[int64]result{-10: {0, "[0]"}, -5: {5, "[0]"}}, ""},
		{"late for the first", hopping, []event{{At: 107, Arrived: 130}}, map[int64]result{105: {115, "[0]"}}, "0 of k at 107 counted true"},
		{"late for both", hopping, []event{{At: 107, Arrived: 135}}, nil, "0 of k at 107 counted false"},

		{"three within", sliding, []event{{At: 100, Arrived: 100}, {At: 105, Arrived: 105, ID: 1}, {At: 109, Arrived: 109, ID: 2}},
			map[int64]result{90: {100, "[0]"}, 95: {105, "[0 1]"}, 99: {109, "[0 1 2]"}}, ""},
		{"size apart", sliding, []event{{At: 100, Arrived: 100}, {At: 110, Arrived: 110, ID: 1}},
			map[int64]result{90: {100, "[0]"}, 100: {110, "[1]"}}, ""},
		{"same time", sliding, []event{{At: 100, Arrived: 100}, {At: 100, Arrived: 101, ID: 1}}, map[int64]result{90: {100, "[0 1]"}}, ""},
		{"late for its own", sliding, []event{{At: 105, Arrived: 105}, {At: 100, Arrived: 120, ID: 1}},
			map[int64]result{95: {105, "[0 1]"}}, "1 of k at 100 counted true"},
		{"sliding from the future", sliding, []event{{At: 1000, Arrived: 105}}, map[int64]result{95: {105, "[0]"}}, ""},

		{"gap apart", session, []event{{At: 100, Arrived: 100}, {At: 110, Arrived: 110, ID: 1}}, map[int64]result{100: {110, "[0 1]"}}, ""},
		{"more than gap apart", session, []event{{At: 100, Arrived: 100}, {At: 111, Arrived: 111, ID: 1}},
			map[int64]result{100: {100, "[0]"}, 111: {111, "[1]"}}, ""},
		{"bridged", session, []event{{At: 100, Arrived: 100}, {At: 120, Arrived: 120, ID: 1}, {At: 110, Arrived: 121, ID: 2}},
			map[int64]result{100: {120, "[0 1 2]"}}, ""},
		{"grows backwards", session, []event{{At: 100, Arrived: 100}, {At: 95, Arrived: 101, ID: 1}}, map[int64]result{95: {100, "[0 1]"}}, ""},
		{"session at retention", session, []event{{At: 100, Arrived: 129}, {At: 100, Arrived: 130, ID: 1}},
			map[int64]result{100: {100, "[0]"}}, "1 of k at 100 counted false"},
		{"session from the future", session, []event{{At: 1000, Arrived: 105}}, map[int64]result{105: {105, "[0]"}}, ""},
	} {
		for _, each := range []bool{false, true} { // one transaction, one for each event
			h := newHarness(t, tt.shape, micros(20))
			for _, e := range tt.events {
				e.Key = "k"
				h.add(e)
				if each {
					h.commit()
				}
			}
			h.commit()
			want, late := map[place]result{}, map[string]int{}
			for start, r := range tt.want {
				want[place{"k", start}] = r
			}
			if tt.late != "" {
				late[tt.late] = 1
			}
			if !maps.Equal(h.results, want) || !maps.Equal(h.late, late) {
				t.Errorf("%s: results %v late %v, want %v and %v", tt.name, h.results, h.late, want, late)
			}
		}
	}
}

// State is deleted when, and not before, every event on time was processed.
func TestStateEndsWithRetention(t *testing.T) {
	for _, tt := range []struct {
		shape window.Shape
		over  int64
	}{
		{window.Tumbling(micros(10)), 130},
		{window.Hopping(micros(10), micros(5)), 130}, // the pane from 100 is in the window until 110
		{window.Sliding(micros(10)), 103 + 9 + 20},   // in the window that ends at 112
		{window.Session(micros(10)), 103 + 2*10 + 20},
	} {
		h := newHarness(t, tt.shape, micros(20))
		h.add(event{Key: "k", At: 103, Arrived: 103})
		h.advance(tt.over - 1)
		if len(h.State("windows")) == 0 {
			t.Errorf("%v: state was deleted early", tt.shape)
		}
		h.advance(tt.over)
		if len(h.State("windows")) != 0 || len(h.Timers()) != 0 {
			t.Errorf("%v: state is kept too long", tt.shape)
		}
	}
}

// The timer of one value leaves another that is over a microsecond later.
func TestStateOverLaterStays(t *testing.T) {
	h := newHarness(t, window.Sliding(micros(10)), micros(20))
	h.add(event{Key: "k", At: 100, Arrived: 100})
	h.commit()
	h.add(event{Key: "k", At: 101, Arrived: 101, ID: 1})
	for _, step := range []struct {
		to   int64
		left int
	}{{128, 2}, {129, 1}, {130, 0}} {
		h.advance(step.to)
		if left := len(h.State("windows")); left != step.left {
			t.Errorf("%d values at %d, want %d", left, step.to, step.left)
		}
	}
}

// A key has one timer, however many windows it has; what is over when it fires
// is deleted, and what is not yet stays.
func TestOneTimerForManyWindows(t *testing.T) {
	h := newHarness(t, window.Tumbling(micros(10)), micros(100))
	for at := int64(1000); at < 1100; at += 10 {
		h.add(event{Key: "k", At: at, Arrived: at})
	}
	h.advance(1100)
	if state, timers := len(h.State("windows")), len(h.Timers()); state != 10 || timers != 1 {
		t.Fatalf("%d values and %d timers", state, timers)
	}
	h.add(event{Key: "k", At: 1100, Arrived: 1100}) // is over 10 after the last before
	h.advance(1199)
	if state := len(h.State("windows")); state != 11 {
		t.Errorf("%d values before the last of the first ten is over", state)
	}
	h.advance(1200)
	if state, timers := len(h.State("windows")), len(h.Timers()); state != 1 || timers != 1 {
		t.Errorf("%d values and %d timers, want those of the last window", state, timers)
	}
	h.advance(1210)
	if state, timers := len(h.State("windows")), len(h.Timers()); state != 0 || timers != 0 {
		t.Errorf("%d values and %d timers at the end", state, timers)
	}
}

// What the frontier rules out comes only after a broker's clock was set back:
// it is late then, and makes no closed window again.
func TestArrivalBeforeTheFrontierIsLate(t *testing.T) {
	h := newHarness(t, window.Tumbling(micros(10)), micros(20))
	h.add(event{Key: "k", At: 100, Arrived: 100})
	h.advance(130)
	before := maps.Clone(h.results)
	h.add(event{Key: "k", At: 101, Arrived: 102, ID: 1})
	h.commit()
	if !maps.Equal(h.results, before) || len(h.late) != 1 {
		t.Errorf("results %v, late %v", h.results, h.late)
	}
}

// A session of the state that begins after what is asked for is joined all the
// same, where an event of the open transaction bridges to it.
func TestFetchBridgesSessions(t *testing.T) {
	h := newHarness(t, window.Session(micros(10)), micros(100))
	h.add(event{Key: "k", At: 100, Arrived: 100}, event{Key: "k", At: 118, Arrived: 118, ID: 1})
	h.commit()
	h.add(event{Key: "k", At: 109, Arrived: 119, ID: 2})
	asked := 0
	h.ask = func(ctx stream.Context) {
		err := h.windows.Fetch(ctx, []byte("k"), time.UnixMicro(100), time.UnixMicro(101), func(win window.Window, value *ids) bool {
			asked++
			if win.End.UnixMicro() != 118 || len(*value) != 3 {
				t.Errorf("session to %v with %v", win.End, *value)
			}
			return true
		})
		if err != nil {
			t.Error(err)
		}
	}
	if err := h.Process(&kgo.Record{Topic: askTopic}); err != nil || asked != 1 {
		t.Errorf("%d sessions, %v", asked, err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	good := window.Config[event, ids]{
		Shape: window.Tumbling(time.Minute), Store: "s", Aggregate: collect(),
		Emit: func(stream.Context, window.Result[ids]) error { return nil },
	}
	if _, err := window.New(good); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(c *window.Config[event, ids]){
		"not a multiple":    func(c *window.Config[event, ids]) { c.Shape = window.Hopping(time.Hour, 25*time.Minute) },
		"above zero":        func(c *window.Config[event, ids]) { c.Shape = window.Tumbling(0) },
		"whole micro":       func(c *window.Config[event, ids]) { c.Shape = window.Sliding(time.Nanosecond) },
		"gap -1s":           func(c *window.Config[event, ids]) { c.Shape = window.Session(-time.Second) },
		"hop 0s":            func(c *window.Config[event, ids]) { c.Shape = window.Hopping(time.Hour, 0) },
		"can't arrive":      func(c *window.Config[event, ids]) { c.Shape = window.Sliding(time.Hour) },
		"Shape is missing":  func(c *window.Config[event, ids]) { c.Shape = window.Shape{} },
		"not negative":      func(c *window.Config[event, ids]) { c.Retention = -1 },
		"Store is missing":  func(c *window.Config[event, ids]) { c.Store = "" },
		"at most 255":       func(c *window.Config[event, ids]) { c.Name = strings.Repeat("n", 256) },
		"needs Add":         func(c *window.Config[event, ids]) { c.Aggregate.Merge = nil },
		"Emit is missing":   func(c *window.Config[event, ids]) { c.Emit = nil },
		"not a multiple of": func(c *window.Config[event, ids]) { c.Shape = window.Hopping(time.Minute, time.Hour) },
	} {
		c := good
		change(&c)
		if _, err := window.New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}
