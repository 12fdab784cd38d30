// Package ingest is the gateway: it takes webhooks by HTTP and answers 200 once
// Kafka has them, as they came. It verifies who sent a request and bounds its
// size, and does not look into the body: a webhook that nobody can read today
// is still kept, and readable tomorrow.
//
// While Kafka does not take webhooks they go into a spool on disk, where there is
// one, and into Kafka later. What can't be made durable is refused with 503 at
// once or within the producer's delivery timeout, and the provider sends it again.
// A refused webhook may have been written all the same, and one of the spool
// twice; events are deduplicated later.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"regexp"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/time/rate"

	"github.com/posthorn/posthorn/ingest/provider"
	"github.com/posthorn/posthorn/ingest/spool"
	"github.com/posthorn/posthorn/internal/gateways"
	"github.com/posthorn/posthorn/internal/publicnet"
	"github.com/posthorn/posthorn/internal/telemetry"
	"github.com/posthorn/posthorn/schemas"
)

// Producer is the part of *kgo.Client that the gateway uses. It must
// acknowledge by all replicas and bound how long a record may take.
type Producer interface {
	Produce(ctx context.Context, rec *kgo.Record, promise func(*kgo.Record, error))
	Flush(ctx context.Context) error
	Request(ctx context.Context, req kmsg.Request) (kmsg.Response, error)
}

// Source is one URL, /v1/webhooks/{name}, of one provider account.
type Source struct {
	Name        string
	Tenant      string
	Account     string // default: Name
	Provider    provider.Provider
	Credentials provider.Credentials
	Disabled    bool // answers 410: most providers then stop sending
	Limits      Limits
}

// Config configures a Gateway. Sources, Producer and Serde are required; any
// other zero value means the default.
type Config struct {
	Sources  []Source
	Producer Producer
	Serde    *schemas.Serde

	Listen     string // address for Run; default 127.0.0.1:8080
	MaxBody    int64  // largest body in bytes; default 10 MiB
	ByteBudget int64  // bytes of all webhooks not yet durable; default 64 MiB
	MaxPending int64  // requests at once; default 4096
	// MaxConnections is how many may be open; default: twice MaxPending, since one
	// that is kept waits for its next request.
	MaxConnections int64

	// Spool, where set, keeps webhooks while Kafka does not take them. Serve drains
	// it; whoever opened it closes it, after Serve.
	Spool *spool.Spool
	// Hold, where set beside Spool, has what waits there hold the arrival frontier.
	Hold *gateways.Announcer
	// SpoolAfter is how long a webhook waits for Kafka before it goes to the
	// Spool; default 2 s.
	SpoolAfter time.Duration

	// AckTimeout bounds the wait for Kafka, should the producer not keep to its
	// own delivery timeout; default 12 s.
	AckTimeout time.Duration
	// ReadTimeout bounds the reading of a whole request; default 30 s.
	ReadTimeout time.Duration
	// DrainTimeout bounds a shutdown; default 15 s.
	DrainTimeout time.Duration
	// DrainDelay is how long a shutdown still accepts requests while it reports
	// to be unready, for load balancers to notice; default 0.
	DrainDelay time.Duration

	// TrustedProxies may name the caller in X-Forwarded-For. Without any, the
	// header is ignored.
	TrustedProxies []netip.Prefix

	Health     *telemetry.Health
	Registerer prometheus.Registerer
	Logger     *slog.Logger
}

// Gateway takes webhooks. Its ServeHTTP serves the webhooks, /healthz and
// /readyz; Run serves them on an address of its own until it is told to stop.
type Gateway struct {
	cfg     Config
	sources map[string]*source
	budget  *budget
	pending *budget
	// overflow is what all sources beyond their shares have together.
	overflow share
	buffers  *buffers
	hooks    *hooks
	health   *telemetry.Health
	kafka    *kafkaHealth
	tokens   *tokens
	bearers  []bearer
	uploads  *uploads
	metrics  *metrics
	spool    *spool.Spool // nil: none
	underway underway
	// patience is how long a webhook waits for Kafka at first.
	patience time.Duration

	confirmations *confirmationPool
}

// source is a Source with what is prepared for it.
type source struct {
	Source
	verifier provider.Verifier
	// handshakes confirms what the provider asks.
	handshakes *http.Client
	share      share
	rate       *rate.Limiter // nil: none
	requests   [len(countedCodes)]prometheus.Counter
	overflowed prometheus.Counter
	refused    prometheus.Counter
}

