package window_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/stream/streamtest"
	"github.com/posthorn/posthorn/processor/stream/window"
)

// visits counts visits of a page in windows of five minutes.
type visits struct {
	windows *window.Windows[string, int64]
}

func newVisits(int32) (stream.Task, error) {
	w, err := window.New(window.Config[string, int64]{
		Shape:     window.Tumbling(5 * time.Minute),
		Retention: time.Hour,
		Store:     "visits",
		Aggregate: window.Count[string](),
		Emit: func(ctx stream.Context, r window.Result[int64]) error {
			ctx.Produce(&kgo.Record{
				Topic: "visits-by-page",
				Key:   fmt.Appendf(nil, "%s %s", r.Key, r.Window.Start.Format(time.TimeOnly)),
				Value: fmt.Append(nil, *r.Value),
			})
			return nil
		},
		Late: func(ctx stream.Context, l window.Late[string]) error {
			ctx.Produce(&kgo.Record{Topic: "late-visits", Key: l.Key, Value: []byte(l.Event)})
			return nil
		},
	})
	return &visits{w}, err
}

// Process takes the record's key for the page and its value for the time of the
// visit; it arrived when the record did.
func (v *visits) Process(ctx stream.Context, rec *kgo.Record) error {
	at, err := time.Parse(time.TimeOnly, string(rec.Value))
	if err != nil {
		return stream.Permanent(fmt.Errorf("reading the time of a visit: %w", err))
	}
	day := rec.Timestamp.Truncate(24 * time.Hour)
	at = day.Add(at.Sub(at.Truncate(24 * time.Hour)))
	return v.windows.Add(ctx, rec.Key, at, rec.Timestamp, string(rec.Value))
}

func (v *visits) Timer(ctx stream.Context, key []byte, due time.Time) error {
	_, err := v.windows.Timer(ctx, key, due) // the task has no timers of its own
	return err
}

func (v *visits) Flush(ctx stream.Context) error { return v.windows.Flush(ctx) }

func Example() {
	d, err := streamtest.New(stream.Stage{Name: "visits", Input: "visits", Root: true, Stores: []string{"visits"}, NewTask: newVisits}, 0)
	if err != nil {
		panic(err)
	}
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	visit := func(page, at string, arrived time.Duration) {
		if err := d.Process(&kgo.Record{Key: []byte(page), Value: []byte(at), Timestamp: noon.Add(arrived)}); err != nil {
			panic(err)
		}
	}
	visit("/", "12:01:00", time.Minute)
	visit("/", "12:04:59", 5*time.Minute)
	visit("/", "12:05:00", 5*time.Minute)
	err = d.Commit()
	visit("/", "12:02:00", 64*time.Minute) // within retention: the result is updated
	visit("/", "12:03:00", 65*time.Minute) // after it
	err = errors.Join(err, d.Advance(noon.Add(65*time.Minute)), d.Advance(noon.Add(70*time.Minute)))
	fmt.Println(err)
	for _, rec := range d.Out {
		fmt.Printf("%s: %s %s\n", rec.Topic, rec.Key, rec.Value)
	}
	fmt.Println(len(d.State("visits")), "windows kept")
	// Output:
	// <nil>
	// visits-by-page: / 12:00:00 2
	// visits-by-page: / 12:05:00 1
	// late-visits: / 12:03:00
	// visits-by-page: / 12:00:00 3
	// 0 windows kept
}
