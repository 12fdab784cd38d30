package config

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Setting is a scalar of the configuration that a variable, and mostly a flag,
// can set too.
type Setting struct {
	// Path is its place in the file, such as kafka.brokers.
	Path string
	// Flag is its name on the command line; empty: none.
	Flag  string
	Usage string
	value func(c *Config, fs *pflag.FlagSet, path string)
}

// Env is the name of its environment variable.
func (s Setting) Env() string {
	return "POSTHORN_" + strings.ToUpper(strings.ReplaceAll(s.Path, ".", "_"))
}

// Settings lists them all, in the file's order.
func Settings() []Setting {
	text := func(field func(*Config) *string) func(*Config, *pflag.FlagSet, string) {
		return func(c *Config, fs *pflag.FlagSet, path string) { fs.StringVar(field(c), path, *field(c), "") }
	}
	number := func(field func(*Config) *int) func(*Config, *pflag.FlagSet, string) {
		return func(c *Config, fs *pflag.FlagSet, path string) { fs.IntVar(field(c), path, *field(c), "") }
	}
	items := func(field func(*Config) *[]string) func(*Config, *pflag.FlagSet, string) {
		return func(c *Config, fs *pflag.FlagSet, path string) { fs.Var(list{field(c)}, path, "") }
	}
	size := func(field func(*Config) *Size) func(*Config, *pflag.FlagSet, string) {
		return func(c *Config, fs *pflag.FlagSet, path string) { fs.Var(field(c), path, "") }
	}
	return []Setting{
		{"tenant", "tenant", "tenant that owns all sources", text(func(c *Config) *string { return &c.Tenant })},
		{"recipient_secret", "", "", func(c *Config, fs *pflag.FlagSet, path string) {
			fs.Var(secretValue{&c.RecipientSecret}, path, "")
		}},
		{"time_zone", "", "", text(func(c *Config) *string { return &c.TimeZone })},
		{"data", "data", "data directory", text(func(c *Config) *string { return &c.Data })},
		{"log.level", "log-level", "debug, info, warn or error", text(func(c *Config) *string { return &c.Log.Level })},
		{"log.format", "log-format", "text or json", text(func(c *Config) *string { return &c.Log.Format })},
		{"kafka.brokers", "brokers", "Kafka brokers, host:port, comma separated", items(func(c *Config) *[]string { return &c.Kafka.Brokers })},
		{"kafka.partitions", "partitions", "partitions of new topics (never changed later)", number(func(c *Config) *int { return &c.Kafka.Partitions })},
		{"kafka.replication", "replication", "replication factor of new topics", number(func(c *Config) *int { return &c.Kafka.Replication })},
		{"kafka.listen", "", "", text(func(c *Config) *string { return &c.Kafka.Listen })},
		{"kafka.group_protocol", "", "", text(func(c *Config) *string { return &c.Kafka.GroupProtocol })},
		{"kafka.sync_writes", "", "", func(c *Config, fs *pflag.FlagSet, path string) {
			fs.BoolVar(&c.Kafka.SyncWrites, path, c.Kafka.SyncWrites, "")
		}},
		{"registry.url", "registry", "URL of the schema registry", text(func(c *Config) *string { return &c.Registry.URL })},
		{"registry.listen", "", "", text(func(c *Config) *string { return &c.Registry.Listen })},
		{"clickhouse.dsn", "clickhouse", "ClickHouse DSN, such as clickhouse://user:password@host:9000/posthorn", text(func(c *Config) *string { return &c.ClickHouse.DSN })},
		{"clickhouse.cluster", "", "", text(func(c *Config) *string { return &c.ClickHouse.Cluster })},
		{"clickhouse.listen", "", "", text(func(c *Config) *string { return &c.ClickHouse.Listen })},
		{"clickhouse.sql_listen", "", "", text(func(c *Config) *string { return &c.ClickHouse.SQLListen })},
		{"clickhouse.library", "", "", text(func(c *Config) *string { return &c.ClickHouse.Library })},
		{"gateway.listen", "listen", "address of the gateway", text(func(c *Config) *string { return &c.Gateway.Listen })},
		{"gateway.max_body", "", "", size(func(c *Config) *Size { return &c.Gateway.MaxBody })},
		{"gateway.byte_budget", "", "", size(func(c *Config) *Size { return &c.Gateway.ByteBudget })},
		{"gateway.drain", "", "", func(c *Config, fs *pflag.FlagSet, path string) {
			fs.DurationVar(&c.Gateway.Drain, path, c.Gateway.Drain, "")
		}},
		{"gateway.drain_delay", "", "", func(c *Config, fs *pflag.FlagSet, path string) {
			fs.DurationVar(&c.Gateway.DrainDelay, path, c.Gateway.DrainDelay, "")
		}},
		{"gateway.spool.enabled", "", "", func(c *Config, fs *pflag.FlagSet, path string) { fs.Var(&c.Gateway.Spool.Enabled, path, "") }},
		{"gateway.spool.dir", "", "", text(func(c *Config) *string { return &c.Gateway.Spool.Dir })},
		{"gateway.spool.max_size", "", "", size(func(c *Config) *Size { return &c.Gateway.Spool.MaxSize })},
		{"gateway.spool.min_free_disk", "", "", size(func(c *Config) *Size { return &c.Gateway.Spool.MinFreeDisk })},
		{"processor.stages", "stages", "stages to run", items(func(c *Config) *[]string { return &c.Processor.Stages })},
		{"processor.instance", "instance", "stable name of this process in the cluster", text(func(c *Config) *string { return &c.Processor.Instance })},
		{"processor.commit_interval", "", "", func(c *Config, fs *pflag.FlagSet, path string) {
			fs.DurationVar(&c.Processor.CommitInterval, path, c.Processor.CommitInterval, "")
		}},
		{"processor.state_dir", "", "", text(func(c *Config) *string { return &c.Processor.StateDir })},
		{"processor.state_cache", "", "", size(func(c *Config) *Size { return &c.Processor.StateCache })},
		{"processor.min_free_disk", "", "", size(func(c *Config) *Size { return &c.Processor.MinFreeDisk })},
		{"processor.session_timeout", "", "", func(c *Config, fs *pflag.FlagSet, path string) {
			fs.DurationVar(&c.Processor.SessionTimeout, path, c.Processor.SessionTimeout, "")
		}},
		{"processor.message_horizon", "", "", func(c *Config, fs *pflag.FlagSet, path string) {
			fs.DurationVar(&c.Processor.MessageHorizon, path, c.Processor.MessageHorizon, "")
		}},
		{"delivery.timeout", "", "", func(c *Config, fs *pflag.FlagSet, path string) {
			fs.DurationVar(&c.Delivery.Timeout, path, c.Delivery.Timeout, "")
		}},
		{"delivery.disable_after", "", "", func(c *Config, fs *pflag.FlagSet, path string) {
			fs.DurationVar(&c.Delivery.DisableAfter, path, c.Delivery.DisableAfter, "")
		}},
		{"processor.geo_database", "", "", text(func(c *Config) *string { return &c.Processor.GeoDatabase })},
		{"processor.window_retention", "", "", func(c *Config, fs *pflag.FlagSet, path string) {
			fs.DurationVar(&c.Processor.WindowRetention, path, c.Processor.WindowRetention, "")
		}},
		{"api.listen", "api", "address of the HTTP API", text(func(c *Config) *string { return &c.API.Listen })},
		{"analytics.mx_lookup", "", "", func(c *Config, fs *pflag.FlagSet, path string) {
			fs.BoolVar(&c.Analytics.MXLookup, path, c.Analytics.MXLookup, "")
		}},
		{"metrics.listen", "metrics", "address of /metrics and /readyz", text(func(c *Config) *string { return &c.Metrics.Listen })},
		{"metrics.pprof", "", "", func(c *Config, fs *pflag.FlagSet, path string) {
			fs.BoolVar(&c.Metrics.Pprof, path, c.Metrics.Pprof, "")
		}},
		{"rules", "rules", "rule files or globs", items(func(c *Config) *[]string { return &c.Rules })},
	}
}

