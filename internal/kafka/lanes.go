package kafka

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/schemas"
)

// inOverflow is what Record.Partition says before a partition is chosen.
const inOverflow = -1

// ToOverflow sends a webhook to the partitions that are kept for floods, where
// there are any: what waits there stands before nobody else's. It concerns
// records without a key, of [NewProducer], before they are produced.
func ToOverflow(rec *kgo.Record) { rec.Partition = inOverflow }

// OverflowPartitions returns how many of n partitions of posthorn.webhooks are
// kept for floods, the last ones: a quarter, at least one where there are two.
func OverflowPartitions(n int) int {
	if n < 2 {
		return 0
	}
	return max(1, n/4)
}

// lanes partitions the webhooks into two groups of partitions, each in its own
// way. It looks at those that have a leader: while some have none the border
// moves, which is better than to fail.
type lanes struct{ kgo.Partitioner }

func (l lanes) ForTopic(topic string) kgo.TopicPartitioner {
	live := l.Partitioner.ForTopic(topic).(kgo.TopicBackupPartitioner)
	if topic != schemas.TopicWebhooks {
		return live
	}
	return &topicLanes{TopicBackupPartitioner: live, overflow: l.Partitioner.ForTopic(topic).(kgo.TopicBackupPartitioner)}
}

type topicLanes struct {
	kgo.TopicBackupPartitioner // of live traffic
	overflow                   kgo.TopicBackupPartitioner
}

func (t *topicLanes) PartitionByBackup(rec *kgo.Record, n int, backups kgo.TopicBackupIter) int {
	kept := OverflowPartitions(n)
	switch live := n - kept; {
	case rec.Key != nil || kept == 0:
		return t.TopicBackupPartitioner.PartitionByBackup(rec, n, backups)
	case rec.Partition == inOverflow:
		return live + t.overflow.PartitionByBackup(rec, kept, &laneBackups{backups, live, n, kept})
	default:
		return t.TopicBackupPartitioner.PartitionByBackup(rec, live, &laneBackups{backups, 0, live, live})
	}
}

// laneBackups are those of the partitions from first to before end, counted
// from first.
type laneBackups struct {
	kgo.TopicBackupIter
	first, end, left int
}

func (b *laneBackups) Next() (int, int64) {
	for {
		if i, backup := b.TopicBackupIter.Next(); i >= b.first && i < b.end {
			b.left--
			return i - b.first, backup
		}
	}
}

func (b *laneBackups) Rem() int { return b.left }
