package stream_test

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/processor/stream"
)

// refused starts a stage that can't work and waits for the error that says why.
func (c *cluster) refused(stage stream.Stage, dir string, want ...string) (stop func()) {
	c.t.Helper()
	w, stop := c.start(stage, stage.Name, dir)
	await(c.t, "an error with "+strings.Join(want, ", "), func() bool {
		s := w.Status()
		for _, part := range want {
			if s.Ready || !strings.Contains(s.LastError, part) {
				return false
			}
		}
		return true
	})
	return stop
}

func (c *cluster) recreate(topic string, n int32, configs map[string]*string) {
	c.t.Helper()
	adm := c.admin()
	if _, err := adm.DeleteTopics(c.t.Context(), topic); err != nil {
		c.t.Fatal(err)
	}
	if n == 0 {
		return
	}
	if rs, err := adm.CreateTopics(c.t.Context(), n, 1, configs, topic); err != nil || rs.Error() != nil {
		c.t.Fatal(err, rs.Error())
	}
}

func TestTopicsThatDoNotFitAreRefused(t *testing.T) {
	changelog := stream.ChangelogTopic("count", "totals")
	for name, tt := range map[string]struct {
		topic      string
		partitions int32
		stage      stream.Stage
		want       []string
	}{
		"input missing":                 {"mid", 0, countStage(nil), []string{"mid is missing", "create the topics first"}},
		"changelog missing":             {changelog, 0, countStage(nil), []string{changelog + " is missing", "create the topics first"}},
		"changelog of fewer partitions": {changelog, 1, countStage(nil), []string{changelog, "must agree"}},
		"changelog of more partitions":  {changelog, 9, countStage(nil), []string{changelog, "must agree"}},
		"root input of producers' time": {"in", 4, splitStage(), []string{"in has message.timestamp.type=CreateTime", "set it to LogAppendTime"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.recreate(tt.topic, tt.partitions, nil)
			c.refused(tt.stage, "", tt.want...)
		})
	}
}

// Records that retention deleted before they were read are missed aloud.
func TestInputDeletedUnread(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.start(splitStage(), "split", "")
	list, want := keys(100, 10)
	dir := t.TempDir()
	_, stop := c.start(countStage(nil), "count", dir)
	c.produce("in", list...)
	c.totals(want)
	stop()
	c.produce("mid", list...)
	c.emptyTopic("mid")
	stop = c.refused(countStage(nil), dir, "were deleted before group count read them", "reset its offsets")
	stop()

	// The remedy that the error names.
	if _, err := c.admin().DeleteGroup(t.Context(), "count"); err != nil {
		t.Fatal(err)
	}
	c.start(countStage(nil), "count", dir)
	c.produce("in", list...)
	c.totals(times(want, 2))
}

// A topic that was deleted and created again while the stage runs is another
// topic: every record of it is processed, from the first.
func TestInputDeletedAndCreatedAgain(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	var log lockedBuffer
	list, _ := keys(100, 10)
	stage := countStage(nil)
	w, _ := c.startWorker(stream.WorkerConfig{
		Stage: stage, TransactionalID: "count", StateDir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	c.produce("mid", list...)
	counted := func(n uint64) func() bool {
		return func() bool {
			var sum uint64
			last := map[string]uint64{}
			for _, r := range c.records("out") {
				last[string(r.Key)] = max(last[string(r.Key)], binary.BigEndian.Uint64(r.Value))
			}
			for _, v := range last {
				sum += v
			}
			return sum == n
		}
	}
	await(t, "the first 100", counted(100))
	c.recreate("mid", partitions, nil)
	c.produce("mid", append(list, list...)...) // beyond where the group stood
	await(t, "200 of the new topic", counted(300))
	await(t, "a ready stage", func() bool { return w.Status().Ready })
	if !strings.Contains(log.String(), "created anew") {
		t.Errorf("the log does not tell:\n%s", &log)
	}
}

// A group that stands beyond the end of its input has the offsets of another.
func TestGroupBeyondTheInputsEnd(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: "mid", Partition: 1, At: 99, LeaderEpoch: -1})
	if err := c.admin().CommitAllOffsets(t.Context(), "count", offsets); err != nil {
		t.Fatal(err)
	}
	c.refused(countStage(nil), "", "group count stands at offset 99 of topic mid partition 1, which ends at 0")
}

// Records that claim to come from the future move no frontier behind the first
// stage: only markers do.
func TestRecordFromTheFutureMovesNoFrontier(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.start(splitStage(), "split", "")
	w, _ := c.start(countStage(nil), "count", "")
	p, err := kafka.NewProducer(c.cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var recs []*kgo.Record
	want := map[string]uint64{}
	for i := range 40 {
		key := fmt.Sprint("future-", i)
		want[key] = 1
		recs = append(recs, &kgo.Record{Topic: "mid", Key: []byte(key), Timestamp: time.Now().Add(100 * 24 * time.Hour)})
	}
	if err := p.ProduceSync(t.Context(), recs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	c.totals(want)
	if f := w.Status().Frontier; f.After(time.Now()) {
		t.Errorf("the frontier is at %v", f)
	}
}

// All records are of one partition: the others' tasks, and the stage behind,
// still come to know that time passes.
func TestIdlePartitions(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.start(splitStage(), "split", "")
	w, _ := c.start(countStage(nil), "count", "")
	c.produce("in", "only", "only")
	c.totals(map[string]uint64{"only": 2}) // its timer has fired
	first := w.Status().Frontier
	await(t, "the frontier to move on", func() bool { return w.Status().Frontier.After(first.Add(time.Second)) })
}

// A root stage that nothing comes to any more fires its timers all the same.
func TestTimersOfAnIdleRoot(t *testing.T) {
	t.Parallel()
	y := newTally(t, brokersOf["kfake"](t))
	y.startWorker(stream.WorkerConfig{Stage: tallyStage(y.name, time.Second), TransactionalID: "root"})
	y.produce(y.in(), "only")
	y.check(map[string]uint64{"only": 1})
}
