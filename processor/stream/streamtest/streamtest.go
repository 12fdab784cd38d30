// Package streamtest runs one task of a [stream.Stage] in memory and
// deterministically: records in, arrival time advanced by hand, records out,
// state and timers readable. Nothing runs beside the caller and no clock is
// read, so that a test needs neither Kafka nor patience, and neither does a rule
// that is tried on what has been (internal/rehearsal).
//
// The driver does what the engine does, in the same order: reads see the open
// transaction, timers fire at its end in order of time and key, Flush comes
// last, and what is aborted leaves nothing behind but its records, which come
// again to a new task. A test of this package runs the same scripts through
// the engine and compares.
//
// What it leaves out is Kafka: the partition of a record given to Produce is
// not chosen (it is -1 in Out), topics need not exist, and a transaction fails
// only when the test says so.
package streamtest

import (
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/stream"
)

// ErrAborted is what a commit returns that [Driver.FailNext] made fail.
var ErrAborted = errors.New("streamtest: transaction aborted")

// Driver runs one task. It is not safe for concurrent use.
type Driver struct {
	// Out holds the records of committed transactions, in order. ProduceTo
	// sets Partition; Produce leaves it -1.
	Out []*kgo.Record
	// Late counts the events that committed transactions found too late.
	Late int

	stage     stream.Stage
	partition int32
	task      stream.Task
	stores    map[string]*store
	timers    timers
	failNext  bool

	// The open transaction.
	touched  bool
	records  []*kgo.Record // given to the task
	pending  []*kgo.Record // produced
	after    []func()
	openLate int
	poison   map[int64]error // records set aside, by offset

	clock, committed clock
}

// clock is how far the task has come.
type clock struct {
	position int64 // next input offset
	frontier int64 // microseconds, 0 unknown
}

// New starts the task of one partition with empty state.
func New(stage stream.Stage, partition int32) (*Driver, error) {
	d := &Driver{
		stage: stage, partition: partition,
		stores: map[string]*store{}, timers: newTimers(), poison: map[int64]error{},
	}
	for _, name := range stage.Stores {
		d.stores[name] = &store{d: d, open: map[string][]byte{}}
	}
	return d, d.Abort()
}

// Process hands one record to the task. The record is copied; its offset is
// the next one where it is zero, its topic the stage's input where it is empty.
//
// An error means that the transaction was aborted, as in the engine: the
// records since the last commit must be processed again. Only a permanent error
// of a stage with a dead letter topic does not lose them: the driver has then
// done the transaction again already, with the record set aside, and returns
// the error to tell.
func (d *Driver) Process(rec *kgo.Record) error {
	r := *rec
	if r.Offset == 0 {
		r.Offset = d.clock.position
	}
	if r.Topic == "" {
		r.Topic = d.stage.Input
	}
	r.Partition = d.partition
	return d.process(&r)
}

func (d *Driver) process(rec *kgo.Record) error {
	if rec.Offset < d.clock.position {
		return fmt.Errorf("streamtest: offset %d was processed already, the next is %d", rec.Offset, d.clock.position)
	}
	d.touched = true
	d.clock.position = rec.Offset + 1
	d.records = append(d.records, rec)
	if cause, poisoned := d.poison[rec.Offset]; poisoned {
		d.deadLetter(rec, cause)
		return nil
	}
	err := d.task.Process(driverContext{d}, rec)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("processing %s partition %d offset %d: %w", rec.Topic, rec.Partition, rec.Offset, err)
	if !stream.IsPermanent(err) || d.stage.DeadLetter == "" {
		return errors.Join(err, d.Abort())
	}
	d.poison[rec.Offset] = err
	return errors.Join(err, d.redo())
}

// redo aborts the transaction and does it again without what was set aside.
func (d *Driver) redo() error {
	records := d.records
	if err := d.Abort(); err != nil {
		return err
	}
	for _, rec := range records {
		if err := d.process(rec); err != nil && !stream.IsPermanent(err) {
			return err
		}
	}
	return nil
}

// Tick calls the task's Tick, where it has one. An error aborts the
// transaction.
func (d *Driver) Tick(now time.Time) error {
	t, ok := d.task.(stream.Ticker)
	if !ok {
		return nil
	}
	if err := t.Tick(driverContext{d}, now); err != nil {
		return errors.Join(fmt.Errorf("ticking: %w", err), d.Abort())
	}
	return nil
}

// Commit ends the transaction: it fires the timers that are due, flushes the
// task, and commits. An error aborts the transaction.
func (d *Driver) Commit() error {
	if err := d.complete(); err != nil {
		return errors.Join(err, d.Abort())
	}
	if d.failNext {
		d.failNext = false
		return errors.Join(ErrAborted, d.Abort())
	}
	for _, s := range d.stores {
		s.commit()
	}
	d.timers.commit()
	d.Out = append(d.Out, d.pending...)
	d.Late += d.openLate
	d.openLate = 0
	after := d.after
	clear(d.poison)
	d.forget()
	d.committed = d.clock
	for _, f := range after {
		f()
	}
	return nil
}

// Advance moves the arrival frontier forward and commits, since that is when
// the engine moves it.
func (d *Driver) Advance(to time.Time) error {
	d.clock.frontier = max(d.clock.frontier, to.UnixMicro())
	return d.Commit()
}

// FailNext makes the next Commit or Advance abort the transaction at the very
// end, after timers and Flush, and return [ErrAborted].
func (d *Driver) FailNext() { d.failNext = true }

// Abort throws the open transaction away and makes a new task. The records
// since the last commit must be processed again.
func (d *Driver) Abort() error {
	for _, s := range d.stores {
		clear(s.open)
	}
	d.timers.abort()
	d.forget()
	d.clock = d.committed
	task, err := d.stage.NewTask(d.partition)
	if err != nil {
		return fmt.Errorf("making task %d of %s: %w", d.partition, d.stage.Name, err)
	}
	d.task = task
	return nil
}

// Restart aborts, and goes on as a worker that was restarted does: with the
// committed state and timers, and a frontier that is unknown until Advance.
func (d *Driver) Restart() error {
	d.committed.frontier = 0
	clear(d.poison)
	return d.Abort()
}

func (d *Driver) complete() error {
	if err := d.fire(); err != nil {
		return err
	}
	if !d.touched {
		return nil
	}
	if err := d.task.Flush(driverContext{d}); err != nil {
		return fmt.Errorf("flushing: %w", err)
	}
	return nil
}

func (d *Driver) forget() {
	d.touched = false
	d.records, d.pending, d.after, d.openLate = nil, nil, nil, 0
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
