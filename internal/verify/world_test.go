package verify

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/internal/simulate"
	"github.com/posthorn/posthorn/processor/campaign"
	"github.com/posthorn/posthorn/processor/engagement"
	"github.com/posthorn/posthorn/processor/normalize"
	"github.com/posthorn/posthorn/processor/normalize/geo"
	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/stream/streamtest"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

const partitions = 3

const testRules = `
rules:
  - name: per-message
    within: {event: opened, of: send, duration: 24h}
  - name: per-recipient
    within: {event: clicked, of: opened, duration: 1h}
    once_per: recipient
    human_only: false
  - name: some-campaigns
    within: {event: opened, of: delivered, duration: 12h}
    when: message.campaign_name != "win-back" && event.machine != "proxy"
    once_per: campaign
  - name: old
    within: {event: opened, of: send, duration: 24h}
    max_age: 6h
  - name: watching
    within: {event: unsubscribed, of: send, duration: 7d}
    mode: shadow
`

// world is a Kafka in memory with webhooks, and what the stages make of them.
// The stages run here without the engine: the topics are what is verified.
type world struct {
	t        *testing.T
	kafka    kafka.Config
	cl       *kgo.Client
	adm      *kadm.Client
	serde    *schemas.Serde
	rules    *trigger.Set
	secret   []byte
	received []*schemas.Webhook
	// horizon and retention of the stages; 0: their defaults.
	horizon, retention time.Duration
	places             *geo.Database
}

func newWorld(t *testing.T) *world {
	t.Helper()
	rules, err := trigger.Parse("test.yaml", []byte(testRules))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, serde: schemas.NewLocalSerde(), rules: rules, secret: []byte("a secret of the tests")}
	w.start()
	return w
}

// again makes a world with the same webhooks at the same places, and no outputs.
func (w *world) again(t *testing.T) *world {
	other := &world{t: t, serde: w.serde, rules: w.rules, secret: w.secret, horizon: w.horizon, retention: w.retention}
	other.start()
	for _, rec := range w.webhooks() {
		copied := &kgo.Record{Topic: rec.Topic, Partition: rec.Partition, Value: rec.Value, Timestamp: rec.Timestamp}
		other.produce(copied)
	}
	return other
}

