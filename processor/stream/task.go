package stream

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// taskRunner is one assigned partition: the stage's Task, the writes of the
// open transaction over the committed state, and the task's clocks. Only the
// session's loop uses it, except for acked.
type taskRunner struct {
	s         *session
	partition int32
	task      Task
	stores    []*overlay // index 0 is the engine's own
	byName    map[string]*overlay
	timers    map[string]int64 // open changes: due in micros, 0 deletes
	after     []func()
	touched   bool
	openLate  int64 // events of the open transaction that came too late

	late, deadLetters int64 // since the assignment, for the status

	clock     taskClock // in the open transaction
	committed taskClock // as of the last commit
	frontier  int64     // never goes back, but when an abort does
	nextDue   int64     // due time of the earliest committed timer, 0 none; see dueKnown
	dueKnown  bool
}

// taskClock is how far a task has come. An abort sets it back.
type taskClock struct {
	position  int64 // next input offset
	lastMicro int64 // timestamp of the last record processed
	sources   sourceFrontiers
	frontier  int64 // as of the last commit
}

func (c taskClock) clone() taskClock {
	c.sources.by = maps.Clone(c.sources.by)
	return c
}

// overlay is a store of a task: the open transaction's writes over the database.
type overlay struct {
	t      *taskRunner
	id     uint8
	topic  string
	writes map[string][]byte // nil deletes

	mu    sync.Mutex
	acked *kgo.Record // last changelog record acknowledged in this transaction
}

func newTaskRunner(s *session, partition int32, position int64) (*taskRunner, error) {
	t := &taskRunner{s: s, partition: partition, byName: map[string]*overlay{}, timers: map[string]int64{}}
	t.clock.position = position
	t.committed.position = position
	for i, name := range s.w.stores {
		o := &overlay{t: t, id: uint8(i), topic: ChangelogTopic(s.w.stage.Name, name), writes: map[string][]byte{}}
		t.stores = append(t.stores, o)
		t.byName[name] = o
	}
	return t, t.renew()
}

// renew makes a fresh Task, without what belonged to an aborted transaction.
func (t *taskRunner) renew() (err error) {
	defer recovered(&err, func() string { return fmt.Sprintf("making task %d", t.partition) })
	for _, o := range t.stores {
		clear(o.writes)
		o.acked = nil
	}
	clear(t.timers)
	t.after = nil
	t.touched = false
	t.openLate = 0
	t.dueKnown = false
	task, err := t.s.w.stage.NewTask(t.partition)
	if err != nil {
		return fmt.Errorf("making task %d of %s: %w", t.partition, t.s.w.stage.Name, err)
	}
	t.task = task
	return nil
}

// Partition implements Context.
func (t *taskRunner) Partition() int32 { return t.partition }

// Frontier implements Context.
func (t *taskRunner) Frontier() time.Time {
	if t.frontier == 0 {
		return time.Time{}
	}
	return time.UnixMicro(t.frontier).UTC()
}

// Store implements Context.
func (t *taskRunner) Store(name string) Store {
	o := t.byName[name]
	if o == nil || o.id == 0 {
		panic(fmt.Sprintf("stream: stage %s declares no store %q", t.s.w.stage.Name, name))
	}
	return o
}

// Produce implements Context.
func (t *taskRunner) Produce(rec *kgo.Record) {
	t.produce(rec, -1)
}

// ProduceTo implements Context.
func (t *taskRunner) ProduceTo(rec *kgo.Record, partition int32) {
	t.produce(rec, partition)
}

func (t *taskRunner) produce(rec *kgo.Record, partition int32) {
	t.touch()
	t.s.produce(rec, partition, nil)
}

// touch opens the transaction, if none is, and makes the task part of it.
func (t *taskRunner) touch() {
	t.s.begin()
	if !t.touched {
		t.touched = true
		t.s.touched = append(t.s.touched, t)
	}
}

// SetTimer implements Context.
func (t *taskRunner) SetTimer(key []byte, due time.Time) {
	if len(t.stores) == 0 {
		panic(fmt.Sprintf("stream: stage %s sets a timer but declares no store to keep it beside", t.s.w.stage.Name))
	}
	t.touch()
	t.timers[string(key)] = max(1, due.UnixMicro())
}

// GetTimer implements Context.
func (t *taskRunner) GetTimer(key []byte) (time.Time, error) {
	due, changed := t.timers[string(key)]
	if !changed && len(t.stores) > 0 {
		v, err := t.s.w.db.get(t.partition, 0, timerKey(key))
		if err != nil {
			return time.Time{}, err
		}
		if len(v) == 8 {
			due = int64(binary.BigEndian.Uint64(v))
		}
	}
	if due == 0 {
		return time.Time{}, nil
	}
	return time.UnixMicro(due).UTC(), nil
}

// DeleteTimer implements Context.
func (t *taskRunner) DeleteTimer(key []byte) {
	if len(t.stores) == 0 {
		return
	}
	t.touch()
	t.timers[string(key)] = 0
}

// AfterCommit implements Context.
func (t *taskRunner) AfterCommit(f func()) {
	t.touch()
	t.after = append(t.after, f)
}

// Late implements Context.
func (t *taskRunner) Late(events int) {
	t.touch()
	t.openLate += int64(events)
}

// timersPerRound bounds how many due timers are held in memory at once.
const timersPerRound = 1000

type dueTimer struct {
	key string
	due int64
}

