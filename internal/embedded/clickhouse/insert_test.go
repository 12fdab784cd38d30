package clickhouse_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	osexec "os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/posthorn/posthorn/internal/embedded/clickhouse"
	"github.com/posthorn/posthorn/internal/embedded/clickhouse/clickhousetest"
)

// once are the settings of an insert that may be repeated.
func once(token string) driver.Settings {
	return driver.Settings{
		"insert_deduplication_token": token, "insert_deduplicate": 1, "deduplicate_blocks_in_dependent_materialized_views": 1,
		"async_insert": 0, "max_insert_threads": 1, "max_insert_block_size": 10_000_000,
		"min_insert_block_size_rows": 0, "min_insert_block_size_bytes": 0,
	}
}

func withSettings(ctx context.Context, settings driver.Settings) context.Context {
	return driver.Context(ctx, driver.WithSettings(settings))
}

// insertNumbers sends rows from..to-1 as one batch.
func insertNumbers(ctx context.Context, conn driver.Conn, table, token string, from, to int) error {
	if token != "" {
		ctx = withSettings(ctx, once(token))
	}
	batch, err := conn.PrepareBatch(ctx, "INSERT INTO "+table+" (n)")
	if err != nil {
		return err
	}
	numbers := make([]uint64, 0, to-from)
	for i := from; i < to; i++ {
		numbers = append(numbers, uint64(i))
	}
	if err := batch.Column(0).Append(numbers); err != nil {
		return err
	}
	return batch.Send()
}

const dedupTable = "CREATE TABLE d (n UInt64) ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 1000"

func TestTheSameTokenIsStoredOnce(t *testing.T) {
	conn := connect(t)
	exec(t, conn, dedupTable)
	exec(t, conn, "CREATE TABLE total (k UInt8, n UInt64) ENGINE = SummingMergeTree ORDER BY k SETTINGS non_replicated_deduplication_window = 1000")
	exec(t, conn, "CREATE MATERIALIZED VIEW total_view TO total AS SELECT toUInt8(1) AS k, count() AS n FROM d GROUP BY k")
	for _, step := range []struct {
		token    string
		from, to int
		want     uint64
	}{
		{"a", 0, 1000, 1000},
		{"a", 0, 1000, 1000},
		{"b", 0, 1000, 2000}, // other batch, the same rows
		{"c", 0, 10, 2010},
		{"a", 0, 1000, 2010},
	} {
		if err := insertNumbers(t.Context(), conn, "d", step.token, step.from, step.to); err != nil {
			t.Fatal(err)
		}
		rows, view := count(t, conn, "SELECT count() FROM d"), count(t, conn, "SELECT toUInt64(sum(n)) FROM total")
		if rows != step.want || view != step.want {
			t.Errorf("after token %s there are %d rows and %d in the view, want %d", step.token, rows, view, step.want)
		}
	}
}

