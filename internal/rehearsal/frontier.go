package rehearsal

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/stream/streamtest"
	"github.com/posthorn/posthorn/schemas"
)

// frontier runs the driver of a stage's task and moves its arrival frontier.
type frontier struct {
	driver *streamtest.Driver
	emit   func(*kgo.Record) error
	at     schemas.Timestamp
}

// commit ends the open transaction and hands on what it has produced.
func (f *frontier) commit() error {
	if err := f.driver.Commit(); err != nil {
		return err
	}
	return f.drain()
}

// moveTo moves the frontier up to to. It stops wherever a timer is due: it moves
// by the clock where nothing arrives, so timers do not wait for the next event.
func (f *frontier) moveTo(to schemas.Timestamp) error {
	for due := f.nextTimer(); due != 0 && due <= to; due = f.nextTimer() {
		if err := f.step(max(due, f.at)); err != nil {
			return err
		}
	}
	if to <= f.at {
		return nil
	}
	return f.step(to)
}

// nextTimer is when the next timer is due; 0: there is none.
func (f *frontier) nextTimer() schemas.Timestamp { return schemas.FromTime(f.driver.NextTimer()) }

func (f *frontier) step(to schemas.Timestamp) error {
	f.at = to
	if err := f.driver.Advance(to.Time()); err != nil {
		return err
	}
	return f.drain()
}

func (f *frontier) drain() error {
	out := f.driver.Out
	f.driver.Out = nil
	for _, rec := range out {
		if err := f.emit(rec); err != nil {
			return err
		}
	}
	return nil
}
