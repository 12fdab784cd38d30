package streamtest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/stream"
)

// A script is a list of batches of records, each a list of operations that the
// scripted task does; it produces whatever it sees doing so. A batch is one
// transaction: the records are given together, and then the arrival frontier
// moves to the greatest of their timestamps.
type script [][]scriptRecord

type scriptRecord struct {
	at  int64 // milliseconds since epoch, as Kafka keeps them
	ops []op
}

type op struct{ Do, Key, Arg string }

// epoch is later than any clock of today, so that the engine's frontier follows
// the records alone.
var epoch = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)

// drawScript makes a script of everything a task can do.
func drawScript(r *rand.Rand, batches int) script {
	var s script
	now := int64(0)
	for range batches {
		var batch []scriptRecord
		for range 1 + r.IntN(6) {
			now += r.Int64N(4)
			rec := scriptRecord{at: now}
			for range 1 + r.IntN(4) {
				rec.ops = append(rec.ops, drawOp(r, now))
			}
			batch = append(batch, rec)
		}
		last := scriptRecord{at: now, ops: []op{{"scan", "", ""}, {"end", "", ""}}}
		s = append(s, append(batch, last))
	}
	// In the end everything that is still set fires, and what that sets.
	for range 2 {
		now += 1000
		s = append(s, []scriptRecord{{at: now, ops: []op{{"end", "", ""}}}})
	}
	return s
}

func drawOp(r *rand.Rand, now int64) op {
	key := func() string { return string(rune('a' + r.IntN(6))) }
	timer := func() string {
		return []string{"plain-", "again-", "kill-", "move-", "write-", "set-"}[r.IntN(6)] + key()
	}
	switch n := r.IntN(100); {
	case n < 20:
		return op{"put", key(), fmt.Sprint(now)}
	case n < 25:
		return op{"put", key(), ""} // an empty value is a value
	case n < 35:
		return op{"delete", key(), ""}
	case n < 45:
		return op{"get", key(), ""}
	case n < 52:
		return op{"scan", key(), key()}
	case n < 57:
		return op{"scan", "", key()}
	case n < 80:
		return op{"set", timer(), fmt.Sprint(now + r.Int64N(14) - 4)}
	case n < 84:
		return op{"unset", timer(), ""}
	case n < 90:
		return op{"due", timer(), ""}
	case n < 93:
		return op{"after", key(), fmt.Sprint(now)}
	case n < 96:
		return op{"produce", key(), fmt.Sprint(r.IntN(3))}
	case n < 98:
		return op{"poison", "", ""}
	case n < 99:
		return op{"fail", fmt.Sprint(r.Uint64()), ""}
	default:
		return op{"fail flush", fmt.Sprint(r.Uint64()), ""}
	}
}

// world is what a scripted stage shares over its tasks.
type world struct {
	mu     sync.Mutex
	failed map[string]bool // failures that have happened
	after  []string
}

// once tells whether it is called the first time with the id.
func (w *world) once(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	first := !w.failed[id]
	w.failed[id] = true
	return first
}

func newWorld() *world { return &world{failed: map[string]bool{}} }

func (w *world) stage() stream.Stage {
	return stream.Stage{
		Name: "scripted", Input: "in", Root: true, Stores: []string{"state"}, DeadLetter: "dead",
		NewTask: func(int32) (stream.Task, error) { return &scripted{w: w}, nil },
	}
}

type scripted struct {
	w         *world
	records   int // since Flush
	failFlush string
}

func (t *scripted) say(ctx stream.Context, format string, args ...any) {
	ctx.ProduceTo(&kgo.Record{Topic: "out", Value: fmt.Appendf(nil, format, args...)}, 0)
}

