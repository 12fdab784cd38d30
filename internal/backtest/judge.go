package backtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/posthorn/posthorn/internal/rehearsal"
	"github.com/posthorn/posthorn/internal/spill"
	"github.com/posthorn/posthorn/schemas"
)

// judge runs the stages over the buckets, those of the recipients first: only
// they know what campaigns count.
func (r *run) judge(ctx context.Context) error {
	n := r.recipients.Buckets()
	for i := range n {
		r.progress("judging", int64(i), int64(2*n))
		if err := errors.Join(ctx.Err(), r.judgeRecipients(i)); err != nil {
			return err
		}
	}
	for i := range n {
		r.progress("judging", int64(n+i), int64(2*n))
		if err := errors.Join(ctx.Err(), r.judgeCampaigns(i)); err != nil {
			return err
		}
	}
	r.progress("judging", int64(2*n), int64(2*n))
	return nil
}

func (r *run) rehearsal() rehearsal.Config {
	return rehearsal.Config{Rules: r.Rules, Horizon: r.Horizon, Retention: r.Retention}
}

func (r *run) judgeRecipients(bucket int) error {
	events, live, err := load(r.recipients, bucket, kindEvent, func(b []byte) (e schemas.Event, err error) { return e, e.DecodeAvro(b) })
	if err != nil {
		return err
	}
	// Stable: what arrived at once stands in the order in which it was processed.
	slices.SortStableFunc(events, func(a, b schemas.Event) int { return cmp.Compare(a.ArrivedAt, b.ArrivedAt) })
	r.tally.begin(live)
	recipients, err := rehearsal.NewRecipients(r.rehearsal(), r.fired, func(d *schemas.CampaignDelta) error {
		return r.campaigns.Put(campaignKey(d.Tenant, d.CampaignID), kindDelta, d.AppendAvro(nil))
	})
	if err != nil {
		return err
	}
	for i := range events {
		if err := recipients.Event(&events[i]); err != nil {
			return err
		}
	}
	if err := recipients.Advance(r.Until); err != nil {
		return err
	}
	r.tally.end()
	return nil
}

// step is what a campaign's rule has counted in one step.
type step struct {
	at                     schemas.Timestamp
	tenant, campaign, rule string
}

func (r *run) judgeCampaigns(bucket int) error {
	deltas, live, err := load(r.campaigns, bucket, kindDelta, func(b []byte) (d schemas.CampaignDelta, err error) { return d, d.DecodeAvro(b) })
	if err != nil {
		return err
	}
	r.tally.begin(live)
	campaigns, err := rehearsal.NewCampaigns(r.rehearsal(), r.fired)
	if err != nil {
		return err
	}
	sums, names := sumSteps(deltas)
	steps := make([]step, 0, len(sums))
	for s := range sums {
		steps = append(steps, s)
	}
	slices.SortFunc(steps, func(a, b step) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.campaign, b.campaign), cmp.Compare(a.rule, b.rule))
	})
	for _, s := range steps {
		// When a step begins, all that were over by then have been taken.
		if err := campaigns.Advance(s.at); err != nil {
			return err
		}
		d := schemas.CampaignDelta{
			Tenant: s.tenant, CampaignID: s.campaign, CampaignName: names[s.tenant+"/"+s.campaign],
			Rules: []schemas.RuleDelta{sums[s]},
		}
		if err := campaigns.Delta(&d); err != nil {
			return err
		}
	}
	if err := campaigns.Advance(r.Until); err != nil {
		return err
	}
	r.tally.end()
	return nil
}

// sumSteps adds up what the recipients of all buckets have counted.
func sumSteps(deltas []schemas.CampaignDelta) (sums map[step]schemas.RuleDelta, names map[string]string) {
	sums, names = map[step]schemas.RuleDelta{}, map[string]string{}
	for i := range deltas {
		d := &deltas[i]
		key := d.Tenant + "/" + d.CampaignID
		names[key] = max(names[key], d.CampaignName)
		for _, x := range d.Rules {
			s := step{x.StepAt, d.Tenant, d.CampaignID, x.Rule}
			sum := sums[s]
			sum.Rule, sum.StepAt = x.Rule, x.StepAt
			sum.Hits += x.Hits
			sum.Base += x.Base
			sums[s] = sum
		}
	}
	return sums, names
}

// load reads a bucket: the records of a kind, and what fired live.
func load[T any](files *spill.Files, bucket int, kind byte, decode func([]byte) (T, error)) (list []T, live []schemas.Trigger, err error) {
	err = files.Each(bucket, func(k byte, value []byte) error {
		if k == kindLive {
			var t schemas.Trigger
			if err := t.DecodeAvro(value); err != nil {
				return fmt.Errorf("reading what was spilled: %w", err)
			}
			live = append(live, t)
			return nil
		}
		if k != kind {
			return fmt.Errorf("reading what was spilled: a record of kind %d", k)
		}
		x, err := decode(value)
		if err != nil {
			return fmt.Errorf("reading what was spilled: %w", err)
		}
		list = append(list, x)
		return nil
	})
	return list, live, err
}

// fired counts a trigger, if it is of the time in question.
func (r *run) fired(t *schemas.Trigger) error {
	if t.ArrivedAt < r.Since || t.ArrivedAt >= r.Until || !r.tally.wants(t.Rule) {
		return nil
	}
	r.tally.add(t)
	if r.Fired != nil {
		return r.Fired(t)
	}
	return nil
}
