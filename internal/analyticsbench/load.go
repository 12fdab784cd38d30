package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

// loadSpec says what is loaded.
type loadSpec struct {
	Seed   uint64
	Events int64 // in the tables
	Tail   int64 // after them, in a file
	Days   float64
}

// manifest tells what a directory holds.
type manifest struct {
	Load     loadSpec
	Schema   uint64 // of the records of the tail
	Origin   time.Time
	Messages uint64
	Records  map[string]int64 // produced, by topic
	Took     time.Duration
	CPU      float64 // seconds, of all that the load did
}

func (m *manifest) end() time.Time {
	return m.Origin.Add(time.Duration(m.Load.Days * float64(24*time.Hour)))
}

func readManifest(dir string) (*manifest, error) {
	text, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m := new(manifest)
	if err := json.Unmarshal(text, m); err != nil {
		return nil, fmt.Errorf("reading what %s holds: %w", dir, err)
	}
	return m, nil
}

// The timeline is a little longer than needed, since how much is made varies.
const slack = 1.06

func worldEvents(s loadSpec) int64 { return int64(float64(s.Events+s.Tail) * slack) }
func worldDays(s loadSpec) float64 {
	return s.Days * float64(s.Events+s.Tail) / float64(s.Events) * slack
}

// Transactions hold that many events: of stages that catch up, in a load, and of
// live ones at 10,000 events/s.
const (
	batchLoading = 20_000
	batchLive    = 1000
)

// load fills the directory: events through the stages, what they derive through
// the sink into the engine, and the tail into its file.
func load(ctx context.Context, dir string, spec loadSpec) error {
	began, used := time.Now(), ownCPU()
	m := &manifest{Load: spec, Schema: recordSchemas(), Records: map[string]int64{}}
	days := worldDays(spec) / slack
	m.Origin = time.Now().Add(-time.Duration(days*float64(24*time.Hour)) - time.Hour).UTC().Truncate(24 * time.Hour)

	e, err := openEngine(ctx, filepath.Join(dir, "clickhouse"))
	if err != nil {
		return err
	}
	defer e.close()
	if _, err := analytics.Migrate(ctx, e.conn); err != nil {
		return err
	}
	tail, err := createTail(filepath.Join(dir, "tail"), analytics.SinkTopics())
	if err != nil {
		return err
	}
	l, err := newLoader(e.conn)
	if err != nil {
		return err
	}
	defer l.cluster.Close()
	p, err := newPipeline()
	if err != nil {
		return err
	}
	g := newGenerator(spec.Seed, worldEvents(spec), worldDays(spec), m.Origin)
	group, ctx := errgroup.WithContext(ctx)
	running, stop := context.WithCancel(ctx)
	group.Go(func() error { return l.sink.Run(running) })
	group.Go(func() error {
		defer stop()
		return l.fill(ctx, g, p, spec, tail, m)
	})
	if err := errors.Join(group.Wait(), tail.close()); err != nil {
		return err
	}
	if err := settle(context.WithoutCancel(ctx), e.conn); err != nil {
		return err
	}
	m.Messages, m.Took, m.CPU = g.messages, time.Since(began), ownCPU()-used
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := e.close(); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "manifest.json"), text, 0o644)
}

// loader brings records into ClickHouse by the sink, through a Kafka that forgets
// what is done.
type loader struct {
	cluster  *kfake.Cluster
	producer *kgo.Client
	admin    *kadm.Client
	sink     *analytics.Sink
	topics   map[string]*produced
	failed   atomic.Pointer[error]
}

// produced is how long the partitions of a topic are.
type produced struct{ ends [partitions]int64 }

// maxLead is how many records the producer may be ahead of the sink.
const maxLead = 500_000

func newLoader(conn driver.Conn) (*loader, error) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(100*time.Millisecond),
		kfake.SeedTopics(partitions, append(analytics.SinkTopics(), schemas.TopicDeadLetters)...))
	if err != nil {
		return nil, err
	}
	cfg := kafka.Config{Brokers: cluster.ListenAddrs()}
	l := &loader{cluster: cluster, topics: map[string]*produced{}}
	for _, t := range analytics.SinkTopics() {
		l.topics[t] = &produced{}
	}
	if l.producer, err = newProducer(cfg, kgo.ProducerBatchCompression(kgo.NoCompression())); err != nil {
		return nil, err
	}
	l.admin = kadm.NewClient(l.producer)
	l.sink, err = analytics.NewSink(analytics.SinkConfig{Kafka: cfg, Serde: serde, Conn: conn, Logger: warnings()})
	return l, err
}

