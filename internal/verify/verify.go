// Package verify checks Posthorn's outputs against its source of truth: it
// recomputes everything from posthorn.webhooks and compares.
//
// It shares nothing with the processors but the providers' decoders, the tables
// of user agents and the parser of rules: a mistake there that both make would go
// unseen. Where they
// update state event by event, it sorts all events of a message and counts.
//
// A run takes a cut, the ends of posthorn.webhooks, waits until every stage has
// passed it, reads the outputs and then the webhooks, and spills both to disk,
// partitioned by recipient, so that memory is bounded. It may run beside live
// traffic: what a webhook after the cut has touched is skipped and counted as
// such.
//
//   - topics.go, wait.go, spill.go: reading up to the cut with bounded memory;
//   - frontier.go: what the stages must have decided, and what they can't have;
//   - expect.go, message.go, counters.go, automated.go: what ought to be there;
//   - breakdown.go, people.go, cells.go: what ought to be in the breakdowns;
//   - scene.go, keys.go, hours.go, rules.go, sequence.go, counts.go: which rules
//     ought to have fired, by the letter of their definitions;
//   - compare.go and compare_*.go, explain.go: what is there;
//   - clickhouse.go, clickhouse_*.go: the tables against the topics.
package verify

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/ingest/provider"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// Config says what to verify.
type Config struct {
	Kafka kafka.Config
	Serde *schemas.Serde
	// Secret is the tenant's recipient secret.
	Secret []byte
	// Rules are those that the processor runs; nil: none.
	Rules *trigger.Set
	// Horizon and Retention are those that the processor runs with: the silence
	// after which a message is forgotten, and how long after its end a window is
	// closed. Default 400 and 90 days.
	Horizon, Retention time.Duration
	// ClickHouse, where set, is compared with the topics.
	ClickHouse driver.Conn
	// Generation is the one to verify; the default is the first.
	Generation schemas.Generation
	// Table returns the name of the table that holds what of the generation; nil:
	// the names that analysts know.
	Table func(name string) string
	// Steps are the stages to wait for; nil: Steps(Generation).
	Steps []Step
	// Timeout bounds the wait for the stages. Default 1 minute.
	Timeout time.Duration
	// Dir is where the spill files go; empty: the system's temporary folder.
	Dir string
	// Buckets is the number of spill files; 0: chosen from the topics' sizes.
	Buckets int
	// Progress, where set, hears how far a phase is.
	Progress func(phase string, done, total int64)
}

// eventsPerBucket keeps a bucket at some 50 MiB in memory.
const eventsPerBucket = 20_000

type verifier struct {
	cfg    Config
	adm    *kadm.Client
	report *Report

	start, cut offsets // of posthorn.webhooks
	buckets    int     // of each spill
	facts      *spill  // events, messages, triggers and suppressions by recipient
	refused    *spill  // rejections by webhook
	campaigns  *spill  // contributions, statistics and triggers by campaign
	cells      *spill  // of breakdowns: as worked out, of the topic and of the table
	people     *spill  // the same of recipients
	// touchedCampaigns have been changed by what came after the cut; without a
	// campaign, the tenant.
	touchedCampaigns map[[2]string]bool
	tablesRead       bool // of breakdowns, and nothing was added since the topic was read
	// refusedBefore holds what an earlier version of a decoder refused. This
	// one may read it, but nobody has asked for that unless it is replayed.
	refusedBefore map[element]bool
	frontiers     stageFrontiers

	// For the comparison with ClickHouse: what was read of each topic, and the
	// sums over the latest records.
	extents     map[string]*extent
	messageSums map[string]*messageSums
	windowSums  map[tableKey]*windowSums
	// suppressed are by scope's kind, reason and whether they are in force.
	suppressed map[suppressionTableKey]*suppressionSums
}