func (t *scripted) Process(ctx stream.Context, rec *kgo.Record) error {
	t.records++
	var ops []op
	if err := json.Unmarshal(rec.Value, &ops); err != nil {
		return err
	}
	frontier := ctx.Frontier()
	if frontier.Before(epoch) {
		frontier = time.Time{} // the engine's, of an idle input
	}
	t.say(ctx, "%s/%d/%d of partition %d, frontier %v", rec.Topic, rec.Partition, rec.Offset, ctx.Partition(), frontier)
	for _, o := range ops {
		if err := t.do(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

func (t *scripted) do(ctx stream.Context, o op) error {
	store := ctx.Store("state")
	switch o.Do {
	case "put":
		store.Put([]byte(o.Key), []byte(o.Arg))
	case "delete":
		store.Delete([]byte(o.Key))
	case "get":
		v, err := store.Get([]byte(o.Key))
		t.say(ctx, "%s is %q, absent %t", o.Key, v, v == nil)
		return err
	case "scan":
		return t.scan(ctx, o)
	case "set":
		ctx.SetTimer([]byte(o.Key), at(o.Arg))
	case "unset":
		ctx.DeleteTimer([]byte(o.Key))
	case "due":
		due, err := ctx.GetTimer([]byte(o.Key))
		t.say(ctx, "%s is due %v", o.Key, due)
		return err
	case "after":
		ctx.AfterCommit(func() {
			t.w.mu.Lock()
			defer t.w.mu.Unlock()
			t.w.after = append(t.w.after, o.Key+o.Arg)
		})
	case "produce":
		ctx.Produce(&kgo.Record{Topic: "out", Key: []byte(o.Key), Value: []byte(o.Arg), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte(o.Arg)}}})
	case "poison":
		return stream.Permanent(errors.New("poison"))
	case "fail":
		if t.w.once(o.Key) {
			return errors.New("not now")
		}
	case "fail flush":
		t.failFlush = o.Key
	case "end":
		t.say(ctx, "end")
	}
	return nil
}

func at(milli string) time.Time {
	n, err := strconv.ParseInt(milli, 10, 64)
	if err != nil {
		panic(err)
	}
	return instant(n)
}

func instant(milli int64) time.Time { return epoch.Add(time.Duration(milli) * time.Millisecond) }

func (t *scripted) scan(ctx stream.Context, o op) error {
	var to []byte
	if o.Arg != "" {
		to = []byte(o.Arg)
	}
	left := 3 // stops early where there is more
	var seen []string
	err := ctx.Store("state").Scan([]byte(o.Key), to, func(k, v []byte) bool {
		seen = append(seen, fmt.Sprintf("%s=%q", k, v))
		left--
		return o.Key == "" || left > 0
	})
	t.say(ctx, "[%s, %s) holds %v", o.Key, o.Arg, seen)
	return err
}

// Timer does what the timer's key says with the rest of it.
func (t *scripted) Timer(ctx stream.Context, key []byte, due time.Time) error {
	own, err := ctx.GetTimer(key)
	if err != nil {
		return err
	}
	t.say(ctx, "timer %s due %v, now %v, frontier %v", key, due, own, ctx.Frontier())
	do, rest, _ := strings.Cut(string(key), "-")
	switch do {
	case "again":
		ctx.SetTimer([]byte("plain-"+rest), due.Add(-3*time.Microsecond)) // due already
	case "kill":
		ctx.DeleteTimer([]byte("plain-" + rest))
	case "move":
		ctx.SetTimer([]byte("plain-"+rest), ctx.Frontier().Add(7*time.Microsecond))
	case "write":
		ctx.Store("state").Put([]byte(rest), []byte("by timer"))
	case "set":
		ctx.SetTimer([]byte("again-"+rest), due) // fires in its turn or once more
	}
	return nil
}

func (t *scripted) Flush(ctx stream.Context) error {
	t.say(ctx, "flush after %d records", t.records)
	t.records = 0
	if t.failFlush != "" && t.w.once(t.failFlush) {
		return errors.New("flush fails")
	}
	return nil
}
