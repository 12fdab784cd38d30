package clickhouse_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posthorn/posthorn/internal/embedded/clickhouse"
)

func TestOneDirectoryAtATime(t *testing.T) {
	if !alone(t) {
		return
	}
	dir := t.TempDir()
	engine := soloEngine(t, clickhouse.Config{Dir: dir})
	conn := open(t, engine.DSN())
	exec(t, conn, "CREATE TABLE kept (n UInt8) ENGINE = MergeTree ORDER BY n")
	exec(t, conn, "INSERT INTO kept VALUES (1)")

	_, err := clickhouse.Start(t.Context(), clickhouse.Config{Dir: dir, Library: library(t)})
	if err == nil || !strings.Contains(err.Error(), "in use by process") {
		t.Errorf("the same directory again: %v", err)
	}
	if _, err := clickhouse.Start(t.Context(), clickhouse.Config{Dir: t.TempDir(), Library: library(t)}); err == nil {
		t.Error("a second directory was opened")
	}
	if n := count(t, conn, "SELECT count() FROM kept"); n != 1 {
		t.Errorf("the first engine has %d rows", n)
	}
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
	if err := engine.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
	again := soloEngine(t, clickhouse.Config{Dir: dir})
	if n := count(t, open(t, again.DSN()), "SELECT count() FROM kept"); n != 1 {
		t.Errorf("after closing and opening again there are %d rows", n)
	}
	if again.DSN() == engine.DSN() {
		t.Error("the password is the same after a restart")
	}
}

func TestTooManyQueriesWaitOrAreRefused(t *testing.T) {
	if !alone(t) {
		return
	}
	engine := soloEngine(t, clickhouse.Config{Connections: 2, ReadOnlyConnections: 1})
	const asked = 40 // one runs, 16 wait
	slow := engine.SQLURL() + "/?" + url.Values{"query": {"SELECT sleep(0.1)"}}.Encode()
	codes := map[string]int{}
	var mu sync.Mutex
	var wait sync.WaitGroup
	for range asked {
		wait.Go(func() {
			_, code, status := ask(t, "GET", slow, "")
			mu.Lock()
			defer mu.Unlock()
			codes[code]++
			if code == "202" && status != http.StatusServiceUnavailable {
				t.Errorf("status %d", status)
			}
		})
	}
	// Writers have connections of their own.
	conn := open(t, engine.DSN())
	exec(t, conn, "CREATE TABLE w (n UInt8) ENGINE = MergeTree ORDER BY n")
	exec(t, conn, "INSERT INTO w VALUES (1)")
	wait.Wait()
	if codes[""] < 17 || codes["202"] == 0 || codes[""]+codes["202"] != asked {
		t.Errorf("exceptions: %v", codes)
	}
}

func TestCloseWaitsForWhatRuns(t *testing.T) {
	if !alone(t) {
		return
	}
	engine := soloEngine(t, clickhouse.Config{})
	conn := open(t, engine.DSN())
	result := make(chan error, 1)
	go func() {
		var n uint8
		result <- conn.QueryRow(t.Context(), "SELECT max(sleepEachRow(0.5)) AS close_test FROM numbers(4) SETTINGS max_block_size = 1").Scan(&n)
	}()
	other := open(t, engine.DSN())
	eventually(t, "the query runs", func() bool {
		return count(t, other, "SELECT count() FROM system.processes WHERE query LIKE '%AS close_test%' AND query NOT LIKE '%processes%'") == 1
	})
	if err := engine.Close(); err != nil {
		t.Error(err)
	}
	if err := <-result; err != nil {
		t.Errorf("the running query: %v", err)
	}
	if err := other.Ping(t.Context()); err == nil {
		t.Error("the engine answers after Close")
	}
}

func TestStartFailsClearly(t *testing.T) {
	text := filepath.Join(t.TempDir(), "libchdb.so")
	if err := os.WriteFile(text, []byte("not a library"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, config := range map[string]clickhouse.Config{
		"no directory":  {Library: text},
		"no library":    {Dir: t.TempDir()},
		"absent":        {Dir: t.TempDir(), Library: text + ".absent"},
		"not a library": {Dir: t.TempDir(), Library: text},
	} {
		if _, err := clickhouse.Start(t.Context(), config); err == nil {
			t.Errorf("%s: started", name)
		} else {
			t.Logf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	if _, err := clickhouse.Fetch(ctx, clickhouse.FetchConfig{CacheDir: t.TempDir(), Resolve: func(ctx context.Context, _, _ string) (string, error) {
		return "", ctx.Err()
	}}); os.Getenv(clickhouse.LibraryVariable) == "" && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("fetching with an ended context: %v", err)
	}
}
