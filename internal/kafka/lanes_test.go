package kafka

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/schemas"
)

// backups counts down as the client's own does.
type backups struct {
	buffered []int64
}

func (b *backups) Next() (int, int64) {
	last := len(b.buffered) - 1
	n := b.buffered[last]
	b.buffered = b.buffered[:last]
	return last, n
}

func (b *backups) Rem() int { return len(b.buffered) }

func TestLanesShareNoPartition(t *testing.T) {
	for n, kept := range map[int]int{1: 0, 2: 1, 3: 1, 4: 1, 8: 2, 12: 3} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			if got := OverflowPartitions(n); got != kept {
				t.Fatalf("%d partitions are kept for floods, want %d", got, kept)
			}
			p := lanes{kgo.UniformBytesPartitioner(100, true, true, nil)}.ForTopic(schemas.TopicWebhooks).(kgo.TopicBackupPartitioner)
			live, overflow := map[int]bool{}, map[int]bool{}
			for i := range 4000 {
				rec := &kgo.Record{Value: make([]byte, 60)}
				used := live
				if i%2 == 1 {
					ToOverflow(rec)
					used = overflow
				}
				if p.RequiresConsistency(rec) {
					t.Fatal("a record waits for a partition without a leader")
				}
				used[p.PartitionByBackup(rec, n, &backups{make([]int64, n)})] = true
			}
			for i := range n {
				if flood := i >= n-kept; live[i] == flood && kept > 0 || overflow[i] != (flood || kept == 0) {
					t.Errorf("partition %d: live %v, overflow %v", i, live[i], overflow[i])
				}
			}
		})
	}
}

func TestLanesAreThoseOfWebhooks(t *testing.T) {
	p := lanes{kgo.UniformBytesPartitioner(100, true, true, nil)}
	if _, ok := p.ForTopic(schemas.TopicEvents).(*topicLanes); ok {
		t.Error("another topic has lanes")
	}
	keyed := &kgo.Record{Key: []byte("a"), Value: make([]byte, 60)}
	ToOverflow(keyed)
	webhooks := p.ForTopic(schemas.TopicWebhooks).(kgo.TopicBackupPartitioner)
	if got, want := webhooks.PartitionByBackup(keyed, 12, &backups{make([]int64, 12)}), int(PartitionFor(keyed.Key, 12)); got != want {
		t.Errorf("a key goes to partition %d, want %d", got, want)
	}
}
