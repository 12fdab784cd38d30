package reference_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/internal/embedded/clickhouse/clickhousetest"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/processor/campaign"
	"github.com/posthorn/posthorn/processor/engagement"
	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/stream/streamtest"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

const partitions = 3

var serde = schemas.NewLocalSerde()

// derive runs engagement and campaign on events, and returns their outputs by
// topic.
func derive(t testing.TB, events []schemas.Event) map[string][]*kgo.Record {
	t.Helper()
	in := make([]*kgo.Record, len(events))
	for i := range events {
		e := &events[i]
		in[i] = &kgo.Record{Topic: schemas.TopicEventsByRecipient, Partition: kafka.PartitionFor(e.RecipientID[:], partitions),
			Key: e.RecipientID[:], Value: serde.Append(nil, schemas.TopicEventsByRecipient, e)}
	}
	out := map[string][]*kgo.Record{}
	runStage(t, engagement.Stage(engagement.Config{Serde: serde, Rules: trigger.NewLive(nil)}), in, out)
	runStage(t, campaign.Stage(campaign.Config{Serde: serde, Rules: trigger.NewLive(nil)}), out[schemas.TopicCampaignDeltas], out)
	return out
}

func runStage(t testing.TB, stage stream.Stage, in []*kgo.Record, out map[string][]*kgo.Record) {
	t.Helper()
	for p := range int32(partitions) {
		d, err := streamtest.New(stage, p)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, rec := range in {
			if rec.Partition != p {
				continue
			}
			copied := *rec
			if err := d.Process(&copied); err != nil {
				t.Fatal(err)
			}
			if n++; n%700 == 0 {
				commit(t, d, out)
			}
		}
		commit(t, d, out)
	}
}

func commit(t testing.TB, d *streamtest.Driver, out map[string][]*kgo.Record) {
	t.Helper()
	if err := d.Commit(); err != nil {
		t.Fatal(err)
	}
	for _, rec := range d.Out {
		if rec.Partition < 0 {
			rec.Partition = kafka.PartitionFor(rec.Key, partitions)
		}
		out[rec.Topic] = append(out[rec.Topic], rec)
	}
	d.Out = nil
}

// served is the whole way behind the webhooks: stages, sink, database, API.
type served struct {
	t    testing.TB
	conn driver.Conn
	api  *analytics.API
}

// serve derives everything from events, has the sink write it, and serves it.
func serve(t testing.TB, events []schemas.Event) *served {
	t.Helper()
	conn, err := analytics.Open(t.Context(), clickhousetest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := analytics.Migrate(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, append(analytics.SinkTopics(), schemas.TopicDeadLetters)...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	brokers := kafka.Config{Brokers: cluster.ListenAddrs()}
	produce(t, brokers, derive(t, events))
	sinkAll(t, brokers, conn)
	return &served{t, conn, apiOf(conn)}
}

func produce(t testing.TB, brokers kafka.Config, out map[string][]*kgo.Record) {
	t.Helper()
	p, err := kafka.NewProducer(brokers, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	wanted := map[string]bool{}
	for _, topic := range analytics.SinkTopics() {
		wanted[topic] = true
	}
	for topic, records := range out {
		for len(records) > 0 && wanted[topic] {
			n := min(50, len(records)) // breakdown deltas are large
			copies := make([]*kgo.Record, n)
			for i, rec := range records[:n] {
				copies[i] = &kgo.Record{Topic: topic, Partition: rec.Partition, Key: rec.Key, Value: rec.Value, Headers: rec.Headers}
			}
			records = records[n:]
			if err := p.ProduceSync(t.Context(), copies...).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// sinkAll runs a sink until it has written everything that there is.
func sinkAll(t testing.TB, brokers kafka.Config, conn driver.Conn) {
	t.Helper()
	sink, err := analytics.NewSink(analytics.SinkConfig{Kafka: brokers, Serde: serde, Conn: conn})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- sink.Run(ctx) }()
	adm, closeAdmin, err := kafka.NewAdmin(brokers)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAdmin()
	deadline := time.After(3 * time.Minute)
	for behind := "not asked yet"; behind != ""; {
		select {
		case err := <-done:
			t.Fatalf("the sink has ended: %v", err)
		case <-deadline:
			t.Fatal("the sink is behind: ", behind)
		case <-time.After(200 * time.Millisecond):
			behind = lag(t, adm)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// lag says which topics the sink has not read to their ends.
func lag(t testing.TB, adm *kadm.Client) (behind string) {
	t.Helper()
	ends, err := adm.ListCommittedOffsets(t.Context(), analytics.SinkTopics()...)
	if err != nil {
		t.Fatal(err)
	}
	groups, err := adm.ListGroups(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]map[int32]int64{}
	for _, group := range groups.Groups() {
		offsets, err := adm.FetchOffsets(t.Context(), group)
		if err != nil {
			t.Fatal(err)
		}
		offsets.Each(func(o kadm.OffsetResponse) {
			if at[o.Topic] == nil {
				at[o.Topic] = map[int32]int64{}
			}
			at[o.Topic][o.Partition] = max(at[o.Topic][o.Partition], o.At)
		})
	}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > at[o.Topic][o.Partition] {
			behind += fmt.Sprintf("%s/%d at %d of %d; ", o.Topic, o.Partition, at[o.Topic][o.Partition], o.Offset)
		}
	})
	return behind
}

// get asks the API and decodes its answer.
func (s *served) get(path string, into any) {
	s.t.Helper()
	w := httptest.NewRecorder()
	s.api.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	if w.Code != http.StatusOK {
		s.t.Fatalf("%s: %d %s", path, w.Code, strings.TrimSpace(w.Body.String()))
	}
	if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
		s.t.Fatalf("%s: %v", path, err)
	}
}

func apiOf(conn driver.Conn) *analytics.API {
	return analytics.NewAPI(analytics.APIConfig{Conn: conn, Timeout: time.Minute})
}

// know says which mailbox providers serve domains.
func (s *served) know(t testing.TB, providers map[string]string) {
	t.Helper()
	if err := s.conn.Exec(t.Context(), "TRUNCATE TABLE mailbox_providers"); err != nil {
		t.Fatal(err)
	}
	for domain, name := range providers {
		if err := s.conn.Exec(t.Context(), "INSERT INTO mailbox_providers (domain, provider, told_by, looked_up_at) VALUES (?, ?, 'table', now())", domain, name); err != nil {
			t.Fatal(err)
		}
	}
}
