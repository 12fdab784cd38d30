package rebuild

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/posthorn/posthorn/internal/verify"
	"github.com/posthorn/posthorn/schemas"
)

const (
	// pause is the time between two looks at how far the stages are.
	pause = 250 * time.Millisecond
	// nearlyThere is the lag, in records of all stages, from which on the new
	// generation counts as level with live traffic: what is left is waited for by
	// the verification.
	nearlyThere = 5_000
)

// catchUp waits until the stages are about level with live traffic.
func (r *rebuild) catchUp(ctx context.Context, g schemas.Generation) error {
	steps := verify.Steps(g)
	steps = steps[:len(steps)-1]
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		var behind int64
		for _, step := range steps {
			done, total, err := r.position(ctx, step)
			if err != nil {
				return err
			}
			behind += total - done
			if step.Topic == schemas.TopicWebhooks {
				r.progress("deriving from webhooks", done, total)
			}
		}
		if behind <= nearlyThere {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// position returns how many offsets of its input a stage has passed, and how
// many there are.
func (r *rebuild) position(ctx context.Context, step verify.Step) (done, total int64, err error) {
	starts, err := r.adm.ListStartOffsets(ctx, step.Topic)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return 0, 0, fmt.Errorf("asking for the start of %s: %w", step.Topic, err)
	}
	ends, err := r.adm.ListEndOffsets(ctx, step.Topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return 0, 0, fmt.Errorf("asking for the end of %s: %w", step.Topic, err)
	}
	committed, err := r.adm.FetchOffsets(ctx, step.Group)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return 0, 0, fmt.Errorf("asking for the offsets of group %s: %w", step.Group, err)
	}
	ends.Each(func(end kadm.ListedOffset) {
		start, _ := starts.Lookup(end.Topic, end.Partition)
		at, ok := committed.Lookup(end.Topic, end.Partition)
		total += end.Offset - start.Offset
		if ok {
			done += max(0, min(at.At, end.Offset)-start.Offset)
		}
	})
	return done, total, nil
}
