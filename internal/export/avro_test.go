package export

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/linkedin/goavro/v2"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

const partitions = 3

var serde = schemas.NewLocalSerde()

// topics is a Kafka with n events.
func topics(t *testing.T, n int) kafka.Config {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, schemas.TopicEvents))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	cfg := kafka.Config{Brokers: c.ListenAddrs()}
	p, err := kafka.NewProducer(cfg, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var recs []*kgo.Record
	for i := range n {
		recs = append(recs, &kgo.Record{Topic: schemas.TopicEvents, Partition: int32(i % partitions), Value: serde.Append(nil, schemas.TopicEvents, event(i))})
	}
	if err := p.ProduceSync(t.Context(), recs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	return cfg
}

func event(n int) *schemas.Event {
	at := schemas.FromTime(epoch.Add(time.Duration(n) * time.Minute))
	e := &schemas.Event{
		Tenant: "default", Account: "a", Source: "mj", Provider: "mailjet", Type: schemas.EventTypeOpened, ProviderType: "open",
		OccurredAt: at, ReceivedAt: at, ArrivedAt: at, CampaignID: fmt.Sprint(n % 2), MessageID: fmt.Sprint(n), Machine: schemas.MachineHuman,
	}
	e.EventID[14], e.EventID[15] = byte(n>>8), byte(n)
	return e
}

// readOCF reads a file with goavro and gives the ids of its messages in order.
func readOCF(t *testing.T, text []byte) (ids []string) {
	t.Helper()
	r, err := goavro.NewOCFReader(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for r.Scan() {
		v, err := r.Read()
		if err != nil {
			t.Fatal(err)
		}
		m := v.(map[string]any)
		id := m["message_id"].(string)
		var n int
		if _, err := fmt.Sscan(id, &n); err != nil {
			t.Fatal(err)
		}
		if want := event(n); m["received_at"].(time.Time) != want.ReceivedAt.Time() || m["type"] != "opened" || !bytes.Equal(m["event_id"].([]byte), want.EventID[:]) {
			t.Fatalf("event %d is %v", n, m)
		}
		ids = append(ids, id)
	}
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return ids
}

func TestAvroReadBack(t *testing.T) {
	cfg := Config{Table: "events", Format: Avro, Kafka: topics(t, 500), Serde: serde, Tenant: "default"}
	for _, c := range []struct {
		name   string
		change func(*Config)
		rows   int
	}{
		{"all", func(*Config) {}, 500},
		{"campaign", func(c *Config) { c.Campaign = "1" }, 250},
		{"time", func(c *Config) { c.Since, c.Until = epoch.Add(time.Hour), epoch.Add(2*time.Hour) }, 60},
		{"none", func(c *Config) { c.Tenant = "another" }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := cfg
			cfg.Out = filepath.Join(t.TempDir(), "x.avro")
			c.change(&cfg)
			r, text := exported(t, cfg)
			if ids := readOCF(t, []byte(text)); len(ids) != c.rows || r.Rows != int64(c.rows) {
				t.Errorf("%d records, %d rows", len(ids), r.Rows)
			}
		})
	}
}

func TestKilledAvroIsTheSame(t *testing.T) {
	cfg := Config{Table: "events", Format: Avro, Kafka: topics(t, 500), Serde: serde, ChunkRows: 40}
	for seed := range uint64(3) {
		dir := t.TempDir()
		whole, cut := cfg, cfg
		whole.Out, cut.Out = filepath.Join(dir, "whole"), filepath.Join(dir, "cut")
		_, text := exported(t, whole)
		kills := broken(t, cut, rand.New(rand.NewPCG(seed, 3)))
		got, err := os.ReadFile(cut.Out)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := readOCF(t, []byte(text)), readOCF(t, got); strings.Join(a, " ") != strings.Join(b, " ") || len(a) != 500 || kills == 0 {
			t.Errorf("%d and %d records after %d kills", len(a), len(b), kills)
		}
	}
}

func TestAvroToStandardOutput(t *testing.T) {
	var out bytes.Buffer
	_, err := Run(t.Context(), Config{Table: "events", Format: Avro, Kafka: topics(t, 100), Serde: serde, Out: "-", Stdout: &out, ChunkRows: 9})
	if err != nil {
		t.Fatal(err)
	}
	if ids := readOCF(t, out.Bytes()); len(ids) != 100 {
		t.Errorf("%d records", len(ids))
	}
}

func TestBadRecordIsNamed(t *testing.T) {
	kc := topics(t, 3)
	p, err := kafka.NewProducer(kc, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.ProduceSync(t.Context(), &kgo.Record{Topic: schemas.TopicEvents, Partition: 1, Value: []byte("no Avro")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	_, err = Run(t.Context(), Config{Table: "events", Format: Avro, Kafka: kc, Serde: serde, Out: filepath.Join(t.TempDir(), "x")})
	if err == nil || !strings.Contains(err.Error(), "posthorn.events partition 1 offset 1") {
		t.Error(err)
	}
}