// The system is asked for the randomness of many ids at once.
func init() { uuid.EnableRandPool() }

// newID makes the id of a webhook.
func newID() schemas.ID { return schemas.ID(uuid.Must(uuid.NewV7())) } // crypto/rand does not fail

var sourceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// New checks the configuration and makes a Gateway.
func New(cfg Config) (*Gateway, error) {
	if cfg.Producer == nil || cfg.Serde == nil {
		return nil, errors.New("gateway: Producer and Serde are required")
	}
	orDefault(&cfg.Listen, "127.0.0.1:8080")
	orDefault(&cfg.MaxBody, 10<<20)
	orDefault(&cfg.ByteBudget, 64<<20)
	orDefault(&cfg.MaxPending, 4096)
	orDefault(&cfg.MaxConnections, max(16, 2*cfg.MaxPending))
	orDefault(&cfg.AckTimeout, 12*time.Second)
	orDefault(&cfg.SpoolAfter, 2*time.Second)
	orDefault(&cfg.ReadTimeout, 30*time.Second)
	orDefault(&cfg.DrainTimeout, 15*time.Second)
	if cfg.ByteBudget < cfg.MaxBody+envelope {
		return nil, fmt.Errorf("gateway: a byte budget of %d can't hold one body of %d and its envelope of %d", cfg.ByteBudget, cfg.MaxBody, envelope)
	}
	if cfg.Health == nil {
		cfg.Health = telemetry.NewHealth()
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	g := &Gateway{
		cfg:     cfg,
		sources: map[string]*source{},
		budget:  newBudget(cfg.ByteBudget),
		pending: newBudget(cfg.MaxPending),
		buffers: &buffers{},
		hooks:   &hooks{},
		tokens:  newTokens(rememberedTokens),
		uploads: newUploads(),
		health:  cfg.Health,
		spool:   cfg.Spool,

		patience: cfg.AckTimeout,

		confirmations: &confirmationPool{},
	}
	g.overflow = g.fairShare()
	g.kafka = newKafkaHealth(cfg.Producer, cfg.Logger)
	g.metrics = newMetrics(cfg.Registerer, g.budget, g.pending)
	if g.spool != nil {
		g.patience = min(cfg.SpoolAfter, cfg.AckTimeout)
		g.kafka.canary = func() bool { return !g.spool.Empty() }
		g.metrics.watchSpool(cfg.Registerer, g.spool)
		if cfg.Hold != nil {
			cfg.Hold.Bind(cfg.Producer, g.clear)
		}
	}
	for _, s := range cfg.Sources {
		if err := g.addSource(s); err != nil {
			return nil, fmt.Errorf("gateway: %w", err)
		}
	}
	g.health.Register("gateway", g.check)
	return g, nil
}

func orDefault[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

func (g *Gateway) addSource(s Source) error {
	switch {
	case !sourceName.MatchString(s.Name):
		return fmt.Errorf("source name %q: want up to 64 letters, digits, dots, hyphens and underscores", s.Name)
	case s.Provider == nil:
		return fmt.Errorf("source %q has no provider", s.Name)
	case g.sources[s.Name] != nil:
		return fmt.Errorf("source %q is configured twice", s.Name)
	}
	orDefault(&s.Account, s.Name)
	v, err := s.Provider.Verifier(s.Credentials)
	if err != nil {
		return fmt.Errorf("source %q: %w", s.Name, err)
	}
	src := &source{
		Source: s, verifier: v, handshakes: publicnet.ClientOr(s.Credentials.Client, handshakeTimeout),
		requests:   g.metrics.requestsOf(s.Name),
		overflowed: g.metrics.overflowed.WithLabelValues(s.Name), refused: g.metrics.refused.WithLabelValues(s.Name),
	}
	src.share, src.rate = g.limits(s.Limits, len(g.cfg.Sources) == 1)
	g.sources[s.Name] = src
	return g.addBearers(src)
}

// ServeHTTP serves the gateway's paths.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/healthz":
		g.health.Live(w, r)
	case "/readyz":
		g.health.ServeReady(w, r)
	case eventsPath:
		g.serveEvents(w, r)
	default:
		g.serveWebhook(w, r)
	}
}
