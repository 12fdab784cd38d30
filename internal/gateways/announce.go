package gateways

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// Announcer says for one gateway up to when nothing waits in its spool.
type Announcer struct {
	id, host string
	before   func(context.Context) ([]Gateway, error)
	log      *slog.Logger
	resumed  chan struct{} // closed once it is known what was said before
	producer producer
	clear    func() (schemas.Timestamp, bool)

	said atomic.Int64 // the greatest Until that may be in Kafka; 0: none
	// held is from when on, in microseconds, the frontier is known to wait; 0: it
	// does not.
	held atomic.Int64
}

// NewAnnouncer makes the announcer of a spool by its id. host is where it is, for
// people. before reads what gateways have said; it is asked until it answers,
// before anything is said.
func NewAnnouncer(id, host string, before func(context.Context) ([]Gateway, error), log *slog.Logger) *Announcer {
	return &Announcer{id: id, host: host, before: before, log: log, resumed: make(chan struct{})}
}

// Bind tells where to say it, and what: clear returns up to when all that was
// received is in Kafka, or was refused; false while something waits in the spool.
// It is called before Run.
func (a *Announcer) Bind(p producer, clear func() (schemas.Timestamp, bool)) {
	a.producer, a.clear = p, clear
}

// Resumed is closed once it is known what was said before: until then nothing that
// waits is to be sent.
func (a *Announcer) Resumed() <-chan struct{} { return a.resumed }

// grace is the time that readers have to take notice of a gateway that is new.
const grace = 5 * time.Second

// resume takes over what the gateway had said before it was stopped.
func (a *Announcer) resume(ctx context.Context) error {
	select {
	case <-a.resumed:
		return nil
	default:
	}
	gateways, err := a.before(ctx)
	if err != nil {
		return err
	}
	for _, g := range gateways {
		if g.ID == a.id && !g.Left {
			a.said.Store(int64(g.Until))
			a.held.Store(int64(g.Until))
		}
	}
	close(a.resumed)
	return nil
}

// Holds tells whether the frontier has waited, and still does, for a webhook that
// was received then.
func (a *Announcer) Holds(receivedAt schemas.Timestamp) bool {
	held := a.held.Load()
	return held > 0 && int64(receivedAt) > max(held, a.said.Load())
}

// Run speaks until ctx ends.
func (a *Announcer) Run(ctx context.Context) {
	tick := time.NewTicker(Interval)
	defer tick.Stop()
	failing := false
	for {
		if err := a.say(ctx); err != nil && ctx.Err() == nil {
			if !failing {
				a.log.Warn("can't tell the stages that the spool is empty: they wait", "error", err)
			}
			failing = true
		} else {
			failing = false
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (a *Announcer) say(ctx context.Context) error {
	if err := a.resume(ctx); err != nil {
		return err
	}
	until, ok := a.clear()
	if !ok || int64(until) <= a.said.Load() {
		return nil
	}
	// Before it is written: a record that failed may be in Kafka all the same.
	a.said.Store(int64(until))
	err := produce(ctx, a.producer, record(Gateway{ID: a.id, Host: a.host, Until: until}))
	if err == nil {
		a.held.CompareAndSwap(0, int64(schemas.FromTime(time.Now().Add(grace))))
	}
	return err
}

// Leave says that the gateway has left, if nothing waits in its spool. It is called
// after Run has returned and the gateway takes no more webhooks.
func (a *Announcer) Leave(ctx context.Context) error {
	if _, ok := a.clear(); !ok {
		return nil
	}
	return Forget(ctx, a.producer, Gateway{ID: a.id, Host: a.host, Until: schemas.Timestamp(a.said.Load())})
}