func (w *world) start() {
	t := w.t
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.BrokerConfigs(map[string]string{"message.max.bytes": "16777216"}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	w.kafka = kafka.Config{Brokers: cluster.ListenAddrs()}
	if w.cl, err = kgo.NewClient(kgo.SeedBrokers(w.kafka.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(12<<20)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.cl.Close)
	w.adm = kadm.NewClient(w.cl)
	topics := schemas.Catalogue(partitions, 1)
	for i := range topics {
		if topics[i].Name == schemas.TopicWebhooks {
			// So that a copy of the webhooks arrived when the original did.
			delete(topics[i].Config, "message.timestamp.type")
		}
		if _, err := w.adm.CreateTopic(context.Background(), partitions, 1, nil, topics[i].Name); err != nil {
			t.Fatal(err)
		}
	}
}

// simulated returns the bodies of a small simulation, some broken.
func (w *world) simulated(recipients int) (bodies []simulate.Body) {
	w.t.Helper()
	c := simulate.DefaultConfig(time.Now())
	c.Recipients, c.Malformed, c.Duplicates, c.Disorder = recipients, 0.1, 0.1, 0.1
	g, err := simulate.New(c)
	if err != nil {
		w.t.Fatal(err)
	}
	for {
		b, ok := g.Next(nil)
		if !ok {
			return bodies
		}
		bodies = append(bodies, b)
	}
}

func (w *world) post(bodies []simulate.Body) {
	now := time.Now()
	for _, b := range bodies {
		id, err := uuid.NewV7()
		if err != nil {
			w.t.Fatal(err)
		}
		w.received = append(w.received, &schemas.Webhook{
			ID: schemas.ID(id), Tenant: "default", Account: "mailjet", Source: "mailjet", Provider: "mailjet",
			ReceivedAt: schemas.FromTime(now), Body: slices.Clone(b.Data), CRC32C: schemas.Checksum(b.Data), Verified: "basic",
		})
	}
	w.produceWebhooks(w.received[len(w.received)-len(bodies):]...)
}

func (w *world) produceWebhooks(hooks ...*schemas.Webhook) { w.produceAt(time.Now(), hooks...) }

func (w *world) produceAt(arrival time.Time, hooks ...*schemas.Webhook) {
	for i, hook := range hooks {
		w.produce(&kgo.Record{
			Topic: schemas.TopicWebhooks, Partition: int32(i % partitions), Timestamp: arrival,
			Value: w.serde.Append(nil, schemas.TopicWebhooks, hook),
		})
	}
}

func (w *world) produce(records ...*kgo.Record) {
	w.t.Helper()
	if err := w.cl.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
}

// webhooks reads them back, with places and times.
func (w *world) webhooks() (records []*kgo.Record) {
	w.t.Helper()
	ctx := context.Background()
	v := &verifier{cfg: Config{Kafka: w.kafka}}
	start, end, err := bounds(ctx, w.adm, schemas.TopicWebhooks)
	if err != nil {
		w.t.Fatal(err)
	}
	err = v.read(ctx, schemas.TopicWebhooks, start, end, func(r *kgo.Record) error { records = append(records, r); return nil })
	if err != nil {
		w.t.Fatal(err)
	}
	return records
}

// derive runs the stages and returns their outputs by topic.
func (w *world) derive(webhooks []*kgo.Record) map[string][]*kgo.Record {
	w.t.Helper()
	out := map[string][]*kgo.Record{}
	kept := memoryReader(webhooks)
	for _, step := range []struct {
		stage stream.Stage
		in    []*kgo.Record
	}{
		{normalize.Stage(normalize.Config{Serde: w.serde, Secret: normalize.OneSecret(w.secret), Webhooks: kept, Places: w.places}), webhooks},
		{engagement.Stage(engagement.Config{Serde: w.serde, Rules: trigger.NewLive(w.rules), Horizon: w.horizon, Retention: w.retention}), nil},
		{campaign.Stage(campaign.Config{Serde: w.serde, Rules: trigger.NewLive(w.rules), Retention: w.retention}), nil},
	} {
		if step.in == nil {
			step.in = out[step.stage.Input]
		}
		for p := range int32(partitions) {
			driver, err := streamtest.New(step.stage, p)
			if err != nil {
				w.t.Fatal(err)
			}
			for i, rec := range step.in {
				if rec.Partition != p {
					continue
				}
				copied := *rec
				if err := driver.Process(&copied); err != nil {
					w.t.Fatal(err)
				}
				if i%50 == 0 {
					w.commit(driver)
				}
			}
			w.commit(driver)
			// What expires leaves no trace.
			for days := range time.Duration(3) {
				if err := driver.Advance(time.Now().Add((1000 + days) * 24 * time.Hour)); err != nil {
					w.t.Fatal(err)
				}
				w.commit(driver)
			}
			for _, rec := range driver.Out {
				if rec.Partition < 0 {
					rec.Partition = kafka.PartitionFor(rec.Key, partitions)
				}
				out[rec.Topic] = append(out[rec.Topic], rec)
			}
		}
	}
	return out
}

func (w *world) commit(d *streamtest.Driver) {
	w.t.Helper()
	if err := d.Commit(); err != nil {
		w.t.Fatal(err)
	}
}

type memoryReader []*kgo.Record

func (m memoryReader) ReadWebhook(_ context.Context, partition int32, offset int64) ([]byte, error) {
	for _, r := range m {
		if r.Partition == partition && r.Offset == offset {
			return r.Value, nil
		}
	}
	return nil, normalize.ErrWebhookGone
}

func (w *world) write(out map[string][]*kgo.Record) {
	w.t.Helper()
	for topic, records := range out {
		copies := make([]*kgo.Record, len(records))
		for i, r := range records {
			copies[i] = &kgo.Record{Topic: topic, Partition: r.Partition, Key: r.Key, Value: r.Value, Headers: r.Headers}
		}
		w.produce(copies...)
	}
}

// writeInTransaction leaves the mark of a transaction's end behind the records.
func (w *world) writeInTransaction(out map[string][]*kgo.Record) {
	w.t.Helper()
	ctx := context.Background()
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.kafka.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID("test"))
	if err != nil {
		w.t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.BeginTransaction(); err != nil {
		w.t.Fatal(err)
	}
	plain := w.cl
	w.cl = cl
	w.write(out)
	w.cl = plain
	if err := cl.EndTransaction(ctx, kgo.TryCommit); err != nil {
		w.t.Fatal(err)
	}
}

// commitAll commits for every stage that it has read its input: up to its last
// record, as a consumer does.
func (w *world) commitAll() {
	w.t.Helper()
	ctx := context.Background()
	v := &verifier{cfg: Config{Kafka: w.kafka}}
	for _, step := range Steps(schemas.FirstGeneration) {
		start, end, err := bounds(ctx, w.adm, step.Topic)
		if err != nil {
			w.t.Fatal(err)
		}
		at := kadm.Offsets{}
		err = v.read(ctx, step.Topic, start, end, func(r *kgo.Record) error {
			at.Add(kadm.Offset{Topic: step.Topic, Partition: r.Partition, At: r.Offset + 1, LeaderEpoch: -1})
			return nil
		})
		if err != nil {
			w.t.Fatal(err)
		}
		if err := w.adm.CommitAllOffsets(ctx, step.Group, at); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) config(change func(*Config)) Config {
	c := Config{Kafka: w.kafka, Serde: w.serde, Secret: w.secret, Rules: w.rules, Timeout: 20 * time.Second, Dir: w.t.TempDir(), Horizon: w.horizon, Retention: w.retention}
	if change != nil {
		change(&c)
	}
	return c
}

func (w *world) verify(change func(*Config)) *Report {
	w.t.Helper()
	report, err := Run(context.Background(), w.config(change))
	if err != nil {
		w.t.Fatal(err)
	}
	return report
}
