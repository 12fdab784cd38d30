// Package schemas is the contract of Posthorn: the Avro schemas of everything
// in its topics, the Go record types and their codec generated from them, the
// catalogue of topics, and the schema registry.
//
// The zero value of a field that may be null is null, also where the wire says
// otherwise: an empty string reads as null. Only NullInt64 and pointers tell
// null from zero.
//
// To change a schema: edit its .avsc file, giving new fields a default; run
// `go generate ./schemas/...`; add the file to history, under the next version,
// where it stays for good. The tests say what was forgotten, and whether records
// of the earlier versions can still be read.
package schemas

//go:generate go run ./gen -package schemas -dir . -out records_gen.go

// Record is a generated record type.
type Record interface {
	// AppendAvro appends the record in Avro's binary encoding. It panics if an
	// enum holds a number that is none of its constants.
	AppendAvro(dst []byte) []byte
	// DecodeAvro sets the record to the one that b holds and nothing else. On
	// any malformed input it returns an error and leaves the record empty; it
	// allocates no more than a small multiple of len(b).
	DecodeAvro(b []byte) error
	// AvroSchema returns the schema as JSON.
	AvroSchema() string
}

// The topics that hold records. See Catalogue for all of them.
const (
	TopicWebhooks          = "posthorn.webhooks"
	TopicRejected          = "posthorn.rejected"
	TopicEventsByRecipient = "posthorn.events-by-recipient"
	TopicEvents            = "posthorn.events"
	TopicMessages          = "posthorn.messages"
	TopicCampaignDeltas    = "posthorn.campaign-deltas"
	TopicBreakdownDeltas   = "posthorn.breakdown-deltas"
	TopicStatistics        = "posthorn.statistics"
	TopicTriggers          = "posthorn.triggers"
	TopicDeliveries        = "posthorn.deliveries"
	TopicDeadLetters       = "posthorn.dead-letters"
	TopicGenerations       = "posthorn.generations"
	TopicSuppressions      = "posthorn.suppressions"
	TopicControls          = "posthorn.controls"
	TopicGateways          = "posthorn.gateways"
)
