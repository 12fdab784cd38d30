package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// tailPatience is how long a changelog may yield nothing before the broker is
// asked whether anything is left.
const tailPatience = 5 * time.Second

// skipEmptyTails ends restores whose changelog has nothing more to show though
// its end was not seen: the last records were compacted away.
func (r *restorer) skipEmptyTails(ctx context.Context, cl *kgo.Client) error {
	var topics []string
	for lp, sr := range r.pending {
		if time.Since(sr.moved) >= tailPatience {
			topics = append(topics, lp.topic)
		}
	}
	if len(topics) == 0 {
		return nil
	}
	stable, err := r.s.adm.ListCommittedOffsets(ctx, topics...)
	if err != nil {
		return fmt.Errorf("listing stable offsets: %w", err)
	}
	for lp, sr := range r.pending {
		if time.Since(sr.moved) < tailPatience {
			continue
		}
		sr.moved = time.Now()
		// An open transaction below the end is waited for: the broker decides
		// it when its timeout is over.
		if o, ok := stable.Lookup(lp.topic, lp.partition); !ok || o.Err != nil || o.Offset < sr.target {
			continue
		}
		empty, err := r.tailIsEmpty(ctx, cl, lp, sr)
		if err != nil {
			r.s.w.log.Warn("the end of a changelog can't be read yet", "changelog", lp.topic, "partition", lp.partition, "error", err)
			continue
		}
		if empty {
			sr.at.next = sr.target
			if err := r.done(lp, sr); err != nil {
				return err
			}
		}
	}
	return nil
}

// tailIsEmpty reads what is left up to the target itself. That the client has
// brought nothing is no proof: a broker may be slow to answer its fetches, and a
// restore that ended then would lose state in silence.
func (r *restorer) tailIsEmpty(ctx context.Context, cl *kgo.Client, lp logPartition, sr *storeRestore) (bool, error) {
	leader, _, err := cl.PartitionLeader(lp.topic, lp.partition)
	if err != nil {
		return false, err
	}
	for at := sr.at.next; at < sr.target; {
		p := kmsg.NewFetchRequestTopicPartition()
		p.Partition, p.FetchOffset, p.PartitionMaxBytes = lp.partition, at, 1<<20
		topic := kmsg.NewFetchRequestTopic()
		topic.Topic, topic.TopicID, topic.Partitions = lp.topic, r.s.w.topicIDs[lp.topic], []kmsg.FetchRequestTopicPartition{p}
		req := kmsg.NewPtrFetchRequest()
		req.MaxBytes, req.IsolationLevel, req.SessionEpoch = 1<<20, 1, -1 // read_committed, no session
		req.Topics = append(req.Topics, topic)
		resp, err := req.RequestWith(ctx, cl.Broker(int(leader)))
		if err != nil {
			return false, err
		}
		if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
			return false, err
		}
		if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
			return false, errors.New("the answer to a fetch lacks the partition")
		}
		raw := &resp.Topics[0].Partitions[0]
		if err := kerr.ErrorForCode(raw.ErrorCode); err != nil {
			return false, err
		}
		if len(raw.RecordBatches) == 0 {
			return true, nil // nothing from here on
		}
		got, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
			KeepControlRecords: true, Offset: at, IsolationLevel: kgo.ReadCommitted(), Topic: lp.topic, Partition: lp.partition,
		}, raw, kgo.DefaultDecompressor(), nil)
		if got.Err != nil {
			return false, got.Err
		}
		if len(got.Records) > 0 || next <= at {
			return false, nil
		}
		at = next // batches whose records are gone
	}
	return true, nil
}
