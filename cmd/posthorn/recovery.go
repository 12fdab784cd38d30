package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/generation"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/internal/rebuild"
	"github.com/posthorn/posthorn/internal/verify"
	"github.com/posthorn/posthorn/schemas"
)

// The end of a transaction is not crash-atomic in the embedded Kafka: after an
// unclean stop a part of one may be missing. So everything derived is verified
// in the background, and derived again where it differs.

// unverifiedFile is there from an unclean stop until everything was verified.
const unverifiedFile = "unverified"

// recovery mends what an unclean stop of the embedded Kafka may have torn.
type recovery struct {
	*up
	app    *app
	file   string
	detail atomic.Pointer[string]
}

// newRecovery notes that everything must be verified, if the last stop, or one
// before that was not followed up, was unclean. Otherwise it returns nil.
func newRecovery(a *app, u *up, unclean bool) (*recovery, error) {
	r := &recovery{up: u, app: a, file: filepath.Join(u.cfg.Data, unverifiedFile)}
	if unclean {
		if err := writeDurably(r.file, []byte("the last stop was not an orderly one\n")); err != nil {
			return nil, fmt.Errorf("noting an unclean stop: %w", err)
		}
	} else if _, err := os.Stat(r.file); errors.Is(err, os.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	r.say("the last stop was not an orderly one: everything will be verified")
	u.health.Register("recovery", func() (bool, string) { return true, *r.detail.Load() })
	return r, nil
}

func (r *recovery) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	r.detail.Store(&text)
}

const (
	// recoveryPatience bounds the wait for stages to become ready: one that was
	// torn may never be, and a rebuild is what mends it.
	recoveryPatience = time.Minute
	// recoveryTimeout bounds the wait for stages in a verification.
	recoveryTimeout = 5 * time.Minute
	// recoveryPause is the time between two attempts.
	recoveryPause = time.Minute
)

// run mends and then waits for ctx to end.
func (r *recovery) run(ctx context.Context) error {
	waiting, cancel := context.WithTimeout(ctx, recoveryPatience)
	_ = r.waitReady(waiting) // else what follows tells what is wrong
	cancel()
	for ctx.Err() == nil {
		err := r.mend(ctx)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return nil
		}
		r.say("what an unclean stop may have torn is not mended: %v", err)
		r.log.Error("what an unclean stop may have torn is not mended", "error", err)
		if lost := (*rebuild.HistoryError)(nil); errors.As(err, &lost) {
			break // for a person to decide
		}
		select {
		case <-ctx.Done():
		case <-time.After(recoveryPause):
		}
	}
	<-ctx.Done()
	return nil
}

// mend verifies, and rebuilds where anything differs.
func (r *recovery) mend(ctx context.Context) error {
	vc, closeConn, err := r.app.verifyConfig(ctx, r.cfg, r.serde, r.log, verifyOptions{timeout: recoveryTimeout, quiet: true})
	if err != nil {
		return err
	}
	defer closeConn()
	live, _ := r.generations.Live()
	vc.Generation = live.Generation
	r.say("verifying after an unclean stop")
	report, err := verify.Run(ctx, vc)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		r.log.Warn("after an unclean stop not everything can be verified: deriving it again", "error", err)
	case report.Differences() == 0:
		r.log.Info("verified after an unclean stop: everything agrees", "webhooks", report.Webhooks)
		return r.mended("verified after an unclean stop: everything agrees")
	default:
		r.log.Warn("an unclean stop has torn what was derived: deriving it again", "differences", report.Differences(), "first", report.Details[0])
	}
	return r.rebuild(ctx, vc)
}

func (r *recovery) rebuild(ctx context.Context, vc verify.Config) error {
	res, err := rebuild.Run(ctx, rebuild.Config{
		Verify: vc, Derive: r.deriveBeside(vc), By: whoAmI() + ", after an unclean stop", Logger: r.log,
		Progress: func(phase string, done, total int64) {
			r.say("deriving again after an unclean stop: %s, %d of %d", phase, done, total)
		},
	})
	if err != nil {
		return err
	}
	if n := res.NewReport.Differences(); n > 0 {
		return fmt.Errorf("what was derived again differs too, in %d rows: %s", n, res.NewReport.Details[0])
	}
	r.log.Info("rebuilt after an unclean stop", "generation", res.New)
	return r.mended(fmt.Sprintf("rebuilt after an unclean stop as generation %d", res.New))
}

func (r *recovery) mended(detail string) error {
	r.say("%s", detail)
	if err := os.Remove(r.file); err != nil {
		return fmt.Errorf("noting that everything was verified: %w", err)
	}
	return nil
}

// tornRecords is more than the input records of the transactions that one worker
// has under way.
const tornRecords = 100_000

// rewindDelivery sends delivery back by more than a transaction: the end of one
// may have been torn so that its offsets are there and its calls are not. The
// ledger knows those that were made.
func rewindDelivery(ctx context.Context, kc kafka.Config) error {
	live, err := generation.Read(ctx, kc)
	if err != nil {
		return err
	}
	admin, closeAdmin, err := kafka.NewAdmin(kc)
	if err != nil {
		return err
	}
	defer closeAdmin()
	topic := live.Generation.Topic(schemas.TopicTriggers)
	committed, err := admin.FetchOffsets(ctx, config.StageDelivery)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("asking for the offsets of %s: %w", config.StageDelivery, err)
	}
	// What is older the ledger may have forgotten.
	known, err := admin.ListOffsetsAfterMilli(ctx, time.Now().Add(-ledgerReach).UnixMilli(), topic)
	if err == nil {
		err = known.Error()
	}
	if err != nil {
		return fmt.Errorf("looking for the triggers of %s: %w", topic, err)
	}
	back := kadm.Offsets{}
	for p, at := range committed[topic] {
		since, _ := known.Lookup(topic, p)
		if to := max(at.At-tornRecords, since.Offset, 0); at.Err == nil && to < at.At {
			back.AddOffset(topic, p, to, -1)
		}
	}
	if len(back) == 0 {
		return nil
	}
	if err := admin.CommitAllOffsets(ctx, config.StageDelivery, back); err != nil {
		return fmt.Errorf("sending %s back: %w", config.StageDelivery, err)
	}
	return nil
}

// ledgerReach is within what the ledger of callbacks remembers.
const ledgerReach = 30 * 24 * time.Hour
