// Package rehearsal runs rules on given events offline: the very stages that run
// live, one task of each, in memory. Nothing is written and nobody is called;
// what fires is handed to the caller.
//
// Events come in the order of their arrival. Before each the arrival frontier is
// moved up to it, stopping wherever a timer is due, as it does where it moves
// with the clock. What must be known of the end is said by moving it there.
package rehearsal

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/engagement"
	"github.com/posthorn/posthorn/processor/stream/streamtest"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// serde is that of the records between the stages here: no registry knows them.
var serde = schemas.NewLocalSerde()

// Config says what is rehearsed.
type Config struct {
	Rules *trigger.Set
	// Horizon and Retention are those of the stages; 0: their defaults.
	Horizon, Retention time.Duration
}

// Recipients rehearses the engagement stage: all that is judged of a recipient.
// Any part of the recipients may be rehearsed by itself.
type Recipients struct {
	frontier
	fired   func(*schemas.Trigger) error
	delta   func(*schemas.CampaignDelta) error
	arrived schemas.Timestamp // of the events that are not committed
}

// NewRecipients starts with nothing known. Fired is called for each trigger in
// the order in which they fire, delta for each change of what campaigns' rules
// count.
func NewRecipients(c Config, fired func(*schemas.Trigger) error, delta func(*schemas.CampaignDelta) error) (*Recipients, error) {
	d, err := streamtest.New(engagement.Stage(engagement.Config{
		Serde: serde, Rules: trigger.NewLive(c.Rules), Horizon: c.Horizon, Retention: c.Retention,
	}), 0)
	if err != nil {
		return nil, err
	}
	r := &Recipients{fired: fired, delta: delta}
	r.frontier = frontier{driver: d, emit: r.emit}
	return r, nil
}

// Event takes an event. It must not have arrived before the one before.
func (r *Recipients) Event(e *schemas.Event) error {
	if e.ArrivedAt < r.arrived {
		return fmt.Errorf("event %s arrived at %s, before one that was taken already", e.EventID, e.ArrivedAt)
	}
	if e.ArrivedAt > r.arrived {
		if err := r.Advance(e.ArrivedAt); err != nil {
			return err
		}
		r.arrived = e.ArrivedAt
	}
	return r.driver.Process(&kgo.Record{
		Key: e.RecipientID[:], Value: serde.Append(nil, schemas.TopicEventsByRecipient, e),
	})
}

// Advance commits what was taken and moves the frontier: everything that arrived
// before then has been taken.
func (r *Recipients) Advance(to schemas.Timestamp) error {
	if err := r.commit(); err != nil {
		return err
	}
	r.arrived = max(r.arrived, to)
	return r.moveTo(to)
}

func (r *Recipients) emit(rec *kgo.Record) error {
	switch rec.Topic {
	case schemas.TopicTriggers:
		return emitTrigger(rec, r.fired)
	case schemas.TopicCampaignDeltas:
		d := new(schemas.CampaignDelta)
		if err := serde.Decode(rec.Value, d); err != nil {
			return fmt.Errorf("decoding campaign delta: %w", err)
		}
		if len(d.Rules) == 0 {
			return nil
		}
		d.Windows = nil // of statistics, which are not rehearsed
		return r.delta(d)
	}
	return nil
}

func emitTrigger(rec *kgo.Record, f func(*schemas.Trigger) error) error {
	t := new(schemas.Trigger)
	if err := serde.Decode(rec.Value, t); err != nil {
		return fmt.Errorf("decoding trigger: %w", err)
	}
	return f(t)
}
