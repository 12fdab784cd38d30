// Package window aggregates events per key into windows of event time:
// tumbling, hopping, sliding and session windows, for tasks of
// [github.com/posthorn/posthorn/processor/stream].
//
// Results are updated, not held back: every commit emits each window that
// changed, as it then is. A reader keeps the last result of each key and
// window start.
//
// # Time and lateness
//
// An event has two times: when it happened, and when it arrived, which is when
// it entered the first topic of the chain. It belongs to the windows that hold
// the time it happened, or the time it arrived where that is earlier: an event
// from the future makes nothing in the future. It counts in a window if
//
//	arrived < Window.End + Retention
//
// (for sessions see below) and is late for it otherwise. Arrival times are part
// of the data, so a window's last result is a function of the set of events
// alone: whatever order they come in, however they are cut into transactions,
// and whenever the arrival frontier moves. The frontier only decides when state
// is deleted. It passes Window.End + Retention once every event that arrived
// before was processed, so that a window that was deleted is never made again.
//
// An event that is late for a window goes to Config.Late, once. It may still
// count in others that end later.
//
// # Shapes
//
// [Tumbling] windows follow each other: [Start, End), aligned to the epoch.
//
// [Hopping] windows begin every hop and overlap: [Start, End).
//
// [Sliding] windows end at an event: for each time at which events of a key
// happened there is one window (End-size, End]. So n events lie within size of
// each other if and only if a window has n of them, which is what a rule such
// as "three clicks in ten minutes" asks for. A window exists if an event at its
// End is on time for it; retention must be above zero.
//
// [Session] windows hold events with at most gap between one and the next:
// [Start, End], its first and last event. An event is on time if it arrived
// before its own time + gap + Retention, when a session of it alone would end;
// the sessions are those that all events on time make together. Lateness is
// not judged by the session an event falls into, because how far that reaches
// depends on what came before. Results of a session are under its Start; one
// that grows backwards, or that an event bridges to another before it, is
// removed and emitted under the earlier Start.
//
// # State
//
// Events are summed in memory per transaction, and what they touched is read
// and written once, at Flush: one value per key and window, for hopping windows
// one per key and hop, for sliding windows one per key and time, for sessions
// one each. A key with state has one timer. It is set to when everything there
// at that time is over, so state is held for up to twice its life, and a key
// with many windows costs few timers.
package window

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/posthorn/posthorn/processor/stream"
)

// Config describes the windows of a task.
type Config[E, A any] struct {
	// Shape is made by Tumbling, Hopping, Sliding or Session.
	Shape Shape
	// Retention is how long after its end a window still takes events that
	// arrive (Kafka Streams calls it grace).
	Retention time.Duration
	// Store is the store that holds the state.
	Store string
	// Name keeps several windows of a task apart, in the store and among the
	// timers. At most 255 bytes; may be empty. All keys and timers begin with
	// the length of the name, one byte, and the name: those of the task's own
	// must not.
	Name string
	// Aggregate makes results of events.
	Aggregate Aggregate[E, A]
	// Emit is called for each window that changed, before the commit.
	Emit func(ctx stream.Context, r Result[A]) error
	// Late is called for each event that a window it belongs to was closed for.
	// Without it they are passed over.
	Late func(ctx stream.Context, l Late[E]) error
}

// Aggregate tells how events become a result. The zero A is the result of no
// events. Add and Merge must be commutative and associative together: the
// result must be the same in whatever order events are added and partial
// results merged.
type Aggregate[E, A any] struct {
	// Add adds an event to acc.
	Add func(acc *A, e E)
	// Merge adds what other holds to acc. It must not change other, nor keep
	// parts of it.
	Merge func(acc, other *A)
	// Append appends the encoding of acc to dst.
	Append func(dst []byte, acc *A) []byte
	// Decode decodes b into acc, which is zero. It must not keep b.
	Decode func(b []byte, acc *A) error
}

// Window is the time that a window holds; which of its ends belongs to it
// depends on the shape.
type Window struct{ Start, End time.Time }

// Result is what a window holds.
type Result[A any] struct {
	Key    []byte // must not be modified
	Window Window
	// Value is valid during the call only. It is nil where a session that was
	// emitted before is now part of one with an earlier Start.
	Value *A
}

// Late is an event that came too late for a window.
type Late[E any] struct {
	Key []byte // valid during the call only
	// At is when it happened, at the latest when it arrived.
	At, Arrived time.Time
	Event       E
	// Counted tells that it counts in later windows that hold its time, of
	// which there may be none for sliding windows.
	Counted bool
}

// Windows holds the windows of one task. It belongs to a Task, and like it to
// one transaction after the other: make it in NewTask, pass events to Add, and
// call Flush and Timer from the Task's own.
type Windows[E, A any] struct {
	cfg       Config[E, A]
	shape     Shape
	retention int64
	name      []byte // with its length, before every key

	open  map[string]*openKey[A]
	order []*openKey[A] // of open, in order of their first event
	free  []*openKey[A]
	key   []byte // scratch
}

// openKey is what the open transaction added to a key.
type openKey[A any] struct {
	key     string
	entries []entry[A] // sorted by start and mark
	last    int        // the entry added to last
}

// entry is one value of the state.
type entry[A any] struct {
	// start is the beginning of a pane, or of a session.
	start int64
	// mark is the end of a session. For a pane it is the end of the first
	// window that these events count in, or onTime for every one: events that
	// were late for some windows are kept apart.
	mark int64
	acc  A
}

const onTime = math.MinInt64

// New checks the configuration. The windows use the store of the context that
// they are called with.
func New[E, A any](cfg Config[E, A]) (*Windows[E, A], error) {
	a := cfg.Aggregate
	switch {
	case cfg.Shape.err != nil:
		return nil, cfg.Shape.err
	case cfg.Shape.size == 0:
		return nil, errors.New("window: Shape is missing: use Tumbling, Hopping, Sliding or Session")
	case cfg.Retention < 0 || cfg.Retention%time.Microsecond != 0:
		return nil, fmt.Errorf("window: Retention %v: must be whole microseconds, not negative", cfg.Retention)
	case cfg.Retention == 0 && cfg.Shape.sliding():
		return nil, errors.New("window: Retention 0: a sliding window ends at its event, which can't arrive before it happened")
	case cfg.Store == "":
		return nil, errors.New("window: Store is missing")
	case len(cfg.Name) > 255:
		return nil, fmt.Errorf("window: Name of %d bytes: at most 255", len(cfg.Name))
	case a.Add == nil || a.Merge == nil || a.Append == nil || a.Decode == nil:
		return nil, errors.New("window: Aggregate needs Add, Merge, Append and Decode")
	case cfg.Emit == nil:
		return nil, errors.New("window: Emit is missing")
	}
	return &Windows[E, A]{
		cfg: cfg, shape: cfg.Shape, retention: cfg.Retention.Microseconds(),
		name: append([]byte{byte(len(cfg.Name))}, cfg.Name...),
		open: map[string]*openKey[A]{},
	}, nil
}
