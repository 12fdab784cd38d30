package window_test

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/stream/window"
)

// nowhere is a context whose state costs next to nothing, so that the windows'
// own work is measured.
type nowhere struct {
	stream.Context
	state  map[string][]byte
	timers map[string]time.Time
}

func (n *nowhere) Frontier() time.Time                  { return time.Time{} }
func (n *nowhere) Store(string) stream.Store            { return n }
func (n *nowhere) GetTimer(k []byte) (time.Time, error) { return n.timers[string(k)], nil }
func (n *nowhere) SetTimer(k []byte, due time.Time)     { n.timers[string(k)] = due }
func (n *nowhere) Get(k []byte) ([]byte, error)         { return n.state[string(k)], nil }
func (n *nowhere) Put(k, v []byte)                      { n.state[string(k)] = v }
func (n *nowhere) Delete(k []byte)                      { delete(n.state, string(k)) }
func (n *nowhere) Scan(from, to []byte, f func(k, v []byte) bool) error {
	for k, v := range n.state {
		if k >= string(from) && k < string(to) && !f([]byte(k), v) {
			break
		}
	}
	return nil
}

func counting(b *testing.B, shape window.Shape) (*window.Windows[int, int64], *nowhere) {
	w, err := window.New(window.Config[int, int64]{
		Shape: shape, Retention: 24 * time.Hour, Store: "windows", Aggregate: window.Count[int](),
		Emit: func(stream.Context, window.Result[int64]) error { return nil },
	})
	if err != nil {
		b.Fatal(err)
	}
	return w, &nowhere{state: map[string][]byte{}, timers: map[string]time.Time{}}
}

// An event of a key that the transaction has seen: the hot path.
func BenchmarkAdd(b *testing.B) {
	for name, shape := range map[string]window.Shape{
		"tumbling": window.Tumbling(5 * time.Minute), "hopping": window.Hopping(time.Hour, 5*time.Minute), "session": window.Session(time.Minute),
	} {
		b.Run(name, func(b *testing.B) {
			w, ctx := counting(b, shape)
			keys := make([][]byte, 1000)
			for i := range keys {
				keys[i] = binary.BigEndian.AppendUint64(nil, uint64(i)*0x9e3779b97f4a7c15)
			}
			at, i := time.UnixMicro(1_800_000_000_000_000), 0
			b.ReportAllocs()
			for b.Loop() {
				if err := w.Add(ctx, keys[i%len(keys)], at, at, 1); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}

// A transaction of 5,000 events of as many keys, with its end: all costs but
// the store's.
func BenchmarkTransaction(b *testing.B) {
	const events = 5000
	w, ctx := counting(b, window.Tumbling(5*time.Minute))
	keys := make([][]byte, events)
	for i := range keys {
		keys[i] = binary.BigEndian.AppendUint64(nil, uint64(i)*0x9e3779b97f4a7c15)
	}
	at := time.UnixMicro(1_800_000_000_000_000)
	b.ReportAllocs()
	for b.Loop() {
		for _, key := range keys {
			if err := w.Add(ctx, key, at, at, 1); err != nil {
				b.Fatal(err)
			}
		}
		if err := w.Flush(ctx); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/events, "ns/event")
}

// Windows that share a thousand panes of one key, all changed: the sums must
// not be quadratic.
func BenchmarkManyHops(b *testing.B) {
	w, ctx := counting(b, window.Hopping(1000*time.Minute, time.Minute))
	start := time.UnixMicro(1_800_000_000_000_000)
	b.ReportAllocs()
	for b.Loop() {
		for i := range 1000 {
			at := start.Add(time.Duration(i) * time.Minute)
			if err := w.Add(ctx, []byte("key"), at, at, 1); err != nil {
				b.Fatal(err)
			}
		}
		if err := w.Flush(ctx); err != nil {
			b.Fatal(err)
		}
		clear(ctx.state)
	}
}
