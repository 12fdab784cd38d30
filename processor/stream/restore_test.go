package stream_test

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthorn/posthorn/processor/stream"
)

// A store that holds most of its changelog reads the rest of it, not all.
func TestRestoreReadsTheTailOnly(t *testing.T) {
	t.Parallel()
	y := newTally(t, brokersOf["kfake"](t))
	dir := t.TempDir()
	run := func(dir string) (reg *prometheus.Registry, stop func()) {
		reg = prometheus.NewRegistry()
		_, stop = y.startWorker(stream.WorkerConfig{Stage: tallyStage(y.name, time.Hour), TransactionalID: "one", StateDir: dir, Registerer: reg})
		return reg, stop
	}
	list, want := keys(2000, 1000)
	produced := 0
	process := func(list []string) {
		produced += len(list)
		y.produce(y.in(), list...)
		await(t, "the outputs", func() bool { return len(y.records(y.out())) == produced })
	}
	_, stop := run(dir)
	process(list)
	stop()
	old := copyOf(t, dir)
	_, stop = run(dir)
	process([]string{"key-1", "key-2", "new"})
	stop()

	for _, tt := range []struct {
		dir  string
		want float64
	}{
		{dir, 0}, // level
		// Behind by three values and a timer.
		{old, 4},
		// All: a value for each key, once or twice since they were written in
		// several transactions, and a timer.
		{t.TempDir(), float64(2 * len(want))},
	} {
		reg, stop := run(tt.dir)
		process([]string{"key-3"})
		n := metric(t, reg, "posthorn_stage_restored_records_total")
		if n < tt.want || tt.want < 1000 && n > tt.want+1 {
			t.Errorf("%v records restored, want %v", n, tt.want)
		}
		stop()
	}
}

// The broker's cleaner may take the last records of a changelog away, whose
// offsets then never come: the restore ends all the same.
func TestChangelogsTailCompactedAway(t *testing.T) {
	t.Parallel()
	y := newTally(t, brokersOf["kfake"](t))
	_, stop := y.startWorker(stream.WorkerConfig{Stage: tallyStage(y.name, 0), TransactionalID: "one"})
	y.produce(y.in(), "a", "b", "c")
	want := map[string]uint64{"a": 1, "b": 1, "c": 1}
	y.check(want)
	stop()
	changelog := stream.ChangelogTopic(y.name, "engine")
	ends, err := y.admin().ListEndOffsets(t.Context(), changelog, stream.ChangelogTopic(y.name, "n"))
	if err != nil {
		t.Fatal(err)
	}
	// To a reader, a log without its tail is one whose end is told to be further on.
	y.fake.ControlKey(int16(kmsg.ListOffsets), func(req kmsg.Request) (kmsg.Response, error, bool) {
		y.fake.KeepControl()
		list := req.(*kmsg.ListOffsetsRequest)
		resp := req.ResponseKind().(*kmsg.ListOffsetsResponse)
		for _, topic := range list.Topics {
			rt := kmsg.NewListOffsetsResponseTopic()
			rt.Topic = topic.Topic
			for _, p := range topic.Partitions {
				end, ok := ends.Lookup(topic.Topic, p.Partition)
				if !ok || p.Timestamp != -1 {
					return nil, nil, false
				}
				rp := kmsg.NewListOffsetsResponseTopicPartition()
				rp.Partition, rp.Offset, rp.LeaderEpoch = p.Partition, end.Offset, end.LeaderEpoch
				if topic.Topic == changelog {
					rp.Offset += 3
				}
				rt.Partitions = append(rt.Partitions, rp)
			}
			resp.Topics = append(resp.Topics, rt)
		}
		return resp, nil, true
	})
	began := time.Now()
	w, _ := y.startWorker(stream.WorkerConfig{Stage: tallyStage(y.name, 0), TransactionalID: "one"})
	await(t, "the restore to begin", func() bool { return len(w.Status().Tasks) == partitions })
	y.produce(y.in(), "a", "b", "c")
	y.check(times(want, 2))
	if time.Since(began) < 4*time.Second {
		t.Error("the tail was not missed at all")
	}
}

// While the changelog of one task is slow, the others go on.
func TestOthersGoOnDuringARestore(t *testing.T) {
	t.Parallel()
	y := newTally(t, brokersOf["kfake"](t))
	list, want := keys(2000, 100)
	_, stop := y.startWorker(stream.WorkerConfig{Stage: tallyStage(y.name, 0), TransactionalID: "one"})
	y.produce(y.in(), list...)
	y.check(want)
	stop()

	slow := y.fake.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Fetch}, Topic: stream.ChangelogTopic(y.name, "n"), Partitions: []int32{0}, Count: -1, Err: kerr.NotLeaderForPartition,
	})
	began := time.Now()
	w, _ := y.startWorker(stream.WorkerConfig{Stage: tallyStage(y.name, 0), TransactionalID: "one"})
	restoring := func() (n int, left int64) {
		for _, task := range w.Status().Tasks {
			if task.Restoring {
				n++
				left += task.ToRestore - task.Restored
			}
		}
		return n, left
	}
	await(t, "one task alone to be restoring", func() bool { n, _ := restoring(); return n == 1 })
	outputs := func() (ofIt, all int) {
		for _, r := range y.records(y.out()) {
			if r.Partition == 0 {
				ofIt++
			}
			all++
		}
		return ofIt, all
	}
	ofItBefore, before := outputs()
	y.produce(y.in(), list...)
	await(t, "outputs of the others", func() bool { _, n := outputs(); return n > before+1000 })
	if n, left := restoring(); n != 1 || left == 0 {
		t.Errorf("%d tasks are restoring, %d records left", n, left)
	}
	if n, _ := outputs(); n != ofItBefore {
		t.Error("the task processed before it was restored")
	}
	// However long it takes: to yield nothing is not to hold nothing.
	await(t, "the restore's patience to end", func() bool { return time.Since(began) > 7*time.Second })
	if n, _ := restoring(); n != 1 {
		t.Error("the restore ended without its changelog")
	}
	slow.Remove()
	y.check(times(want, 2))
}
