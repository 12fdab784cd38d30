package stream_test

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A transaction of which a record was refused is not committed without it, also
// not by a worker that is told to stop in that moment.
func TestRefusedRecordAtShutdown(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.start(splitStage(), "split", "")
	dir := t.TempDir()
	_, stop := c.start(countStage(nil), "count", dir)
	list, want := keys(500, 50)
	c.produce("in", list...)
	c.totals(want)

	stopped := make(chan struct{})
	armed := true
	c.fake.ControlKey(int16(kmsg.Produce), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		c.fake.KeepControl()
		req := kreq.(*kmsg.ProduceRequest)
		if !armed || req.TransactionID == nil || *req.TransactionID != "count" {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.ProduceResponse)
		refused := false
		for _, topic := range req.Topics {
			out := kmsg.NewProduceResponseTopic()
			out.Topic, out.TopicID = topic.Topic, topic.TopicID
			info := c.fake.TopicIDInfo(topic.TopicID)
			refused = refused || topic.Topic == "out" || info != nil && info.Topic == "out"
			for _, p := range topic.Partitions {
				part := kmsg.NewProduceResponseTopicPartition()
				part.Partition, part.ErrorCode = p.Partition, kerr.TopicAuthorizationFailed.Code
				out.Partitions = append(out.Partitions, part)
			}
			resp.Topics = append(resp.Topics, out)
		}
		if !refused {
			return nil, nil, false
		}
		armed = false
		c.fake.SleepControl(func() {
			go func() { defer close(stopped); stop() }()
			time.Sleep(100 * time.Millisecond) // until the worker knows
		})
		return resp, nil, true
	})
	c.produce("in", list...)
	<-stopped
	c.start(countStage(nil), "count", dir)
	c.totals(times(want, 2))
}
