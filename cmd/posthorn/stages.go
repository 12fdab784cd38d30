package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/generation"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/processor/campaign"
	"github.com/posthorn/posthorn/processor/delivery"
	"github.com/posthorn/posthorn/processor/engagement"
	"github.com/posthorn/posthorn/processor/normalize"
	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// stages makes the workers of a generation.
type stages struct {
	*node
	secret    []byte
	rules     *trigger.Set
	endpoints []delivery.Endpoint

	live generation.Live
	reg  prometheus.Registerer
	// beside is set for a generation that is derived beside the live one: its
	// workers have this instance, and no part in the process's readiness.
	beside string
}

// processor adds a worker for each configured stage, of the generation that is
// live.
func (n *node) processor(to *actors) error {
	s := stages{node: n}
	var err error
	if s.secret, s.rules, err = secretAndRules(n.cfg); err != nil {
		return err
	}
	if err := checkCalls(n.cfg, s.rules); err != nil {
		return err
	}
	for _, e := range n.cfg.Endpoints {
		secret, err := e.Secret.Value()
		if err != nil {
			return fmt.Errorf("secret of endpoint %s: %w", e.Name, err)
		}
		s.endpoints = append(s.endpoints, delivery.Endpoint{Name: e.Name, URL: e.URL, Secrets: []string{secret}, AllowPrivate: e.AllowPrivate})
	}
	for _, name := range n.cfg.Processor.Stages {
		starting(n.health, "stage "+name)
	}
	to.add("stages", func(ctx context.Context) error {
		return n.follow(ctx, func(ctx context.Context, to *actors, live generation.Live, reg prometheus.Registerer) error {
			s.live, s.reg = live, reg
			if err := n.removeState(ctx, live.Generation); err != nil {
				n.log.Warn("state of earlier generations stays on disk", "error", err)
			}
			for _, name := range n.cfg.Processor.Stages {
				if err := s.add(ctx, to, name); err != nil {
					return err
				}
			}
			return to.run()
		})
	})
	return nil
}

// secretAndRules loads what everything derived depends on beside the webhooks.
func secretAndRules(cfg *config.Config) ([]byte, *trigger.Set, error) {
	secret, err := cfg.RecipientSecret.Value()
	if err != nil {
		return nil, nil, fmt.Errorf("recipient_secret: %w", err)
	}
	rules, err := trigger.Load(cfg.Rules...)
	return []byte(secret), rules, err
}

// add adds the worker of one stage.
func (s *stages) add(ctx context.Context, to *actors, name string) error {
	g := s.live.Generation
	switch name {
	case config.StageNormalize:
		reader, err := normalize.NewKafkaReader(s.kafka)
		if err != nil {
			return err
		}
		return s.worker(to, name, normalize.Stage(normalize.Config{
			Serde: s.serde, Secret: normalize.OneSecret(s.secret), Webhooks: reader, Generation: g,
		}), reader.Close)
	case config.StageEngagement:
		return s.worker(to, name, engagement.Stage(engagement.Config{Serde: s.serde, Rules: s.rules, Generation: g}), nil)
	case config.StageCampaign:
		return s.worker(to, name, campaign.Stage(campaign.Config{Serde: s.serde, Generation: g}), nil)
	case config.StageDelivery:
		return s.delivery(ctx, to)
	}
	return fmt.Errorf("processor.stages: there is no stage %q", name)
}

// drainTimeout bounds the wait for callbacks under way at shutdown.
const drainTimeout = 20 * time.Second

func (s *stages) delivery(ctx context.Context, to *actors) error {
	g := s.live.Generation
	var w *stream.Worker
	d, err := delivery.New(delivery.Config{
		Serde: s.serde, Endpoints: s.endpoints, Wake: func() { w.Wake() },
		Generation: g, Rebuilt: s.live.Since, MaxAge: maxAges(s.rules),
		Confirm: func() error { return s.confirm(ctx, g) },
		Version: version(), Registerer: s.reg, Logger: s.log,
	})
	if err != nil {
		return err
	}
	if w, err = s.newWorker(d.Stage()); err != nil {
		d.Close()
		return err
	}
	drain := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
		defer cancel()
		return d.Drain(ctx)
	}
	s.ready(config.StageDelivery, w)
	to.add("stage "+config.StageDelivery, func(ctx context.Context) error {
		defer d.Close()
		if err := s.awaitPredecessor(ctx, d.Stage()); err != nil {
			// The state was opened and must be closed; a worker that ends at once
			// does that.
			done, cancel := context.WithCancel(ctx)
			cancel()
			return errors.Join(err, w.Run(done))
		}
		return runDrained(ctx, w, drain)
	})
	return nil
}

// confirmTimeout bounds the look at which generation is live.
const confirmTimeout = 10 * time.Second

// confirm checks that a generation is live, also for a worker that is being
// stopped: it drains first.
func (s *stages) confirm(ctx context.Context, g schemas.Generation) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), confirmTimeout)
	defer cancel()
	return generation.Confirm(ctx, s.kafka, g)
}

// awaitPredecessor waits until nobody delivers for another generation: all
// share one state.
func (s *stages) awaitPredecessor(ctx context.Context, stage stream.Stage) error {
	admin, closeAdmin, err := kafka.NewAdmin(s.kafka)
	if err != nil {
		return err
	}
	defer closeAdmin()
	return generation.AwaitVacant(ctx, admin, stage.Name, stage.Input, s.member(stage.Name))
}

