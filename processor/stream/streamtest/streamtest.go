// Package streamtest runs a stream.Task in memory and deterministically:
// records in, time advanced by hand, records out, state readable.
package streamtest

import (
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/stream"
)

// Driver runs one task of a stage. It is not safe for concurrent use.
type Driver struct {
	stage     stream.Stage
	partition int32
	task      stream.Task

	committed map[string]map[string][]byte
	open      map[string]map[string][]byte // nil value: deleted
	timers    map[string]time.Time
	openTimer map[string]time.Time // zero: deleted
	frontier  time.Time
	pending   []*kgo.Record
	after     []func()
	offset    int64

	// Out holds the records of committed transactions, in order. ProduceTo
	// sets Partition; Produce leaves it -1.
	Out []*kgo.Record
}

// New starts the task of one partition with empty state.
func New(stage stream.Stage, partition int32) (*Driver, error) {
	d := &Driver{stage: stage, partition: partition, committed: map[string]map[string][]byte{}, timers: map[string]time.Time{}}
	for _, s := range stage.Stores {
		d.committed[s] = map[string][]byte{}
	}
	return d, d.reset()
}

func (d *Driver) reset() error {
	d.open = map[string]map[string][]byte{}
	for _, s := range d.stage.Stores {
		d.open[s] = map[string][]byte{}
	}
	d.openTimer = map[string]time.Time{}
	d.pending, d.after = nil, nil
	t, err := d.stage.NewTask(d.partition)
	d.task = t
	return err
}

// Process hands one record to the task. Offset is filled in where it is zero.
func (d *Driver) Process(rec *kgo.Record) error {
	if rec.Offset == 0 {
		rec.Offset = d.offset
	}
	d.offset = rec.Offset + 1
	rec.Partition = d.partition
	return d.task.Process(driverContext{d}, rec)
}

// Advance moves the arrival frontier and fires the timers that are due, in
// order of their time and key.
func (d *Driver) Advance(to time.Time) error {
	if to.After(d.frontier) {
		d.frontier = to
	}
	for {
		key, due, ok := d.nextTimer()
		if !ok || due.After(d.frontier) {
			return nil
		}
		d.openTimer[key] = time.Time{}
		if err := d.task.Timer(driverContext{d}, []byte(key), due); err != nil {
			return err
		}
	}
}

func (d *Driver) nextTimer() (key string, due time.Time, ok bool) {
	all := d.Timers()
	for _, k := range slices.Sorted(maps.Keys(all)) {
		if !ok || all[k].Before(due) {
			key, due, ok = k, all[k], true
		}
	}
	return key, due, ok
}

// Tick calls the task's Tick, where it has one.
func (d *Driver) Tick(now time.Time) error {
	if t, ok := d.task.(stream.Ticker); ok {
		return t.Tick(driverContext{d}, now)
	}
	return nil
}

// Commit flushes the task and commits the open transaction.
func (d *Driver) Commit() error {
	if err := d.task.Flush(driverContext{d}); err != nil {
		return err
	}
	for name, m := range d.open {
		for k, v := range m {
			if v == nil {
				delete(d.committed[name], k)
			} else {
				d.committed[name][k] = v
			}
		}
		clear(m)
	}
	for k, due := range d.openTimer {
		if due.IsZero() {
			delete(d.timers, k)
		} else {
			d.timers[k] = due
		}
	}
	clear(d.openTimer)
	d.Out = append(d.Out, d.pending...)
	after := d.after
	d.pending, d.after = nil, nil
	for _, f := range after {
		f()
	}
	return nil
}

// Abort throws the open transaction away and makes a new task, as the engine
// does.
func (d *Driver) Abort() error { return d.reset() }

// State returns a copy of a store, the open transaction included.
func (d *Driver) State(store string) map[string][]byte {
	m := maps.Clone(d.committed[store])
	for k, v := range d.open[store] {
		if v == nil {
			delete(m, k)
		} else {
			m[k] = v
		}
	}
	return m
}

// Timers returns a copy of the timers, the open transaction included.
func (d *Driver) Timers() map[string]time.Time {
	m := maps.Clone(d.timers)
	for k, due := range d.openTimer {
		if due.IsZero() {
			delete(m, k)
		} else {
			m[k] = due
		}
	}
	return m
}

// Take returns the committed records of a topic and forgets them.
func (d *Driver) Take(topic string) []*kgo.Record {
	var taken, rest []*kgo.Record
	for _, r := range d.Out {
		if r.Topic == topic {
			taken = append(taken, r)
		} else {
			rest = append(rest, r)
		}
	}
	d.Out = rest
	return taken
}

type driverContext struct{ d *Driver }

func (c driverContext) Partition() int32    { return c.d.partition }
func (c driverContext) Frontier() time.Time { return c.d.frontier }
func (c driverContext) Store(name string) stream.Store {
	if _, ok := c.d.open[name]; !ok {
		panic("streamtest: stage " + c.d.stage.Name + " has no store " + name)
	}
	return driverStore{c.d, name}
}
func (c driverContext) Produce(rec *kgo.Record) { c.ProduceTo(rec, -1) }
func (c driverContext) ProduceTo(rec *kgo.Record, partition int32) {
	rec.Partition = partition
	c.d.pending = append(c.d.pending, rec)
}
func (c driverContext) SetTimer(key []byte, due time.Time) { c.d.openTimer[string(key)] = due }
func (c driverContext) GetTimer(key []byte) (time.Time, error) {
	return c.d.Timers()[string(key)], nil
}
func (c driverContext) DeleteTimer(key []byte)             { c.d.openTimer[string(key)] = time.Time{} }
func (c driverContext) AfterCommit(f func())               { c.d.after = append(c.d.after, f) }

type driverStore struct {
	d    *Driver
	name string
}

func (s driverStore) Get(key []byte) ([]byte, error) {
	if v, ok := s.d.open[s.name][string(key)]; ok {
		return v, nil
	}
	return s.d.committed[s.name][string(key)], nil
}
func (s driverStore) Put(key, value []byte) {
	s.d.open[s.name][string(key)] = append(make([]byte, 0, len(value)), value...)
}
func (s driverStore) Delete(key []byte) { s.d.open[s.name][string(key)] = nil }
func (s driverStore) Scan(from, to []byte, f func(key, value []byte) bool) error {
	all := s.d.State(s.name)
	for _, k := range slices.Sorted(maps.Keys(all)) {
		if k >= string(from) && (to == nil || k < string(to)) && !f([]byte(k), all[k]) {
			return nil
		}
	}
	return nil
}
