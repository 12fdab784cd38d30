package stream_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A record that its leader has written but not replicated is not shown yet,
// though it has arrived: the frontier waits for it.
func TestUnreplicatedRecordsHoldTheFrontier(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	var more atomic.Int64 // records that are not replicated
	var asked atomic.Int64
	more.Store(1)
	c.fake.ControlKey(int16(kmsg.OffsetForLeaderEpoch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.fake.KeepControl()
		resp := req.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
		for _, topic := range req.(*kmsg.OffsetForLeaderEpochRequest).Topics {
			rt := kmsg.NewOffsetForLeaderEpochResponseTopic()
			rt.Topic = topic.Topic
			for _, p := range topic.Partitions {
				rp := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
				rp.Partition, rp.LeaderEpoch = p.Partition, p.LeaderEpoch
				rp.EndOffset = c.fake.PartitionInfo(topic.Topic, p.Partition).HighWatermark + more.Load()
				rt.Partitions = append(rt.Partitions, rp)
			}
			resp.Topics = append(resp.Topics, rt)
		}
		asked.Add(1)
		return resp, nil, true
	})
	w, _ := c.start(splitStage(), "split", "")
	c.produce("in", "a", "b", "c", "d", "e", "f")
	await(t, "some answers", func() bool { return w.Status().Ready && asked.Load() > 4 })
	if f := w.Status().Frontier; time.Since(f) < time.Second {
		t.Errorf("the frontier is at %v though records are not replicated", f)
	}
	more.Store(0)
	await(t, "the frontier to go on", func() bool { f := w.Status().Frontier; return !f.IsZero() && time.Since(f) < 3*time.Second })
}
