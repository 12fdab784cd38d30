package delivery

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/posthorn/posthorn/internal/controls"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/schemas"
)

// Calls that people ask to be made again. The ledger knows only that a trigger's
// call is done, so a request names the place of the trigger's record; the task of
// its partition reads that, and makes the call pending once more. In the same
// transaction it notes the request in the ledger and deletes it from its topic:
// whatever is lost or seen again, a request is applied once.

// TriggerReader reads earlier triggers.
type TriggerReader interface {
	// Read returns the value of a record; the error is kafka.ErrGone where there is
	// none.
	Read(ctx context.Context, topic string, partition int32, offset int64) ([]byte, error)
}

// retryStep bounds the requests that one tick applies: each reads a record.
const retryStep = 16

// appliedKey is the key of a request in the ledger, longer than a trigger's.
func appliedKey(id schemas.ID) []byte { return append(id[:], 'r') }

// applyControls does what people ask of calls. Pauses and endpoints are asked for
// where calls are made.
func (t *task) applyControls(ctx stream.Context, _ time.Time) error {
	asked := t.d.cfg.Controls()
	if asked == nil || asked.Version == t.applied || t.d.cfg.Triggers == nil {
		return nil
	}
	left := retryStep
	for _, r := range asked.Retries[ctx.Partition()] {
		key := appliedKey(r.ID)
		switch v, err := ctx.Store(StoreDone).Get(key); {
		case err != nil:
			return fmt.Errorf("reading the ledger of callbacks: %w", err)
		case v != nil:
			continue // its deletion is still on the way to the follower
		}
		if left--; left < 0 {
			return nil // the rest with the next tick
		}
		if err := t.makeAgain(ctx, &r); err != nil {
			return err
		}
		ctx.Store(StoreDone).Put(key, binary.AppendVarint(nil, t.d.cfg.Now().UnixMicro()))
		ctx.Produce(r.Done())
	}
	t.applied = asked.Version
	return nil
}

// makeAgain makes the call pending that a request is about. What makes that
// impossible for ever is logged, and the request is done.
func (t *task) makeAgain(ctx stream.Context, r *controls.Retry) error {
	impossible := func(why string) {
		t.d.cfg.Logger.Warn("a call that was asked for can't be made again", "trigger", r.TriggerID, "by", r.By, "error", why,
			"topic", r.Topic, "partition", r.Partition, "offset", r.Offset)
	}
	value, err := t.d.cfg.Triggers.Read(t.d.ctx, r.Topic, r.Partition, r.Offset)
	switch {
	case errors.Is(err, kafka.ErrGone):
		impossible("its trigger is no longer kept")
		return nil
	case err != nil:
		return fmt.Errorf("making the call of trigger %s again: %w", r.TriggerID, err)
	}
	c := &call{gen: t.gen, value: value, before: r.Attempts, asked: schemas.FromTime(r.At)}
	if err := t.d.cfg.Serde.Decode(value, &c.trigger); err != nil || c.trigger.TriggerID != r.TriggerID {
		impossible("another record is where its trigger should be")
		return nil
	}
	if c.trigger.Status != schemas.TriggerStatusFired || c.trigger.Endpoint == "" {
		impossible("its rule calls nobody")
		return nil
	}
	return t.ask(ctx, c)
}

// ask makes a call at once that a person asks for.
func (t *task) ask(ctx stream.Context, c *call) error {
	now := t.d.cfg.Now()
	if _, underWay := t.out[c.trigger.TriggerID]; underWay {
		return nil // it is being made
	}
	v, err := ctx.Store(StorePending).Get(c.trigger.TriggerID[:])
	if err != nil {
		return fmt.Errorf("reading pending call %s: %w", c.trigger.TriggerID, err)
	}
	c.due, c.since = now.Truncate(time.Microsecond), now
	if v != nil {
		p, err := parsePending(v)
		if err != nil {
			return fmt.Errorf("reading pending call %s: %w", c.trigger.TriggerID, err)
		}
		// It waits for its next attempt, which comes now.
		c.attempts, c.before, c.since = p.attempts, p.before, p.since
		t.put(ctx, c)
		t.schedule(ctx, c)
		return nil
	}
	if why := t.refusal(c.trigger.Endpoint); why != "" {
		t.record(ctx, &result{call: c, at: now, err: why}, schemas.DeliveryStatusFailed, time.Time{})
		return nil
	}
	t.pend(ctx, c)
	return nil
}