// Run verifies once. Differences are in the report, not an error.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	if cfg.Timeout <= 0 {
		cfg.Timeout = time.Minute
	}
	if cfg.Horizon <= 0 {
		cfg.Horizon = 400 * 24 * time.Hour
	}
	if cfg.Retention <= 0 {
		cfg.Retention = 90 * 24 * time.Hour
	}
	if cfg.Steps == nil {
		cfg.Steps = Steps(cfg.Generation)
	}
	if cfg.Table == nil {
		cfg.Table = func(name string) string { return name }
	}
	adm, closeAdmin, err := kafka.NewAdmin(cfg.Kafka)
	if err != nil {
		return nil, err
	}
	defer closeAdmin()
	v := &verifier{cfg: cfg, adm: adm, report: newReport(), refusedBefore: map[element]bool{}, touchedCampaigns: map[[2]string]bool{},
		extents: map[string]*extent{}, messageSums: map[string]*messageSums{}, windowSums: map[tableKey]*windowSums{},
		suppressed: map[suppressionTableKey]*suppressionSums{}}
	if v.start, v.cut, err = bounds(ctx, adm, schemas.TopicWebhooks); err != nil {
		return nil, err
	}
	v.report.Webhooks = v.cut.sum() - v.start.sum()
	if err := v.wait(ctx, v.cut); err != nil {
		return nil, err
	}
	if err := v.noteLeast(ctx); err != nil {
		return nil, err
	}
	if err := v.compare(ctx); err != nil {
		return nil, err
	}
	return v.report, nil
}

