// Package backtest tells what rules would have done: it runs them over the events
// that are in the log, and nobody is called.
//
// The events of the time in question, and before it those that rules look back
// at, are spilled to disk by a hash of their recipient, so that memory is bounded.
// Bucket by bucket they go through the stages that run live (internal/rehearsal),
// in the order of their arrival. What they count of campaigns is spilled by
// campaign, and judged after.
//
//   - read.go: the log into the spill files;
//   - judge.go: the spill files through the stages;
//   - tally.go: what fired, counted and compared with what fired live;
//   - print.go, csv.go: the report.
package backtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/internal/rehearsal"
	"github.com/posthorn/posthorn/internal/spill"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// Config says what is tested.
type Config struct {
	Kafka kafka.Config
	Serde *schemas.Serde
	// Generation is the one whose events and triggers are read.
	Generation schemas.Generation
	Rules      *trigger.Set
	// Only, where set, is the name of the one rule that is reported.
	Only string
	// Since and Until bound the arrival of what fires; Until itself is not in it.
	Since, Until schemas.Timestamp
	// Horizon and Retention are those of the stages; 0: their defaults.
	Horizon, Retention time.Duration
	// Dir is where the spill files go; empty: the system's temporary folder.
	Dir string
	// Buckets is the number of spill files; 0: by the number of events.
	Buckets int
	// Progress, where set, hears how far a phase is.
	Progress func(phase string, done, total int64)
	// Fired, where set, is given each trigger that is counted, by bucket.
	Fired func(*schemas.Trigger) error
}

// eventsPerBucket keeps a bucket at some 100 MiB in memory.
const eventsPerBucket = 20_000

const maxBuckets = 256

// What spilled records are.
const (
	kindEvent byte = iota + 1
	kindLive       // a trigger that fired live
	kindDelta      // what rules count of a campaign
)

type run struct {
	Config
	report *Report
	lead   schemas.Timestamp // from when events are read
	tally  *tally

	recipients *spill.Files // events and live triggers by recipient
	campaigns  *spill.Files // deltas and live triggers by campaign
}

// Run runs the rules over the log.
func Run(ctx context.Context, c Config) (_ *Report, err error) {
	if c.Since >= c.Until {
		return nil, fmt.Errorf("the time from %s to %s has no length", c.Since, c.Until)
	}
	lead := rehearsal.LeadIn(c.Rules)
	r := &run{Config: c, lead: c.Since - schemas.Timestamp(lead.Microseconds())}
	r.report = &Report{Since: c.Since, Until: c.Until, From: r.lead}
	r.tally = newTally(c)
	dir, err := os.MkdirTemp(c.Dir, "posthorn-backtest-")
	if err != nil {
		return nil, fmt.Errorf("creating spill folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := r.read(ctx, dir); err != nil {
		return nil, err
	}
	defer r.recipients.Close()
	defer r.campaigns.Close()
	if err := r.judge(ctx); err != nil {
		return nil, err
	}
	r.report.Rules = r.tally.report()
	return r.report, nil
}

func (r *run) progress(phase string, done, total int64) {
	if r.Progress != nil {
		r.Progress(phase, done, total)
	}
}

// campaignKey is what is spilled by campaign.
func campaignKey(tenant, campaign string) []byte { return []byte(tenant + "/" + campaign) }
