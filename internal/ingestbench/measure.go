package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// What is measured in eight minutes, and in one.
var (
	full = options{
		brokers: "embedded,apache", warmUp: 4 * time.Second, rounds: 12, closed: 600 * time.Millisecond, openRounds: 6, open: 1200 * time.Millisecond,
		cases: []load{
			{1, 64, basic}, {1, 256, basic}, {100, 64, basic}, {100, 256, basic}, {1, 64, hmac256}, {1, 64, ecdsa256},
		},
	}
	brief = options{
		brokers: "embedded,apache", warmUp: time.Second, rounds: 3, closed: 250 * time.Millisecond, openRounds: 3, open: 350 * time.Millisecond,
		cases: []load{{1, 64, basic}, {1, 256, basic}, {100, 64, basic}},
	}
)

// round is what a variant did in one.
type round struct {
	perSecond    float64 // requests
	perCPUSecond float64 // requests, by the CPU time of the server
	p50, p99     time.Duration
}

// cell is a variant under a load.
type cell struct {
	saturated, paced []round
}

// row is a load on a broker.
type row struct {
	broker   string
	load     load
	rate     float64 // requests/s of the paced rounds
	variants []string
	cells    map[string]*cell
}

// run is a broker with the servers that write to it.
type run struct {
	options
	target  *target
	servers map[string]*process
}

// measure runs all loads against all brokers.
func measure(ctx context.Context, o options) (all results, err error) {
	names, err := targets(o.brokers)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		rows, err := measureOn(ctx, o, name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, rows...)
	}
	return all, nil
}

func measureOn(ctx context.Context, o options, name string) (rows []row, err error) {
	r := &run{options: o, servers: map[string]*process{}}
	if r.target, err = startTarget(ctx, name); err != nil {
		return nil, err
	}
	defer func() {
		for _, p := range r.servers {
			err = errors.Join(err, p.stop())
		}
		err = errors.Join(err, r.target.close())
	}()
	for _, v := range []string{gateway, floor, naive} {
		env := append(profileOf(o.profile, v), brokersEnv+"="+r.target.addrs[0])
		if r.servers[v], err = start(v, env...); err != nil {
			delete(r.servers, v)
			return nil, err
		}
	}
	if err := r.warm(ctx); err != nil {
		return nil, err
	}
	for _, l := range o.cases {
		row, err := r.load(ctx, l)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", l, err)
		}
		fmt.Printf("measured %s: %s\n", name, l)
		rows = append(rows, row)
	}
	return rows, nil
}

// warm lets the broker see some load before it counts: a JVM compiles what is used.
func (r *run) warm(ctx context.Context) error {
	l := load{1, 64, basic}
	reqs, err := newRequests(l)
	if err != nil {
		return err
	}
	conns, err := dialAll(r.servers[floor].addr, l.connections)
	if err != nil {
		return err
	}
	defer conns.close()
	_, err = r.round(ctx, l, floor, func() (driven, error) { return conns.saturate(reqs, r.warmUp) })
	return err
}

// load measures one: rounds at saturation, which tell the rate of the others.
func (r *run) load(ctx context.Context, l load) (row, error) {
	w := row{broker: r.target.name, load: l, variants: []string{gateway, floor}, cells: map[string]*cell{}}
	if l.scheme == basic {
		w.variants = append(w.variants, naive)
	}
	reqs, err := newRequests(l)
	if err != nil {
		return w, err
	}
	conns := map[string]clients{}
	for _, v := range w.variants {
		w.cells[v] = new(cell)
		if conns[v], err = dialAll(r.servers[v].addr, l.connections); err != nil {
			return w, err
		}
		defer conns[v].close()
	}
	err = r.inTurns(w.variants, 0, r.rounds, func(v string, i int) error {
		got, err := r.round(ctx, l, v, func() (driven, error) { return conns[v].saturate(reqs, r.closed) })
		if err == nil && i > 0 { // The first warms up.
			w.cells[v].saturated = append(w.cells[v].saturated, got)
		}
		return err
	})
	if err != nil {
		return w, err
	}
	w.rate = 0.5 * min(w.cells[gateway].rate(), w.cells[floor].rate())
	if r.open == 0 {
		return w, nil
	}
	var able []string
	for _, v := range w.variants {
		if w.cells[v].rate() > 1.2*w.rate {
			able = append(able, v)
		}
	}
	return w, r.inTurns(able, 1, r.openRounds, func(v string, _ int) error {
		got, err := r.round(ctx, l, v, func() (driven, error) { return conns[v].pace(ctx, reqs, w.rate, r.open) })
		w.cells[v].paced = append(w.cells[v].paced, got)
		return err
	})
}

// rate is the median of the saturated rounds, in requests/s.
func (c *cell) rate() float64 {
	return spreadIn(c.saturated, func(r round) float64 { return r.perSecond }).median
}

// inTurns calls f for every variant in every round from first to last, the other
// way round in every second one.
func (r *run) inTurns(variants []string, first, last int, f func(variant string, round int) error) error {
	order := slices.Clone(variants)
	for i := first; i <= last; i++ {
		for _, v := range order {
			if err := f(v, i); err != nil {
				return fmt.Errorf("%s: %w", v, err)
			}
		}
		slices.Reverse(order)
	}
	return nil
}

// round runs one and checks that the broker has all that was acknowledged.
func (r *run) round(ctx context.Context, l load, variant string, f func() (driven, error)) (round, error) {
	if err := ctx.Err(); err != nil {
		return round{}, err
	}
	if err := r.target.clear(ctx); err != nil {
		return round{}, err
	}
	recordsBefore, err := r.target.records(ctx)
	if err != nil {
		return round{}, err
	}
	cpuBefore, err := r.servers[variant].cpu()
	if err != nil {
		return round{}, err
	}
	d, err := f()
	if err != nil {
		return round{}, err
	}
	cpu, err := r.servers[variant].cpu()
	if err != nil {
		return round{}, err
	}
	records, err := r.target.records(ctx)
	if err != nil {
		return round{}, err
	}
	want := int64(len(d.latencies))
	if variant == naive {
		want *= int64(l.events)
	}
	if got := records - recordsBefore; got < want {
		return round{}, fmt.Errorf("%d records were acknowledged, and the broker has %d", want, got)
	}
	return round{d.perSecond(), float64(len(d.latencies)) / (cpu - cpuBefore).Seconds(), d.percentile(50), d.percentile(99)}, nil
}
