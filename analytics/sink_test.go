package analytics

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

func TestSinkFillsEveryTable(t *testing.T) {
	kcfg, conn := cluster(t, 3), migrated(t)
	p := producer(t, kcfg)
	e := event(7)
	e.Tags, e.Metadata = []string{"a", "b"}, map[string]string{"order": "12"}
	e.URL = "https://shop.example/x?id=4&mail=a@b.c#top"
	m := &schemas.Message{Tenant: "default", Account: "acc", MessageID: "1", RecipientID: numbered(1), CampaignID: "5",
		SentAt: epoch, Revision: 2, OpenDelayMS: schemas.Int64Of(0), Outcome: schemas.OutcomeDelivered}
	st := &schemas.CampaignStatistics{Tenant: "default", CampaignID: "5", Counters: schemas.Counters{Messages: 3, Delivered: 2}, UpdatedAt: 1}
	tr := &schemas.Trigger{TriggerID: numbered(3), Tenant: "default", Rule: "r", Kind: "within", ArrivedAt: epoch,
		Evidence: []schemas.Evidence{{EventID: numbered(9), Type: "opened"}}}
	de := &schemas.Delivery{TriggerID: numbered(3), Tenant: "default", Attempt: 1, AttemptedAt: epoch, StatusCode: 200}
	re := &schemas.Rejection{WebhookID: numbered(4), Tenant: "default", Index: -1, Reason: "bad_json", ReceivedAt: epoch}
	for topic, rec := range map[string]schemas.Record{
		schemas.TopicEvents: e, schemas.TopicMessages: m, schemas.TopicStatistics: st,
		schemas.TopicTriggers: tr, schemas.TopicDeliveries: de, schemas.TopicRejected: re,
	} {
		produce(t, p, &kgo.Record{Topic: topic, Partition: 1, Value: serde.Append(nil, topic, rec)})
	}
	s, stop := running(t, SinkConfig{Kafka: kcfg, Conn: conn})
	for _, table := range []string{"events", "messages", "campaign_statistics", "campaigns", "triggers", "deliveries", "rejections"} {
		eventually(t, func() string {
			if n := number(t, conn, "SELECT count() FROM "+table); n != 1 {
				return fmt.Sprintf("%d rows in %s", n, table)
			}
			return ""
		})
	}
	var got struct {
		id, recipient, typ, url, order, at string
		tags                               []string
		offset                             int64
		partition                          int32
	}
	err := conn.QueryRow(t.Context(), `SELECT toString(event_id), toString(recipient_id), type, url, metadata['order'], toString(occurred_at), tags, kafka_offset, kafka_partition FROM events`).
		Scan(&got.id, &got.recipient, &got.typ, &got.url, &got.order, &got.at, &got.tags, &got.offset, &got.partition)
	if err != nil {
		t.Fatal(err)
	}
	if got.id != e.EventID.String() || got.recipient != e.RecipientID.String() {
		t.Errorf("ids %s %s, want %s %s", got.id, got.recipient, e.EventID, e.RecipientID)
	}
	if got.typ != "opened" || got.url != "https://shop.example/x?id=4&mail=-" || got.order != "12" || got.at != epoch.Time().Format(time.DateOnly)+" 00:00:00.007000" ||
		fmt.Sprint(got.tags) != "[a b]" || got.offset != 0 || got.partition != 1 {
		t.Errorf("got %+v", got)
	}
	var delay *int64
	var unknown bool
	if err := conn.QueryRow(t.Context(), `SELECT open_delay_ms, isNull(delivered_at) FROM messages FINAL`).Scan(&delay, &unknown); err != nil {
		t.Fatal(err)
	}
	if delay == nil || *delay != 0 || !unknown {
		t.Errorf("open delay %v, delivered unknown %v", delay, unknown)
	}
	if err := s.Ready(); err != nil {
		t.Error(err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestEventIsVisibleSoonAndRecordedAsDone(t *testing.T) {
	kcfg, conn := cluster(t, 12), migrated(t)
	p := producer(t, kcfg)
	s, _ := running(t, SinkConfig{Kafka: kcfg, Conn: conn, Topics: eventsOnly})
	eventually(t, func() string {
		if !s.Status().Lanes[0].Owned {
			return "no owner"
		}
		return ""
	})
	for n := range 3 {
		began := time.Now()
		produceEvents(t, p, n, n+1, 12)
		counts(t, conn, n+1)
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("visible after %v", took)
		} else {
			t.Log("visible after", took)
		}
	}
	admin, done, err := kafka.NewAdmin(kcfg)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	eventually(t, func() string {
		at, err := Done(t.Context(), admin, schemas.TopicEvents, 1)
		if err != nil {
			return err.Error()
		}
		if len(at) != 12 || at[0] != 1 || at[1] != 1 || at[2] != 1 || at[3] != 0 {
			return fmt.Sprint("done ", at)
		}
		return ""
	})
}
