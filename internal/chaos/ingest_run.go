//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/posthorn/posthorn/internal/embedded/registry"
	"github.com/posthorn/posthorn/internal/verify"
)

// workLimit bounds the time after the last fault until all is processed.
const workLimit = 5 * time.Minute

// ingestResult is what a run of the gateway has shown.
type ingestResult struct {
	struck  []struck
	kills   int
	began   time.Time
	client  *client
	crashes []string
	aside   []string // files that a spool has set aside
	topic   *topicCheck
	verify  *verify.Report
	events  int64 // in posthorn.events
	err     error // of the run: what did not recover, or could not be checked
	took    time.Duration
	faulted time.Duration // of it, with faults
}

// miscounted is how many rows downstream are not what the webhooks say, and how
// many events were not counted once of those that the client has posted.
func (r *ingestResult) miscounted() int64 {
	if r.verify == nil {
		return -1
	}
	return r.verify.Differences() + max(r.events-r.client.events, r.client.events-r.events)
}

// executeIngest is execute for the gateway: the client posts to processes of the
// binary, faults hit those, their way to Kafka, their disks and the brokers, and
// one worker derives everything.
func executeIngest(ctx context.Context, o options, out io.Writer) (res *ingestResult, err error) {
	r := &run{options: o, out: out, began: time.Now(), plan: newGatewaySchedule(o.seed)}
	r.enough = func() bool { return r.killsCounted() >= o.kills }
	reg, err := registry.Start(registry.Config{Dir: filepath.Join(o.dir, "registry"), Listen: "127.0.0.1:0"})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, reg.Close()) }()
	if r.serde, err = newSerde(ctx, reg.URL()); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	var fronts []func(int, string) (string, error)
	for i := range gateways {
		g, err := newGateway(o, i+1)
		if g != nil {
			r.gateways = append(r.gateways, g)
		}
		if err != nil {
			return nil, err
		}
		fronts = append(fronts, g.proxies.front)
	}
	if err := r.start(ctx, 1, func(f *fleet) {
		// Nothing is done to the worker: it may take the load in larger bites.
		f.registry, f.commitInterval = reg.URL(), time.Second
	}, fronts); err != nil {
		return nil, err
	}
	for _, g := range r.gateways {
		if err := errors.Join(g.configure(reg.URL()), g.launch()); err != nil {
			return nil, err
		}
	}
	r.recovered = r.drained
	r.client = newClient(r.gateways, o.seed, o.rate)
	r.logf("three brokers, %d gateways, spool %t, %d events/s, logs in %s", gateways, o.spool, o.rate, o.dir)
	return r.ingest(ctx)
}

func (r *run) ingest(ctx context.Context) (*ingestResult, error) {
	for _, g := range r.gateways {
		if err := until(ctx, time.Minute, g.name+" to be ready", g.ready); err != nil {
			return nil, err
		}
	}
	posting, endPosting := context.WithCancel(ctx)
	defer endPosting()
	posted := make(chan error, 1)
	go func() { posted <- r.client.run(posting) }()
	if err := wait(ctx, time.Second); err != nil {
		return nil, err
	}
	if err := r.recovered(ctx, time.Minute); err != nil {
		return nil, fmt.Errorf("before the first fault: %w", err)
	}
	began := time.Now()
	res := &ingestResult{client: r.client, began: r.began}
	res.err = r.strikeAll(ctx)
	res.faulted = time.Since(began)
	endPosting()
	if err := <-posted; err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	r.logf("faults are over: %s", r.client)
	res.err = errors.Join(res.err, r.checkIngest(ctx, res))
	res.struck, res.kills = r.struck, r.killsCounted()
	for _, g := range r.gateways {
		res.crashes = append(res.crashes, g.unexpected()...)
		res.aside = append(res.aside, g.setAside()...)
	}
	res.crashes = append(res.crashes, r.fleet.crashes()...)
	res.took = time.Since(r.began)
	return res, nil
}

// killsCounted counts the kills of gateways that hit work in progress.
func (r *run) killsCounted() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.struck {
		if s.counted && kindOf(s.Kind).kills() {
			n++
		}
	}
	return n
}

// drained waits until every gateway can store webhooks and has nothing left in
// its spool.
func (r *run) drained(ctx context.Context, limit time.Duration) error {
	for _, g := range r.gateways {
		if err := g.drained(ctx, limit); err != nil {
			return err
		}
	}
	return nil
}

// checkIngest compares what the client was told with posthorn.webhooks, and what
// was derived with both.
func (r *run) checkIngest(ctx context.Context, res *ingestResult) (err error) {
	if err := errors.Join(r.recovered(ctx, recoveryLimit), r.watch.caughtUp(ctx, workLimit)); err != nil {
		return fmt.Errorf("after the last fault: %w", err)
	}
	if res.topic, err = r.checkTopic(ctx); err != nil {
		return err
	}
	r.logf("posthorn.webhooks: %s", res.topic)
	if res.verify, err = r.verify(ctx); err != nil {
		return err
	}
	for _, c := range res.verify.Checks {
		if c.Name == "events" {
			res.events = c.Found
		}
	}
	r.logf("events: the client has posted %d distinct ones, %d were counted", r.client.events, res.events)
	return nil
}