// advance moves the task's frontier and fires the timers that are due, in
// order of due time and key. Timers set meanwhile have their turn after these.
// Where more are due than a transaction may fire, it moves as far as those.
func (t *taskRunner) advance(micro int64) error {
	micro, err := t.bound(micro)
	if err != nil {
		return err
	}
	t.frontier = max(t.frontier, micro)
	for {
		due, err := t.dueTimers()
		if err != nil || len(due) == 0 {
			return err
		}
		for _, d := range due {
			if at, changed := t.timers[d.key]; changed && at != d.due {
				continue // moved or deleted by a timer that fired before
			}
			t.touch()
			t.timers[d.key] = 0
			t.s.timers++
			if err := t.task.Timer(t, []byte(d.key), time.UnixMicro(d.due).UTC()); err != nil {
				return fmt.Errorf("firing timer of %s: %w", t.s.w.stage.Name, err)
			}
		}
	}
}

// dueTimers returns timers at or before the frontier, in order.
func (t *taskRunner) dueTimers() ([]dueTimer, error) {
	var due []dueTimer
	for key, at := range t.timers {
		if at != 0 && at <= t.frontier {
			due = append(due, dueTimer{key, at})
		}
	}
	// Nearly always no committed timer is due: one number spares the scan.
	if !t.dueKnown || t.nextDue != 0 && t.nextDue <= t.frontier {
		t.nextDue, t.dueKnown = 0, true
		err := t.s.w.db.scan(t.partition, 0, []byte{timerByDue}, []byte{timerByDue + 1}, func(k, _ []byte) bool {
			at := int64(binary.BigEndian.Uint64(k[1:9]))
			if t.nextDue == 0 {
				t.nextDue = at
			}
			if at > t.frontier || len(due) >= timersPerRound {
				return false
			}
			if _, changed := t.timers[string(k[9:])]; !changed {
				due = append(due, dueTimer{string(k[9:]), at})
			}
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(due, func(a, b dueTimer) int {
		return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(a.key, b.key))
	})
	return due, nil
}

// produceChangelogs adds the open writes to the transaction.
func (t *taskRunner) produceChangelogs() {
	for key, due := range t.timers {
		var v []byte
		if due != 0 {
			v = binary.BigEndian.AppendUint64(nil, uint64(due))
		}
		t.stores[0].writes[string(timerKey(key))] = v
	}
	clear(t.timers)
	for _, o := range t.stores {
		for key, value := range o.writes {
			t.s.produce(&kgo.Record{Topic: o.topic, Key: []byte(key), Value: value}, t.partition, o.ack)
		}
	}
}

func (o *overlay) ack(rec *kgo.Record) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.acked == nil || rec.Offset > o.acked.Offset {
		o.acked = rec
	}
}

// collect moves the transaction's writes, now committed, into b.
func (t *taskRunner) collect(b *batch, now time.Time) {
	for _, o := range t.stores {
		if len(o.writes) == 0 {
			continue
		}
		if o.id == 0 {
			t.dueKnown = false
		}
		b.writes = slices.Grow(b.writes, len(o.writes))
		for key, value := range o.writes {
			b.writes = append(b.writes, write{t.partition, o.id, key, value})
		}
		clear(o.writes)
		o.mu.Lock()
		rec := o.acked
		o.acked = nil
		o.mu.Unlock()
		if rec != nil {
			b.positions = append(b.positions, storePosition{t.partition, o.id, position{
				topicID: t.s.w.topicIDs[o.topic], next: rec.Offset + 1,
				lastOffset: rec.Offset, lastCRC: recordCRC(rec.Key, rec.Value), committed: now,
			}})
		}
	}
	t.touched = false
	if t.openLate > 0 {
		t.late += t.openLate
		t.s.w.metrics.late.WithLabelValues(strconv.Itoa(int(t.partition))).Add(float64(t.openLate))
		t.s.w.update(func(st *Status) { st.Late += t.openLate })
		t.openLate = 0
	}
}

// Get implements Store.
func (o *overlay) Get(key []byte) ([]byte, error) {
	if v, ok := o.writes[string(key)]; ok {
		return v, nil
	}
	return o.t.s.w.db.get(o.t.partition, o.id, key)
}

// Put implements Store.
func (o *overlay) Put(key, value []byte) {
	if value == nil {
		value = []byte{}
	}
	o.t.touch()
	o.writes[string(key)] = value
}

// Delete implements Store.
func (o *overlay) Delete(key []byte) {
	o.t.touch()
	o.writes[string(key)] = nil
}

// Scan implements Store.
func (o *overlay) Scan(from, to []byte, f func(key, value []byte) bool) error {
	open := slices.Sorted(func(yield func(string) bool) {
		for k := range o.writes {
			if k >= string(from) && (to == nil || k < string(to)) && !yield(k) {
				return
			}
		}
	})
	more := true
	emit := func(limit []byte) {
		for more && len(open) > 0 && (limit == nil || open[0] < string(limit)) {
			if v := o.writes[open[0]]; v != nil {
				more = f([]byte(open[0]), v)
			}
			open = open[1:]
		}
	}
	err := o.t.s.w.db.scan(o.t.partition, o.id, from, to, func(k, v []byte) bool {
		emit(k)
		if _, changed := o.writes[string(k)]; more && !changed {
			more = f(k, v)
		}
		return more
	})
	if err != nil {
		return err
	}
	emit(nil)
	return nil
}
