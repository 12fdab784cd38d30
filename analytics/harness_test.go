package analytics

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/embedded/clickhouse/clickhousetest"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

// testDSN gives a fresh database of the embedded engine, or of the server that
// POSTHORN_TEST_CLICKHOUSE names.
func testDSN(t testing.TB) string {
	t.Helper()
	server := os.Getenv("POSTHORN_TEST_CLICKHOUSE")
	if server == "" {
		return clickhousetest.Database(t)
	}
	admin, err := Open(t.Context(), server)
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("test_%d", time.Now().UnixNano())
	if err := admin.Exec(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = admin.Exec(context.Background(), "DROP DATABASE "+name)
		_ = admin.Close()
	})
	return strings.TrimSuffix(server, "/default") + "/" + name
}

// migrated opens a fresh database with all tables.
func migrated(t testing.TB) driver.Conn {
	t.Helper()
	conn := opened(t, testDSN(t))
	if _, err := Migrate(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	return conn
}

func opened(t testing.TB, dsn string) driver.Conn {
	t.Helper()
	conn, err := Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// cluster is a Kafka with the topics of the sink.
func cluster(t testing.TB, partitions int32) kafka.Config {
	t.Helper()
	return kafka.Config{Brokers: kafkaOf(t, partitions).ListenAddrs()}
}

func kafkaOf(t testing.TB, partitions int32) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1),
		kfake.SeedTopics(partitions, append(SinkTopics(), schemas.TopicDeadLetters)...),
		kfake.GroupMinSessionTimeout(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func producer(t testing.TB, cfg kafka.Config, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	p, err := kafka.NewProducer(cfg, append([]kgo.Opt{kgo.RecordPartitioner(kgo.ManualPartitioner())}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func produce(t testing.TB, p *kgo.Client, recs ...*kgo.Record) {
	t.Helper()
	if err := p.ProduceSync(t.Context(), recs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

var serde = schemas.NewLocalSerde()

// epoch is recent, since tables forget what is older than 400 days.
var epoch = schemas.FromTime(time.Now().Add(-48 * time.Hour).Truncate(24 * time.Hour))

// event makes the n-th of a series of events with distinct ids.
func event(n int) *schemas.Event {
	at := epoch + schemas.Timestamp(n)*1000
	e := &schemas.Event{
		EventID:     numbered(n),
		RecipientID: numbered(n % 97),
		Tenant:      "default", Account: "acc", Source: "mj", Provider: "mailjet",
		Type: schemas.EventTypeOpened, ProviderType: "open",
		OccurredAt: at, ReceivedAt: at, ArrivedAt: at,
		MessageID: fmt.Sprint(19421777835146490 + n/3), CampaignID: fmt.Sprint(n % 7), CampaignName: "spring",
		RecipientDomain: "example.org", UserAgent: "Mozilla/5.0", Country: "FR",
		Machine: schemas.MachineHuman,
	}
	e.RawRef.WebhookID = numbered(n)
	return e
}

func numbered(n int) (id schemas.ID) {
	for i := range 8 {
		id[15-i] = byte(n >> (8 * i))
	}
	id[0] = 0xa1
	return id
}

func eventRecord(n int, partitions int32) *kgo.Record {
	return &kgo.Record{Topic: schemas.TopicEvents, Partition: int32(n) % partitions, Value: serde.Append(nil, schemas.TopicEvents, event(n))}
}

// running starts a sink and returns the function that stops it.
func running(t testing.TB, cfg SinkConfig) (*Sink, func() error) {
	t.Helper()
	if cfg.Serde == nil {
		cfg.Serde = serde
	}
	if cfg.SessionTimeout == 0 {
		cfg.SessionTimeout = time.Second
	}
	if cfg.RetryLimit == 0 {
		cfg.RetryLimit = 200 * time.Millisecond
	}
	if cfg.Logger == nil && testing.Verbose() {
		cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	s, err := NewSink(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stopped := false
	stop := func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-done
	}
	t.Cleanup(func() { _ = stop() })
	return s, stop
}

// eventually polls until f says nothing.
func eventually(t testing.TB, f func() string) {
	t.Helper()
	deadline := time.After(60 * time.Second)
	for {
		problem := f()
		if problem == "" {
			return
		}
		select {
		case <-deadline:
			t.Fatal(problem)
		case <-time.After(30 * time.Millisecond):
		}
	}
}

func number(t testing.TB, conn driver.Conn, query string, args ...any) uint64 {
	t.Helper()
	var n uint64
	if err := conn.QueryRow(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func counts(t testing.TB, conn driver.Conn, want int) {
	t.Helper()
	eventually(t, func() string {
		if n := number(t, conn, "SELECT count() FROM events"); n < uint64(want) {
			return fmt.Sprintf("%d of %d events", n, want)
		}
		return ""
	})
	if n, u := number(t, conn, "SELECT count() FROM events"), number(t, conn, "SELECT uniqExact(event_id) FROM events"); n != uint64(want) || u != uint64(want) {
		t.Fatalf("%d rows with %d ids, want %d", n, u, want)
	}
}