// One connection serves all requests here, so that a leak can't hide.
func TestSettingsDoNotLeak(t *testing.T) {
	if !alone(t) {
		return
	}
	engine := soloEngine(t, clickhouse.Config{Connections: 1, ReadOnlyConnections: 1})
	conn := open(t, engine.DSN())
	exec(t, conn, "DROP TABLE IF EXISTS d")
	exec(t, conn, dedupTable)
	exec(t, conn, "CREATE DATABASE IF NOT EXISTS elsewhere")
	setting := func(name string) string {
		var value string
		if err := conn.QueryRow(t.Context(), "SELECT value FROM system.settings WHERE name = {name:String}", driver.Named("name", name)).Scan(&value); err != nil {
			t.Fatal(err)
		}
		return value
	}
	names := []string{"insert_deduplication_token", "async_insert", "max_insert_block_size", "max_threads", "readonly", "max_memory_usage", "session_timezone", "final", "max_result_bytes"}
	before := map[string]string{}
	for _, name := range names {
		before[name] = setting(name)
	}
	leaks := func(t *testing.T) {
		t.Helper()
		for _, name := range names {
			if got := setting(name); got != before[name] {
				t.Errorf("%s was %q and is %q", name, before[name], got)
			}
		}
		var database string
		if err := conn.QueryRow(t.Context(), "SELECT currentDatabase()").Scan(&database); err != nil || database != "default" {
			t.Errorf("the database is %s, error %v", database, err)
		}
	}
	with := func(settings driver.Settings) context.Context {
		return driver.Context(t.Context(), driver.WithSettings(settings))
	}
	for name, do := range map[string]func() error{
		"token": func() error { return insertNumbers(t.Context(), conn, "d", "leak", 0, 10) },
		"token of an insert that fails": func() error {
			err := conn.Exec(with(once("leak")), "INSERT INTO absent VALUES (1)")
			return expect(err, 60)
		},
		"token in SQL": func() error {
			return conn.Exec(t.Context(), "INSERT INTO d SETTINGS insert_deduplication_token = 'sql' VALUES (77)")
		},
		"readonly": func() error { return conn.Exec(with(driver.Settings{"readonly": 1}), "SELECT 1") },
		"bad value": func() error {
			err := conn.Exec(with(driver.Settings{"max_memory_usage": 1000000, "max_threads": "nonsense"}), "SELECT 1")
			if err == nil {
				return errors.New("no error")
			}
			return nil
		},
		"base settings": func() error {
			return conn.Exec(with(driver.Settings{"async_insert": 1, "session_timezone": "Europe/Berlin", "max_memory_usage": 50_000_000, "final": 1}), "SELECT 1")
		},
		"SET":             func() error { return conn.Exec(t.Context(), "SET max_threads = 1") },
		"USE":             func() error { return conn.Exec(t.Context(), "USE elsewhere") },
		"temporary table": func() error { return conn.Exec(t.Context(), "CREATE TEMPORARY TABLE tmp (n UInt8)") },
		"a document":      func() error { return conn.Exec(t.Context(), "SELECT 1 FORMAT JSON") },
		"exception in the middle": func() error {
			rows, err := conn.Query(with(driver.Settings{"max_threads": 1}), "SELECT throwIf(number = 900000) FROM numbers(1000000)")
			if err != nil {
				return expect(err, 395)
			}
			for rows.Next() {
			}
			return expect(errors.Join(rows.Err(), rows.Close()), 395)
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := do(); err != nil {
				t.Fatal(err)
			}
			leaks(t)
		})
	}
	// An insert without a token after one with it: stored, not taken for a repetition.
	have := count(t, conn, "SELECT count() FROM d")
	for i, token := range []string{"x", "", ""} {
		if err := insertNumbers(t.Context(), conn, "d", token, i*10, i*10+10); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(t, conn, "SELECT count() FROM d"); n != have+30 {
		t.Errorf("%d rows came, want 30", n-have)
	}
	if err := expect(conn.Exec(t.Context(), "SELECT * FROM tmp"), 60); err != nil {
		t.Errorf("the temporary table: %v", err)
	}
}

// expect turns an exception of the code into success.
func expect(err error, code int32) error {
	var e *driver.Exception
	if errors.As(err, &e) && e.Code == code {
		return nil
	}
	return fmt.Errorf("want exception %d, got %w", code, err)
}

func TestInsertsAndQueriesAtOnce(t *testing.T) {
	conn := connect(t, func(o *driver.Options) { o.MaxOpenConns = 16 })
	exec(t, conn, dedupTable)
	const writers, batches, rows = 6, 8, 500
	var wait sync.WaitGroup
	for w := range writers {
		wait.Go(func() {
			for b := range batches {
				first := (w*batches + b) * rows
				for range 2 { // each batch twice
					if err := insertNumbers(t.Context(), conn, "d", fmt.Sprintf("%d-%d", w, b), first, first+rows); err != nil {
						t.Error(err)
						return
					}
				}
				var n, distinct uint64
				if err := conn.QueryRow(t.Context(), "SELECT count(), uniqExact(n) FROM d").Scan(&n, &distinct); err != nil || n != distinct || n%rows != 0 {
					t.Errorf("a reader sees %d rows, %d distinct, error %v", n, distinct, err)
				}
			}
		})
	}
	wait.Wait()
	if n := count(t, conn, "SELECT uniqExact(n) FROM d"); n != writers*batches*rows {
		t.Errorf("%d rows", n)
	}
}

