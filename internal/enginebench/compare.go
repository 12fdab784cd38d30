package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// measure is what one engine did in one round.
type measure struct {
	engine     string
	coldRate   float64 // events/s from the start of the process
	coldCPU    float64 // microseconds of CPU per event, start included
	rate, cpu  float64 // the same after the warm-up
	brokerCPU  float64 // microseconds of the broker's CPU per event, after the warm-up
	peakRSSMiB int
}

// comparison is a set of engines that do the same job.
type comparison struct {
	b       *broker
	input   string
	events  int
	want    *results
	warmup  float64 // share of the events that counts as warm-up
	commit  time.Duration
	limit   time.Duration // for one run
	dir     string
	counter int
}

func (b *broker) newComparison(ctx context.Context, dir string, events int, commit time.Duration) (*comparison, error) {
	c := &comparison{b: b, input: "bench-input", events: events, warmup: 1. / 3, commit: commit, limit: 4 * time.Minute, dir: dir}
	if err := b.createInput(ctx, c.input); err != nil {
		return nil, err
	}
	var all []event
	generate(events, func(e event) { all = append(all, e) })
	c.want = recompute(all)
	return c, b.produce(ctx, c.input, func(emit func(event)) {
		for _, e := range all {
			emit(e)
		}
	})
}

// mark is a moment of a run.
type mark struct {
	at          time.Time
	events      float64
	cpu, broker float64
}

// measure runs one engine from nothing to the last result, and checks that.
func (c *comparison) measure(ctx context.Context, e engine) (measure, error) {
	c.counter++
	r := run{Brokers: c.b.addr, Input: c.input, Name: fmt.Sprintf("run%d", c.counter), Commit: c.commit, Instance: "1"}
	r.Dir = filepath.Join(c.dir, r.Name)
	if err := os.MkdirAll(r.Dir, 0o755); err != nil {
		return measure{}, err
	}
	defer os.RemoveAll(r.Dir)
	if err := c.b.createTopics(ctx, e, r); err != nil {
		return measure{}, err
	}
	cmd, err := e.command(ctx, r)
	if err != nil {
		return measure{}, err
	}
	out, err := c.b.newReader(r.triggers(), e.counts(r))
	if err != nil {
		return measure{}, err
	}
	defer out.cl.Close()
	p, err := launch(cmd, r.Dir)
	if err != nil {
		return measure{}, err
	}
	defer p.stop()
	m, err := c.follow(ctx, p, out)
	m.engine = e.name
	if err != nil {
		err = fmt.Errorf("%s: %w", e.name, err)
	}
	return m, err
}

func (c *comparison) follow(ctx context.Context, p *process, out *reader) (measure, error) {
	var warm mark
	start, err := c.mark(p, out)
	if err != nil {
		return measure{}, err
	}
	for out.total < uint64(c.events) || len(out.got.triggers) < len(c.want.triggers) {
		if err := out.poll(ctx); err != nil {
			return measure{}, err
		}
		if err := p.ended(); err != nil {
			return measure{}, err
		}
		if warm.at.IsZero() && float64(out.total) >= c.warmup*float64(c.events) {
			if warm, err = c.mark(p, out); err != nil {
				return measure{}, err
			}
		}
		if time.Since(start.at) > c.limit {
			return measure{}, fmt.Errorf("not done after %s: %d of %d events, %d of %d triggers\n%s",
				c.limit, out.total, c.events, len(out.got.triggers), len(c.want.triggers), p.logTail())
		}
	}
	end, err := c.mark(p, out)
	if err != nil {
		return measure{}, err
	}
	if d := c.want.difference(out.got); d != "" {
		return measure{}, fmt.Errorf("wrong result: %s", d)
	}
	m := measure{peakRSSMiB: p.peakRSS()}
	m.coldRate, m.coldCPU, _ = start.until(end)
	m.rate, m.cpu, m.brokerCPU = warm.until(end)
	return m, nil
}

func (c *comparison) mark(p *process, out *reader) (mark, error) {
	cpu, err := p.cpuSeconds()
	if err != nil {
		return mark{}, err
	}
	broker, err := c.b.cpuSeconds()
	return mark{time.Now(), float64(out.total), cpu, broker}, err
}

func (a mark) until(b mark) (rate, cpu, broker float64) {
	n := b.events - a.events
	return n / b.at.Sub(a.at).Seconds(), (b.cpu - a.cpu) * 1e6 / n, (b.broker - a.broker) * 1e6 / n
}

// rounds runs the engines in turn and prints the medians.
func (c *comparison) rounds(ctx context.Context, n int, engines ...engine) (map[string]measure, error) {
	all := map[string][]measure{}
	fmt.Printf("%-6s %-15s %12s %12s %12s %12s %12s %9s  %s\n", "round", "engine", "events/s", "us CPU/event",
		"cold ev/s", "cold us/ev", "broker us/ev", "peak MiB", "load")
	line := func(round string, m measure) {
		fmt.Printf("%-6s %-15s %12.0f %12.2f %12.0f %12.2f %12.2f %9d  %s\n", round, m.engine, m.rate, m.cpu, m.coldRate, m.coldCPU,
			m.brokerCPU, m.peakRSSMiB, loadAverage())
	}
	for i := range n {
		for _, e := range engines {
			m, err := c.measure(ctx, e)
			if err != nil {
				return nil, err
			}
			line(fmt.Sprint(i+1), m)
			all[e.name] = append(all[e.name], m)
		}
	}
	medians := map[string]measure{}
	for _, e := range engines {
		ms := all[e.name]
		med := func(f func(measure) float64) float64 {
			var v []float64
			for _, m := range ms {
				v = append(v, f(m))
			}
			slices.Sort(v)
			return v[len(v)/2]
		}
		m := measure{
			engine: e.name,
			rate:   med(func(m measure) float64 { return m.rate }), cpu: med(func(m measure) float64 { return m.cpu }),
			coldRate: med(func(m measure) float64 { return m.coldRate }), coldCPU: med(func(m measure) float64 { return m.coldCPU }),
			brokerCPU:  med(func(m measure) float64 { return m.brokerCPU }),
			peakRSSMiB: int(med(func(m measure) float64 { return float64(m.peakRSSMiB) })),
		}
		medians[e.name] = m
		line("median", m)
	}
	return medians, nil
}
