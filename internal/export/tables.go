package export

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/posthorn/posthorn/schemas"
)

// table is one thing that can be exported, as it is in ClickHouse and in Kafka.
type table struct {
	name  string // in ClickHouse
	topic string
	// at is the column that Since and Until go by.
	at string
	// key is the sort key of a table whose rows are replaced: rows move in time but
	// not in the key, so that slices go by it. Without one slices go by at.
	key []string
	// record makes an empty record of the topic, and facts tells what it is chosen by.
	record func() schemas.Record
	facts  func(schemas.Record) facts
}

// facts are what a record is chosen by.
type facts struct {
	tenant, campaign string
	at               schemas.Timestamp
}

var tables = map[string]table{
	"events": {
		name: "events", topic: schemas.TopicEvents, at: "received_at",
		record: func() schemas.Record { return new(schemas.Event) },
		facts: func(r schemas.Record) facts {
			e := r.(*schemas.Event)
			return facts{e.Tenant, e.CampaignID, e.ReceivedAt}
		},
	},
	"messages": {
		name: "messages", topic: schemas.TopicMessages, at: "last_event_at",
		key:    []string{"account", "message_id", "recipient_id"},
		record: func() schemas.Record { return new(schemas.Message) },
		facts: func(r schemas.Record) facts {
			m := r.(*schemas.Message)
			return facts{m.Tenant, m.CampaignID, m.LastEventAt}
		},
	},
	"triggers": {
		name: "triggers", topic: schemas.TopicTriggers, at: "arrived_at",
		record: func() schemas.Record { return new(schemas.Trigger) },
		facts: func(r schemas.Record) facts {
			t := r.(*schemas.Trigger)
			return facts{t.Tenant, t.CampaignID, t.ArrivedAt}
		},
	},
	"deliveries": {
		name: "deliveries", topic: schemas.TopicDeliveries, at: "attempted_at",
		record: func() schemas.Record { return new(schemas.Delivery) },
		facts: func(r schemas.Record) facts {
			d := r.(*schemas.Delivery)
			return facts{d.Tenant, d.CampaignID, d.AttemptedAt}
		},
	},
	"suppressions": {
		name: "suppressions", topic: schemas.TopicSuppressions, at: "updated_at",
		key:    []string{"recipient_id", "scope"},
		record: func() schemas.Record { return new(schemas.Suppression) },
		facts: func(r schemas.Record) facts {
			s := r.(*schemas.Suppression)
			return facts{s.Tenant, s.CampaignID, s.UpdatedAt}
		},
	},
	"statistics": {
		name: "campaign_statistics", topic: schemas.TopicStatistics, at: "updated_at",
		key:    []string{"basis", "campaign_id", "window_start"},
		record: func() schemas.Record { return new(schemas.CampaignStatistics) },
		facts: func(r schemas.Record) facts {
			s := r.(*schemas.CampaignStatistics)
			return facts{s.Tenant, s.CampaignID, s.UpdatedAt}
		},
	},
}

// Tables lists what can be exported.
func Tables() []string { return slices.Sorted(maps.Keys(tables)) }

// Formats lists the formats.
func Formats() []string { return []string{CSV, NDJSON, Parquet, Avro} }

// The formats of files.
const (
	CSV     = "csv"
	NDJSON  = "ndjson"
	Parquet = "parquet"
	Avro    = "avro"
)

// tableOf finds a table by the name that users give it.
func tableOf(name string) (table, error) {
	t, ok := tables[name]
	if !ok {
		return t, fmt.Errorf("%q can't be exported: name one of %s", name, strings.Join(Tables(), ", "))
	}
	return t, nil
}
