package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/ingest"
	"github.com/posthorn/posthorn/ingest/provider"
	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/internal/telemetry"
	"github.com/posthorn/posthorn/processor/campaign"
	"github.com/posthorn/posthorn/processor/delivery"
	"github.com/posthorn/posthorn/processor/engagement"
	"github.com/posthorn/posthorn/processor/normalize"
	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/schemas"
)

// node is what the services of one process share.
type node struct {
	cfg    *config.Config
	log    *slog.Logger
	kafka  kafka.Config
	serde  *schemas.Serde
	reg    *prometheus.Registry
	health *telemetry.Health
	// epoch is that of the embedded Kafka, over which no transactional id may
	// be used again; 0 with a real one.
	epoch int64
}

// newNode connects to the cluster and registers the schemas.
func newNode(ctx context.Context, cfg *config.Config, log *slog.Logger) (*node, error) {
	n := &node{cfg: cfg, log: log, kafka: kafkaConfig(cfg, log), reg: telemetry.NewRegistry(), health: telemetry.NewHealth()}
	var err error
	n.serde, err = register(ctx, cfg)
	return n, err
}

// gateway adds the gateway, and what is closed after it.
func (n *node) gateway(to *actors, listener net.Listener) error {
	sources, err := n.sources()
	if err != nil {
		return err
	}
	producer, err := kafka.NewProducer(n.kafka)
	if err != nil {
		return err
	}
	g, err := ingest.New(ingest.Config{
		Sources: sources, Producer: producer, Serde: n.serde,
		MaxBody: int64(n.cfg.Gateway.MaxBody), ByteBudget: int64(n.cfg.Gateway.ByteBudget), DrainTimeout: n.cfg.Gateway.Drain,
		Health: n.health, Registerer: n.reg, Logger: n.log,
	})
	if err != nil {
		producer.Close()
		return err
	}
	to.add("gateway", func(ctx context.Context) error {
		defer producer.Close()
		return g.Serve(ctx, listener)
	})
	return nil
}

func (n *node) sources() ([]ingest.Source, error) {
	var sources []ingest.Source
	for _, s := range n.cfg.Sources {
		p, ok := provider.ByName(s.Provider)
		if !ok {
			return nil, fmt.Errorf("source %s: provider %q is unknown", s.Name, s.Provider)
		}
		source := ingest.Source{Name: s.Name, Tenant: n.cfg.Tenant, Account: s.Account, Provider: p}
		if s.Username != "" {
			password, err := s.Password.Value()
			if err != nil {
				return nil, fmt.Errorf("password of source %s: %w", s.Name, err)
			}
			source.Credentials = provider.Credentials{Username: s.Username, Passwords: []string{password}}
		}
		sources = append(sources, source)
	}
	return sources, nil
}

// processor adds a worker for each configured stage.
func (n *node) processor(to *actors) error {
	secret, err := n.cfg.RecipientSecret.Value()
	if err != nil {
		return fmt.Errorf("recipient_secret: %w", err)
	}
	rules, err := loadRules(n.cfg)
	if err != nil {
		return err
	}
	for _, name := range n.cfg.Processor.Stages {
		switch name {
		case config.StageNormalize:
			reader, err := normalize.NewKafkaReader(n.kafka)
			if err != nil {
				return err
			}
			stage := normalize.Stage(normalize.Config{Serde: n.serde, Secret: normalize.OneSecret([]byte(secret)), Webhooks: reader})
			if err := n.worker(to, stage, nil, reader.Close); err != nil {
				return err
			}
		case config.StageEngagement:
			if err := n.worker(to, engagement.Stage(engagement.Config{Serde: n.serde, Rules: rules}), nil, nil); err != nil {
				return err
			}
		case config.StageCampaign:
			if err := n.worker(to, campaign.Stage(campaign.Config{Serde: n.serde}), nil, nil); err != nil {
				return err
			}
		case config.StageDelivery:
			if err := n.delivery(to); err != nil {
				return err
			}
		}
	}
	return nil
}

// drainTimeout bounds the wait for callbacks under way at shutdown.
const drainTimeout = 20 * time.Second