// flag keeps what the command line says until file and environment are read.
type flag struct {
	kind string
	text string
}

func (f *flag) String() string { return f.text }
func (f *flag) Type() string   { return f.kind }
func (f *flag) Set(text string) error {
	if f.kind == "list" && f.text != "" {
		text = f.text + "," + text
	}
	f.text = text
	return nil
}

// AddFlags puts the named flags, or all, on a command, with their defaults and
// variables in the help text.
func AddFlags(to *pflag.FlagSet, names ...string) {
	values := bind(Default())
	for _, s := range Settings() {
		if s.Flag == "" || (len(names) > 0 && !slices.Contains(names, s.Flag)) {
			continue
		}
		v := values.Lookup(s.Path)
		usage := fmt.Sprintf("%s (env %s", s.Usage, s.Env())
		if v.DefValue != "" {
			usage += ", default " + v.DefValue
		}
		to.Var(&flag{kind: v.Value.Type()}, s.Flag, usage+")")
	}
}

// bind makes a flag set, one flag a setting, that writes into c.
func bind(c *Config) *pflag.FlagSet {
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	for _, s := range Settings() {
		s.value(c, fs, s.Path)
	}
	return fs
}

// overlay sets in c what the environment and then the command line say.
func overlay(c *Config, command *pflag.FlagSet) []error {
	var errs []error
	values := bind(c)
	set := func(from, path, text string) {
		if err := values.Lookup(path).Value.Set(text); err != nil {
			errs = append(errs, &FieldError{Field: path, Problem: fmt.Sprintf("%s: %v", from, err)})
		}
	}
	for _, s := range Settings() {
		if text, ok := os.LookupEnv(s.Env()); ok && text != "" {
			set("environment variable "+s.Env(), s.Path, text)
		}
		if command == nil || s.Flag == "" {
			continue
		}
		if f := command.Lookup(s.Flag); f != nil && f.Changed {
			set("flag --"+s.Flag, s.Path, f.Value.String())
		}
	}
	return errs
}