func TestABrokenOffInsertStoresNothing(t *testing.T) {
	dsn := clickhousetest.Database(t)
	conn := open(t, dsn)
	exec(t, conn, dedupTable)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	body := strings.Repeat("1\n", 500)
	_, err = fmt.Fprintf(client, "POST /?%s HTTP/1.1\r\nHost: x\r\nX-ClickHouse-User: %s\r\nX-ClickHouse-Key: %s\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n",
		url.Values{"query": {"INSERT INTO d FORMAT TSV"}, "database": {strings.TrimPrefix(u.Path, "/")}}.Encode(), u.User.Username(), password, len(body), body)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.(*net.TCPConn).CloseWrite(); err != nil { // within the chunks
		t.Fatal(err)
	}
	answer, err := bufio.NewReader(client).ReadString('\n')
	if err != nil || strings.Contains(answer, " 200 ") {
		t.Errorf("the answer is %q, error %v", answer, err)
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	if n := count(t, conn, "SELECT count() FROM d"); n != 0 {
		t.Errorf("%d rows were stored", n)
	}
}

const crashBatches, crashRows = 40, 20_000

func crashTables(ctx context.Context, conn driver.Conn) error {
	for _, sql := range []string{
		"CREATE TABLE IF NOT EXISTS d (n UInt64) ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 1000",
		"CREATE TABLE IF NOT EXISTS total (k UInt8, c UInt64) ENGINE = SummingMergeTree ORDER BY k SETTINGS non_replicated_deduplication_window = 1000",
		"CREATE MATERIALIZED VIEW IF NOT EXISTS total_view TO total AS SELECT toUInt8(n % 7) AS k, count() AS c FROM d GROUP BY k",
	} {
		if err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// insertUntilKilled starts at a batch it is told, sends all that follow, and
// says which were acknowledged.
func insertUntilKilled(dir string) error {
	ctx := context.Background()
	library, err := clickhouse.Fetch(ctx, clickhouse.FetchConfig{})
	if err != nil {
		return err
	}
	engine, err := clickhouse.Start(ctx, clickhouse.Config{Dir: dir, Library: library})
	if err != nil {
		return err
	}
	options, err := driver.ParseDSN(engine.DSN())
	if err != nil {
		return err
	}
	conn, err := driver.Open(options)
	if err != nil {
		return err
	}
	if err := crashTables(ctx, conn); err != nil {
		return err
	}
	first, err := strconv.Atoi(os.Getenv("POSTHORN_TEST_CRASH_BATCH"))
	if err != nil {
		return err
	}
	for b := first; b < crashBatches; b++ {
		if err := insertNumbers(ctx, conn, "d", fmt.Sprintf("batch-%d", b), b*crashRows, (b+1)*crashRows); err != nil {
			return err
		}
		fmt.Println(b)
	}
	if err := conn.Close(); err != nil {
		return err
	}
	return engine.Close()
}

func TestKilledInTheMiddleOfInserts(t *testing.T) {
	if !alone(t) {
		return
	}
	dir := t.TempDir()
	next := 0
	for kill := 0; next < crashBatches; kill++ {
		child := osexec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), crashChild+"="+dir, "POSTHORN_TEST_CRASH_BATCH="+strconv.Itoa(next))
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for acknowledged := 0; lines.Scan(); {
			b, err := strconv.Atoi(lines.Text())
			if err != nil {
				continue
			}
			next = b + 1
			if acknowledged++; acknowledged == 6 && kill < 5 {
				// Somewhere within the next insert, elsewhere each time.
				time.AfterFunc(time.Duration(kill*3)*time.Millisecond, func() { _ = child.Process.Kill() })
			}
		}
		if err := child.Wait(); err != nil && kill >= 5 {
			t.Fatal(err)
		}
	}
	engine := soloEngine(t, clickhouse.Config{Dir: dir})
	conn := open(t, engine.DSN())
	var rows, distinct, view uint64
	if err := conn.QueryRow(t.Context(), "SELECT (SELECT count() FROM d), (SELECT uniqExact(n) FROM d), (SELECT toUInt64(sum(c)) FROM total)").Scan(&rows, &distinct, &view); err != nil {
		t.Fatal(err)
	}
	if want := uint64(crashBatches * crashRows); rows != want || distinct != want || view != want {
		t.Errorf("there are %d rows, %d distinct, %d in the view, want %d", rows, distinct, view, want)
	}
}
