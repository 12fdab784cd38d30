package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

const (
	brokerStart = time.Minute
	brokerSync  = time.Minute
)

// leads tells whether a broker has work in progress: it leads partitions, and
// transactions are open, which write to all of them, or input is waiting.
func (r *run) leads(ctx context.Context, f fault) (hit, error) {
	before, err := r.busy(ctx, "")
	if err != nil {
		return hit{}, err
	}
	topics, err := r.watch.topics(ctx)
	if err != nil {
		return hit{}, err
	}
	led := 0
	for _, t := range topics {
		for _, p := range t.Partitions {
			if p.Leader == int32(f.Broker) {
				led++
			}
		}
	}
	ok, why := before.inProgress("")
	return hit{ok && led > 0, fmt.Sprintf("led %d partitions; %s", led, why)}, nil
}

// rejoined waits until a broker has all its replicas again, and gives it back
// the partitions that it led.
func (r *run) rejoined(ctx context.Context) error {
	if err := r.watch.whole(ctx, brokers, brokerSync); err != nil {
		return err
	}
	return r.electPreferred(ctx)
}

func (r *run) electPreferred(ctx context.Context) error {
	if _, err := r.watch.adm.ElectLeaders(ctx, kadm.ElectPreferredReplica, nil); err != nil {
		return fmt.Errorf("electing preferred leaders: %w", err)
	}
	return nil
}

// killBroker kills a broker and starts it again.
func killBroker(ctx context.Context, r *run, f fault) (hit, error) {
	h, err := r.leads(ctx, f)
	if err == nil {
		err = r.cluster.Kill9(f.Broker)
	}
	if err == nil {
		err = wait(ctx, f.Hold)
	}
	if err != nil {
		return h, err
	}
	return h, r.startBroker(ctx, f)
}

func (r *run) startBroker(ctx context.Context, f fault) error {
	ctx, cancel := context.WithTimeout(ctx, brokerStart)
	defer cancel()
	if err := r.cluster.Restart(ctx, f.Broker); err != nil {
		return err
	}
	return r.rejoined(ctx)
}

// restartBroker stops a broker in order and starts it again.
func restartBroker(ctx context.Context, r *run, f fault) (hit, error) {
	h, err := r.leads(ctx, f)
	if err != nil {
		return h, err
	}
	return h, r.startBroker(ctx, f)
}

// freezeBroker stops a broker in its tracks; after three seconds the others
// take its partitions over.
func freezeBroker(ctx context.Context, r *run, f fault) (hit, error) {
	h, err := r.leads(ctx, f)
	if err == nil {
		err = r.cluster.Pause(f.Broker)
	}
	if err != nil {
		return h, err
	}
	if err := errors.Join(wait(ctx, f.Hold), r.cluster.Resume(f.Broker)); err != nil {
		return h, err
	}
	return h, r.rejoined(ctx)
}

// moveLeaders gives every partition that a broker leads to another of its
// replicas, without anyone having failed.
func moveLeaders(ctx context.Context, r *run, f fault) (hit, error) {
	h, err := r.leads(ctx, f)
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
	return h, r.rejoined(ctx)
}
