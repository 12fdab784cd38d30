package stream_test

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthorn/posthorn/processor/stream"
)

// A transaction of which a record was refused is not committed without it, also
// not by a worker that is told to stop in that moment.
func TestRefusedRecordAtShutdown(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.start(splitStage(), "split", "")
	dir := t.TempDir()
	w, err := stream.NewWorker(stream.WorkerConfig{
		Stage: countStage(nil), TransactionalID: "count", StateDir: dir, Kafka: c.cfg, CommitInterval: 20 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	list, want := keys(500, 50)
	c.produce("in", list...)
	c.totals(want)

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
		cancel()
		return resp, nil, true
	})
	c.produce("in", list...)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	c.start(countStage(nil), "count", dir)
	c.totals(times(want, 2))
}