// compare compares topics and tables, with a folder for what is spilled.
func (v *verifier) compare(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp(v.cfg.Dir, "posthorn-verify-")
	if err != nil {
		return fmt.Errorf("creating spill folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	closeFiles, err := v.createSpills(ctx, dir)
	defer closeFiles()
	if err != nil {
		return err
	}
	if err := v.compareTopics(ctx); err != nil {
		return err
	}
	if err := v.compareClickHouse(ctx); err != nil {
		return err
	}
	return v.compareBreakdowns(ctx)
}

// topic is the name that a topic has in the generation.
func (v *verifier) topic(name string) string { return v.cfg.Generation.Topic(name) }

func (v *verifier) progress(phase string, done, total int64) {
	if v.cfg.Progress != nil {
		v.cfg.Progress(phase, done, total)
	}
}

// createSpills makes the spill files.
func (v *verifier) createSpills(ctx context.Context, dir string) (closeFiles func(), err error) {
	var files []*spill
	closeFiles = func() {
		for _, s := range files {
			s.close()
		}
	}
	if v.buckets = v.cfg.Buckets; v.buckets <= 0 {
		_, events, err := bounds(ctx, v.adm, v.topic(schemas.TopicEvents))
		if err != nil {
			return closeFiles, err
		}
		v.buckets = int(min(256, 1+max(events.sum(), v.report.Webhooks)/eventsPerBucket))
	}
	for _, s := range []struct {
		to   **spill
		name string
	}{{&v.facts, "facts"}, {&v.refused, "refused"}, {&v.campaigns, "campaigns"}, {&v.cells, "cells"}, {&v.people, "people"}} {
		if *s.to, err = newSpill(dir, s.name, v.buckets); err != nil {
			return closeFiles, err
		}
		files = append(files, *s.to)
	}
	return closeFiles, nil
}

// compareTopics reads all topics into spill files and compares them.
func (v *verifier) compareTopics(ctx context.Context) error {
	if err := v.readAll(ctx); err != nil {
		return err
	}
	for i := range v.buckets {
		v.progress("comparing", int64(i), int64(v.buckets))
		if err := errors.Join(ctx.Err(), v.compareFacts(i), v.compareRejections(i)); err != nil {
			return err
		}
	}
	// Contributions are complete only now.
	for i := range v.buckets {
		if err := errors.Join(ctx.Err(), v.compareCampaigns(i)); err != nil {
			return err
		}
	}
	v.progress("comparing", int64(v.buckets), int64(v.buckets))
	return nil
}

// readAll spills the outputs, then the webhooks, then the events. The order
// matters beside live traffic: whatever has changed an output that was read is
// among the events, which are read last, and tells that it must be skipped.
func (v *verifier) readAll(ctx context.Context) error {
	decode := func(rec *kgo.Record, into schemas.Record) error {
		if err := v.cfg.Serde.Decode(rec.Value, into); err != nil {
			return fmt.Errorf("decoding record: %w", err)
		}
		return nil
	}
	for _, t := range []struct {
		topic string
		keep  func(rec *kgo.Record) error
	}{
		{schemas.TopicStatistics, func(rec *kgo.Record) error {
			var s schemas.CampaignStatistics
			if err := decode(rec, &s); err != nil {
				return err
			}
			return v.campaigns.put(campaignKey(s.Tenant, s.CampaignID), kindStatistics, s.AppendAvro(nil))
		}},
		{schemas.TopicBreakdownDeltas, func(rec *kgo.Record) error {
			var d schemas.BreakdownDelta
			if err := decode(rec, &d); err != nil {
				return err
			}
			return v.takeDelta(&d)
		}},
		{schemas.TopicTriggers, func(rec *kgo.Record) error {
			var t schemas.Trigger
			if err := decode(rec, &t); err != nil {
				return err
			}
			v.extents[schemas.TopicTriggers].sum(triggerValues(&t))
			if t.RecipientID == (schemas.ID{}) { // of a campaign
				return v.campaigns.put(campaignKey(t.Tenant, t.CampaignID), kindTrigger, t.AppendAvro(nil))
			}
			return v.facts.put(t.RecipientID[:], kindTrigger, t.AppendAvro(nil))
		}},
		{schemas.TopicSuppressions, func(rec *kgo.Record) error {
			var s schemas.Suppression
			if err := decode(rec, &s); err != nil {
				return err
			}
			return v.facts.put(s.RecipientID[:], kindSuppression, s.AppendAvro(nil))
		}},
		{schemas.TopicMessages, func(rec *kgo.Record) error {
			var m schemas.Message
			if err := decode(rec, &m); err != nil {
				return err
			}
			return v.facts.put(m.RecipientID[:], kindMessage, m.AppendAvro(nil))
		}},
		{schemas.TopicRejected, func(rec *kgo.Record) error {
			var r schemas.Rejection
			if err := decode(rec, &r); err != nil {
				return err
			}
			if refusedByEarlier(&r) {
				v.refusedBefore[element{place{r.Partition, r.Offset}, r.Index}] = true
				v.report.check(checkRejections).Skipped++
				return nil
			}
			return v.refused.put(r.WebhookID[:], kindRejection, r.AppendAvro(nil))
		}},
		{schemas.TopicWebhooks, func(rec *kgo.Record) error { return v.expect(ctx, rec) }},
		{schemas.TopicEvents, func(rec *kgo.Record) error {
			var e schemas.Event
			if err := decode(rec, &e); err != nil {
				return err
			}
			k := kindFoundEvent
			if !v.covered(place{e.RawRef.Partition, e.RawRef.Offset}) {
				k = kindOtherEvent
			}
			return v.facts.put(e.RecipientID[:], k, e.AppendAvro(nil))
		}},
	} {
		start, end, err := bounds(ctx, v.adm, v.topic(t.topic))
		if err != nil {
			return err
		}
		if t.topic == schemas.TopicWebhooks {
			v.report.Later = end.sum() - v.cut.sum()
			start, end = v.start, v.cut
		}
		x := &extent{start: start, end: end}
		v.extents[t.topic] = x
		var done int64
		total := end.sum() - start.sum()
		err = v.read(ctx, v.topic(t.topic), start, end, func(rec *kgo.Record) error {
			if done++; done%10_000 == 0 {
				v.progress("reading "+t.topic, done, total)
			}
			if len(rec.Value) == 0 {
				return nil // a tombstone
			}
			x.records++
			return t.keep(rec)
		})
		if err != nil {
			return err
		}
		v.progress("reading "+t.topic, total, total)
		if t.topic == schemas.TopicTriggers {
			if err := v.noteMost(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// refusedByEarlier tells whether a decoder refused it that is older than this
// build's, or that was not there yet.
func refusedByEarlier(r *schemas.Rejection) bool {
	p, ok := provider.ByName(r.Provider)
	return ok && (r.Reason == "unknown_provider" || r.MapperVersion > 0 && r.MapperVersion < p.Version())
}

// covered tells whether a webhook lies before the cut and is still retained.
func (v *verifier) covered(at place) bool {
	return at.offset >= v.start[at.partition] && at.offset < v.cut[at.partition]
}
