package analytics

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"reflect"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

// faultLoad writes records of all topics that the sink reads, in transactions as
// the stages do; every seventh is aborted.
type faultLoad struct {
	client     *kgo.Client
	rng        *rand.Rand
	partitions int32
	pause      time.Duration // between transactions
	n          int
	revision   int64
	committed  map[string]int // records by topic
}

func newFaultLoad(cfg kafka.Config, seed uint64, partitions int32) (*faultLoad, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(cfg.Brokers...), kgo.TransactionalID("load"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	return &faultLoad{
		client: client, rng: rand.New(rand.NewPCG(seed, 1)), partitions: partitions,
		pause: 60 * time.Millisecond, committed: map[string]int{},
	}, err
}

// run writes until stop is closed.
func (l *faultLoad) run(ctx context.Context, stop <-chan struct{}) error {
	tick := time.NewTicker(l.pause)
	defer tick.Stop()
	for txn := 0; ; txn++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-stop:
			return nil
		case <-tick.C:
		}
		if err := l.transaction(ctx, txn%7 != 6); err != nil {
			return fmt.Errorf("writing transaction %d: %w", txn, err)
		}
	}
}

func (l *faultLoad) transaction(ctx context.Context, commit bool) error {
	if err := l.client.BeginTransaction(); err != nil {
		return err
	}
	var recs []*kgo.Record
	for _, topic := range SinkTopics() {
		make, ok := faultRecords[topic]
		if !ok {
			return fmt.Errorf("topic %s is read by the sink, but no records are made of it: add it to faultRecords", topic)
		}
		for range make.perTransaction {
			key, rec := make.record(l)
			recs = append(recs, &kgo.Record{Topic: topic, Partition: faultPartition(key, l.partitions), Value: serde.Append(nil, topic, rec)})
			if commit {
				l.committed[topic]++
			}
		}
	}
	if err := l.client.ProduceSync(ctx, recs...).FirstErr(); err != nil {
		return err
	}
	return l.client.EndTransaction(ctx, kgo.TransactionEndTry(commit))
}

// faultPartition keeps the records of a key in one partition.
func faultPartition(key string, partitions int32) int32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key)) // never fails
	return int32(h.Sum32() % uint32(partitions))
}

