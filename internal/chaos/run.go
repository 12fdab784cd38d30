//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/internal/testkafka"
	"github.com/posthorn/posthorn/internal/verify"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

const (
	partitions  = 12
	replication = 3
	// recoveryLimit bounds the time from the end of a fault's cause until all
	// that had come in by then is processed.
	recoveryLimit = 2 * time.Minute
)

// options are the command line.
type options struct {
	seed     uint64
	faults   int
	duration time.Duration
	rate     int
	report   string
	dir      string

	// Of a run of the gateway.
	kills    int    // of gateways, that must hit work in progress
	posthorn string // the binary
	spool    bool   // the gateways have one

	// Of a run of the delivery.
	quiet, pause time.Duration
}

// run is one run of the harness.
type run struct {
	options
	out     io.Writer
	cluster *testkafka.Cluster
	kafka   kafka.Config
	serde   *schemas.Serde
	watch   *watch
	fleet   *fleet
	load    *load

	// Of a run of the gateway, instead of the load.
	gateways []*gateway
	client   *client

	plan *schedule
	// enough tells that the faults may end.
	enough func() bool
	// recovered waits until all that had come in is processed.
	recovered func(ctx context.Context, limit time.Duration) error

	closeAdmin func()

	began   time.Time
	struck  []struck
	counted int
	mu      sync.Mutex // guards struck and counted
}

// struck is a fault that was done.
type struck struct {
	fault
	hit
	at        time.Time
	held      time.Duration // from the strike until its cause was gone
	recovered time.Duration // from then until all was caught up
	err       error
}

// result is what the run has shown.
type result struct {
	struck  []struck
	counted int
	began   time.Time
	load    *load
	crashes []string
	verify  *verify.Report
	absence *absenceResult
	err     error // of the run: what did not recover, or could not be checked
	took    time.Duration
	faulted time.Duration // of it, with faults
}

func (r *result) missing() (n int64) {
	if r.verify != nil {
		for _, c := range r.verify.Checks {
			n += c.Missing
		}
	}
	if r.absence != nil {
		n += r.absence.missing
	}
	return n
}

func (r *result) double() (n int64) {
	if r.verify != nil {
		for _, c := range r.verify.Checks {
			n += c.Surplus
		}
	}
	if r.absence != nil {
		n += r.absence.surplus
	}
	return n
}

func (r *result) different() (n int64) {
	if r.verify != nil {
		n = r.verify.Differences()
	}
	if r.absence != nil {
		n += r.absence.missing + r.absence.surplus + r.absence.different + r.absence.late
	}
	return n - r.missing() - r.double()
}

func (r *run) logf(format string, args ...any) {
	fmt.Fprintf(r.out, "%6.1f s  %s\n", time.Since(r.began).Seconds(), fmt.Sprintf(format, args...))
}

// execute runs everything. The error is of the harness itself; what the run
// has shown is in the result.
func execute(ctx context.Context, o options, out io.Writer) (res *result, err error) {
	r := &run{options: o, out: out, began: time.Now(), serde: schemas.NewLocalSerde(), plan: newSchedule(o.seed)}
	r.enough = func() bool { return r.counted >= o.faults }
	defer func() { err = errors.Join(err, r.close()) }()
	if err := r.start(ctx, workers, func(f *fleet) { f.absences = true }, nil); err != nil {
		return nil, err
	}
	r.recovered = r.watch.caughtUp
	r.load = newLoad(r.kafka, r.serde, o.seed, o.rate)
	r.logf("three brokers, three workers, group protocol %s, %d events/s, logs in %s", r.fleet.currentProtocol(), o.rate, o.dir)
	return r.all(ctx)
}

// start starts the brokers, makes the topics and a number of workers, adjusted.
func (r *run) start(ctx context.Context, workers int, adjust func(*fleet), fronts []func(int, string) (string, error)) (err error) {
	if r.cluster, err = testkafka.StartCluster(ctx, testkafka.Options{Nodes: brokers, Fronts: fronts, Config: map[string]string{
		"group.consumer.session.timeout.ms":    fmt.Sprint(sessionTimeout.Milliseconds()),
		"group.consumer.heartbeat.interval.ms": "1000",
	}}); err != nil {
		return fmt.Errorf("starting Apache Kafka: %w", err)
	}
	r.kafka = kafka.Config{Brokers: r.cluster.Brokers(), ClientID: "chaos"}
	adm, closeAdmin, err := kafka.NewAdmin(r.kafka)
	if err != nil {
		return err
	}
	r.closeAdmin = closeAdmin
	topics := append(schemas.Catalogue(partitions, replication), absenceTopics(partitions, replication)...)
	if err := schemas.EnsureTopics(ctx, adm, topics); err != nil {
		return err
	}
	protocol := kafka.Classic
	if r.seed%2 == 0 {
		protocol = kafka.Consumer
	}
	if r.fleet, err = newFleet(r.dir, r.cluster.Brokers(), workers, protocol); err != nil {
		return err
	}
	r.watch = &watch{adm: adm, protocol: r.fleet.currentProtocol, stages: stages[:len(stages)-1]}
	if adjust(r.fleet); r.fleet.absences {
		r.watch.stages = stages
	}
	return launchAll(r.fleet.workers)
}

