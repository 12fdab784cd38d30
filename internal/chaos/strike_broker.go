//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

const (
	brokerStart = 3 * time.Minute
	brokerSync  = 3 * time.Minute
)

// led is the partitions that a broker leads, with their leaders' epochs.
type led map[topicPartition]int32

type topicPartition struct {
	topic     string
	partition int32
}

// leads tells whether a broker has work in progress: it leads partitions, and
// transactions are open, which write to all of them, or input is waiting; or, in
// a run of the gateway, that has something for it.
func (r *run) leads(ctx context.Context, f fault) (hit, led, error) {
	h, err := r.atWork(ctx)
	if err != nil {
		return hit{}, nil, err
	}
	topics, err := r.watch.topics(ctx)
	if err != nil {
		return hit{}, nil, err
	}
	l := led{}
	for _, t := range topics {
		for _, p := range t.Partitions {
			if p.Leader == int32(f.Broker) {
				l[topicPartition{p.Topic, p.Partition}] = p.LeaderEpoch
			}
		}
	}
	return hit{h.counted && len(l) > 0, fmt.Sprintf("led %d partitions; %s", len(l), h.why)}, l, nil
}

// atWork waits until there is work in progress anywhere.
func (r *run) atWork(ctx context.Context) (hit, error) {
	if r.gateways != nil {
		return r.gateways[0].atWork(ctx, r)
	}
	before, err := r.busy(ctx, "")
	if err != nil {
		return hit{}, err
	}
	ok, why := before.inProgress("")
	return hit{ok, why}, nil
}

// rejoined waits until every partition has all its replicas in sync and is led
// by the first of them, so that the next broker may be hit and leads its share.
// What was led by a broker that went away must have had another leader since:
// until that is noticed, all seems well.
func (r *run) rejoined(ctx context.Context, gone led) error {
	var last string
	err := until(ctx, brokerSync, "all replicas in sync and led by the first", func(ctx context.Context) bool {
		topics, err := r.watch.topics(ctx)
		if err != nil {
			last = err.Error()
			return false
		}
		last = ""
		for _, t := range topics {
			for _, p := range t.Partitions {
				epoch, was := gone[topicPartition{p.Topic, p.Partition}]
				if len(p.ISR) < brokers || len(p.Replicas) == 0 || p.Leader != p.Replicas[0] || was && p.LeaderEpoch <= epoch {
					last = fmt.Sprintf("%s partition %d: leader %d, in sync %v", p.Topic, p.Partition, p.Leader, p.ISR)
				}
			}
		}
		if last == "" {
			return true
		}
		if _, err := r.watch.adm.ElectLeaders(ctx, kadm.ElectPreferredReplica, nil); err != nil {
			last += ": " + err.Error()
		}
		_ = wait(ctx, 300*time.Millisecond)
		return false
	})
	if err != nil {
		return fmt.Errorf("%w: %s", err, last)
	}
	return nil
}

// killBroker kills a broker and starts it again.
func killBroker(ctx context.Context, r *run, f fault) (hit, error) {
	h, gone, err := r.leads(ctx, f)
	if err == nil {
		err = r.cluster.Kill9(f.Broker)
	}
	if err == nil {
		err = wait(ctx, f.Hold)
	}
	if err != nil {
		return h, err
	}
	return h, r.startBroker(ctx, f, gone)
}

func (r *run) startBroker(ctx context.Context, f fault, gone led) error {
	ctx, cancel := context.WithTimeout(ctx, brokerStart)
	defer cancel()
	if err := r.cluster.Restart(ctx, f.Broker); err != nil {
		return err
	}
	return r.rejoined(ctx, gone)
}

// restartBroker stops a broker in order and starts it again.
func restartBroker(ctx context.Context, r *run, f fault) (hit, error) {
	h, gone, err := r.leads(ctx, f)
	if err != nil {
		return h, err
	}
	return h, r.startBroker(ctx, f, gone)
}

// freezeBroker stops a broker in its tracks; after three seconds the others
// take its partitions over.
func freezeBroker(ctx context.Context, r *run, f fault) (hit, error) {
	h, _, err := r.leads(ctx, f)
	if err == nil {
		err = r.cluster.Pause(f.Broker)
	}
	if err != nil {
		return h, err
	}
	if err := errors.Join(wait(ctx, f.Hold), r.cluster.Resume(f.Broker)); err != nil {
		return h, err
	}
	return h, r.rejoined(ctx, nil)
}

// moveLeaders gives every partition that a broker leads to another of its
// replicas, without anyone having failed.
func moveLeaders(ctx context.Context, r *run, f fault) (hit, error) {
	h, _, err := r.leads(ctx, f)
	if err != nil {
		return h, err
	}
	topics, err := r.watch.topics(ctx)
	if err != nil {
		return h, err
	}
	var moves kadm.AlterPartitionAssignmentsReq
	for _, t := range topics {
		for _, p := range t.Partitions {
			if p.Leader == int32(f.Broker) && len(p.Replicas) > 1 {
				moves.Assign(p.Topic, p.Partition, append(append([]int32{}, p.Replicas[1:]...), p.Replicas[0]))
			}
		}
	}
	if _, err := r.watch.adm.AlterPartitionAssignments(ctx, moves); err != nil {
		return h, fmt.Errorf("reordering replicas: %w", err)
	}
	return h, r.rejoined(ctx, nil)
}
