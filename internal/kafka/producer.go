package kafka

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// DefaultDeliveryTimeout bounds a produce of the gateway. It is below the
// shortest time after which a provider gives up on a request.
const DefaultDeliveryTimeout = 10 * time.Second

// NewProducer makes the gateway's producer. A record is acknowledged once all
// in-sync replicas have it. A record that failed may have been written all the
// same; its reader must bear duplicates.
//
// Leave Record.Timestamp unset: the delivery timeout counts from it.
//
// Options in extra override those set here: kgo.ProducerLinger (0 to 2 ms) and
// kgo.RecordDeliveryTimeout are the ones meant to be set.
func NewProducer(cfg Config, extra ...kgo.Opt) (*kgo.Client, error) {
	opts := []kgo.Opt{
		// Idempotent writes are the client's default, and the reason for all
		// replicas: a retry inside the client neither duplicates nor reorders.
		kgo.RequiredAcks(kgo.AllISRAcks()),

		// A webhook has no key and may go anywhere: fill one partition's batch,
		// then move on, and prefer brokers that keep up. Floods have partitions of
		// their own.
		kgo.RecordPartitioner(lanes{kgo.UniformBytesPartitioner(64<<10, true, true, nil)}),

		// No linger: an HTTP caller waits, and under load batches fill by
		// themselves while the previous request is in flight.
		kgo.ProducerLinger(0),

		// Webhooks are JSON; snappy shrinks them about fourfold at the least CPU.
		kgo.ProducerBatchCompression(kgo.SnappyCompression(), kgo.NoCompression()),

		// The limit applies before compression and to single records too.
		kgo.ProducerBatchMaxBytes(MaxRecordBytes),

		// The caller must get its answer in time, even while the broker hangs
		// with the record in flight. That may leave a record written though it
		// was reported as failed: event ids remove the duplicate.
		kgo.RecordDeliveryTimeout(DefaultDeliveryTimeout),
		kgo.ProduceRequestTimeout(5 * time.Second),
		kgo.AllowIdempotentProduceCancellation(),

		// The gateway admits requests by a byte budget of its own, so that this
		// limit is never met: MaxBufferedBytes is left unset on purpose, since
		// blocking inside the client cannot be answered with a 503.
		kgo.MaxBufferedRecords(1 << 20),
	}
	return newClient(cfg, append(opts, extra...)...)
}
