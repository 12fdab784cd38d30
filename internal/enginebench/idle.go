package main

import (
	"context"
	"fmt"
	"time"

	"github.com/posthorn/posthorn/processor/campaign"
	"github.com/posthorn/posthorn/processor/delivery"
	"github.com/posthorn/posthorn/processor/engagement"
	"github.com/posthorn/posthorn/schemas"
)

// settle is how long stages have run before they count as idle.
const settle = 5 * time.Second

// benchIdle measures what the product's stages cost without input: each in a
// process of its own, then all in one.
func benchIdle(ctx context.Context, o options) error {
	b, err := startBroker(ctx)
	if err != nil {
		return err
	}
	defer b.close()
	if err := schemas.EnsureTopics(ctx, b.adm, schemas.Catalogue(partitions, 1)); err != nil {
		return err
	}
	all := []string{normalizeName, engagement.Name, campaign.Name, delivery.StageName}
	var each []*process
	for _, stage := range all {
		p, err := b.startPipeline(ctx, o, "idle-"+stage, stage)
		if err != nil {
			return err
		}
		defer p.stop()
		each = append(each, p)
	}
	for i, stage := range all {
		if err := b.owned(ctx, each[i], stage, 1); err != nil {
			return err
		}
	}
	used, brokerUsed, err := b.idle(ctx, o.idle, each...)
	if err != nil {
		return err
	}
	for i, stage := range all {
		fmt.Printf("idle: %-10s alone in a process: %.2f %% of a core\n", stage, used[i])
	}
	fmt.Printf("idle: the broker meanwhile: %.2f %%\n", brokerUsed)
	for _, p := range each {
		p.stop()
	}
	p, err := b.startPipeline(ctx, o, "idle-all", all...)
	if err != nil {
		return err
	}
	defer p.stop()
	for _, stage := range all {
		if err := b.owned(ctx, p, stage, 1); err != nil {
			return err
		}
	}
	if used, brokerUsed, err = b.idle(ctx, o.idle, p); err != nil {
		return err
	}
	fmt.Printf("idle: %d stages in one process for %s: %.2f %% of a core, the broker %.2f %%; load average %s\n", len(all), o.idle, used[0], brokerUsed, loadAverage())
	fmt.Printf("RESULT engine_idle_cpu %.2f percent\n", used[0])
	return nil
}

// idle lets processes be for a while and returns their CPU in percent of a core.
func (b *broker) idle(ctx context.Context, d time.Duration, ps ...*process) (used []float64, brokerUsed float64, err error) {
	if err := wait(ctx, settle); err != nil {
		return nil, 0, err
	}
	sample := func() (cpu []float64, broker float64, err error) {
		for _, p := range ps {
			if err := p.ended(); err != nil {
				return nil, 0, err
			}
			n, err := p.cpuSeconds()
			if err != nil {
				return nil, 0, err
			}
			cpu = append(cpu, n)
		}
		broker, err = b.cpuSeconds()
		return cpu, broker, err
	}
	began := time.Now()
	before, brokerBefore, err := sample()
	if err != nil {
		return nil, 0, err
	}
	if err := wait(ctx, d); err != nil {
		return nil, 0, err
	}
	after, brokerAfter, err := sample()
	if err != nil {
		return nil, 0, err
	}
	percent := 100 / time.Since(began).Seconds()
	for i := range after {
		used = append(used, (after[i]-before[i])*percent)
	}
	return used, (brokerAfter - brokerBefore) * percent, nil
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
