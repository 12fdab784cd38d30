package stream

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Stage describes one step of a pipeline.
type Stage struct {
	// Name names the stage: its consumer group, changelogs and transactional ids.
	Name string
	// Input is the topic the stage reads; every partition of it is a task.
	Input string
	// Stores names the stage's key-value stores.
	Stores []string
	// Root marks the first stage of a chain: its input holds no frontier
	// markers, and arrival time is the log append time of the records.
	Root bool
	// FrontierTo lists the topics that carry this stage's frontier on to the
	// stages behind it.
	FrontierTo []string
	// Hold, for a root stage, tells up to when in arrival time, in microseconds,
	// nothing is on its way to the input that counts as arrived earlier than it is
	// appended; false while that is unknown. The frontier goes no further than what
	// it told before the input was read as far as it then was. It is called from one
	// goroutine at a time. nil: nothing holds the frontier.
	Hold func() (micro int64, ok bool)
	// DeadLetter is the topic of records that failed permanently. Without it
	// such a record stops the stage.
	DeadLetter string
	// NewTask makes the task of a partition, after its state is restored, and
	// again after a transaction was aborted: a task may cache what it reads
	// from its stores but nothing else may outlive a transaction.
	NewTask func(partition int32) (Task, error)
}

// Task processes the records of one partition. Its methods are never called
// concurrently. An error of Process that is [Permanent] sends the record to the
// dead letter topic. Any other, one of Timer, Flush or Tick whatever it is since
// no record can be set aside for it, and a panic abort the transaction, which is
// tried again after a pause; the stage is not ready meanwhile.
type Task interface {
	// Process handles one input record. The record and its slices may be kept
	// until the transaction ends, not longer.
	Process(ctx Context, rec *kgo.Record) error
	// Timer is called once the arrival frontier has reached the timer's time.
	// The timer is deleted before the call.
	Timer(ctx Context, key []byte, due time.Time) error
	// Flush is called before every commit: what was aggregated in memory since
	// the last one must be emitted here.
	Flush(ctx Context) error
}

// Ticker is a Task that also works on the wall clock, such as one that retries
// calls. Tick is called about every commit interval, with or without input, four
// times a second where none has come for a while, and as soon as possible after
// Worker.Wake.
type Ticker interface {
	Tick(ctx Context, now time.Time) error
}

// Context is a task's access to the open transaction.
type Context interface {
	// Partition is the task's partition number.
	Partition() int32
	// Store returns the store of that name; it panics when the stage does not
	// declare it.
	Store(name string) Store
	// Produce adds a record to the transaction. With rec.Key set the partition
	// is chosen by the Kafka default hash of the key; use ProduceTo for others.
	Produce(rec *kgo.Record)
	// ProduceTo adds a record to the transaction, to a partition.
	ProduceTo(rec *kgo.Record, partition int32)
	// Frontier is the arrival time up to which everything has been seen; zero
	// while unknown.
	Frontier() time.Time
	// SetTimer sets, or moves, the durable timer of that key. Timers are kept
	// in microseconds. It panics when the stage declares no store.
	SetTimer(key []byte, due time.Time)
	// GetTimer returns when the timer of that key is due, zero without one.
	GetTimer(key []byte) (time.Time, error)
	// DeleteTimer deletes the timer of that key, if there is one.
	DeleteTimer(key []byte)
	// Late counts events that came too late to change what they belong to, for
	// the stage's metrics.
	Late(events int)
	// AfterCommit calls f once the transaction has been committed, and not at
	// all when it is aborted.
	AfterCommit(f func())
}

// Store is the state of one task under one name. Reads see the open
// transaction's writes.
type Store interface {
	// Get returns the value of key, or nil. The value must not be modified and
	// is valid until the transaction ends.
	Get(key []byte) ([]byte, error)
	// Put sets the value of key. The store keeps both slices.
	Put(key, value []byte)
	// Delete removes key.
	Delete(key []byte)
	// Scan calls f in key order for every key from from up to but not including
	// to, until f returns false; nil leaves an end open. The slices are valid
	// during the call only, and f must not write to the store.
	Scan(from, to []byte, f func(key, value []byte) bool) error
}

// PrefixEnd returns the smallest key greater than every key with the prefix,
// nil where there is none: Scan(p, PrefixEnd(p), f) visits all keys that begin
// with p.
func PrefixEnd(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

// ChangelogTopic names the changelog of a store.
func ChangelogTopic(stage, store string) string {
	return fmt.Sprintf("posthorn.%s-%s-changelog", stage, store)
}

type permanentError struct{ err error }

func (e permanentError) Error() string { return e.err.Error() }
func (e permanentError) Unwrap() error { return e.err }

// Permanent marks an error as not worth a retry, unless it wraps one that says
// of itself, by a method Temporary() bool, that it may pass.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanentError{err}
}

// IsPermanent tells whether err, or one that it wraps, is permanent.
func IsPermanent(err error) bool {
	var p permanentError
	var t interface{ Temporary() bool }
	return errors.As(err, &p) && !(errors.As(err, &t) && t.Temporary())
}