// newProducer makes one for records that know their partition.
func newProducer(cfg kafka.Config, opts ...kgo.Opt) (*kgo.Client, error) {
	return kafka.NewProducer(cfg, append([]kgo.Opt{
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(1 << 20), kgo.RecordDeliveryTimeout(2 * time.Minute),
	}, opts...)...)
}

func warnings() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// fill makes the events, and returns when all that is to be in the tables is.
func (l *loader) fill(ctx context.Context, g *generator, p *pipeline, spec loadSpec, tail *tailWriter, m *manifest) error {
	bar := newProgress("load", float64(spec.Events+spec.Tail), "events")
	size := func(made int64) int64 {
		if made >= spec.Events {
			return batchLive
		}
		return min(batchLoading, spec.Events-made)
	}
	done := int64(0)
	err := p.batches(ctx, g, size, spec.Events+spec.Tail, func(b *batch) error {
		if done += b.events; done > spec.Events {
			bar.at(float64(done), "the tail")
			return tail.add(b.events, b.out)
		}
		for _, rec := range b.out {
			if t := l.topics[rec.Topic]; t != nil {
				t.ends[rec.Partition]++
				m.Records[rec.Topic]++
				l.producer.Produce(ctx, rec, func(_ *kgo.Record, err error) {
					if err != nil {
						l.failed.CompareAndSwap(nil, &err)
					}
				})
			}
		}
		lead, err := l.wait(ctx, maxLead)
		bar.at(float64(done), fmt.Sprintf("%s records are not in ClickHouse", short(float64(lead))))
		return err
	})
	if err == nil {
		err = l.producer.Flush(ctx)
	}
	if err == nil {
		_, err = l.wait(ctx, 0)
	}
	bar.end(float64(done), "")
	return err
}

// wait returns when the sink is that far behind at most, and has Kafka forget
// what is in ClickHouse.
func (l *loader) wait(ctx context.Context, limit int64) (lead int64, err error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		forget := kadm.Offsets{}
		lead = 0
		positions := map[string]map[int32]int64{}
		for _, lane := range l.sink.Status().Lanes {
			positions[lane.Topic] = lane.Positions
		}
		for topic, t := range l.topics {
			for n, end := range t.ends {
				at := positions[topic][int32(n)]
				lead += end - at
				if at > 0 {
					forget.Add(kadm.Offset{Topic: topic, Partition: int32(n), At: at})
				}
			}
		}
		if err := l.failed.Load(); err != nil {
			return lead, fmt.Errorf("producing: %w", *err)
		}
		if lead <= limit {
			return lead, nil
		}
		if _, err := l.admin.DeleteRecords(ctx, forget); err != nil && ctx.Err() == nil {
			return lead, fmt.Errorf("deleting records: %w", err)
		}
		select {
		case <-ctx.Done():
			return lead, ctx.Err()
		case <-tick.C:
		}
	}
}

// settle waits until the merges that follow a load are done: what a running
// installation has behind it.
func settle(ctx context.Context, conn driver.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	bar := newProgress("merges", 1, "")
	for quiet := 0; quiet < 8; {
		var merges uint64
		if err := conn.QueryRow(ctx, `SELECT count() FROM system.merges`).Scan(&merges); err != nil {
			if ctx.Err() != nil {
				return nil // enough: merges of large parts may take their time
			}
			return fmt.Errorf("waiting for merges: %w", err)
		}
		if quiet++; merges > 0 {
			quiet = 0
		}
		bar.at(0, fmt.Sprintf("%d running", merges))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(500 * time.Millisecond):
		}
	}
	return nil
}

// recordSchemas tells the records of this build from those of another.
func recordSchemas() uint64 {
	h := uint64(14695981039346656037)
	for _, rec := range []schemas.Record{new(schemas.Event), new(schemas.Message), new(schemas.CampaignStatistics), new(schemas.Suppression), new(schemas.BreakdownDelta)} {
		for _, c := range []byte(rec.AvroSchema()) {
			h = (h ^ uint64(c)) * 1099511628211
		}
	}
	return h
}
