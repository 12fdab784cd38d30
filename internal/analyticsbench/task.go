package main

import (
	"fmt"
	"time"

	"github.com/tidwall/btree"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/stream"
)

// stage runs the tasks of a stage in memory, for millions of records: unlike
// streamtest it keeps nothing to go back to and fires no timers. What the stages
// have timers for, rules and the forgetting of what is months old, is not part of
// a load.
type stage struct {
	tasks []stream.Task
	ctxs  []*taskContext
}

func newStage(s stream.Stage, partitions int, forget time.Duration, fading string) (*stage, error) {
	st := &stage{}
	for p := range partitions {
		task, err := s.NewTask(int32(p))
		if err != nil {
			return nil, fmt.Errorf("making task %d of %s: %w", p, s.Name, err)
		}
		ctx := &taskContext{partition: int32(p), input: s.Input, stores: map[string]stream.Store{}}
		for _, name := range s.Stores {
			if name == fading {
				ctx.fading = newFadingStore(forget)
				ctx.stores[name] = ctx.fading
			} else {
				ctx.stores[name] = &treeStore{}
			}
		}
		st.tasks, st.ctxs = append(st.tasks, task), append(st.ctxs, ctx)
	}
	return st, nil
}

// transaction processes the records of one task and returns what it produced. The
// frontier is where arrival time stands. What is returned is valid until the next
// transaction of the task.
func (s *stage) transaction(p int, records []*kgo.Record, frontier time.Time) ([]*kgo.Record, error) {
	ctx, task := s.ctxs[p], s.tasks[p]
	ctx.out, ctx.frontier = ctx.out[:0], frontier
	if ctx.fading != nil {
		ctx.fading.moveTo(frontier)
	}
	for _, rec := range records {
		rec.Topic, rec.Partition, rec.Offset = ctx.input, ctx.partition, ctx.offset
		ctx.offset++
		if err := task.Process(ctx, rec); err != nil {
			return nil, err
		}
	}
	if err := task.Flush(ctx); err != nil {
		return nil, err
	}
	for _, f := range ctx.after {
		f()
	}
	ctx.after = ctx.after[:0]
	return ctx.out, nil
}

// taskContext is the stream.Context of one task.
type taskContext struct {
	partition int32
	input     string
	offset    int64
	stores    map[string]stream.Store
	fading    *fadingStore
	frontier  time.Time
	out       []*kgo.Record
	after     []func()
}

func (c *taskContext) Partition() int32                   { return c.partition }
func (c *taskContext) Store(name string) stream.Store     { return c.stores[name] }
func (c *taskContext) Frontier() time.Time                { return c.frontier }
func (c *taskContext) SetTimer([]byte, time.Time)         {}
func (c *taskContext) DeleteTimer([]byte)                 {}
func (c *taskContext) GetTimer([]byte) (time.Time, error) { return time.Time{}, nil }
func (c *taskContext) Late(int)                           {}
func (c *taskContext) AfterCommit(f func())               { c.after = append(c.after, f) }

// unplaced is the partition of a record that goes where its key says.
const unplaced = -1

func (c *taskContext) Produce(rec *kgo.Record) { c.ProduceTo(rec, unplaced) }

func (c *taskContext) ProduceTo(rec *kgo.Record, partition int32) {
	rec.Partition = partition
	c.out = append(c.out, rec)
}

// treeStore is a store that keeps everything.
type treeStore struct{ tree btree.Map[string, []byte] }

func (s *treeStore) Get(key []byte) ([]byte, error) {
	value, _ := s.tree.Get(string(key))
	return value, nil
}
func (s *treeStore) Put(key, value []byte) { s.tree.Set(string(key), value) }
func (s *treeStore) Delete(key []byte)     { s.tree.Delete(string(key)) }

func (s *treeStore) Scan(from, to []byte, f func(key, value []byte) bool) error {
	s.tree.Ascend(string(from), func(key string, value []byte) bool {
		return (to == nil || key < string(to)) && f([]byte(key), value)
	})
	return nil
}

// fadingStore forgets what was not written for a while of arrival time: the
// messages of which nothing more will come. So memory is that of a week, not of
// all there is.
type fadingStore struct {
	ages []map[string][]byte // the youngest first
	each time.Duration
	next time.Time
}

// fadingAges is into how many steps the time is cut after which is forgotten.
const fadingAges = 8

func newFadingStore(after time.Duration) *fadingStore {
	s := &fadingStore{each: after / (fadingAges - 1)}
	for range fadingAges {
		s.ages = append(s.ages, map[string][]byte{})
	}
	return s
}

func (s *fadingStore) moveTo(t time.Time) {
	if t.Before(s.next) {
		return
	}
	if !s.next.IsZero() {
		copy(s.ages[1:], s.ages)
		s.ages[0] = map[string][]byte{}
	}
	s.next = t.Add(s.each)
}

func (s *fadingStore) Get(key []byte) ([]byte, error) {
	for _, age := range s.ages {
		if v, ok := age[string(key)]; ok {
			return v, nil
		}
	}
	return nil, nil
}

func (s *fadingStore) Put(key, value []byte) {
	s.Delete(key)
	s.ages[0][string(key)] = value
}

func (s *fadingStore) Delete(key []byte) {
	for _, age := range s.ages {
		delete(age, string(key))
	}
}

// Scan visits what begins with from, which is rare: messages with more than 512
// events.
func (s *fadingStore) Scan(from, to []byte, f func(key, value []byte) bool) error {
	var found treeStore
	for _, age := range s.ages {
		for key, value := range age {
			if key >= string(from) && (to == nil || key < string(to)) {
				found.Put([]byte(key), value)
			}
		}
	}
	return found.Scan(from, to, f)
}
