package analytics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
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
				cfg: cfg, target: t, number: n, metrics: s.metrics,
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

var windowSetting = regexp.MustCompile(`deduplication_window = (\d+)`)

// checkTables finds the tables to write to and refuses those that would not
// drop a repeated insert.
func (s *Sink) checkTables(ctx context.Context) error {
	if err := CheckMigrated(ctx, s.cfg.Conn); err != nil {
		return err
	}
	for i, l := range s.lanes {
		if l.number > 0 {
			l.target.tables = s.lanes[i-1].target.tables
			continue
		}
		l.target.tables = nil
		for _, name := range l.target.names {
			table := name
			if l.target.derived() {
				var err error
				if table, err = PhysicalTable(ctx, s.cfg.Conn, s.cfg.Generation, name); err != nil {
					return err
				}
			}
			if err := s.checkWindow(ctx, table); err != nil {
				return err
			}
			l.target.tables = append(l.target.tables, table)
		}
	}
	return nil
}

func (s *Sink) checkWindow(ctx context.Context, table string) error {
	var engine string
	err := s.cfg.Conn.QueryRow(ctx, `SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = ?`, table).Scan(&engine)
	if err != nil {
		return fmt.Errorf("describing table %s: %w", table, err)
	}
	window := 0
	if found := windowSetting.FindStringSubmatch(engine); found != nil {
		window, _ = strconv.Atoi(found[1])
	}
	if need := 100 * s.cfg.Lanes; window < need {
		return fmt.Errorf("table %s remembers %d inserts, it must be at least %d: raise non_replicated_deduplication_window", table, window, need)
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
