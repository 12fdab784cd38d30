//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"golang.org/x/sync/errgroup"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

// stageInput is the group of a stage and what it reads.
type stageInput struct{ group, topic string }

// stages are those of the pipeline, and the harness's own.
var stages = []stageInput{
	{"normalize", schemas.TopicWebhooks},
	{"engagement", schemas.TopicEventsByRecipient},
	{"campaign", schemas.TopicCampaignDeltas},
	{absenceName, schemas.TopicEventsByRecipient},
}

func (w *watch) stageNames() (groups []string) {
	for _, s := range w.stages {
		groups = append(groups, s.group)
	}
	return groups
}

func inputs() []string {
	return []string{schemas.TopicWebhooks, schemas.TopicEventsByRecipient, schemas.TopicCampaignDeltas}
}

// task is a partition of a stage's input.
type task struct {
	group     string
	partition int32
}

// work is what is in progress at a moment, as the brokers see it.
type work struct {
	ends      kadm.ListedOffsets
	committed map[string]kadm.OffsetResponses
	open      []string        // transactional ids
	owners    map[task]string // names of workers
}

// watch asks the brokers, past all proxies.
type watch struct {
	adm      *kadm.Client
	stages   []stageInput
	protocol func() kafka.Protocol
}

// look takes a sample within a few milliseconds; ctx bounds it while a broker
// is down.
func (w *watch) look(ctx context.Context) (*work, error) {
	s := &work{committed: map[string]kadm.OffsetResponses{}, owners: map[task]string{}}
	var all errgroup.Group
	all.Go(func() (err error) {
		s.committed, err = w.offsets(ctx)
		return err
	})
	all.Go(func() (err error) {
		s.ends, err = w.inputEnds(ctx)
		return err
	})
	all.Go(func() error {
		listed, err := w.adm.ListTransactions(ctx, nil, []string{"Ongoing", "PrepareCommit", "PrepareAbort"})
		s.open = slices.Sorted(maps.Keys(listed))
		return err
	})
	all.Go(func() error { return w.findOwners(ctx, s.owners) })
	if err := all.Wait(); err != nil {
		return nil, fmt.Errorf("looking at work in progress: %w", err)
	}
	return s, nil
}

func (w *watch) inputEnds(ctx context.Context) (kadm.ListedOffsets, error) {
	ends, err := w.adm.ListEndOffsets(ctx, inputs()...)
	if err == nil {
		err = ends.Error()
	}
	return ends, err
}

func (w *watch) offsets(ctx context.Context) (map[string]kadm.OffsetResponses, error) {
	found := map[string]kadm.OffsetResponses{}
	for _, s := range w.stages {
		offsets, err := w.adm.FetchOffsets(ctx, s.group)
		if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
			return nil, err
		}
		found[s.group] = offsets
	}
	return found, nil
}

func (w *watch) findOwners(ctx context.Context, owners map[task]string) error {
	add := func(group string, instance *string, assigned kadm.TopicsSet) {
		for _, partitions := range assigned {
			for p := range partitions {
				if instance != nil {
					owners[task{group, p}] = *instance
				}
			}
		}
	}
	if w.protocol() == kafka.Consumer {
		groups, err := w.adm.DescribeConsumerGroups(ctx, w.stageNames()...)
		for _, g := range groups {
			for _, m := range g.Members {
				add(g.Group, m.InstanceID, m.Assignment)
			}
		}
		return err
	}
	groups, err := w.adm.DescribeGroups(ctx, w.stageNames()...)
	for _, g := range groups {
		for _, m := range g.Members {
			if a, ok := m.Assigned.AsConsumer(); ok {
				set := kadm.TopicsSet{}
				for _, t := range a.Topics {
					set.Add(t.Topic, t.Partitions...)
				}
				add(g.Group, m.InstanceID, set)
			}
		}
	}
	return err
}

// opened returns the open transactions of a worker, or of all for "".
func (s *work) opened(worker string) (found []string) {
	for _, id := range s.open {
		if stage, of, ok := strings.Cut(id, "-"); ok && (worker == "" || of == worker) {
			found = append(found, stage)
		}
	}
	return found
}

// behind counts the offsets from what a group has committed to ends, in the
// partitions that count.
func behind(topic string, ends kadm.ListedOffsets, committed kadm.OffsetResponses, counts func(partition int32) bool) (n int64) {
	for p, end := range ends[topic] {
		from := int64(0)
		if at, ok := committed.Lookup(topic, p); ok {
			from = max(0, at.At)
		}
		if counts(p) {
			n += max(0, end.Offset-from)
		}
	}
	return n
}

// waiting counts the webhooks that wait in the tasks of a worker, or in all for
// "". No transactions write to their topic: its offsets are webhooks, while
// those of the other inputs may be nothing but the ends of transactions.
func waiting(ends kadm.ListedOffsets, committed map[string]kadm.OffsetResponses, owners map[task]string, worker string) int64 {
	return behind(schemas.TopicWebhooks, ends, committed["normalize"], func(p int32) bool {
		return worker == "" || owners[task{"normalize", p}] == worker
	})
}

// inProgress says what a fault hits on a worker, or on all for "".
func (s *work) inProgress(worker string) (bool, string) {
	open := s.opened(worker)
	n := waiting(s.ends, s.committed, s.owners, worker)
	return len(open) > 0 || n > 0, fmt.Sprintf("%d webhooks waiting, open transactions: %s", n, list(open))
}

// leftBehind says what of a sample from just before a worker was stopped is
// still undone in a sample after it: that was in progress when it was hit.
func leftBehind(before, after *work, worker string) (bool, string) {
	open := after.opened(worker)
	n := waiting(before.ends, after.committed, before.owners, worker)
	return len(open) > 0 || n > 0, fmt.Sprintf("left %d webhooks waiting, open transactions: %s", n, list(open))
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, " ")
}

// caughtUp waits until all that is in the inputs now has been committed.
func (w *watch) caughtUp(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var goal kadm.ListedOffsets
	var err error
	left := int64(-1)
	for {
		if goal == nil {
			if goal, err = w.inputEnds(ctx); err != nil {
				goal = nil
			}
		}
		if goal != nil {
			var committed map[string]kadm.OffsetResponses
			if committed, err = w.offsets(ctx); err == nil {
				left = 0
				for _, st := range w.stages {
					left += behind(st.topic, goal, committed[st.group], func(int32) bool { return true })
				}
				if left == 0 {
					return nil
				}
			}
		}
		if wait(ctx, 100*time.Millisecond) != nil {
			return fmt.Errorf("not recovered within %s: %d offsets behind (%w)", limit, left, errors.Join(err, ctx.Err()))
		}
	}
}

// topics describes all topics. Asking for authorized operations passes by the
// client's cache of metadata, which would show leaders that were.
func (w *watch) topics(ctx context.Context) (kadm.TopicDetails, error) {
	topics, err := w.adm.ListTopicsWithInternal(kadm.WithAuthorizedOps(ctx))
	if err != nil {
		return nil, fmt.Errorf("listing topics: %w", err)
	}
	return topics, nil
}
