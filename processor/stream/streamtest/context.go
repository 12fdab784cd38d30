package streamtest

import (
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/stream"
)

// driverContext is the task's access to the open transaction.
type driverContext struct{ d *Driver }

func (c driverContext) Partition() int32 { return c.d.partition }

func (c driverContext) Frontier() time.Time {
	if c.d.clock.frontier == 0 {
		return time.Time{}
	}
	return time.UnixMicro(c.d.clock.frontier).UTC()
}

func (c driverContext) Store(name string) stream.Store { return c.d.store(name) }

func (c driverContext) Produce(rec *kgo.Record) { c.ProduceTo(rec, -1) }

func (c driverContext) ProduceTo(rec *kgo.Record, partition int32) {
	c.d.touched = true
	rec.Partition = partition
	c.d.pending = append(c.d.pending, rec)
}

func (c driverContext) SetTimer(key []byte, due time.Time) {
	if len(c.d.stores) == 0 {
		panic(fmt.Sprintf("streamtest: stage %s sets a timer but declares no store to keep it beside", c.d.stage.Name))
	}
	c.d.touched = true
	c.d.timers.set(string(key), max(1, due.UnixMicro()))
}

func (c driverContext) GetTimer(key []byte) (time.Time, error) {
	if due := c.d.timers.due[string(key)]; due != 0 {
		return time.UnixMicro(due).UTC(), nil
	}
	return time.Time{}, nil
}

func (c driverContext) DeleteTimer(key []byte) {
	if len(c.d.stores) == 0 {
		return
	}
	c.d.touched = true
	c.d.timers.set(string(key), 0)
}

func (c driverContext) Late(events int) { c.d.openLate += events }
func (c driverContext) AfterCommit(f func()) {
	c.d.touched = true
	c.d.after = append(c.d.after, f)
}

// deadLetter produces what the engine makes of a record that failed.
func (d *Driver) deadLetter(rec *kgo.Record, cause error) {
	header := func(key, value string) kgo.RecordHeader { return kgo.RecordHeader{Key: key, Value: []byte(value)} }
	driverContext{d}.Produce(&kgo.Record{
		Topic: d.stage.DeadLetter, Key: rec.Key, Value: rec.Value,
		Headers: []kgo.RecordHeader{
			header("posthorn-stage", d.stage.Name), header("posthorn-cause", cause.Error()),
			header("posthorn-topic", rec.Topic), header("posthorn-partition", strconv.Itoa(int(rec.Partition))),
			header("posthorn-offset", strconv.FormatInt(rec.Offset, 10)),
		},
	})
}
