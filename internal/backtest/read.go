package backtest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/internal/spill"
	"github.com/posthorn/posthorn/schemas"
)

// clockSkew is how far the clocks of brokers and processors may differ: a record
// is written after its event has arrived, but each by a clock of its own.
const clockSkew = time.Minute

// read spills the events and the triggers that are in the log.
func (r *run) read(ctx context.Context, dir string) (err error) {
	adm, closeAdmin, err := kafka.NewAdmin(r.Kafka)
	if err != nil {
		return err
	}
	defer closeAdmin()
	events := r.Generation.Topic(schemas.TopicEvents)
	oldest, end, err := kafka.Bounds(ctx, adm, events)
	if err != nil {
		return err
	}
	start, err := startAt(ctx, adm, events, r.lead.Time().Add(-clockSkew), oldest)
	if err != nil {
		return err
	}
	for p, from := range start {
		// Where the reading begins with the oldest that is left, there may have been
		// more before it.
		r.report.Truncated = r.report.Truncated || oldest[p] > 0 && from == oldest[p]
	}
	total := end.Sum() - start.Sum()
	buckets := r.Buckets
	if buckets <= 0 {
		buckets = int(min(maxBuckets, 1+total/eventsPerBucket))
	}
	if r.recipients, err = spill.Create(dir, "recipients", buckets); err != nil {
		return err
	}
	if r.campaigns, err = spill.Create(dir, "campaigns", buckets); err != nil {
		r.recipients.Close()
		return err
	}
	err = r.readTopic(ctx, events, start, end, r.keepEvent)
	if err == nil {
		err = r.readTriggers(ctx, adm)
	}
	if err != nil {
		r.recipients.Close()
		r.campaigns.Close()
	}
	return err
}

// startAt finds the first offsets of what was written at a time or after.
func startAt(ctx context.Context, adm *kadm.Client, topic string, at time.Time, oldest kafka.Offsets) (kafka.Offsets, error) {
	listed, err := adm.ListOffsetsAfterMilli(ctx, at.UnixMilli(), topic)
	if err = errors.Join(err, listed.Error()); err != nil {
		return nil, fmt.Errorf("asking where %s is at %s: %w", topic, at.Format(time.RFC3339), err)
	}
	start := kafka.Offsets{}
	listed.Each(func(o kadm.ListedOffset) { start[o.Partition] = max(o.Offset, oldest[o.Partition]) })
	return start, nil
}

func (r *run) readTopic(ctx context.Context, topic string, start, end kafka.Offsets, keep func(*kgo.Record) error) error {
	phase := "reading " + topic
	total := max(0, end.Sum()-start.Sum())
	var done int64
	_, err := kafka.ReadSpan(ctx, r.Kafka, topic, start, end, func(rec *kgo.Record) error {
		if done++; done%1000 == 0 {
			r.progress(phase, done, total)
		}
		return keep(rec)
	})
	if err == nil {
		r.progress(phase, total, total)
	}
	return err
}

func (r *run) keepEvent(rec *kgo.Record) error {
	var e schemas.Event
	if err := r.Serde.Decode(rec.Value, &e); err != nil {
		return fmt.Errorf("decoding event: %w", err)
	}
	switch {
	case e.ArrivedAt < r.lead || e.ArrivedAt >= r.Until:
		return nil
	case e.ArrivedAt < r.Since:
		r.report.EventsBefore++
	default:
		r.report.Events++
	}
	if r.report.Oldest == 0 || e.ArrivedAt < r.report.Oldest {
		r.report.Oldest = e.ArrivedAt
	}
	return r.recipients.Put(e.RecipientID[:], kindEvent, e.AppendAvro(nil))
}

// readTriggers spills what the rules have fired live, all that is left of it: what
// fired before the time in question does not fire again.
func (r *run) readTriggers(ctx context.Context, adm *kadm.Client) error {
	topic := r.Generation.Topic(schemas.TopicTriggers)
	start, end, err := kafka.Bounds(ctx, adm, topic)
	if err != nil {
		return err
	}
	return r.readTopic(ctx, topic, start, end, func(rec *kgo.Record) error {
		var t schemas.Trigger
		if err := r.Serde.Decode(rec.Value, &t); err != nil {
			return fmt.Errorf("decoding trigger: %w", err)
		}
		rule := r.Rules.Rule(t.Rule)
		if rule == nil || !r.tally.wants(t.Rule) || t.ArrivedAt >= r.Until {
			return nil
		}
		if rule.OfCampaign() {
			return r.campaigns.Put(campaignKey(t.Tenant, t.CampaignID), kindLive, t.AppendAvro(nil))
		}
		return r.recipients.Put(t.RecipientID[:], kindLive, t.AppendAvro(nil))
	})
}
