package stream_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/processor/stream"
)

// await polls until ok, or fails after a minute.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline, tick := time.Now().Add(time.Minute), time.Tick(5*time.Millisecond); !ok(); <-tick {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func copyOf(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// emptyTopic deletes all records of a topic; its offsets go on.
func (c *cluster) emptyTopic(topic string) {
	c.t.Helper()
	adm := c.admin()
	ends, err := adm.ListEndOffsets(c.t.Context(), topic)
	if err != nil {
		c.t.Fatal(err)
	}
	rs, err := adm.DeleteRecords(c.t.Context(), ends.Offsets())
	if err != nil {
		c.t.Fatal(err)
	}
	rs.Each(func(r kadm.DeleteRecordsResponse) {
		if r.Err != nil {
			c.t.Fatal(r.Err)
		}
	})
}

// records returns what is committed in a topic at the moment.
func (c *cluster) records(topic string) (rs []*kgo.Record) {
	c.t.Helper()
	ends, err := c.admin().ListCommittedOffsets(c.t.Context(), topic)
	if err != nil {
		c.t.Fatal(err)
	}
	left := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[o.Partition] = o.Offset
		}
	})
	cl, err := kafka.NewConsumer(c.cfg, kgo.ConsumeTopics(topic), kgo.KeepControlRecords())
	if err != nil {
		c.t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(c.t.Context(), 60*time.Second)
	defer cancel()
	for len(left) > 0 {
		fs := cl.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			c.t.Fatalf("reading %s: %v", topic, err)
		}
		fs.EachRecord(func(r *kgo.Record) {
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
			if !r.Attrs.IsControl() && !stream.IsMarker(r) {
				rs = append(rs, r)
			}
		})
	}
	return rs
}

// newClusterOf starts a cluster of several brokers.
func newClusterOf(t *testing.T, brokers int) *cluster {
	t.Helper()
	k, err := kfake.NewCluster(kfake.NumBrokers(brokers), kfake.GroupMinSessionTimeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	c := &cluster{t, kafka.Config{Brokers: k.ListenAddrs()}, k}
	c.createTopics()
	return c
}