func (n *node) delivery(to *actors) error {
	var endpoints []delivery.Endpoint
	for _, e := range n.cfg.Endpoints {
		secret, err := e.Secret.Value()
		if err != nil {
			return fmt.Errorf("secret of endpoint %s: %w", e.Name, err)
		}
		endpoints = append(endpoints, delivery.Endpoint{Name: e.Name, URL: e.URL, Secrets: []string{secret}, AllowPrivate: e.AllowPrivate})
	}
	var w *stream.Worker
	d, err := delivery.New(delivery.Config{
		Serde: n.serde, Endpoints: endpoints, Wake: func() { w.Wake() },
		Version: version(), Registerer: n.reg, Logger: n.log,
	})
	if err != nil {
		return err
	}
	if w, err = n.newWorker(d.Stage()); err != nil {
		d.Close()
		return err
	}
	drain := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
		defer cancel()
		return d.Drain(ctx)
	}
	n.runWorker(to, d.Stage().Name, w, drain, d.Close)
	return nil
}

// worker adds a stage. drain, where set, is called before its worker is
// stopped, and end after.
func (n *node) worker(to *actors, stage stream.Stage, drain func() error, end func()) error {
	w, err := n.newWorker(stage)
	if err != nil {
		return err
	}
	n.runWorker(to, stage.Name, w, drain, end)
	return nil
}

func (n *node) newWorker(stage stream.Stage) (*stream.Worker, error) {
	instance, member := n.cfg.Processor.Instance, ""
	switch {
	case n.epoch > 0:
		instance = fmt.Sprintf("embedded-%d", n.epoch)
	case instance == "":
		host, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("asking for the host name; set processor.instance: %w", err)
		}
		instance = host
	default:
		member = "posthorn-" + stage.Name + "-" + instance
	}
	dir := n.cfg.Processor.StateDir
	switch dir {
	case "":
		dir = filepath.Join(n.cfg.Data, "state")
	case "memory":
		dir = ""
	}
	return stream.NewWorker(stream.WorkerConfig{
		Stage: stage, Kafka: n.kafka, StateDir: dir, CommitInterval: n.cfg.Processor.CommitInterval,
		TransactionalID: "posthorn-" + stage.Name + "-" + instance, InstanceID: member,
		Logger: n.log, Registerer: n.reg,
	})
}

func (n *node) runWorker(to *actors, name string, w *stream.Worker, drain func() error, end func()) {
	n.health.Register("stage "+name, func() (bool, string) {
		s := w.Status()
		if s.LastError != "" && !s.Ready {
			return false, s.Detail + ": " + s.LastError
		}
		return s.Ready, s.Detail
	})
	to.add("stage "+name, func(ctx context.Context) error {
		if end != nil {
			defer end()
		}
		if drain == nil {
			return w.Run(ctx)
		}
		running, stop := context.WithCancel(context.Background())
		defer stop()
		var drained error
		go func() {
			<-ctx.Done()
			drained = drain()
			stop()
		}()
		err := w.Run(running)
		if ctx.Err() == nil {
			return err
		}
		return errors.Join(drained, err)
	})
}

// sink adds what writes the topics into ClickHouse.
func (n *node) sink(to *actors, conn driver.Conn) error {
	instance := n.cfg.Processor.Instance
	if instance != "" {
		instance = "posthorn-sink-" + instance
	}
	s, err := analytics.NewSink(analytics.SinkConfig{
		Kafka: n.kafka, Serde: n.serde, Conn: conn, InstanceID: instance, Logger: n.log, Registerer: n.reg,
	})
	if err != nil {
		return err
	}
	n.health.Register("sink", func() (bool, string) {
		if err := s.Ready(); err != nil {
			return false, err.Error()
		}
		return true, ""
	})
	to.add("sink", s.Run)
	return nil
}

// api adds the HTTP API, with metrics and health beside it.
func (n *node) api(to *actors, listener net.Listener, conn driver.Conn) {
	api := analytics.NewAPI(analytics.APIConfig{Conn: conn, Tenant: n.cfg.Tenant, Logger: n.log})
	watch := telemetry.Handler(n.reg, n.health, n.cfg.Metrics.Pprof)
	mux := http.NewServeMux()
	mux.Handle("/", api)
	for _, path := range []string{"/metrics", "/healthz", "/readyz", "/debug/pprof/"} {
		mux.Handle(path, watch)
	}
	to.add("api", func(ctx context.Context) error { return serveHTTP(ctx, listener, mux) })
}

// metrics adds /metrics, /healthz and /readyz on an address of their own.
func (n *node) metrics(ctx context.Context, to *actors) error {
	listener, err := listen(ctx, "metrics.listen", n.cfg.Metrics.Listen)
	if err != nil {
		return err
	}
	handler := telemetry.Handler(n.reg, n.health, n.cfg.Metrics.Pprof)
	to.add("metrics", func(ctx context.Context) error { return serveHTTP(ctx, listener, handler) })
	return nil
}

func listen(ctx context.Context, field, address string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; set another address or stop what uses it", field, err)
	}
	return l, nil
}