// faultRecords says how many records of a topic a transaction has, and how they
// and their keys are made. Those of replacedTally rows come back with later revisions.
var faultRecords = map[string]struct {
	perTransaction int
	record         func(l *faultLoad) (key string, rec schemas.Record)
}{
	schemas.TopicEvents: {150, func(l *faultLoad) (string, schemas.Record) {
		l.n++
		e := event(l.n)
		e.Type, e.LinkIndex, e.Attempt = schemas.EventType(1+l.rng.IntN(12)), int32(l.rng.IntN(30)), int32(l.rng.IntN(9))
		e.URL = fmt.Sprint("https://shop.example/p/", l.rng.IntN(50))
		return e.EventID.String(), e
	}},
	schemas.TopicMessages: {60, func(l *faultLoad) (string, schemas.Record) {
		l.revision++
		n := l.rng.IntN(900)
		m := &schemas.Message{
			Tenant: "default", Account: "acc", MessageID: fmt.Sprint(n), RecipientID: numbered(n % 97), CampaignID: fmt.Sprint(n % 7),
			SentAt: epoch, Opens: l.rng.Int64N(40), HumanOpens: l.rng.Int64N(20), Clicks: l.rng.Int64N(10), Deferrals: l.rng.Int64N(4),
			FirstEventAt: epoch, LastEventAt: epoch + schemas.Timestamp(l.revision), Outcome: schemas.OutcomeDelivered, Revision: l.revision,
		}
		if n%3 > 0 {
			m.OpenDelayMS = schemas.Int64Of(l.rng.Int64N(1e6))
		}
		return m.MessageID, m
	}},
	schemas.TopicStatistics: {40, func(l *faultLoad) (string, schemas.Record) {
		n := l.rng.IntN(400)
		at := epoch + schemas.Timestamp(n/10)*300e6
		return fmt.Sprint(n), &schemas.CampaignStatistics{
			Tenant: "default", CampaignID: fmt.Sprint(n % 10), Basis: schemas.BasisEventTime, WindowStart: at, WindowSeconds: 300,
			Counters: l.counters(0), UpdatedAt: epoch,
		}
	}},
	schemas.TopicTriggers: {10, func(l *faultLoad) (string, schemas.Record) {
		l.n++
		return fmt.Sprint(l.n), &schemas.Trigger{
			TriggerID: numbered(l.n), Tenant: "default", Rule: fmt.Sprint("r", l.n%4), Kind: "within", ArrivedAt: epoch, OccurredAt: epoch,
			RecipientID: numbered(l.n % 97), Hits: l.rng.Int64N(100), Base: l.rng.Int64N(100),
			Evidence: []schemas.Evidence{{EventID: numbered(l.n + 1), Type: "opened"}},
		}
	}},
	schemas.TopicDeliveries: {10, func(l *faultLoad) (string, schemas.Record) {
		l.n++
		return fmt.Sprint(l.n), &schemas.Delivery{
			TriggerID: numbered(l.n), Tenant: "default", Attempt: int32(1 + l.rng.IntN(5)), AttemptedAt: epoch,
			DurationMS: l.rng.Int64N(30_000), StatusCode: 200 + int32(l.rng.IntN(4)), Error: strings.Repeat("x", l.rng.IntN(20)),
		}
	}},
	schemas.TopicRejected: {5, func(l *faultLoad) (string, schemas.Record) {
		l.n++
		return fmt.Sprint(l.n), &schemas.Rejection{WebhookID: numbered(l.n), Tenant: "default", Index: int32(l.rng.IntN(9)), Reason: "bad_json", ReceivedAt: epoch, Offset: l.rng.Int64N(1e9)}
	}},
	schemas.TopicSuppressions: {10, func(l *faultLoad) (string, schemas.Record) {
		l.revision++
		n := l.rng.IntN(300)
		return fmt.Sprint(n), &schemas.Suppression{
			Tenant: "default", RecipientID: numbered(n), Recipient: fmt.Sprint("r", n, "@example.org"), Scope: "all",
			Reason: schemas.SuppressionReasonComplaint, Active: l.rng.IntN(2) > 0, Since: epoch + schemas.Timestamp(l.rng.IntN(1e9)), Revision: l.revision,
		}
	}},
	schemas.TopicBreakdownDeltas: {15, func(l *faultLoad) (string, schemas.Record) {
		n := l.rng.IntN(8) // 0 is above campaigns
		d := &schemas.BreakdownDelta{Tenant: "default"}
		if n > 0 {
			d.CampaignID = fmt.Sprint(n)
		}
		for range 1 + l.rng.IntN(6) {
			d.Cells = append(d.Cells, l.cell(n == 0))
		}
		for range l.rng.IntN(6) {
			if n == 0 {
				d.Recipients = append(d.Recipients, l.recipient())
			}
		}
		return fmt.Sprint(n), d
	}},
}

// counters are signed where below is negative.
func (l *faultLoad) counters(below int64) (c schemas.Counters) {
	v := reflect.ValueOf(&c).Elem()
	for i := range v.NumField() {
		v.Field(i).SetInt(below + l.rng.Int64N(1000))
	}
	return c
}

func (l *faultLoad) cell(above bool) schemas.BreakdownCell {
	if above {
		return schemas.BreakdownCell{
			Dimension: schemas.DimensionTenant, Basis: schemas.Basis(l.rng.IntN(3)),
			WindowStart: epoch + schemas.Timestamp(l.rng.IntN(30))*300e6, Counters: l.counters(-300),
		}
	}
	c := schemas.BreakdownCell{
		Dimension: schemas.DimensionLink + schemas.Dimension(l.rng.IntN(6)), Value: fmt.Sprint("v", l.rng.IntN(5)), Detail: fmt.Sprint(l.rng.IntN(3)),
		Basis: schemas.BasisSendTime, Counters: l.counters(-300),
	}
	if l.rng.IntN(4) > 0 { // else the send is not known
		c.WindowStart = epoch + schemas.Timestamp(l.rng.IntN(3))*86_400e6
	}
	return c
}

func (l *faultLoad) recipient() schemas.RecipientDelta {
	at := func(known bool) schemas.Timestamp {
		if !known {
			return 0
		}
		return epoch + schemas.Timestamp(l.rng.IntN(86_400))*1e6
	}
	r := schemas.RecipientDelta{
		RecipientID: numbered(1 + l.rng.IntN(200)), RecipientDomain: "example.org", Counters: l.counters(-300),
		FirstEventAt: at(true), LastSentAt: at(l.rng.IntN(3) > 0), LastOpenedAt: at(l.rng.IntN(2) > 0), LastClickedAt: at(l.rng.IntN(3) == 0),
	}
	r.LastEventAt = r.FirstEventAt + 60e6
	return r
}
