package analytics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"golang.org/x/sync/errgroup"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

// SinkConfig configures a Sink. Kafka, Serde and Conn are required.
type SinkConfig struct {
	Kafka kafka.Config
	Serde *schemas.Serde
	Conn  driver.Conn
	// Shards are the connections to the shards of a cluster, in their order; none
	// on a single node. There are as many lanes as shards.
	Shards []driver.Conn

	// Lanes is the number of lanes of every topic: partition p belongs to lane
	// p % Lanes. It cannot change once something was read. The default is 1.
	Lanes int
	// Topics are what is read; the default is GenerationTopics(Generation).
	Topics []string
	// InstanceID, where set, makes the members static: a restart takes its
	// lanes back at once. It must be unique among the running sinks and the
	// same after a restart.
	InstanceID string
	// Generation is the one whose topics are read; the default is the first.
	Generation schemas.Generation

	// MaxRows and MaxBytes bound a batch; the defaults are 100,000 and 64 MiB.
	MaxRows, MaxBytes int
	// Interval is how far apart batches of a lane begin under load (1 s);
	// Linger is how long the first record after a pause waits for others
	// (50 ms, on top of up to 200 ms in the fetch).
	Interval, Linger time.Duration
	// Idle is the pause after which a lane records that all is done (500 ms).
	Idle time.Duration
	// InsertTimeout bounds one attempt of an insert (60 s).
	InsertTimeout time.Duration
	// SessionTimeout is how long a dead owner keeps its lanes (10 s).
	SessionTimeout time.Duration
	// RetryLimit is the longest pause between attempts (10 s).
	RetryLimit time.Duration

	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

func (cfg *SinkConfig) setDefaults() error {
	if cfg.Serde == nil || cfg.Conn == nil {
		return errors.New("making sink: Serde and Conn are required")
	}
	orElse := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	orElse(&cfg.Interval, time.Second)
	orElse(&cfg.Linger, 50*time.Millisecond)
	orElse(&cfg.Idle, 500*time.Millisecond)
	orElse(&cfg.InsertTimeout, time.Minute)
	orElse(&cfg.SessionTimeout, kafka.DefaultSessionTimeout)
	orElse(&cfg.RetryLimit, 10*time.Second)
	if n := len(cfg.Shards); n > 0 {
		if cfg.Lanes > 0 && cfg.Lanes != n {
			return fmt.Errorf("making sink: %d lanes for %d shards: each shard has one", cfg.Lanes, n)
		}
		cfg.Lanes = n
	}
	if cfg.Lanes <= 0 {
		cfg.Lanes = 1
	}
	cfg.Generation = max(cfg.Generation, schemas.FirstGeneration)
	if len(cfg.Topics) == 0 {
		cfg.Topics = GenerationTopics(cfg.Generation)
	}
	if cfg.MaxRows <= 0 {
		cfg.MaxRows = 100_000
	}
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = 64 << 20
	}
	if cfg.MaxRows >= maxBlockRows || cfg.MaxBytes >= maxBlockBytes/4 {
		return fmt.Errorf("making sink: a batch must stay below %d rows and %d bytes", maxBlockRows, maxBlockBytes/4)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

func (cfg *SinkConfig) limits() limits {
	return limits{cfg.MaxRows, cfg.MaxBytes, cfg.Linger, cfg.Interval}
}

func (cfg *SinkConfig) backoff() *pause {
	return &pause{min(100*time.Millisecond, cfg.RetryLimit), cfg.RetryLimit}
}

// connOf is where a lane writes.
func (cfg *SinkConfig) connOf(lane int) driver.Conn {
	if n := len(cfg.Shards); n > 0 {
		return cfg.Shards[shardOf(lane, n)]
	}
	return cfg.Conn
}

// Sink brings the public topics into ClickHouse, each record exactly once.
// Several may run beside each other; each lane has one owner at a time.
type Sink struct {
	cfg     SinkConfig
	metrics *metrics
	lanes   []*lane
}

// NewSink makes a sink. Nothing runs before Run.
func NewSink(cfg SinkConfig) (*Sink, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	s := &Sink{cfg: cfg, metrics: newMetrics(cfg.Registerer)}
	known := map[string]target{}
	for _, t := range tables(cfg.Generation) {
		known[t.topic] = t
	}
	for _, topic := range cfg.Topics {
		t, ok := known[topic]
		if !ok {
			return nil, fmt.Errorf("making sink: there is no table for topic %s", topic)
		}
		for n := range cfg.Lanes {
			s.lanes = append(s.lanes, &lane{
				cfg: cfg, target: t, number: n, conn: cfg.connOf(n), metrics: s.metrics,
				log:   cfg.Logger.With("topic", topic, "lane", n),
				state: newLaneState(topic, n),
			})
		}
	}
	if cfg.Registerer != nil {
		cfg.Registerer.MustRegister(newLagCollector(s))
	}
	return s, nil
}

// Run reads and inserts until ctx ends, then returns nil. It refuses to start
// on pending migrations. It returns an error when going on would lose data: an
// offset that is out of range, a topic made anew.
func (s *Sink) Run(ctx context.Context) error {
	if err := s.checkTables(ctx); err != nil {
		return err
	}
	admin, closeAdmin, err := kafka.NewAdmin(s.cfg.Kafka)
	if err != nil {
		return err
	}
	defer closeAdmin()
	producer, err := kafka.NewProducer(s.cfg.Kafka)
	if err != nil {
		return err
	}
	defer producer.Close()
	letters := &deadLetters{producer, s.metrics, s.cfg.Logger}

	group, ctx := errgroup.WithContext(ctx)
	for _, l := range s.lanes {
		l.admin, l.letters = admin, letters
		group.Go(func() error { return l.run(ctx) })
	}
	group.Go(func() error { s.watchLag(ctx, admin); return nil })
	return group.Wait()
}

// checkTables finds the tables to write to and refuses those that would not
// drop a repeated insert.
func (s *Sink) checkTables(ctx context.Context) error {
	if err := CheckMigrated(ctx, s.cfg.Conn); err != nil {
		return err
	}
	layout, err := layoutOf(ctx, s.cfg.Conn)
	if err != nil {
		return err
	}
	if (layout.Cluster != "") != (len(s.cfg.Shards) > 0) {
		return fmt.Errorf("the tables were made for %s: set clickhouse.cluster as it was then", layout)
	}
	for _, l := range s.lanes {
		if err := s.checkLane(ctx, layout, l); err != nil {
			return err
		}
	}
	return nil
}

// checkLane finds and checks the tables of a lane, where it writes.
func (s *Sink) checkLane(ctx context.Context, layout Layout, l *lane) error {
	l.cluster, l.target.tables = layout.Cluster != "", nil
	for _, name := range l.target.names {
		table := layout.local(name)
		if l.target.derived() {
			var err error
			if table, err = layout.writtenTable(ctx, s.cfg.Conn, s.cfg.Generation, name); err != nil {
				return err
			}
		}
		if err := s.checkWindow(ctx, l.conn, table); err != nil {
			return err
		}
		l.target.tables = append(l.target.tables, table)
	}
	for i, b := range l.target.rows(l.target.tables).blocks() {
		if err := checkColumns(ctx, l.conn, l.target.tables[i], b.types()); err != nil {
			return err
		}
	}
	l.checked.Store(time.Now().UnixNano())
	return nil
}

// checkWindow refuses a table that forgets inserts too soon.
func (s *Sink) checkWindow(ctx context.Context, conn driver.Conn, table string) error {
	var engine string
	err := conn.QueryRow(ctx, `SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = ?`, table).Scan(&engine)
	if err != nil {
		return fmt.Errorf("describing table %s: %w", table, err)
	}
	if err := checkRemembered(engine, 100*s.cfg.Lanes); err != nil {
		return fmt.Errorf("table %s %w", table, err)
	}
	return nil
}

var tableSetting = regexp.MustCompile(`\b(\w+) = (\d+)`)

// checkRemembered tells whether a table of that engine remembers at least so many
// inserts; a replicated one must also remember them for as long as a sink may be
// away in the middle of a batch.
func checkRemembered(engine string, inserts int) error {
	set := map[string]int{}
	for _, found := range tableSetting.FindAllStringSubmatch(engine, -1) {
		set[found[1]], _ = strconv.Atoi(found[2])
	}
	setting, seconds := "non_replicated_deduplication_window", rememberedSeconds
	if strings.HasPrefix(engine, "Replicated") {
		setting = "replicated_deduplication_window"
		seconds = set[setting+"_seconds"]
	}
	if set[setting] < inserts {
		return fmt.Errorf("remembers %d inserts, it must be at least %d: raise %s (ALTER TABLE ... MODIFY SETTING)", set[setting], inserts, setting)
	}
	if seconds < rememberedSeconds {
		return fmt.Errorf("remembers inserts for %d seconds, it must be at least %d: raise %s_seconds (ALTER TABLE ... MODIFY SETTING)", seconds, rememberedSeconds, setting)
	}
	return nil
}

// watchLag asks Kafka now and then how long the topics are.
func (s *Sink) watchLag(ctx context.Context, admin *kadm.Client) {
	ticker := time.NewTicker(2 * time.Second)
	defer ticker.Stop()
	for {
		ends, err := admin.ListCommittedOffsets(ctx, s.cfg.Topics...)
		for _, l := range s.lanes {
			if err != nil {
				l.state.ends(nil)
				continue
			}
			at := map[int32]int64{}
			for p, o := range ends[l.target.topic] {
				if o.Err == nil {
					at[p] = o.Offset
				}
			}
			l.state.ends(at)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
