// Package delivery calls endpoints for triggers: the stage "delivery".
//
// A trigger becomes a pending record in the stage's store, in the transaction
// that consumes it. Only when that is committed is the call handed to the
// dispatcher, which makes it outside any transaction; the result is written in
// a later one. A crash in between leaves the pending record, and the call is
// made again: at least once, always with the trigger's id as webhook-id.
//
// Calls follow Standard Webhooks 1.0.0: signatures, retries, 410, Retry-After.
package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/posthorn/posthorn/internal/controls"
	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/schemas"
)

const (
	// StageName names the stage.
	StageName = "delivery"
	// StorePending names the store of calls that are not done: trigger id to
	// pending record.
	StorePending = "pending"
	// StoreDone names the ledger of those that are: trigger id to the arrival of
	// its evidence.
	StoreDone = "done"
)

// Config configures the stage.
type Config struct {
	Serde     *schemas.Serde
	Endpoints []Endpoint
	// Retry is how long after each failed attempt the next one is made; one
	// attempt more than it has entries is made in all. nil: [DefaultRetry].
	Retry []time.Duration
	// Jitter is the share of a delay that may be added at random, so that calls
	// that failed together do not return together; 0: 0.1, negative: none.
	Jitter float64
	// Timeout is the time for one attempt, response included; 0: 15 s.
	Timeout time.Duration
	// Generation is the one whose triggers are read. The state is the same in all.
	Generation schemas.Generation
	// Rebuilt is when the generation went live: the triggers written until then
	// were derived again. Zero for the first.
	Rebuilt time.Time
	// MaxAge returns the max_age of a rule; nil: no limit but the ledger's.
	MaxAge func(rule string) time.Duration
	// Limit returns how many triggers of a rule may come in within an hour, by
	// worker, before the rule is paused; nil, or 0 or less: no limit.
	Limit func(rule string) int
	// DisableAfter is how long an endpoint may only fail until it is disabled;
	// 0: DefaultDisableAfter, negative: never.
	DisableAfter time.Duration
	// Controls returns what people ask of calls, complete as of the start; nil:
	// nothing. Wake should be called when it changes.
	Controls func() *controls.Snapshot
	// Triggers reads the triggers of calls that are to be made again; nil: none are.
	Triggers TriggerReader
	// Confirm, where set, is asked before a task begins, after its partition was
	// assigned, and says why it must not: two generations would share its state.
	Confirm func() error
	// Wake is called when a result is ready to be written: the worker's Wake.
	Wake func()
	// Version is told to endpoints in User-Agent.
	Version    string
	Registerer prometheus.Registerer // nil: not registered
	Logger     *slog.Logger          // nil: slog.Default
	// Now is the wall clock; nil: time.Now.
	Now func() time.Time
}

// DefaultRetry is the schedule that Standard Webhooks recommends: ten attempts
// over a little more than three and a half days.
func DefaultRetry() []time.Duration {
	return []time.Duration{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
		10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
	}
}

// Delivery is the stage with its dispatcher.
type Delivery struct {
	cfg     Config
	lanes   map[string]*lane
	tallies tallies
	metrics *metrics

	ctx      context.Context // of the calls
	cancel   context.CancelFunc
	going    context.Context // of calls that wait: ends when no more are begun
	stop     context.CancelFunc
	calls    sync.WaitGroup
	mu       sync.Mutex // guards draining against calls.Add
	draining atomic.Bool

	generations struct {
		sync.Mutex
		current map[int32]*generation
	}
}

// New checks the configuration and makes the stage. Close must be called.
func New(cfg Config) (*Delivery, error) {
	if cfg.Serde == nil {
		return nil, errors.New("delivery: no serde")
	}
	if cfg.Retry == nil {
		cfg.Retry = DefaultRetry()
	}
	if cfg.Jitter == 0 {
		cfg.Jitter = 0.1
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 15 * time.Second
	}
	if cfg.DisableAfter == 0 {
		cfg.DisableAfter = DefaultDisableAfter
	}
	if cfg.Limit == nil {
		cfg.Limit = func(string) int { return 0 }
	}
	if cfg.Controls == nil {
		cfg.Controls = func() *controls.Snapshot { return nil }
	}
	if cfg.Wake == nil {
		cfg.Wake = func() {}
	}
	if cfg.Version == "" {
		cfg.Version = "dev"
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	d := &Delivery{cfg: cfg, lanes: map[string]*lane{}, tallies: tallies{by: map[string]map[*generation]tally{}, off: map[string]*order{}, limit: cfg.Limit}}
	d.metrics = newMetrics(cfg.Registerer, d)
	d.ctx, d.cancel = context.WithCancel(context.Background())
	d.going, d.stop = context.WithCancel(d.ctx)
	d.generations.current = map[int32]*generation{}
	var errs []error
	for i := range cfg.Endpoints {
		e, err := cfg.Endpoints[i].prepare()
		if err == nil && d.lanes[cfg.Endpoints[i].Name] != nil {
			err = fmt.Errorf("endpoint %q: name: used twice; give each endpoint a name of its own", e.name)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		d.lanes[e.name] = newLane(d, e)
	}
	if err := errors.Join(errs...); err != nil {
		d.cancel()
		return nil, err
	}
	return d, nil
}

// Stage returns the stage to run.
func (d *Delivery) Stage() stream.Stage {
	return stream.Stage{
		Name: StageName, Input: d.cfg.Generation.Topic(schemas.TopicTriggers), Stores: []string{StorePending, StoreDone},
		DeadLetter: schemas.TopicDeadLetters, Lost: d.lose,
		NewTask: func(partition int32) (stream.Task, error) {
			if d.cfg.Confirm != nil {
				if err := d.cfg.Confirm(); err != nil {
					return nil, err
				}
			}
			return newTask(d, d.newGeneration(partition)), nil
		},
	}
}

// Drain starts no further calls, waits for those under way and until the worker
// has taken their results. It is called while the worker still runs, before it
// is stopped: what is taken then is committed.
func (d *Delivery) Drain(ctx context.Context) error {
	d.stopCalls()
	done := make(chan struct{})
	go func() { d.calls.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		return fmt.Errorf("waiting for calls under way: %w", ctx.Err())
	}
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for d.untaken() {
		select {
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for results to be written: %w", ctx.Err())
		}
	}
	return nil
}

func (d *Delivery) stopCalls() {
	d.mu.Lock()
	d.draining.Store(true)
	d.mu.Unlock()
	d.stop()
}

// Close ends all calls and waits for them. What was under way is still pending
// and is called again by the next process.
func (d *Delivery) Close() {
	d.stopCalls()
	d.cancel()
	d.calls.Wait()
	for _, l := range d.lanes {
		l.client.CloseIdleConnections()
	}
}