func (r *run) close() error {
	var errs []error
	for _, g := range r.gateways {
		errs = append(errs, g.close())
	}
	if r.fleet != nil {
		errs = append(errs, r.fleet.close())
	}
	if r.closeAdmin != nil {
		r.closeAdmin()
	}
	if r.cluster != nil {
		errs = append(errs, r.cluster.Close())
	}
	return errors.Join(errs...)
}

func (r *run) all(ctx context.Context) (*result, error) {
	loading, endLoad := context.WithCancel(ctx)
	defer endLoad()
	loaded := make(chan error, 1)
	go func() { loaded <- r.load.run(loading) }()
	if err := wait(ctx, time.Second); err != nil {
		return nil, err
	}
	if err := r.recovered(ctx, time.Minute); err != nil {
		return nil, fmt.Errorf("before the first fault: %w", err)
	}
	began := time.Now()
	res := &result{}
	res.err = r.strikeAll(ctx)
	res.faulted = time.Since(began)
	endLoad()
	if err := <-loaded; err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	r.logf("faults are over: %s", r.load)
	res.err = errors.Join(res.err, r.check(ctx, res))
	res.struck, res.counted, res.crashes = r.struck, r.counted, r.fleet.crashes()
	res.began, res.took, res.load = r.began, time.Since(r.began), r.load
	return res, nil
}

// faults strikes round after round, until enough have counted or time is up.
func (r *run) strikeAll(ctx context.Context) error {
	deadline := time.Now().Add(r.duration)
	for !r.enough() && time.Now().Before(deadline) && ctx.Err() == nil {
		if err := r.round(ctx, r.plan.next()); err != nil {
			return err
		}
	}
	return nil
}

// round strikes the faults of a round and waits until each has recovered.
func (r *run) round(ctx context.Context, faults round) error {
	errs := make([]error, len(faults))
	var all sync.WaitGroup
	for i, f := range faults {
		all.Go(func() { errs[i] = r.strike(ctx, f) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func (r *run) strike(ctx context.Context, f fault) error {
	if err := wait(ctx, f.After); err != nil {
		return err
	}
	s := struck{fault: f, at: time.Now()}
	s.hit, s.err = kindOf(f.Kind).strike(ctx, r, f)
	s.held = time.Since(s.at)
	if s.err == nil {
		gone := time.Now()
		s.err = r.recovered(ctx, recoveryLimit)
		s.recovered = time.Since(gone)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.struck = append(r.struck, s)
	mark := "-"
	if s.counted {
		r.counted++
		mark = fmt.Sprint(r.counted)
	}
	r.logf("%3s  %s  recovered in %.1f s  %s", mark, f, s.recovered.Seconds(), s.why)
	if s.err != nil {
		return fmt.Errorf("fault %d, %s: %w", f.Number, f.Kind, s.err)
	}
	return nil
}

// check waits until everything is processed and compares it with the webhooks.
func (r *run) check(ctx context.Context, res *result) (err error) {
	if res.verify, err = r.verify(ctx); err != nil {
		return err
	}
	res.absence, err = checkAbsences(ctx, r.kafka, r.serde, 30*time.Second)
	if err != nil {
		return fmt.Errorf("checking absences: %w", err)
	}
	a := res.absence
	r.logf("absences: %d expected, %d found, %d missing, %d surplus, %d different; %d events behind the frontier", a.expected, a.found, a.missing, a.surplus, a.different, a.late)
	for _, d := range a.details {
		fmt.Fprintln(r.out, "difference:", d)
	}
	return nil
}

// verify recomputes everything from the webhooks and compares.
func (r *run) verify(ctx context.Context) (*verify.Report, error) {
	rules, err := trigger.Parse("rules.yaml", rulesYAML)
	if err != nil {
		return nil, err
	}
	steps := verify.Steps(schemas.FirstGeneration)[:3] // there is no delivery here
	found, err := verify.Run(ctx, verify.Config{
		Kafka: r.kafka, Serde: r.serde, Secret: []byte(secret), Rules: rules, Steps: steps,
		Timeout: recoveryLimit, Dir: r.dir,
	})
	if err != nil {
		return nil, fmt.Errorf("verifying: %w", err)
	}
	r.logf("verified")
	found.Print(r.out)
	return found, nil
}
