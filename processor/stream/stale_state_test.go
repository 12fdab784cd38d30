package stream_test

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/posthorn/posthorn/processor/stream"
)

// metric reads a counter or gauge of a worker.
func metric(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var sum float64
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
			return sum
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// State that does not belong to its changelog is set aside, whatever gives it
// away: every value in it is falsified, so that a total shows if one was used.
func TestForeignStateIsSetAside(t *testing.T) {
	for because, edit := range map[string]func(p *stream.Position) bool{
		"its changelog is another topic":         func(p *stream.Position) bool { p.SetTopicID(1); return true },
		"it is ahead of its changelog":           func(p *stream.Position) bool { p.Move(1000); return true },
		"its last record is not the changelog's": func(p *stream.Position) bool { p.SetCRC(1); return true },
		"it is older than deletions are kept":    func(p *stream.Position) bool { p.Age(4 * 24 * time.Hour); return true },
		"it comes from the future":               func(p *stream.Position) bool { p.Age(-2 * 24 * time.Hour); return true },
		"is malformed":                           func(*stream.Position) bool { return false },
	} {
		t.Run(because, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.start(splitStage(), "split", "")
			dir := t.TempDir()
			list, want := keys(500, 50)
			_, stop := c.start(countStage(nil), "count", dir)
			c.produce("in", list...)
			c.totals(want)
			stop()
			if err := stream.EditState(filepath.Join(dir, "count"), edit); err != nil {
				t.Fatal(err)
			}
			var log lockedBuffer
			reg := prometheus.NewRegistry()
			c.startWorker(stream.WorkerConfig{
				Stage: countStage(nil), TransactionalID: "count", StateDir: dir, Registerer: reg,
				Logger: slog.New(slog.NewTextHandler(&log, nil)),
			})
			c.produce("in", list...)
			c.totals(times(want, 2))
			if !strings.Contains(log.String(), because) {
				t.Errorf("the log does not say that %s:\n%s", because, &log)
			}
			if n := metric(t, reg, "posthorn_stage_session_failures_total"); n > 0 {
				t.Errorf("%v sessions failed", n)
			}
			if n := metric(t, reg, "posthorn_stage_restored_records_total"); n < 100 {
				t.Errorf("%v records restored, fewer than there are keys and timers", n)
			}
		})
	}
}

func times(want map[string]uint64, n uint64) map[string]uint64 {
	m := map[string]uint64{}
	for k, v := range want {
		m[k] = v * n
	}
	return m
}

// A changelog whose beginning was deleted past what the state holds has lost
// changes: the state alone must not pretend to know them.
func TestChangelogBeginsLater(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.start(splitStage(), "split", "")
	dir := t.TempDir()
	list, want := keys(200, 10)
	_, stop := c.start(countStage(nil), "count", dir)
	c.produce("in", list...)
	c.totals(want)
	stop()
	old := copyOf(t, dir)
	_, stop = c.start(countStage(nil), "count", dir)
	c.produce("in", list...)
	c.totals(times(want, 2))
	stop()
	c.emptyTopic(stream.ChangelogTopic("count", "totals"))

	var log lockedBuffer
	c.startWorker(stream.WorkerConfig{
		Stage: countStage(nil), TransactionalID: "count", StateDir: old, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	await(t, "the state to be set aside", func() bool { return strings.Contains(log.String(), "its changelog begins later") })
}

// State that is level with a changelog of which everything was deleted is good:
// its last record is no longer there to compare with.
func TestChangelogEndsWhereStateDoes(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.start(splitStage(), "split", "")
	dir := t.TempDir()
	list, want := keys(200, 10)
	_, stop := c.start(countStage(nil), "count", dir)
	c.produce("in", list...)
	c.totals(want)
	stop()
	w, stop := c.start(countStage(nil), "count", dir) // reads to the very end
	await(t, "the restore", func() bool { return w.Status().Ready && len(w.Status().Tasks) == partitions })
	stop()
	c.emptyTopic(stream.ChangelogTopic("count", "totals"))
	c.start(countStage(nil), "count", dir)
	c.produce("in", list...)
	c.totals(times(want, 2))
}

// Files that are damaged, at the start or where they are read later, cost a
// restore and nothing else.
func TestDamagedStateIsRestored(t *testing.T) {
	for _, files := range []string{"MANIFEST-*", "*.sst"} {
		t.Run(files, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.start(splitStage(), "split", "")
			dir := t.TempDir()
			list, want := keys(500, 50)
			for round := range 2 { // the second start writes the first one's log out as a table
				_, stop := c.start(countStage(nil), "count", dir)
				c.produce("in", list...)
				c.totals(times(want, uint64(round)+1))
				stop()
			}
			stream.Ruin(t, filepath.Join(dir, "count"), files)
			c.start(countStage(nil), "count", dir)
			c.produce("in", list...)
			c.totals(times(want, 3))
			if kept, err := filepath.Glob(filepath.Join(dir, "count.damaged-*")); len(kept) != 1 || err != nil {
				t.Errorf("set aside: %v, %v", kept, err)
			}
		})
	}
}
