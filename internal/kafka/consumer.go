package kafka

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// NewConsumer makes a client that reads partitions directly, without a group,
// and only what is committed. Give it its partitions with kgo.ConsumePartitions
// or kgo.ConsumeTopics in extra.
func NewConsumer(cfg Config, extra ...kgo.Opt) (*kgo.Client, error) {
	opts := append(fetchOptions(),
		// An offset that is out of range means that data was deleted before it
		// was read. The reader must learn of it rather than skip silently.
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
	)
	return newClient(cfg, append(opts, extra...)...)
}

// fetchOptions are what all readers share.
func fetchOptions() []kgo.Opt {
	return []kgo.Opt{
		// Records of aborted transactions never happened.
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),

		// New data answers a waiting fetch at once, so that the wait costs no
		// latency there. It does delay partitions that are resumed or added
		// while a fetch waits; hence not the default 5 s.
		kgo.FetchMaxWait(500 * time.Millisecond),
		kgo.FetchMinBytes(1),

		// One fetch holds at most 16 MiB, and 2 MiB of a partition, before
		// decompression; a larger single batch still comes through whole.
		kgo.FetchMaxBytes(16 << 20),
		kgo.FetchMaxPartitionBytes(2 << 20),
	}
}
