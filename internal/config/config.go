// Package config holds the one configuration of all of Posthorn's services:
// defaults, a YAML file, environment variables and flags, in that order, each
// over the ones before it.
package config

import (
	"fmt"
	"time"
)

// Config is the effective configuration. Every service reads the parts that
// concern it; what it needs is checked by Validate.
type Config struct {
	// Tenant owns all sources of this installation.
	Tenant string `yaml:"tenant"`
	// RecipientSecret keys the HMAC that turns addresses into recipient ids.
	// It is permanent: with another one nobody is recognised again.
	RecipientSecret Secret `yaml:"recipient_secret"`
	// TimeZone is the tenant's: where days and hours of statistics begin unless a
	// request says otherwise. IANA name, such as Europe/Paris.
	TimeZone string `yaml:"time_zone"`
	// Data is the directory of everything that stays on this machine.
	Data string `yaml:"data"`

	Log        Log        `yaml:"log"`
	Kafka      Kafka      `yaml:"kafka"`
	Registry   Registry   `yaml:"registry"`
	ClickHouse ClickHouse `yaml:"clickhouse"`
	Gateway    Gateway    `yaml:"gateway"`
	Processor  Processor  `yaml:"processor"`
	Delivery   Delivery   `yaml:"delivery"`
	API        API        `yaml:"api"`
	Analytics  Analytics  `yaml:"analytics"`
	Metrics    Metrics    `yaml:"metrics"`

	Sources   []Source   `yaml:"sources"`
	Rules     []string   `yaml:"rules"`
	Endpoints []Endpoint `yaml:"endpoints"`
}

// Log says how the log is written.
type Log struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

// Kafka names the cluster and how topics are made on it.
type Kafka struct {
	Brokers     []string `yaml:"brokers"`
	Partitions  int      `yaml:"partitions"`
	Replication int      `yaml:"replication"`
	// Listen is the address of the all-in-one's own Kafka, on loopback.
	Listen string `yaml:"listen"`
	// GroupProtocol is how the stages' members share the partitions: classic, or
	// consumer (KIP-848), where the broker assigns and its own session timeout
	// counts; that wants Kafka 4.3 or newer.
	GroupProtocol string `yaml:"group_protocol"`
	// SyncWrites has its own Kafka write through to the disk before it
	// acknowledges: safe over power loss, and up to ten times slower.
	SyncWrites bool `yaml:"sync_writes"`
}

// Registry is the schema registry (Confluent REST interface).
type Registry struct {
	URL string `yaml:"url"`
	// Listen is the address of the all-in-one's own registry.
	Listen string `yaml:"listen"`
}

// ClickHouse is the database of the analytics service.
type ClickHouse struct {
	// DSN as of clickhouse-go, such as clickhouse://user:password@host:9000/posthorn.
	DSN string `yaml:"dsn"`
	// Cluster is the name of a ClickHouse cluster, as in its servers'
	// remote_servers, over which the tables are spread; empty: a single node.
	Cluster string `yaml:"cluster"`
	// Listen is the HTTP address of the all-in-one's embedded engine.
	Listen string `yaml:"listen"`
	// SQLListen is the HTTP address of its read-only pool for analysts.
	SQLListen string `yaml:"sql_listen"`
	// Library is the engine's shared library; empty: fetched and kept in the
	// user's cache.
	Library string `yaml:"library"`
}

// Gateway takes webhooks.
type Gateway struct {
	Listen     string        `yaml:"listen"`
	MaxBody    Size          `yaml:"max_body"`
	ByteBudget Size          `yaml:"byte_budget"`
	Drain      time.Duration `yaml:"drain"`
	// DrainDelay is how long a gateway that is told to stop still accepts requests
	// while /readyz says that it is not ready, for a load balancer to notice.
	DrainDelay time.Duration `yaml:"drain_delay"`
	Spool      Spool         `yaml:"spool"`
}

// Spool keeps webhooks on disk while Kafka does not take them.
type Spool struct {
	// Enabled is auto, true or false. auto has one in the all-in-one only: where
	// the disk goes with the process, the provider repeats more reliably.
	Enabled Choice `yaml:"enabled"`
	// Dir belongs to one gateway; empty: spool, below Data.
	Dir string `yaml:"dir"`
	// MaxSize bounds all of it.
	MaxSize Size `yaml:"max_size"`
	// MinFreeDisk is the space there that is left to others.
	MinFreeDisk Size `yaml:"min_free_disk"`
}

// Processor derives facts, statistics and triggers.
type Processor struct {
	// Stages are the stages that this process runs.
	Stages []string `yaml:"stages"`
	// Instance is the stable name of this process within the cluster.
	Instance string `yaml:"instance"`
	// CommitInterval is the time between two transactions.
	CommitInterval time.Duration `yaml:"commit_interval"`
	// StateDir holds the stages' stores; empty: below Data. "memory" keeps
	// them in memory and restores them from their changelogs at start.
	StateDir string `yaml:"state_dir"`
	// StateCache bounds the memory in which each stage caches its state on disk.
	StateCache Size `yaml:"state_cache"`
	// MinFreeDisk is the space that must be free there: with less a stage stops
	// until there is room again.
	MinFreeDisk Size `yaml:"min_free_disk"`
	// SessionTimeout is how long a process may be silent before others take
	// over its work, and bounds what its open transactions hold up.
	SessionTimeout time.Duration `yaml:"session_timeout"`
	// MessageHorizon is how long a message may be silent before it is forgotten.
	MessageHorizon time.Duration `yaml:"message_horizon"`
	// WindowRetention is how long after its end a window of statistics changes.
	WindowRetention time.Duration `yaml:"window_retention"`
	// GeoDatabase is the path of a database of countries and cities in MaxMind's
	// format (.mmdb): it tells the country of an address where the provider does
	// not. It is read at start. Empty: none is told.
	GeoDatabase string `yaml:"geo_database"`
}

