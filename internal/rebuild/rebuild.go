// Package rebuild derives everything anew from posthorn.webhooks, beside what is
// live, compares, and switches.
//
// A rebuild makes a new generation: topics, groups, state and tables of its own.
// The live one goes on meanwhile and is not touched. Once the new one has caught
// up, both are verified against the webhooks; where the new one agrees with them
// it is recorded as live, and the running processes move over. Until that record
// nothing has happened but work.
package rebuild

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/internal/generation"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/internal/verify"
	"github.com/posthorn/posthorn/schemas"
)

// Config says what to derive again, and how.
type Config struct {
	// Verify holds the cluster, what is needed to recompute everything, and the
	// database, where there is one. Generation, Table and Steps are set here.
	Verify verify.Config
	// Derive runs the stages of a generation, without delivery, and its sink
	// until ctx ends.
	Derive func(ctx context.Context, g schemas.Generation) error
	// By is recorded with the switch.
	By string

	// LoseHistory allows a generation that begins where the retained webhooks do.
	LoseHistory bool
	// Resume goes on with the generation that an earlier rebuild has begun.
	Resume bool
	// NoSwitch stops after the comparison; the generation stays, to be resumed.
	NoSwitch bool

	// Progress, where set, hears how far a phase is.
	Progress func(phase string, done, total int64)
	Logger   *slog.Logger
}

// Result is what a rebuild has made and found.
type Result struct {
	Live, New schemas.Generation
	// Boundary is the time before which nothing could be derived; zero where
	// everything was.
	Boundary time.Time
	// LiveReport tells how the generation that was live differs from the
	// webhooks; nil where it could not be verified, with the reason.
	LiveReport *verify.Report
	LiveError  error
	// NewReport tells how the new one does. With any difference there is no
	// switch.
	NewReport *verify.Report
	Switched  bool
}

// HistoryError says that a part of what is live can't be derived again.
type HistoryError struct {
	// Boundary is when the oldest webhooks arrived that every partition retains.
	Boundary time.Time
}

func (e *HistoryError) Error() string {
	return fmt.Sprintf("webhooks that arrived before %s are no longer retained: a new generation would lack what only they told (events, messages, triggers, and those parts of the statistics)",
		e.Boundary.UTC().Format(time.RFC3339))
}

// rebuild is one run.
type rebuild struct {
	Config
	kafka kafka.Config
	adm   *kadm.Client
	conn  driver.Conn
	live  generation.Live
}

// Run rebuilds. It returns a result with Switched false and no error where the
// new generation differs from the webhooks, or where no switch was wanted.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	r := &rebuild{Config: cfg, kafka: cfg.Verify.Kafka, conn: cfg.Verify.ClickHouse}
	var closeAdmin func()
	var err error
	if r.adm, closeAdmin, err = kafka.NewAdmin(r.kafka); err != nil {
		return nil, err
	}
	defer closeAdmin()
	if r.live, err = generation.Read(ctx, r.kafka); err != nil {
		return nil, err
	}
	res := &Result{Live: r.live.Generation}
	if res.Boundary, err = r.boundary(ctx); err != nil {
		return nil, err
	}
	if !res.Boundary.IsZero() && !cfg.LoseHistory {
		return nil, &HistoryError{res.Boundary}
	}
	if res.New, err = r.prepare(ctx); err != nil {
		return nil, err
	}
	return res, r.derive(ctx, res)
}

// derive runs the new generation until it is compared, and switches.
func (r *rebuild) derive(ctx context.Context, res *Result) error {
	deriving, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- r.Derive(deriving, res.New) }()
	working, interrupt := context.WithCancelCause(ctx)
	failed := make(chan struct{})
	var workErr error
	go func() {
		defer close(failed)
		if workErr = <-ended; workErr == nil {
			workErr = errors.New("it ended by itself")
		}
		interrupt(workErr)
	}()
	err := r.compare(working, res)
	if err != nil && context.Cause(working) != nil && ctx.Err() == nil {
		err = context.Cause(working)
	}
	// All that the new generation has is committed before another takes over.
	stop()
	<-failed
	if err != nil {
		return fmt.Errorf("deriving generation %d: %w", res.New, err)
	}
	if r.NoSwitch || res.NewReport.Differences() > 0 {
		return nil
	}
	return r.switchOver(ctx, res)
}

func (r *rebuild) switchOver(ctx context.Context, res *Result) error {
	now, err := generation.Read(ctx, r.kafka)
	if err != nil {
		return err
	}
	if now.Generation != r.live.Generation {
		return fmt.Errorf("generation %d went live meanwhile: nothing was switched", now.Generation)
	}
	now.Generation, now.Last = res.New, max(now.Last, res.New)
	now.Since, now.By = time.Now().UTC(), r.By
	if err := generation.Write(ctx, r.kafka, now); err != nil {
		return err
	}
	res.Switched = true
	if r.conn == nil {
		return nil
	}
	// The sinks do it too when they start on it.
	return analytics.Expose(ctx, r.conn, res.New)
}

// compare waits until the new generation has caught up and verifies both.
func (r *rebuild) compare(ctx context.Context, res *Result) error {
	if err := r.catchUp(ctx, res.New); err != nil {
		return err
	}
	old := r.Verify
	old.Generation, old.Progress = res.Live, r.prefixed("live: ")
	if res.LiveReport, res.LiveError = verify.Run(ctx, old); ctx.Err() != nil {
		return ctx.Err()
	}
	next := r.Verify
	next.Generation, next.Progress = res.New, r.prefixed("new: ")
	next.Table = res.New.Table
	steps := verify.Steps(res.New)
	next.Steps = steps[:len(steps)-1] // nobody is called yet
	var err error
	res.NewReport, err = verify.Run(ctx, next)
	return err
}

func (r *rebuild) prefixed(prefix string) func(string, int64, int64) {
	return func(phase string, done, total int64) { r.progress(prefix+phase, done, total) }
}

func (r *rebuild) progress(phase string, done, total int64) {
	if r.Progress != nil {
		r.Progress(phase, done, total)
	}
}
