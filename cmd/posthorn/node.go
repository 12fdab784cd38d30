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

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/analytics/mailbox"
	"github.com/posthorn/posthorn/ingest"
	"github.com/posthorn/posthorn/ingest/provider"
	"github.com/posthorn/posthorn/ingest/spool"
	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/controls"
	"github.com/posthorn/posthorn/internal/gateways"
	"github.com/posthorn/posthorn/internal/generation"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/internal/telemetry"
	"github.com/posthorn/posthorn/processor/trigger"
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
	board  *board
	// epoch is that of the embedded Kafka, over which no transactional id may
	// be used again; 0 with a real one.
	epoch int64
	// rules are those in force, set where stages run.
	rules *trigger.Live
	// generations is set where something derived is written or read.
	generations *generation.Follower
	// controls is set with generations.
	controls *controls.Follower
}

// newNode connects to the cluster and registers the schemas.
func newNode(ctx context.Context, cfg *config.Config, log *slog.Logger) (*node, error) {
	n := &node{cfg: cfg, log: log, kafka: kafkaConfig(cfg, log), reg: telemetry.NewRegistry(), health: telemetry.NewHealth(), board: newBoard()}
	var err error
	n.serde, err = register(ctx, cfg)
	return n, err
}

// gateway adds the gateway, and what is closed after it. spools tells whether it
// has a spool where the configuration does not say.
func (n *node) gateway(to *actors, listener net.Listener, spools bool) error {
	sources, err := n.sources()
	if err != nil {
		return err
	}
	kept, closeSpool, err := n.spool(spools)
	if err != nil {
		return err
	}
	producer, err := kafka.NewProducer(n.kafka)
	if err != nil {
		return errors.Join(err, closeSpool())
	}
	hold, err := n.hold(kept)
	if err != nil {
		producer.Close()
		return errors.Join(err, closeSpool())
	}
	g, err := ingest.New(ingest.Config{
		Sources: sources, Producer: producer, Serde: n.serde,
		MaxBody: int64(n.cfg.Gateway.MaxBody), ByteBudget: int64(n.cfg.Gateway.ByteBudget), DrainTimeout: n.cfg.Gateway.Drain, DrainDelay: n.cfg.Gateway.DrainDelay,
		Spool: kept, Hold: hold,
		Health: n.health, Registerer: n.reg, Logger: n.log,
	})
	if err != nil {
		producer.Close()
		return errors.Join(err, closeSpool())
	}
	to.add("gateway", func(ctx context.Context) error {
		defer producer.Close()
		return errors.Join(g.Serve(ctx, listener), closeSpool())
	})
	return nil
}

// spool opens the gateway's spool, nil where it has none.
func (n *node) spool(otherwise bool) (_ *spool.Spool, closeSpool func() error, err error) {
	cfg := n.cfg.Gateway.Spool
	if !cfg.Enabled.Or(otherwise) {
		return nil, func() error { return nil }, nil
	}
	if cfg.Dir == "" {
		cfg.Dir = filepath.Join(n.cfg.Data, "spool")
	}
	s, err := spool.Open(spool.Config{
		Dir: cfg.Dir, MaxBytes: int64(cfg.MaxSize), MinFreeBytes: int64(cfg.MinFreeDisk), Logger: n.log,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("gateway.spool: %w", err)
	}
	return s, s.Close, nil
}

// hold makes what has the webhooks in a spool hold the arrival frontier, nil without
// one. What the gateway said before it was stopped is in force until Kafka can be
// read: it is asked when the spool is drained.
func (n *node) hold(s *spool.Spool) (*gateways.Announcer, error) {
	if s == nil {
		return nil, nil
	}
	id, err := s.ID()
	if err != nil {
		return nil, fmt.Errorf("gateway.spool: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "" // it is for people alone
	}
	before := func(ctx context.Context) ([]gateways.Gateway, error) { return gateways.Read(ctx, n.kafka, n.log) }
	return gateways.NewAnnouncer(id, host, before, n.log), nil
}

func (n *node) sources() ([]ingest.Source, error) {
	var sources []ingest.Source
	for _, s := range n.cfg.Sources {
		p, ok := provider.ByName(s.Provider)
		if !ok {
			return nil, fmt.Errorf("source %s: provider %q is unknown", s.Name, s.Provider)
		}
		source := ingest.Source{Name: s.Name, Tenant: n.cfg.Tenant, Account: s.Account, Provider: p}
		var err error
		if source.Credentials, err = credentials(s); err != nil {
			return nil, err
		}
		source.Disabled = s.Disabled
		source.Limits = ingest.Limits{Rate: s.Rate, Burst: s.Burst, Concurrency: int64(s.Concurrency)}
		sources = append(sources, source)
	}
	return sources, nil
}

// credentials reads what a source's requests are verified with.
func credentials(s config.Source) (provider.Credentials, error) {
	passwords, err := s.Passwords()
	if err != nil {
		return provider.Credentials{}, fmt.Errorf("source %s: %w", s.Name, err)
	}
	keys, err := s.Keys()
	if err != nil {
		return provider.Credentials{}, fmt.Errorf("source %s: %w", s.Name, err)
	}
	return provider.Credentials{
		Username: s.Username, Passwords: passwords, Keys: keys, URL: s.URL, Header: s.Header, Topics: s.Topics,
	}, nil
}

// api adds the HTTP API, with metrics and health beside it.
func (n *node) api(to *actors, listener net.Listener, conn driver.Conn) {
	zone, _ := n.cfg.Location() // It was checked; nil is UTC.
	api := analytics.NewAPI(analytics.APIConfig{
		Conn: conn, Tenant: n.cfg.Tenant, Rules: n.shownRules(), Paused: n.paused, Logger: n.log,
		TimeZone: zone, RecipientID: n.recipientID(),
	})
	providers := mailbox.NewWorker(mailbox.WorkerConfig{Conn: conn, Tenant: n.cfg.Tenant, Off: !n.cfg.Analytics.MXLookup, Registerer: n.reg, Logger: n.log})
	watch := n.watch()
	mux := http.NewServeMux()
	mux.Handle("/", api)
	for _, path := range []string{"/metrics", "/healthz", "/readyz", "/status", "/debug/pprof/"} {
		mux.Handle(path, watch)
	}
	to.add("api", func(ctx context.Context) error {
		defer context.AfterFunc(ctx, api.Close)()
		return serveHTTP(ctx, listener, mux)
	})
	to.add("mailbox providers", providers.Run)
}

// recipientID returns the function that tells the id of an address; nil where the
// service has no recipient secret.
func (n *node) recipientID() func(address string) uuid.UUID {
	secret, err := recipientSecret(n.cfg)
	if err != nil || len(secret) == 0 {
		return nil
	}
	return func(address string) uuid.UUID { return uuid.UUID(schemas.RecipientID(secret, address)) }
}

// watch serves what operators look at.
func (n *node) watch() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", telemetry.Handler(n.reg, n.health, n.cfg.Metrics.Pprof))
	mux.HandleFunc("GET /status", n.serveStatus)
	return mux
}

// metrics adds /metrics, /healthz, /readyz and /status on an address of their own.
func (n *node) metrics(ctx context.Context, to *actors) error {
	listener, err := listen(ctx, "metrics.listen", n.cfg.Metrics.Listen)
	if err != nil {
		return err
	}
	handler := n.watch()
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
