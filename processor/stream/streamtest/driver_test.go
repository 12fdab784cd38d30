package streamtest_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/stream/streamtest"
)

// calls is a task made of functions; nil ones do nothing.
type calls struct {
	process func(ctx stream.Context, rec *kgo.Record) error
	timer   func(ctx stream.Context, key []byte, due time.Time) error
	flush   func(ctx stream.Context) error
	tick    func(ctx stream.Context, now time.Time) error
}

func (c calls) Process(ctx stream.Context, rec *kgo.Record) error {
	if c.process == nil {
		return nil
	}
	return c.process(ctx, rec)
}

func (c calls) Timer(ctx stream.Context, key []byte, due time.Time) error {
	if c.timer == nil {
		return nil
	}
	return c.timer(ctx, key, due)
}

func (c calls) Flush(ctx stream.Context) error {
	if c.flush == nil {
		return nil
	}
	return c.flush(ctx)
}

func (c calls) Tick(ctx stream.Context, now time.Time) error {
	if c.tick == nil {
		return nil
	}
	return c.tick(ctx, now)
}

func newDriver(t *testing.T, c calls, change ...func(*stream.Stage)) *streamtest.Driver {
	t.Helper()
	stage := stream.Stage{Name: "calls", Input: "in", Stores: []string{"state"},
		NewTask: func(int32) (stream.Task, error) { return c, nil }}
	for _, f := range change {
		f(&stage)
	}
	d, err := streamtest.New(stage, 3)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func key(s string) *kgo.Record { return &kgo.Record{Key: []byte(s)} }

func mustPanic(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s did not panic", what)
		}
	}()
	f()
}

func TestMisuse(t *testing.T) {
	for what, process := range map[string]func(ctx stream.Context, rec *kgo.Record) error{
		"an undeclared store": func(ctx stream.Context, _ *kgo.Record) error { ctx.Store("other"); return nil },
		"a write during Scan": func(ctx stream.Context, _ *kgo.Record) error {
			s := ctx.Store("state")
			s.Put([]byte("k"), nil)
			return s.Scan(nil, nil, func(k, _ []byte) bool { s.Delete(k); return true })
		},
	} {
		d := newDriver(t, calls{process: process})
		mustPanic(t, what, func() { _ = d.Process(key("k")) })
	}
	d := newDriver(t, calls{process: func(ctx stream.Context, _ *kgo.Record) error { ctx.SetTimer([]byte("k"), time.Now()); return nil }},
		func(s *stream.Stage) { s.Stores = nil })
	mustPanic(t, "a timer of a stage without stores", func() { _ = d.Process(key("k")) })
	mustPanic(t, "the state of an undeclared store", func() { d.State("other") })
}

func TestScanLendsItsSlices(t *testing.T) {
	var kept []byte
	d := newDriver(t, calls{process: func(ctx stream.Context, rec *kgo.Record) error {
		s := ctx.Store("state")
		s.Put(rec.Key, []byte("value"))
		return s.Scan(nil, nil, func(_, v []byte) bool { kept = v; return true })
	}})
	must(t, d.Process(key("k")))
	if bytes.Equal(kept, []byte("value")) {
		t.Error("a value that was kept after the call still holds")
	}
}

func TestOffsetsAndPartition(t *testing.T) {
	var seen []int64
	d := newDriver(t, calls{process: func(_ stream.Context, rec *kgo.Record) error {
		if rec.Partition != 3 || rec.Topic != "in" {
			t.Errorf("record of %s partition %d", rec.Topic, rec.Partition)
		}
		seen = append(seen, rec.Offset)
		return nil
	}})
	same := key("k")
	must(t, d.Process(same))
	must(t, d.Process(same))
	must(t, d.Abort())
	must(t, d.Process(same))
	must(t, d.Commit())
	must(t, d.Process(&kgo.Record{Offset: 7}))
	must(t, d.Process(same))
	if want := []int64{0, 1, 0, 7, 8}; !slices.Equal(seen, want) {
		t.Errorf("offsets %v, want %v", seen, want)
	}
	if err := d.Process(&kgo.Record{Offset: 4}); err == nil {
		t.Error("an offset that was passed is processed again")
	}
}

func counter(ctx stream.Context, rec *kgo.Record) error {
	v, err := ctx.Store("state").Get(rec.Key)
	if err != nil {
		return err
	}
	ctx.Store("state").Put(rec.Key, append(bytes.Clone(v), '+'))
	if string(rec.Key) == "poison" {
		return stream.Permanent(errors.New("unreadable"))
	}
	if string(rec.Key) == "bad" {
		return errors.New("not now")
	}
	return nil
}

func TestPoisonLeavesOnlyItsDeadLetter(t *testing.T) {
	d := newDriver(t, calls{process: counter}, func(s *stream.Stage) { s.DeadLetter = "dead" })
	must(t, d.Process(key("a")))
	if err := d.Process(key("poison")); !stream.IsPermanent(err) {
		t.Fatalf("error %v", err)
	}
	must(t, d.Process(key("a")))
	must(t, d.Commit())
	state := d.State("state")
	if len(state) != 1 || string(state["a"]) != "++" {
		t.Errorf("state %q", state)
	}
	dead := d.Take("dead")
	if len(dead) != 1 || len(d.Out) != 0 {
		t.Fatalf("%d dead letters and %d other records", len(dead), len(d.Out))
	}
	headers := map[string]string{}
	for _, h := range dead[0].Headers {
		headers[h.Key] = string(h.Value)
	}
	for name, want := range map[string]string{
		"posthorn-stage": "calls", "posthorn-topic": "in", "posthorn-partition": "3", "posthorn-offset": "1",
		"posthorn-cause": "processing in partition 3 offset 1: unreadable",
	} {
		if headers[name] != want {
			t.Errorf("header %s is %q, want %q", name, headers[name], want)
		}
	}
}

