// Package redeliver finds calls that people want to be made again: what became of
// them, in posthorn.deliveries, and where their triggers are, which the request to
// the delivery stage names.
package redeliver

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/controls"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

// Finder finds calls.
type Finder struct {
	Kafka      kafka.Config
	Serde      *schemas.Serde
	Generation schemas.Generation // the live one
}

// Filter says which calls failed that are wanted. What is empty is any.
type Filter struct {
	Since, Until time.Time // of the attempt that failed last
	Endpoint     string
	Rule         string
	Limit        int // at most so many; 0: MaxCalls
}

// MaxCalls bounds what is found at once, in memory and in requests that wait.
const MaxCalls = 20_000

// Call is a trigger's call, as its last attempt left it.
type Call struct {
	Last schemas.Delivery
	// First is when the earliest attempt that was seen was made.
	First time.Time

	partition int32
	offset    int64
	found     bool
}

// Found tells whether the trigger is still kept, without which no call can be made.
func (c *Call) Found() bool { return c.found }

// Failed finds calls that ended failed, the one that failed first first. More tells
// that there are more than the limit.
func (f *Finder) Failed(ctx context.Context, want Filter) (calls []*Call, more bool, err error) {
	if want.Limit <= 0 || want.Limit > MaxCalls {
		want.Limit = MaxCalls
	}
	by := map[schemas.ID]*Call{}
	err = kafka.Scan(ctx, f.Kafka, kafka.Scanned{Topic: schemas.TopicDeliveries, Since: want.Since}, func(rec *kgo.Record) error {
		d, err := f.delivery(rec)
		if err != nil || d.TriggerID.IsZero() {
			return err
		}
		if d.Status != schemas.DeliveryStatusFailed || !want.takes(d) {
			delete(by, d.TriggerID) // it is not as it was
			return nil
		}
		by[d.TriggerID] = &Call{Last: *d, First: d.AttemptedAt.Time()}
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	calls = sorted(by)
	if more = len(calls) > want.Limit; more {
		calls = calls[:want.Limit]
	}
	return calls, more, f.locate(ctx, calls)
}

func (want Filter) takes(d *schemas.Delivery) bool {
	at := d.AttemptedAt.Time()
	return !at.Before(want.Since) && (want.Until.IsZero() || at.Before(want.Until)) &&
		(want.Endpoint == "" || want.Endpoint == d.Endpoint) && (want.Rule == "" || want.Rule == d.Rule)
}

func sorted(by map[schemas.ID]*Call) (calls []*Call) {
	for _, c := range by {
		calls = append(calls, c)
	}
	slices.SortFunc(calls, func(a, b *Call) int {
		if n := a.Last.AttemptedAt.Time().Compare(b.Last.AttemptedAt.Time()); n != 0 {
			return n
		}
		return slices.Compare(a.Last.TriggerID[:], b.Last.TriggerID[:])
	})
	return calls
}

// ByID finds calls by their triggers' ids, in the order given. One of which no
// attempt is kept is nil.
func (f *Finder) ByID(ctx context.Context, ids ...schemas.ID) ([]*Call, error) {
	partitions, err := kafka.Partitions(ctx, f.Kafka, schemas.TopicDeliveries)
	if err != nil {
		return nil, err
	}
	by, where := map[schemas.ID]*Call{}, map[int32]bool{}
	for _, id := range ids {
		by[id] = nil
		where[kafka.PartitionFor(id[:], partitions)] = true
	}
	err = kafka.Scan(ctx, f.Kafka, kafka.Scanned{Topic: schemas.TopicDeliveries, Partitions: where}, func(rec *kgo.Record) error {
		if len(rec.Key) != len(schemas.ID{}) {
			return nil
		}
		known, wanted := by[schemas.ID(rec.Key)]
		if !wanted {
			return nil
		}
		d, err := f.delivery(rec)
		if err != nil {
			return err
		}
		if known == nil {
			known = &Call{First: d.AttemptedAt.Time()}
			by[d.TriggerID] = known
		}
		known.Last = *d
		return nil
	})
	if err != nil {
		return nil, err
	}
	var calls, there []*Call
	for _, id := range ids {
		c := by[id]
		calls = append(calls, c)
		if c != nil {
			there = append(there, c)
		}
	}
	return calls, f.locate(ctx, there)
}

func (f *Finder) delivery(rec *kgo.Record) (*schemas.Delivery, error) {
	var d schemas.Delivery
	if err := f.Serde.Decode(rec.Value, &d); err != nil {
		return nil, fmt.Errorf("decoding delivery: %w", err)
	}
	return &d, nil
}

// before is how long before its attempt a trigger is looked for at first: longer
// than all attempts of the default schedule take.
const before = 5 * 24 * time.Hour

// locate finds the triggers' records: first where most are, in the partitions of
// their recipients and not long before the attempts, then everywhere.
func (f *Finder) locate(ctx context.Context, calls []*Call) error {
	if len(calls) == 0 {
		return nil
	}
	topic := f.Generation.Topic(schemas.TopicTriggers)
	partitions, err := kafka.Partitions(ctx, f.Kafka, topic)
	if err != nil {
		return err
	}
	near := kafka.Scanned{Topic: topic, Since: calls[0].First, Partitions: map[int32]bool{}}
	missing := map[schemas.ID]*Call{}
	for _, c := range calls {
		missing[c.Last.TriggerID] = c
		if c.First.Before(near.Since) {
			near.Since = c.First
		}
		if c.Last.RecipientID.IsZero() {
			near.Partitions = nil // of a campaign
		} else if near.Partitions != nil {
			near.Partitions[kafka.PartitionFor(c.Last.RecipientID[:], partitions)] = true
		}
	}
	near.Since = near.Since.Add(-before)
	for _, what := range []kafka.Scanned{near, {Topic: topic}} {
		if len(missing) == 0 {
			return nil
		}
		if err := f.scanTriggers(ctx, what, missing); err != nil {
			return err
		}
	}
	return nil
}

func (f *Finder) scanTriggers(ctx context.Context, what kafka.Scanned, missing map[schemas.ID]*Call) error {
	return kafka.Scan(ctx, f.Kafka, what, func(rec *kgo.Record) error {
		var tr schemas.Trigger
		if len(rec.Value) == 0 {
			return nil // a marker
		}
		if err := f.Serde.Decode(rec.Value, &tr); err != nil {
			return nil // a dead letter of the stage's, nobody's call
		}
		if c := missing[tr.TriggerID]; c != nil && tr.Status == schemas.TriggerStatusFired {
			c.partition, c.offset, c.found = rec.Partition, rec.Offset, true
			delete(missing, tr.TriggerID)
		}
		if len(missing) == 0 {
			return kafka.ErrEnough
		}
		return nil
	})
}

// Ask requests that calls be made again, and tells for how many it did. Left out are
// those whose trigger is not found, and those that were asked for already and have
// not begun.
func (f *Finder) Ask(ctx context.Context, calls []*Call, by string, at time.Time) (asked int, err error) {
	waiting, err := f.waiting(ctx)
	if err != nil {
		return 0, err
	}
	var list []controls.Retry
	for _, c := range calls {
		if c == nil || !c.found || waiting[c.Last.TriggerID] {
			continue
		}
		r := controls.Retry{
			TriggerID: c.Last.TriggerID, Topic: f.Generation.Topic(schemas.TopicTriggers), Partition: c.partition, Offset: c.offset,
			Attempts: c.Last.Attempt, By: by, At: at,
		}
		_, _ = rand.Read(r.ID[:]) // never fails
		list = append(list, r)
	}
	if len(list) == 0 {
		return 0, nil
	}
	w, err := controls.NewWriter(f.Kafka)
	if err != nil {
		return 0, err
	}
	defer w.Close()
	return len(list), w.Retry(ctx, list...)
}

// waiting are the triggers whose calls were asked for and are not begun.
func (f *Finder) waiting(ctx context.Context) (map[schemas.ID]bool, error) {
	asked, err := controls.Read(ctx, f.Kafka)
	if err != nil {
		return nil, err
	}
	ids := map[schemas.ID]bool{}
	for _, list := range asked.Retries {
		for _, r := range list {
			ids[r.TriggerID] = true
		}
	}
	return ids, nil
}
