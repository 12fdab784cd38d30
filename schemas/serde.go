package schemas

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
)

// headerSize is the size of the Confluent wire format's head: a zero byte and
// the schema id, big endian.
const headerSize = 5

// Serde writes and reads records in the Confluent wire format: a zero byte, the
// schema id in 4 bytes, the record. It is safe for concurrent use.
//
// Append and Decode of this build's own schemas run on the generated code. A
// record written with another version is resolved to this build's, as Avro
// defines it, at about twenty times the cost.
type Serde struct {
	topics   map[string]topicSchema
	schemas  map[uint32]string // id to schema, of this build's own schemas
	resolver *resolver         // nil without a registry
}

type topicSchema struct {
	id     uint32
	schema string
}

// recordOf returns an empty record of the type that a topic holds, or nil.
func recordOf(topic string) Record {
	switch topic {
	case TopicWebhooks:
		return new(Webhook)
	case TopicRejected:
		return new(Rejection)
	case TopicEventsByRecipient, TopicEvents:
		return new(Event)
	case TopicMessages:
		return new(Message)
	case TopicCampaignDeltas:
		return new(CampaignDelta)
	case TopicBreakdownDeltas:
		return new(BreakdownDelta)
	case TopicStatistics:
		return new(CampaignStatistics)
	case TopicTriggers:
		return new(Trigger)
	case TopicDeliveries:
		return new(Delivery)
	case TopicSuppressions:
		return new(Suppression)
	}
	return nil
}

// recordTopics lists the topics that hold records.
var recordTopics = [...]string{TopicWebhooks, TopicRejected, TopicEventsByRecipient, TopicEvents,
	TopicMessages, TopicCampaignDeltas, TopicStatistics, TopicTriggers, TopicDeliveries, TopicSuppressions,
	TopicBreakdownDeltas}

// NewLocalSerde returns a Serde with fixed schema ids and no registry, for tests
// and benchmarks: it reads only what this build has written.
func NewLocalSerde() *Serde {
	s := &Serde{topics: map[string]topicSchema{}, schemas: map[uint32]string{}}
	for i, topic := range recordTopics {
		s.add(topic, uint32(i+1), recordOf(topic).AvroSchema())
	}
	return s
}

func (s *Serde) add(topic string, id uint32, schema string) {
	s.topics[topic] = topicSchema{id: id, schema: schema}
	s.schemas[id] = schema
}

// Append appends rec in the wire format of a topic. It panics if the topic holds
// another type of record: that is a programming error.
func (s *Serde) Append(dst []byte, topic string, rec Record) []byte {
	t := s.topics[topic]
	if t.schema != rec.AvroSchema() {
		panic(fmt.Sprintf("schemas: topic %q does not hold %T", topic, rec))
	}
	dst = append(dst, 0)
	dst = binary.BigEndian.AppendUint32(dst, t.id)
	return rec.AppendAvro(dst)
}

// Decode reads b, in the wire format, into rec. An error that IsUnavailable
// may pass; any other is the record's own and stays.
func (s *Serde) Decode(b []byte, rec Record) error {
	id, body, err := header(b)
	if err != nil {
		return err
	}
	if s.schemas[id] == rec.AvroSchema() {
		return rec.DecodeAvro(body)
	}
	if s.resolver == nil {
		return fmt.Errorf("schema id %d is not that of %s, and there is no registry to ask", id, recordName(rec))
	}
	return s.resolver.decode(id, body, rec)
}

// recordName is the name of a record type, as Event.
func recordName(rec Record) string {
	return reflect.TypeOf(rec).Elem().Name()
}

var errNoHeader = errors.New("no Avro in the Confluent wire format: want a zero byte and a schema id")

func header(b []byte) (id uint32, body []byte, err error) {
	if len(b) < headerSize || b[0] != 0 {
		return 0, nil, errNoHeader
	}
	return binary.BigEndian.Uint32(b[1:]), b[headerSize:], nil
}
