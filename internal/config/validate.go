package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // time zones on machines that have none

	"github.com/posthorn/posthorn/ingest/provider"
)

// IsName tells whether a source, an endpoint or a tenant may be called that.
func IsName(text string) bool { return names.MatchString(text) }

// FieldError says what is wrong with one field and what to do about it.
type FieldError struct {
	Field   string // as in the file, such as sources[0].password
	Problem string
	Remedy  string
	// Cause is the error behind the problem, where there is one.
	Cause error
}

// Unwrap returns the cause.
func (e *FieldError) Unwrap() error { return e.Cause }

func (e *FieldError) Error() string {
	if e.Remedy == "" {
		return e.Field + ": " + e.Problem
	}
	return e.Field + ": " + e.Problem + ": " + e.Remedy
}

// Need is something that a service cannot start without.
type Need int

// What services need.
const (
	NeedKafka Need = iota
	NeedClickHouse
	NeedSources
	NeedRecipientSecret
)

var names = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$`)

// Validate checks every field, and that what is needed is there. It returns
// all problems at once, joined; each is a *FieldError.
func (c *Config) Validate(needs ...Need) error {
	v := &validation{}
	v.name("tenant", c.Tenant)
	if _, err := c.Location(); err != nil {
		v.add("time_zone", fmt.Sprintf("%q is no time zone", c.TimeZone), "write it as Europe/Paris, or UTC")
	}
	v.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	v.oneOf("log.format", c.Log.Format, "text", "json")
	v.between("kafka.partitions", c.Kafka.Partitions, 1, 1024)
	v.between("kafka.replication", c.Kafka.Replication, 1, 9)
	for i, b := range c.Kafka.Brokers {
		v.address(fmt.Sprintf("kafka.brokers[%d]", i), b)
	}
	v.address("kafka.listen", c.Kafka.Listen)
	v.address("registry.listen", c.Registry.Listen)
	v.link("registry.url", c.Registry.URL, "http", "https")
	v.link("clickhouse.dsn", c.ClickHouse.DSN, "clickhouse", "tcp", "http", "https")
	if c.ClickHouse.Cluster != "" {
		v.name("clickhouse.cluster", c.ClickHouse.Cluster)
	}
	v.address("clickhouse.listen", c.ClickHouse.Listen)
	v.address("clickhouse.sql_listen", c.ClickHouse.SQLListen)
	v.address("gateway.listen", c.Gateway.Listen)
	v.address("api.listen", c.API.Listen)
	v.address("metrics.listen", c.Metrics.Listen)
	if c.Gateway.MaxBody < 1024 {
		v.add("gateway.max_body", "smaller than a webhook", "at least 1KiB, 10MiB is sane")
	}
	if c.Gateway.ByteBudget < c.Gateway.MaxBody {
		v.add("gateway.byte_budget", "smaller than gateway.max_body: no large body could ever be taken", "make it several times as large")
	}
	if s := c.Gateway.Spool; s.Enabled.Or(true) && s.MaxSize < 2*c.Gateway.MaxBody {
		v.add("gateway.spool.max_size", "can't hold a few webhooks of gateway.max_body", "1GiB is sane; to have none set gateway.spool.enabled: false")
	}
	if d := c.Gateway.DrainDelay; d < 0 || d > 5*time.Minute {
		v.add("gateway.drain_delay", fmt.Sprintf("%s is out of range", d), "up to 5m; what the load balancer takes to see /readyz")
	}
	if d := c.Processor.CommitInterval; d < time.Millisecond || d > 10*time.Second {
		v.add("processor.commit_interval", fmt.Sprintf("%s is out of range", d), "between 1ms and 10s")
	}
	if d := c.Processor.SessionTimeout; d < 3*time.Second || d > 5*time.Minute {
		v.add("processor.session_timeout", fmt.Sprintf("%s is out of range", d), "between 3s and 5m; 10s is sane")
	}
	if c.Processor.StateCache < 8<<20 {
		v.add("processor.state_cache", "is too small to be of use", "at least 8MiB; 256MiB is sane")
	}
	v.oneOf("kafka.group_protocol", c.Kafka.GroupProtocol, "classic", "consumer")
	if d := c.Processor.WindowRetention; d < windowLength || d%windowLength != 0 {
		v.add("processor.window_retention", fmt.Sprintf("%s is not a multiple of a window, 5m", d), "90 days is sane: 2160h")
	}
	if d := c.Processor.MessageHorizon; d < minHorizon {
		v.add("processor.message_horizon", fmt.Sprintf("%s is too short: providers repeat for days, and repetitions of a forgotten message count again", d),
			"at least 840h (35 days), 9600h is sane")
	}
	if len(c.Processor.Stages) == 0 {
		v.add("processor.stages", "is empty", "leave it out to run all")
	}
	for i, s := range c.Processor.Stages {
		v.oneOf(fmt.Sprintf("processor.stages[%d]", i), s, AllStages()...)
	}
	v.secret("recipient_secret", c.RecipientSecret, func(text string) string {
		if len(text) < 16 {
			return "shorter than 16 bytes: make one with: openssl rand -hex 32"
		}
		return ""
	})
	v.sources(c.Sources)
	v.endpoints(c.Endpoints)
	v.delivery(c.Delivery)
	v.needs(c, needs)
	return errors.Join(v.errs...)
}

// Location returns the tenant's time zone. The zones are in the binary, so that
// every machine knows the same.
func (c *Config) Location() (*time.Location, error) {
	// Local would be another zone on another machine, and "" is UTC by accident.
	if c.TimeZone == "" || c.TimeZone == "Local" {
		return nil, fmt.Errorf("%q is no time zone", c.TimeZone)
	}
	return time.LoadLocation(c.TimeZone)
}

// windowLength is the length of the windows of statistics, minHorizon the least
// time that repetitions must be recognised for: longer than the webhooks are
// kept, so that deriving again from them finds what was there.
const (
	windowLength = 5 * time.Minute
	minHorizon   = 35 * 24 * time.Hour
)

type validation struct{ errs []error }

func (v *validation) add(field, problem, remedy string) {
	v.errs = append(v.errs, &FieldError{Field: field, Problem: problem, Remedy: remedy})
}

func (v *validation) needs(c *Config, needs []Need) {
	if slices.Contains(needs, NeedKafka) {
		if len(c.Kafka.Brokers) == 0 {
			v.add("kafka.brokers", "is missing", "set it, POSTHORN_KAFKA_BROKERS or --brokers; or run everything with posthorn up")
		}
		if c.Registry.URL == "" {
			v.add("registry.url", "is missing", "set it, POSTHORN_REGISTRY_URL or --registry")
		}
	}
	if slices.Contains(needs, NeedClickHouse) && c.ClickHouse.DSN == "" {
		v.add("clickhouse.dsn", "is missing", "set it, POSTHORN_CLICKHOUSE_DSN or --clickhouse")
	}
	if slices.Contains(needs, NeedSources) && len(c.Sources) == 0 {
		v.add("sources", "is empty: the gateway would refuse everything", "add one {name, provider, username, password}")
	}
	if slices.Contains(needs, NeedRecipientSecret) && c.RecipientSecret.IsZero() {
		v.add("recipient_secret", "is missing", "set {file: path} or POSTHORN_RECIPIENT_SECRET; it is permanent and belongs into the backup")
	}
}

func (v *validation) sources(sources []Source) {
	seen := map[string]bool{}
	for i, s := range sources {
		at := fmt.Sprintf("sources[%d]", i)
		v.name(at+".name", s.Name)
		if seen[s.Name] {
			v.add(at+".name", fmt.Sprintf("%q is there twice", s.Name), "names are the last part of the URL and must differ")
		}
		seen[s.Name] = true
		v.oneOf(at+".provider", s.Provider, provider.Names()...)
		v.name(at+".account", s.Account)
		if s.Provider == provider.NameNative && s.Key.IsZero() {
			v.add(at+".key", "is missing: it is the bearer token of POST /v1/events", "make one with: openssl rand -hex 32")
		}
		if (s.Username == "") != s.Password.IsZero() {
			v.add(at, "username and password belong together", "set both, or neither to take webhooks from anybody")
		}
		v.link(at+".url", s.URL, "http", "https")
		if s.Rate < 0 || math.IsNaN(s.Rate) || math.IsInf(s.Rate, 0) {
			v.add(at+".rate", fmt.Sprintf("%v is no number of webhooks a second", s.Rate), "leave it out for no bound")
		}
		if s.Burst < 0 || s.Burst > 0 && s.Rate == 0 {
			v.add(at+".burst", "is how many webhooks may come at once before rate counts", "set rate too, or leave burst out")
		}
		if s.Concurrency < 0 {
			v.add(at+".concurrency", fmt.Sprintf("%d is no number of requests", s.Concurrency), "leave it out for a fair share")
		}
		for _, secret := range s.secrets() {
			v.secret(at+"."+secret.name, *secret.Secret, nil)
		}
	}
}

func (v *validation) name(field, text string) {
	if !IsName(text) {
		v.add(field, fmt.Sprintf("%q is no name", text), "letters, digits, - _ and ., at most 63")
	}
}

func (v *validation) oneOf(field, text string, choices ...string) {
	if !slices.Contains(choices, text) {
		v.add(field, fmt.Sprintf("%q is unknown", text), "one of "+strings.Join(choices, ", "))
	}
}

func (v *validation) between(field string, n, low, high int) {
	if n < low || n > high {
		v.add(field, fmt.Sprintf("%d is out of range", n), fmt.Sprintf("between %d and %d", low, high))
	}
}

func (v *validation) address(field, text string) {
	if _, port, err := net.SplitHostPort(text); err != nil || port == "" {
		v.add(field, fmt.Sprintf("%q is no address", text), "write host:port")
	}
}

func (v *validation) link(field, text string, schemes ...string) {
	if text == "" {
		return
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || !slices.Contains(schemes, u.Scheme) {
		// The text is not repeated: it may hold a password.
		v.add(field, "is no URL of "+strings.Join(schemes, ", "), "write such as "+schemes[0]+"://host:port")
	}
}

func (v *validation) secret(field string, s Secret, check func(string) string) {
	if s.IsZero() {
		return
	}
	text, err := s.Value()
	if err != nil {
		v.errs = append(v.errs, &FieldError{field, err.Error(), "set it, or write another {env: NAME} or {file: path}", err})
		return
	}
	if check == nil {
		return
	}
	if problem := check(text); problem != "" {
		v.add(field, problem, "")
	}
}
