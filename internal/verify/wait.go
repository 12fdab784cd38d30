package verify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/schemas"
)

// Step is a consumer group and the topic it must have read for its outputs to
// be comparable.
type Step struct {
	Group string
	Topic string
}

// Steps are the stages of a live generation in the order of the data's way: each
// must have read what the ones before it wrote. The last one is delivery, which
// a generation that is not live lacks.
func Steps(g schemas.Generation) []Step {
	return []Step{
		{g.Name("normalize"), schemas.TopicWebhooks},
		{g.Name("engagement"), g.Topic(schemas.TopicEventsByRecipient)},
		{g.Name("campaign"), g.Topic(schemas.TopicCampaignDeltas)},
		{"delivery", g.Topic(schemas.TopicTriggers)},
	}
}

const pause = 200 * time.Millisecond

// wait blocks until every step has passed the cut, or the end that its topic
// had once the step before it had passed.
func (v *verifier) wait(ctx context.Context, cut offsets) error {
	ctx, cancel := context.WithTimeout(ctx, v.cfg.Timeout)
	defer cancel()
	for _, step := range v.cfg.Steps {
		goal := cut
		if step.Topic != schemas.TopicWebhooks {
			_, end, err := bounds(ctx, v.adm, step.Topic)
			if err != nil {
				return err
			}
			goal = end
		}
		if err := v.waitFor(ctx, step, goal); err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) waitFor(ctx context.Context, step Step, goal offsets) error {
	var behind int64
	for {
		start, _, err := bounds(ctx, v.adm, step.Topic)
		if err != nil {
			return timedOut(ctx, step, behind, err)
		}
		at, err := v.committed(ctx, step)
		if err != nil {
			return timedOut(ctx, step, behind, err)
		}
		open := offsets{}
		behind = 0
		for p, to := range goal {
			if from := max(at[p], start[p]); from < to {
				open[p] = from
				behind += to - from
			}
		}
		v.progress("waiting for "+step.Group, goal.sum()-behind, goal.sum())
		if len(open) == 0 {
			return nil
		}
		// What is left may be nothing but the ends of transactions, which a
		// group never commits over.
		if behind <= int64(len(open))*16 {
			nothing, err := v.nothingLeft(ctx, step.Topic, open, goal)
			if err != nil || nothing {
				return timedOut(ctx, step, behind, err)
			}
		}
		select {
		case <-ctx.Done():
			return timedOut(ctx, step, behind, ctx.Err())
		case <-time.After(pause):
		}
	}
}

func timedOut(ctx context.Context, step Step, behind int64, err error) error {
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("stage %s is still %d records of %s behind: is it running? (--timeout waits longer)", step.Group, behind, step.Topic)
	}
	return err
}

// committed returns the offsets that the group has committed. A sink's group
// that has recorded a range and not yet written it has not passed it.
func (v *verifier) committed(ctx context.Context, step Step) (offsets, error) {
	responses, err := v.adm.FetchOffsets(ctx, step.Group)
	if err != nil {
		if strings.Contains(err.Error(), "GROUP_ID_NOT_FOUND") {
			return offsets{}, nil
		}
		return nil, fmt.Errorf("asking for the offsets of group %s: %w", step.Group, err)
	}
	at := offsets{}
	for p, r := range responses[step.Topic] {
		if r.Err == nil && r.At >= 0 {
			at[p] = r.At
		}
	}
	return at, nil
}

var errFound = errors.New("found")

// nothingLeft tells whether there is no record between from and to.
func (v *verifier) nothingLeft(ctx context.Context, topic string, from, to offsets) (bool, error) {
	ends := offsets{}
	for p := range from {
		ends[p] = to[p]
	}
	err := v.read(ctx, topic, from, ends, func(*kgo.Record) error { return errFound })
	if errors.Is(err, errFound) {
		return false, nil
	}
	return err == nil, err
}