// maxAges finds the max_age of a rule; of one that is gone nothing is called.
func maxAges(rules *trigger.Set) func(string) time.Duration {
	ages := map[string]time.Duration{}
	for _, r := range rules.Rules() {
		ages[r.Name] = r.MaxAge
	}
	return func(rule string) time.Duration { return ages[rule] }
}

// runDrained runs a worker until ctx ends, drains it and then stops it.
func runDrained(ctx context.Context, w *stream.Worker, drain func() error) error {
	running, stop := context.WithCancel(context.Background())
	defer stop()
	drained := make(chan error, 1)
	go func() {
		<-ctx.Done()
		drained <- drain()
		stop()
	}()
	err := w.Run(running)
	if ctx.Err() == nil {
		return err
	}
	return errors.Join(<-drained, err)
}

// worker adds a stage; end, where set, is called after it has stopped.
func (s *stages) worker(to *actors, name string, stage stream.Stage, end func()) error {
	w, err := s.newWorker(stage)
	if err != nil {
		return err
	}
	s.ready(name, w)
	to.add("stage "+stage.Name, func(ctx context.Context) error {
		if end != nil {
			defer end()
		}
		return w.Run(ctx)
	})
	return nil
}

// ready makes the stage a part of the process's readiness.
func (s *stages) ready(name string, w *stream.Worker) {
	if s.beside != "" {
		return
	}
	s.health.Register("stage "+name, func() (bool, string) {
		st := w.Status()
		if st.LastError != "" && !st.Ready {
			return false, st.Detail + ": " + st.LastError
		}
		return st.Ready, st.Detail
	})
}

// member is the id of a stage's static group member, empty without an instance.
func (s *stages) member(stage string) string {
	if s.epoch > 0 || s.beside != "" || s.cfg.Processor.Instance == "" {
		return ""
	}
	return "posthorn-" + stage + "-" + s.cfg.Processor.Instance
}

func (s *stages) newWorker(stage stream.Stage) (*stream.Worker, error) {
	instance := s.cfg.Processor.Instance
	switch {
	case s.beside != "":
		instance = s.beside
	case s.epoch > 0:
		instance = fmt.Sprintf("embedded-%d", s.epoch)
	case instance == "":
		host, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("asking for the host name; set processor.instance: %w", err)
		}
		instance = host
	}
	return stream.NewWorker(stream.WorkerConfig{
		Stage: stage, Kafka: s.kafka, StateDir: stateDir(s.cfg), CommitInterval: s.cfg.Processor.CommitInterval,
		TransactionalID: "posthorn-" + stage.Name + "-" + instance, InstanceID: s.member(stage.Name),
		Logger: s.log, Registerer: s.reg,
	})
}

// stateDir is the folder of the stages' state; empty: it is kept in memory.
func stateDir(cfg *config.Config) string {
	switch cfg.Processor.StateDir {
	case "":
		return filepath.Join(cfg.Data, "state")
	case "memory":
		return ""
	}
	return cfg.Processor.StateDir
}

// removeState removes the state of generations that were dropped. That of live
// stays, whatever topics there are.
func (n *node) removeState(ctx context.Context, live schemas.Generation) error {
	dir := stateDir(n.cfg)
	if dir == "" {
		return nil
	}
	admin, closeAdmin, err := kafka.NewAdmin(n.kafka)
	if err != nil {
		return err
	}
	defer closeAdmin()
	existing, err := generation.Existing(ctx, admin)
	if err != nil {
		return err
	}
	keep := map[string]bool{config.StageDelivery: true}
	for _, g := range append(existing, live) {
		for _, stage := range generation.Stages {
			keep[g.Name(stage)] = true
		}
	}
	folders, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	var errs []error
	for _, f := range folders {
		if name, _ := schemas.SplitTopic(f.Name()); f.IsDir() && !keep[f.Name()] && isStage(name) {
			errs = append(errs, os.RemoveAll(filepath.Join(dir, f.Name())))
		}
	}
	return errors.Join(errs...)
}

func isStage(name string) bool {
	for _, stage := range generation.Stages {
		if stage == name {
			return true
		}
	}
	return false
}

// sink adds what writes the topics of the live generation into ClickHouse.
func (n *node) sink(to *actors, conn driver.Conn) {
	instance := n.cfg.Processor.Instance
	if instance != "" {
		instance = "posthorn-sink-" + instance
	}
	starting(n.health, "sink")
	to.add("sink", func(ctx context.Context) error {
		return n.follow(ctx, func(ctx context.Context, to *actors, live generation.Live, reg prometheus.Registerer) error {
			s, err := analytics.NewSink(analytics.SinkConfig{
				Kafka: n.kafka, Serde: n.serde, Conn: conn, InstanceID: instance, Generation: live.Generation,
				Logger: n.log, Registerer: reg,
			})
			if err != nil {
				return err
			}
			to.add("sink", func(ctx context.Context) error {
				if err := n.expose(ctx, conn, live.Generation); err != nil {
					return err
				}
				n.health.Register("sink", func() (bool, string) {
					if err := s.Ready(); err != nil {
						return false, err.Error()
					}
					return true, ""
				})
				return s.Run(ctx)
			})
			return to.run()
		})
	})
}

// expose makes the tables' names stand for the live generation. The database may
// be away when it goes live: that is waited for.
func (n *node) expose(ctx context.Context, conn driver.Conn, g schemas.Generation) error {
	for {
		err := analytics.Expose(ctx, conn, g)
		if err == nil {
			return nil
		}
		n.log.Error("the tables do not stand for the live generation yet, trying again", "error", err)
		n.health.Register("sink", func() (bool, string) { return false, err.Error() })
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Second):
		}
	}
}