// API serves statistics.
type API struct {
	Listen string `yaml:"listen"`
}

// Analytics says how the data are looked at.
type Analytics struct {
	// MXLookup has name servers asked who exchanges the mail of domains whose
	// mailbox provider is not known otherwise.
	MXLookup bool `yaml:"mx_lookup"`
}

// Metrics serves /metrics, /healthz and /readyz of the services that have no
// HTTP address of their own.
type Metrics struct {
	Listen string `yaml:"listen"`
	Pprof  bool   `yaml:"pprof"`
}

// Source is a URL that a provider posts to: /v1/webhooks/{name}.
type Source struct {
	Name     string `yaml:"name"`
	Provider string `yaml:"provider"`
	// Account is the provider account; sources of one account share it, since
	// a provider may repeat events over another URL of it. Empty: the name.
	Account string `yaml:"account"`
	// Username and Password are those of the URL's Basic authentication.
	Username string `yaml:"username"`
	Password Secret `yaml:"password"`
	// Key checks signatures: the provider's public key, or the secret it shares.
	Key Secret `yaml:"key"`
	// PreviousPassword and PreviousKey are accepted too, while they are replaced.
	PreviousPassword Secret `yaml:"previous_password"`
	PreviousKey      Secret `yaml:"previous_key"`
	// URL is the source's address as the provider knows it, for those that sign it.
	URL string `yaml:"url"`
	// Header names the header of the signature, where senders differ.
	Header string `yaml:"header"`
	// Topics are the Amazon SNS topics that are listened to, by ARN.
	Topics []string `yaml:"topics"`
	// Disabled answers 410: most providers then stop sending.
	Disabled bool `yaml:"disabled"`
	// Rate is how many webhooks a second are taken with everybody's; those beyond
	// are taken as a flood. 0: no bound.
	Rate float64 `yaml:"rate"`
	// Burst is how many may come at once before Rate counts. 0: those of a second.
	Burst int `yaml:"burst"`
	// Concurrency is how many requests are served at once with everybody's. 0: a
	// quarter of what the gateway serves, or all of it where there is one source.
	Concurrency int `yaml:"concurrency"`
}

// namedSecret is a secret with its field's name.
type namedSecret struct {
	name string
	*Secret
}

// secrets are all that a source has.
func (s *Source) secrets() []namedSecret {
	return []namedSecret{
		{"password", &s.Password}, {"previous_password", &s.PreviousPassword}, {"key", &s.Key}, {"previous_key", &s.PreviousKey},
	}
}

// Passwords are those that are accepted, the current one first.
func (s *Source) Passwords() ([]string, error) { return values(s.secrets()[:2]) }

// Keys are those that are accepted, the current one first.
func (s *Source) Keys() ([]string, error) { return values(s.secrets()[2:]) }

func values(secrets []namedSecret) (list []string, err error) {
	for _, s := range secrets {
		if s.IsZero() {
			continue
		}
		v, err := s.Value()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		list = append(list, v)
	}
	return list, nil
}

// Stage names in the order of the data's way.
const (
	StageNormalize  = "normalize"
	StageEngagement = "engagement"
	StageCampaign   = "campaign"
	StageDelivery   = "delivery"
)

// AllStages lists the stages in the order of the data's way.
func AllStages() []string {
	return []string{StageNormalize, StageEngagement, StageCampaign, StageDelivery}
}

// Default returns the configuration before any file, variable or flag.
func Default() *Config {
	return &Config{
		Tenant:     "default",
		TimeZone:   "UTC",
		Data:       "posthorn-data",
		Log:        Log{Level: "info", Format: "text"},
		Kafka:      Kafka{Partitions: 12, Replication: 1, Listen: "127.0.0.1:9092", GroupProtocol: "classic"},
		Registry:   Registry{Listen: "127.0.0.1:8081"},
		ClickHouse: ClickHouse{Listen: "127.0.0.1:8123", SQLListen: "127.0.0.1:8124"},
		Gateway: Gateway{
			Listen: "127.0.0.1:8080", MaxBody: 10 << 20, ByteBudget: 64 << 20, Drain: 15 * time.Second,
			Spool: Spool{MaxSize: 1 << 30, MinFreeDisk: 256 << 20},
		},
		Processor: Processor{
			Stages: AllStages(), CommitInterval: 100 * time.Millisecond,
			StateCache: 256 << 20, MinFreeDisk: 64 << 20, SessionTimeout: 10 * time.Second,
			MessageHorizon: 400 * 24 * time.Hour, WindowRetention: 90 * 24 * time.Hour,
		},
		Delivery:  Delivery{Timeout: 15 * time.Second, DisableAfter: 5 * 24 * time.Hour},
		API:       API{Listen: "127.0.0.1:8090"},
		Analytics: Analytics{MXLookup: true},
		Metrics:   Metrics{Listen: "127.0.0.1:8091"},
	}
}
