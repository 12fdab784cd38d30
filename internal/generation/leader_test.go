package generation_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthorn/posthorn/internal/generation"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

// refusing is a Kafka that answers requests for offsets with an error so many
// times; below 0 for ever.
func refusing(t *testing.T, code *kerr.Error, times int32) (kafka.Config, *atomic.Int32) {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, schemas.TopicGenerations))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	asked := &atomic.Int32{}
	c.ControlKey(int16(kmsg.ListOffsets), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if n := asked.Add(1); times >= 0 && n > times {
			return nil, nil, false
		}
		req := r.(*kmsg.ListOffsetsRequest)
		resp := req.ResponseKind().(*kmsg.ListOffsetsResponse)
		topic := kmsg.NewListOffsetsResponseTopic()
		topic.Topic = req.Topics[0].Topic
		partition := kmsg.NewListOffsetsResponseTopicPartition()
		partition.ErrorCode = code.Code
		topic.Partitions = append(topic.Partitions, partition)
		resp.Topics = append(resp.Topics, topic)
		return resp, nil, true
	})
	return kafka.Config{Brokers: c.ListenAddrs()}, asked
}

// Whoever starts while the topic has no leader waits for one.
func TestReadWaitsForALeader(t *testing.T) {
	cfg, asked := refusing(t, kerr.LeaderNotAvailable, 7)
	live, err := generation.Read(t.Context(), cfg)
	if err != nil || live.Generation != schemas.FirstGeneration {
		t.Errorf("%+v, %v", live, err)
	}
	if n := asked.Load(); n <= 7 {
		t.Errorf("asked %d times", n)
	}
}

func TestReadWaitsNoLongerThanItsContext(t *testing.T) {
	cfg, _ := refusing(t, kerr.LeaderNotAvailable, -1)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := generation.Read(ctx, cfg); err == nil {
		t.Error("no error")
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestReadDoesNotRepeatWhatIsFinal(t *testing.T) {
	cfg, asked := refusing(t, kerr.TopicAuthorizationFailed, -1)
	if _, err := generation.Read(t.Context(), cfg); !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("got %v", err)
	}
	if n := asked.Load(); n > 2 {
		t.Errorf("asked %d times", n)
	}
}
