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
	coldRate   float64 // events/s of the warm-up, from the start of the process
	coldCPU    float64 // its microseconds of CPU per event, start included
	rate, cpu  float64 // the same of the events after it
	brokerCPU  float64 // microseconds of the broker's CPU per event, after the warm-up
	peakRSSMiB int
}

// comparison is a set of engines that do the same job.
type comparison struct {
	b       *broker
	events  []event
	warmup  int // of these, the first
	want    *results
	commit  time.Duration
	limit   time.Duration // for one run
	dir     string
	counter int
}

func (b *broker) newComparison(dir string, events int, commit time.Duration) *comparison {
	c := &comparison{b: b, warmup: events / 3, commit: commit, limit: 4 * time.Minute, dir: dir}
	generate(events, func(e event) { c.events = append(c.events, e) })
	c.want = recompute(c.events)
	return c
}

// mark is a moment of a run.
type mark struct {
	at          time.Time
	events      float64
	cpu, broker float64
}

// measure runs one engine from nothing to the last result, and checks that.
// All events are in the input before it starts; those after the warm-up belong
// to a transaction, which is committed once the warm-up's results are there: so
// all engines meet them at once, and what is measured neither includes the
// warm-up nor shares the machine with a producer.
func (c *comparison) measure(ctx context.Context, e engine) (measure, error) {
	c.counter++
	r := run{Brokers: c.b.addr, Name: fmt.Sprintf("run%d", c.counter), Commit: c.commit, Instance: "1"}
	r.Input, r.Dir = r.Name+"-input", filepath.Join(c.dir, r.Name)
	if err := os.MkdirAll(r.Dir, 0o755); err != nil {
		return measure{}, err
	}
	defer os.RemoveAll(r.Dir)
	if err := c.b.createTopics(ctx, e, r); err != nil {
		return measure{}, err
	}
	if err := c.b.produce(ctx, r.Input, emitAll(c.events[:c.warmup])); err != nil {
		return measure{}, err
	}
	rest, err := c.b.produceHidden(ctx, r.Input, emitAll(c.events[c.warmup:]))
	if err != nil {
		return measure{}, err
	}
	defer rest.cl.Close()
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
	m, err := c.follow(ctx, p, out, rest)
	m.engine = e.name
	if err != nil {
		err = fmt.Errorf("%s: %w", e.name, err)
	}
	return m, err
}

func emitAll(events []event) func(func(event)) {
	return func(emit func(event)) {
		for _, e := range events {
			emit(e)
		}
	}
}

func (c *comparison) follow(ctx context.Context, p *process, out *reader, rest *hidden) (measure, error) {
	start, err := c.mark(p, out)
	if err != nil {
		return measure{}, err
	}
	if err := c.until(ctx, p, out, c.warmup, len(recompute(c.events[:c.warmup]).triggers)); err != nil {
		return measure{}, err
	}
	warm, err := c.mark(p, out)
	if err != nil {
		return measure{}, err
	}
	if err := rest.show(ctx); err != nil {
		return measure{}, err
	}
	if err := c.until(ctx, p, out, len(c.events), len(c.want.triggers)); err != nil {
		return measure{}, err
	}
	end, err := c.mark(p, out)
	if err != nil {
		return measure{}, err
	}
	if d := c.want.difference(out.got); d != "" {
		return measure{}, fmt.Errorf("wrong result: %s", d)
	}
	m := measure{peakRSSMiB: p.peakRSS()}
	m.coldRate, m.coldCPU, _ = start.until(warm)
	m.rate, m.cpu, m.brokerCPU = warm.until(end)
	return m, nil
}

// until waits until that many events and triggers have come out.
func (c *comparison) until(ctx context.Context, p *process, out *reader, events, triggers int) error {
	began := time.Now()
	for out.total < uint64(events) || len(out.got.triggers) < triggers {
		if err := out.poll(ctx); err != nil {
			return err
		}
		if err := p.ended(); err != nil {
			return err
		}
		if took := time.Since(began); took > c.limit || ctx.Err() != nil {
			return fmt.Errorf("not done after %.0f s: %d of %d events, %d of %d triggers\n%s",
				took.Seconds(), out.total, events, len(out.got.triggers), triggers, p.logTail())
		}
	}
	return nil
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
