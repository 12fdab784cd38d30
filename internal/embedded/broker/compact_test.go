package broker

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
)

// run starts a broker, calls f and stops it cleanly.
func run(t *testing.T, dir string, f func(ctx context.Context, cfg kafka.Config)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b, err := Start(ctx, Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	f(ctx, kafka.Config{Brokers: b.Addrs()})
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T, ctx context.Context, cfg kafka.Config, topic string, configs map[string]string) {
	t.Helper()
	adm, closeAdmin, err := kafka.NewAdmin(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAdmin()
	set := map[string]*string{}
	for k, v := range configs {
		set[k] = kadm.StringPtr(v)
	}
	if _, err := adm.CreateTopic(ctx, 2, 1, set, topic); err != nil {
		t.Fatal(err)
	}
}

const keys, revisions = 100, 50

func fillTable(t *testing.T, dir string) {
	t.Helper()
	run(t, dir, func(ctx context.Context, cfg kafka.Config) {
		create(t, ctx, cfg, "table", map[string]string{"cleanup.policy": "compact"})
		create(t, ctx, cfg, "facts", map[string]string{"cleanup.policy": "delete", "retention.ms": "2592000000"})
		p, err := kafka.NewProducer(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		for r := range revisions {
			var recs []*kgo.Record
			for k := range keys {
				recs = append(recs,
					&kgo.Record{Topic: "table", Key: fmt.Append(nil, k), Value: fmt.Append(nil, r)},
					&kgo.Record{Topic: "facts", Key: fmt.Append(nil, k), Value: fmt.Append(nil, r)})
			}
			if err := p.ProduceSync(ctx, recs...).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// read returns the last value of each key and the number of records, up to the
// end of the topic.
func read(t *testing.T, ctx context.Context, cfg kafka.Config, topic string) (last map[string]string, n int) {
	t.Helper()
	c, err := kafka.NewConsumer(cfg, kgo.ConsumeTopics(topic), kgo.KeepControlRecords())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ends, err := kadm.NewClient(c).ListEndOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	open := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			open[o.Partition] = o.Offset
		}
	})
	last = map[string]string{}
	for len(open) > 0 {
		fs := c.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			t.Fatal(err)
		}
		fs.EachRecord(func(r *kgo.Record) {
			last[string(r.Key)] = string(r.Value)
			n++
			if r.Offset+1 == open[r.Partition] {
				delete(open, r.Partition)
			}
		})
	}
	return last, n
}

func checkTable(t *testing.T, dir string, check func(records int)) {
	t.Helper()
	run(t, dir, func(ctx context.Context, cfg kafka.Config) {
		last, n := read(t, ctx, cfg, "table")
		if len(last) != keys {
			t.Errorf("%d keys, want %d", len(last), keys)
		}
		for k, v := range last {
			if v != fmt.Sprint(revisions-1) {
				t.Errorf("key %s has revision %s", k, v)
			}
		}
		check(n)
		if _, n := read(t, ctx, cfg, "facts"); n != keys*revisions {
			t.Errorf("%d facts, want %d", n, keys*revisions)
		}
	})
}

func TestCompact(t *testing.T) {
	dir := t.TempDir()
	fillTable(t, dir)
	d := directory(dir)
	before, err := compactableBytes(d.data())
	if err != nil || before == 0 {
		t.Fatal(before, err)
	}
	if err := compact(d, &logger{log: slog.Default()}); err != nil {
		t.Fatal(err)
	}
	after, err := compactableBytes(d.data())
	if err != nil || after >= before/2 {
		t.Errorf("%d bytes after %d, %v", after, before, err)
	}
	checkTable(t, dir, func(n int) {
		if n >= keys*revisions/2 {
			t.Errorf("%d records are left", n)
		}
	})
	if there, err := d.has("backup"); there || err != nil {
		t.Errorf("backup left behind: %v, %v", there, err)
	}
}

// Whatever a compaction that was killed has done to the files, the next start
// goes back to before it.
func TestInterruptedCompactionIsUndone(t *testing.T) {
	wrecks := map[string]func(t *testing.T, d directory){
		"after the backup": func(*testing.T, directory) {},
		"segments removed": func(t *testing.T, d directory) {
			paths, err := filepath.Glob(filepath.Join(d.data(), "partitions", "table-*", "*"))
			if err != nil || len(paths) == 0 {
				t.Fatal(len(paths), err)
			}
			for _, p := range paths {
				if err := os.Remove(p); err != nil {
					t.Fatal(err)
				}
			}
		},
		"compacted, backup not dropped": func(t *testing.T, d directory) {
			if err := os.Rename(d.path("backup"), d.path("keep")); err != nil {
				t.Fatal(err)
			}
			if err := compact(d, &logger{log: slog.Default()}); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(d.path("keep"), d.path("backup")); err != nil {
				t.Fatal(err)
			}
		},
		"while restoring": func(t *testing.T, d directory) {
			if err := os.RemoveAll(d.data()); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, wreck := range wrecks {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			fillTable(t, dir)
			d := directory(dir)
			if err := d.makeBackup(); err != nil {
				t.Fatal(err)
			}
			wreck(t, d)
			checkTable(t, dir, func(n int) {
				if n != keys*revisions {
					t.Errorf("%d records, want the %d from before", n, keys*revisions)
				}
			})
		})
	}
}

func TestHalfABackupIsIgnored(t *testing.T) {
	dir := t.TempDir()
	fillTable(t, dir)
	d := directory(dir)
	for _, half := range []string{"backup.new", "backup.old"} {
		if err := os.MkdirAll(filepath.Join(d.path(half), "partitions"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	checkTable(t, dir, func(int) {})
	if there, err := d.has("backup.new"); there || err != nil {
		t.Errorf("left behind: %v, %v", there, err)
	}
}

func TestLargeTablesAreCompactedAtStart(t *testing.T) {
	dir := t.TempDir()
	fillTable(t, dir)
	d := directory(dir)
	log := &logger{log: slog.Default()}
	if err := compactIfLarge(t.Context(), d, log); err != nil {
		t.Fatal(err)
	}
	if n, err := d.readInt("compacted"); n != 0 || err != nil {
		t.Errorf("a small table was compacted: %d, %v", n, err)
	}
}

func TestRetentionKeepsTheLastRecord(t *testing.T) {
	dir := t.TempDir()
	fillTable(t, dir)
	run(t, dir, func(ctx context.Context, cfg kafka.Config) {
		if err := expire(ctx, cfg.Brokers, time.Now()); err != nil {
			t.Fatal(err)
		}
		if _, n := read(t, ctx, cfg, "facts"); n != keys*revisions {
			t.Errorf("%d facts within retention, want %d", n, keys*revisions)
		}
		if err := expire(ctx, cfg.Brokers, time.Now().Add(31*24*time.Hour)); err != nil {
			t.Fatal(err)
		}
		if _, n := read(t, ctx, cfg, "facts"); n != 2 {
			t.Errorf("%d expired facts are left, want the last of each partition", n)
		}
		if _, n := read(t, ctx, cfg, "table"); n != keys*revisions {
			t.Errorf("%d records in the table, want %d: it has no retention", n, keys*revisions)
		}
	})
}
