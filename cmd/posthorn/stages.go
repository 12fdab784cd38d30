package main

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/generation"
	"github.com/posthorn/posthorn/processor/campaign"
	"github.com/posthorn/posthorn/processor/delivery"
	"github.com/posthorn/posthorn/processor/engagement"
	"github.com/posthorn/posthorn/processor/normalize"
	"github.com/posthorn/posthorn/processor/normalize/geo"
	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/trigger"
)

// stages makes the workers of a generation.
type stages struct {
	*node
	secret    []byte
	rules     *trigger.Set
	endpoints []delivery.Endpoint
	places    *geo.Database

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
	if slices.Contains(n.cfg.Processor.Stages, config.StageNormalize) {
		if s.places, err = places(n.cfg); err != nil {
			return err
		}
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

// places opens the database of countries, where one is configured.
func places(cfg *config.Config) (*geo.Database, error) {
	if cfg.Processor.GeoDatabase == "" {
		return nil, nil
	}
	db, err := geo.Open(cfg.Processor.GeoDatabase)
	if err != nil {
		return nil, &config.FieldError{Field: "processor.geo_database", Problem: err.Error()}
	}
	return db, nil
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
			Serde: s.serde, Secret: normalize.OneSecret(s.secret), Webhooks: reader, Generation: g, Places: s.places,
		}), reader.Close)
	case config.StageEngagement:
		return s.worker(to, name, engagement.Stage(engagement.Config{
			Serde: s.serde, Rules: trigger.NewLive(s.rules), Generation: g, Horizon: s.cfg.Processor.MessageHorizon, Retention: s.cfg.Processor.WindowRetention,
		}), nil)
	case config.StageCampaign:
		return s.worker(to, name, campaign.Stage(campaign.Config{
			Serde: s.serde, Rules: trigger.NewLive(s.rules), Generation: g, Retention: s.cfg.Processor.WindowRetention,
		}), nil)
	case config.StageDelivery:
		return s.delivery(ctx, to)
	}
	return fmt.Errorf("processor.stages: there is no stage %q", name)
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
	s.board.stage(name, w.Status)
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
		Protocol: stream.GroupProtocol(s.cfg.Kafka.GroupProtocol), SessionTimeout: s.cfg.Processor.SessionTimeout,
		TransactionTimeout: s.cfg.Processor.SessionTimeout, MinFreeBytes: int64(s.cfg.Processor.MinFreeDisk),
		CacheBytes: int64(s.cfg.Processor.StateCache),
		Logger:     s.log, Registerer: s.reg,
	})
}
