package window_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/stream/streamtest"
	"github.com/posthorn/posthorn/processor/stream/window"
)

// several is a task with windows of several shapes in one store, and a timer of
// its own.
type several struct {
	windows []*window.Windows[string, int64]
	own     func(key []byte)
}

func newSeveral(t *testing.T, shapes map[string]window.Shape, own func(key []byte), emit func(name string, r window.Result[int64]) error) *streamtest.Driver {
	t.Helper()
	newTask := func(int32) (stream.Task, error) {
		s := &several{own: own}
		for name, shape := range shapes {
			w, err := window.New(window.Config[string, int64]{
				Shape: shape, Retention: micros(20), Store: "s", Name: name, Aggregate: window.Count[string](),
				Emit: func(_ stream.Context, r window.Result[int64]) error { return emit(name, r) },
			})
			if err != nil {
				return nil, err
			}
			s.windows = append(s.windows, w)
		}
		return s, nil
	}
	d, err := streamtest.New(stream.Stage{Name: "several", Input: "in", Stores: []string{"s"}, NewTask: newTask}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (s *several) Process(ctx stream.Context, rec *kgo.Record) error {
	for _, w := range s.windows {
		if err := w.Add(ctx, rec.Key, rec.Timestamp, rec.Timestamp, ""); err != nil {
			return err
		}
	}
	ctx.SetTimer([]byte("own"), rec.Timestamp)
	return nil
}

func (s *several) Timer(ctx stream.Context, key []byte, due time.Time) error {
	for _, w := range s.windows {
		if mine, err := w.Timer(ctx, key, due); mine || err != nil {
			return err
		}
	}
	s.own(key)
	return nil
}

func (s *several) Flush(ctx stream.Context) error {
	for _, w := range s.windows {
		if err := w.Flush(ctx); err != nil {
			return err
		}
	}
	return nil
}

func TestSeveralWindowsInOneStore(t *testing.T) {
	shapes := map[string]window.Shape{
		"": window.Tumbling(micros(10)), "a": window.Hopping(micros(10), micros(5)), "ab": window.Session(micros(10)), "b": window.Sliding(micros(10)),
	}
	var got []string
	owned := 0
	d := newSeveral(t, shapes, func(key []byte) {
		if owned++; string(key) != "own" {
			t.Errorf("timer %q is nobody's", key)
		}
	}, func(name string, r window.Result[int64]) error {
		got = append(got, fmt.Sprintf("%s/%s/%d=%d", name, r.Key, r.Window.Start.UnixMicro(), *r.Value))
		return nil
	})
	for _, key := range []string{"", "b", "ab", "b"} { // keys that are beginnings of each other, and of names
		if err := d.Process(&kgo.Record{Key: []byte(key), Timestamp: time.UnixMicro(100)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Commit(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	var want []string
	for key, n := range map[string]int{"": 1, "b": 2, "ab": 1} {
		for _, place := range []string{"/%s/100", "a/%s/95", "a/%s/100", "ab/%s/100", "b/%s/90"} {
			want = append(want, fmt.Sprintf(place+"=%d", key, n))
		}
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("results\n%v, want\n%v", got, want)
	}
	if err := d.Advance(time.UnixMicro(1000)); err != nil {
		t.Fatal(err)
	}
	if len(d.State("s")) > 0 || len(d.Timers()) > 0 || owned != 1 {
		t.Errorf("%d values and %d timers left, the task's own fired %d times", len(d.State("s")), len(d.Timers()), owned)
	}
}

func TestErrorsOfEmitAndState(t *testing.T) {
	rec := &kgo.Record{Key: []byte("k"), Timestamp: time.UnixMicro(100)}
	fails := errors.New("emit fails")
	d := newSeveral(t, map[string]window.Shape{"w": window.Tumbling(micros(10))}, nil,
		func(string, window.Result[int64]) error { return fails })
	if err := errors.Join(d.Process(rec), d.Commit()); !errors.Is(err, fails) {
		t.Errorf("error %v", err)
	}
	if err := d.Process(&kgo.Record{Key: make([]byte, 1<<16)}); !stream.IsPermanent(err) {
		t.Errorf("error of a key that is too long: %v", err)
	}

	// State that a session wrote is not taken for that of a window.
	shapes := map[string]window.Shape{"w": window.Session(micros(10))}
	d = newSeveral(t, shapes, nil, func(string, window.Result[int64]) error { return nil })
	if err := errors.Join(d.Process(rec), d.Commit()); err != nil {
		t.Fatal(err)
	}
	shapes["w"] = window.Tumbling(micros(10))
	if err := d.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.Process(rec), d.Commit()); err == nil || !strings.Contains(err.Error(), "decoding") {
		t.Errorf("error %v", err)
	}
}