func TestErrorsAbort(t *testing.T) {
	for _, name := range []string{"bad", "poison"} { // poison without a dead letter topic
		d := newDriver(t, calls{process: counter})
		must(t, d.Process(key("a")))
		if err := d.Process(key(name)); err == nil {
			t.Fatalf("%s: no error", name)
		}
		must(t, d.Commit())
		if state := d.State("state"); len(state) != 0 {
			t.Errorf("%s: state %q of an aborted transaction", name, state)
		}
	}
	fails := func(ctx stream.Context) error {
		ctx.Store("state").Put([]byte("k"), nil)
		return errors.New("fails")
	}
	for what, c := range map[string]calls{
		"flush": {flush: fails},
		"timer": {timer: func(ctx stream.Context, _ []byte, _ time.Time) error { return fails(ctx) },
			process: func(ctx stream.Context, _ *kgo.Record) error { ctx.SetTimer([]byte("t"), time.Unix(1, 0)); return nil }},
		"tick": {tick: func(ctx stream.Context, _ time.Time) error { return fails(ctx) }},
	} {
		d := newDriver(t, c)
		err := errors.Join(d.Process(key("k")), d.Tick(time.Unix(1, 0)), d.Advance(time.Unix(2, 0)))
		if err == nil || len(d.State("state")) != 0 || len(d.Timers()) != 0 {
			t.Errorf("%s: error %v, state %q, timers %v", what, err, d.State("state"), d.Timers())
		}
	}
}

// What a commit that fails at its end has done is undone, the frontier with
// it; what it was to do happens once when it is done again.
func TestFailNext(t *testing.T) {
	var committed int
	d := newDriver(t, calls{
		process: func(ctx stream.Context, rec *kgo.Record) error {
			ctx.SetTimer(rec.Key, time.Unix(100, 0))
			ctx.AfterCommit(func() { committed++ })
			return nil
		},
		timer: func(ctx stream.Context, key []byte, _ time.Time) error {
			ctx.Produce(&kgo.Record{Topic: "out", Key: key})
			return nil
		},
	})
	must(t, d.Process(key("k")))
	d.FailNext()
	if err := d.Advance(time.Unix(100, 0)); !errors.Is(err, streamtest.ErrAborted) {
		t.Fatalf("error %v", err)
	}
	if len(d.Out) != 0 || committed != 0 || len(d.Timers()) != 0 {
		t.Fatalf("%d records, %d calls and timers %v of an aborted transaction", len(d.Out), committed, d.Timers())
	}
	must(t, d.Process(key("k")))
	must(t, d.Commit())
	if len(d.Out) != 0 || committed != 1 {
		t.Fatalf("%d records before the timer is due, %d calls", len(d.Out), committed)
	}
	must(t, d.Advance(time.Unix(100, 0)))
	if len(d.Out) != 1 {
		t.Fatalf("%d records", len(d.Out))
	}
}

func TestRestartKeepsWhatWasCommitted(t *testing.T) {
	var frontier time.Time
	d := newDriver(t, calls{process: func(ctx stream.Context, rec *kgo.Record) error {
		frontier = ctx.Frontier()
		ctx.SetTimer(rec.Key, time.Unix(100, 0))
		return counter(ctx, rec)
	}})
	must(t, d.Process(key("a")))
	must(t, d.Advance(time.Unix(50, 0)))
	must(t, d.Process(key("b")))
	if !frontier.Equal(time.Unix(50, 0)) {
		t.Errorf("frontier %v", frontier)
	}
	must(t, d.Restart())
	if len(d.State("state")) != 1 || len(d.Timers()) != 1 {
		t.Errorf("state %q, timers %v", d.State("state"), d.Timers())
	}
	must(t, d.Process(key("b")))
	if !frontier.IsZero() {
		t.Errorf("frontier %v after a restart", frontier)
	}
}

// A transaction that nothing touched has no Flush, as in the engine.
func TestFlushOnlyWhatWasTouched(t *testing.T) {
	flushes, ticks := 0, 0
	d := newDriver(t, calls{
		flush: func(stream.Context) error { flushes++; return nil },
		tick: func(ctx stream.Context, _ time.Time) error {
			if ticks++; ticks == 2 {
				ctx.AfterCommit(func() {})
			}
			return nil
		},
	})
	must(t, d.Tick(time.Unix(1, 0)))
	must(t, d.Commit())
	if flushes != 0 {
		t.Error("Flush of a transaction that nothing touched")
	}
	must(t, d.Tick(time.Unix(2, 0)))
	must(t, d.Commit())
	if flushes != 1 {
		t.Errorf("%d flushes", flushes)
	}
}
