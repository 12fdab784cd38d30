package export

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/cenkalti/backoff/v5"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/internal/embedded/clickhouse/clickhousetest"
)

// epoch is recent, since tables forget what is older than 400 days.
var epoch = time.Now().Add(-20 * 24 * time.Hour).Truncate(time.Hour).UTC()

// filled gives a database with n events, some of one microsecond, and n/2 messages of
// two revisions each.
func filled(t *testing.T, n int) (dsn string, conn driver.Conn) {
	t.Helper()
	dsn = clickhousetest.Database(t)
	conn, err := analytics.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := analytics.Migrate(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	at := fmt.Sprintf("fromUnixTimestamp64Micro(toInt64(%d + intDiv(number, 7) * 60000000 + if(number > 500, 864000000000, 0)), 'UTC')", epoch.UnixMicro())
	for _, sql := range []string{
		fmt.Sprintf(`INSERT INTO events (tenant, campaign_id, type, received_at, arrived_at, event_id, description, tags, kafka_partition, kafka_offset)
			SELECT 'default', toString(number %% 3), 'opened', %s AS at, at, toUUID(UUIDNumToString(reverse(toFixedString(reinterpretAsString(number + 1), 16)))),
			concat('a "quoted", line\nand é ', toString(number)), ['x', 'y,z'], number %% 4, number FROM numbers(%d)`, at, n),
		fmt.Sprintf(`INSERT INTO messages (tenant, account, message_id, recipient_id, campaign_id, last_event_at, outcome, revision)
			SELECT 'default', concat('a\'', toString(number %% 2)), toString(number * 7919 %% 1000), toUUID('00000000-0000-0000-0000-00000000000a'), '1', %s, 'delivered', 1 FROM numbers(%d)`, at, n/2),
		`INSERT INTO messages (tenant, account, message_id, recipient_id, campaign_id, last_event_at, outcome, revision, first_opened_at)
			SELECT tenant, account, message_id, recipient_id, campaign_id, last_event_at, 'opened', 2, last_event_at FROM messages WHERE message_id < '5'`,
	} {
		if n == 0 {
			break
		}
		if err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	return dsn, conn
}

func exported(t *testing.T, cfg Config) (Result, string) {
	t.Helper()
	r, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, name := range r.Files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(cfg.Out), "*.*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range left {
		if strings.HasSuffix(name, ".part") || strings.Contains(name, ".state") {
			t.Errorf("%s is left", name)
		}
	}
	return r, all.String()
}

// broken runs an export that is killed after a random number of chunks, again and
// again, with the chunk that was being written left in the file.
func broken(t *testing.T, cfg Config, rng *rand.Rand) (kills int) {
	t.Helper()
	for ; ; kills++ {
		ctx, cancel := context.WithCancel(t.Context())
		left := 1 + rng.IntN(3)
		cfg.Progress = func(int64, int64) {
			if left--; left < 0 {
				cancel()
			}
		}
		_, err := Run(ctx, cfg)
		cancel()
		if err == nil {
			return kills
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		for _, pattern := range []string{cfg.Out + ".part", filepath.Join(cfg.Out, "*.part")} {
			names, err := filepath.Glob(pattern)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range names {
				f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
				if err != nil {
					t.Fatal(err)
				}
				_, err = f.WriteString("half a li")
				if err := errors.Join(err, f.Close()); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func TestKilledExportIsTheSame(t *testing.T) {
	dsn, _ := filled(t, 1000)
	for _, c := range []struct {
		table, format string
		rows          int64
	}{
		{"events", CSV, 1000}, {"events", NDJSON, 1000}, {"messages", CSV, 500}, {"messages", NDJSON, 500}, {"statistics", CSV, 0},
	} {
		for seed := range uint64(3) {
			t.Run(fmt.Sprint(c.table, " ", c.format, " ", seed), func(t *testing.T) {
				dir := t.TempDir()
				base := Config{Table: c.table, Format: c.format, DSN: dsn, Tenant: "default"}
				whole, cut := base, base
				whole.Out = filepath.Join(dir, "whole")
				r, want := exported(t, whole)
				if r.Rows != c.rows {
					t.Errorf("%d rows, want %d", r.Rows, c.rows)
				}
				cut.Out, cut.ChunkRows = filepath.Join(dir, "cut"), 30+int64(seed)*40
				kills := broken(t, cut, rand.New(rand.NewPCG(seed, 1)))
				got, err := os.ReadFile(cut.Out)
				if err != nil || string(got) != want {
					t.Errorf("after %d kills %d bytes, want %d (%v)", kills, len(got), len(want), err)
				}
				if c.rows > 0 && kills == 0 {
					t.Error("it was never killed")
				}
			})
		}
	}
}

func TestChosenRowsAndColumns(t *testing.T) {
	dsn, _ := filled(t, 1000)
	dir := t.TempDir()
	for i, c := range []struct {
		name string
		cfg  Config
		rows int64
	}{
		{"campaign", Config{Table: "events", Campaign: "1"}, 333},
		{"since", Config{Table: "events", Since: epoch.Add(5 * 24 * time.Hour)}, 499},
		{"until", Config{Table: "events", Until: epoch.Add(time.Minute)}, 7},
		{"none", Config{Table: "events", Campaign: "none"}, 0},
		{"another tenant", Config{Table: "events", Tenant: "it's another"}, 0},
		{"no triggers", Config{Table: "triggers"}, 0},
		{"no deliveries", Config{Table: "deliveries"}, 0},
		{"no suppressions", Config{Table: "suppressions"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.cfg.DSN, c.cfg.Format, c.cfg.Columns, c.cfg.Out = dsn, CSV, []string{"tenant", "campaign_id"}, filepath.Join(dir, fmt.Sprint(i))
			c.cfg.ChunkRows = 50
			r, text := exported(t, c.cfg)
			if r.Rows != c.rows || int64(strings.Count(text, "\n")) != c.rows+1 || !strings.HasPrefix(text, "tenant,campaign_id\n") {
				t.Errorf("%d rows, want %d: %.80q", r.Rows, c.rows, text)
			}
		})
	}
}

func TestStandardOutput(t *testing.T) {
	dsn, _ := filled(t, 100)
	var out bytes.Buffer
	r, err := Run(t.Context(), Config{Table: "events", Format: NDJSON, DSN: dsn, Out: "-", Stdout: &out, ChunkRows: 9})
	if err != nil || r.Rows != 100 || strings.Count(out.String(), "\n") != 100 {
		t.Errorf("%d rows, %v", r.Rows, err)
	}
}

func TestRefused(t *testing.T) {
	dsn, _ := filled(t, 100)
	dir := t.TempDir()
	there := filepath.Join(dir, "there")
	if err := os.WriteFile(there, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ok := Config{Table: "events", Format: CSV, DSN: dsn, Out: filepath.Join(dir, "x")}
	for problem, change := range map[string]func(*Config){
		"can't be exported: name one of deliveries, events": func(c *Config) { c.Table = "evnts" },
		"one of csv, ndjson, parquet, avro":                 func(c *Config) { c.Format = "xml" },
		"has no column \"typ\": name some of tenant":        func(c *Config) { c.Columns = []string{"typ"} },
		"columns can't be chosen for avro":                  func(c *Config) { c.Format, c.Columns = Avro, []string{"type"} },
		"nothing between them":                              func(c *Config) { c.Since, c.Until = epoch, epoch },
		"out is missing":                                    func(c *Config) { c.Out = "" },
		"exists: remove it":                                 func(c *Config) { c.Out = there },
		"no such file or directory":                         func(c *Config) { c.Out = filepath.Join(dir, "no", "x") },
		"name a folder":                                     func(c *Config) { c.Format, c.ChunkRows = Parquet, 10 },
		"has no table events":                               func(c *Config) { c.DSN = clickhousetest.Database(t) },
		"disk is full":                                      func(c *Config) { c.Out = full(t, dir) },
	} {
		cfg := ok
		change(&cfg)
		cfg.backOff, cfg.GiveUp = &backoff.ZeroBackOff{}, time.Second
		if _, err := Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("%s: %v", problem, err)
		}
	}
}

// full is a file to which nothing can be written for want of room.
func full(t *testing.T, dir string) string {
	t.Helper()
	const device = "/dev/full"
	if _, err := os.Stat(device); err != nil {
		t.Skip("there is no " + device)
	}
	path := filepath.Join(dir, "full")
	if err := os.Symlink(device, path+".part"); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOtherOptionsDoNotGoOn(t *testing.T) {
	dsn, _ := filled(t, 1000)
	cfg := Config{Table: "events", Format: CSV, DSN: dsn, Out: filepath.Join(t.TempDir(), "x"), ChunkRows: 50}
	ctx, cancel := context.WithCancel(t.Context())
	chunks := 0
	cfg.Progress = func(int64, int64) {
		if chunks++; chunks == 3 {
			cancel()
		}
	}
	if _, err := Run(ctx, cfg); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	cfg.Progress = nil
	other := cfg
	other.Campaign = "1"
	if _, err := Run(t.Context(), other); err == nil || !strings.Contains(err.Error(), "other options") {
		t.Errorf("it goes on: %v", err)
	}
	other.Restart = true
	if r, _ := exported(t, other); r.Rows != 333 || r.Resumed != 0 {
		t.Errorf("%+v", r)
	}
}

func TestTwoExportsDoNotShareAFile(t *testing.T) {
	dsn, _ := filled(t, 100)
	cfg := Config{Table: "events", Format: CSV, DSN: dsn, Out: filepath.Join(t.TempDir(), "x"), ChunkRows: 9}
	second := cfg
	tried := false
	cfg.Progress = func(int64, int64) {
		if tried {
			return
		}
		tried = true
		if _, err := Run(t.Context(), second); err == nil || !strings.Contains(err.Error(), "another export writes") {
			t.Errorf("the second: %v", err)
		}
	}
	if r, _ := exported(t, cfg); r.Rows != 100 {
		t.Errorf("%d rows", r.Rows)
	}
}
