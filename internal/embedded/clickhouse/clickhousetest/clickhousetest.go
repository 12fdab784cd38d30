// Package clickhousetest gives tests an embedded ClickHouse.
//
// A process can have one data directory open at a time, so all tests of a test
// binary share one engine, started by the first that asks for it, and work in
// databases of their own.
package clickhousetest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/posthorn/posthorn/internal/embedded/clickhouse"
)

// errUnavailable tells that the library could not be had.
var errUnavailable = errors.New("the embedded ClickHouse is not available")

// shared is the engine of this test process; it ends with the process.
var shared = sync.OnceValues(start)

func start() (*clickhouse.Engine, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	library, err := fetch(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := directory()
	if err != nil {
		return nil, err
	}
	return clickhouse.Start(ctx, clickhouse.Config{
		Dir: dir, Library: library, SQLListen: "127.0.0.1:0", MaxMemory: 4 << 30,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
}

func fetch(ctx context.Context) (string, error) {
	library, err := clickhouse.Fetch(ctx, clickhouse.FetchConfig{})
	if err != nil {
		return "", errors.Join(errUnavailable, err)
	}
	return library, nil
}

// directory makes a data directory. Nobody is left to remove it when the test
// process ends, so those of earlier processes are removed here.
func directory() (string, error) {
	const pattern = "posthorn-clickhousetest-"
	old, err := filepath.Glob(filepath.Join(os.TempDir(), pattern+"*"))
	if err != nil {
		return "", err
	}
	for _, dir := range old {
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > 2*time.Hour {
			if err := os.RemoveAll(dir); err != nil {
				return "", fmt.Errorf("removing what an earlier test left: %w", err)
			}
		}
	}
	return os.MkdirTemp("", pattern)
}

// Start gives the engine of this test process. Without the library the test is
// skipped, or fails where CI is set.
func Start(tb testing.TB) *clickhouse.Engine {
	tb.Helper()
	engine, err := shared()
	demand(tb, err)
	return engine
}

// Library gives the path of the library, for tests that run engines in processes
// of their own. Without it they are skipped, or fail where CI is set.
func Library(tb testing.TB) string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 15*time.Minute)
	defer cancel()
	library, err := fetch(ctx)
	demand(tb, err)
	return library
}

func demand(tb testing.TB, err error) {
	tb.Helper()
	switch {
	case err == nil:
	case errors.Is(err, errUnavailable) && os.Getenv("CI") == "":
		tb.Skipf("no embedded ClickHouse: %v", err)
	default:
		tb.Fatalf("starting the embedded ClickHouse: %v", err)
	}
}

// Database makes a database that is dropped after the test, and gives its DSN
// for clickhouse-go.
func Database(tb testing.TB) (dsn string) {
	tb.Helper()
	engine := Start(tb)
	options, err := driver.ParseDSN(engine.DSN())
	if err != nil {
		tb.Fatalf("parsing the DSN of the embedded ClickHouse: %v", err)
	}
	conn, err := driver.Open(options)
	if err != nil {
		tb.Fatalf("opening the embedded ClickHouse: %v", err)
	}
	var id [6]byte
	rand.Read(id[:]) // never fails
	name := "test_" + hex.EncodeToString(id[:])
	if err := conn.Exec(context.Background(), "CREATE DATABASE "+name); err != nil {
		tb.Fatalf("creating the database: %v", errors.Join(err, conn.Close()))
	}
	tb.Cleanup(func() {
		// The test's own context may be over.
		err := conn.Exec(context.Background(), "DROP DATABASE IF EXISTS "+name+" SYNC")
		if err := errors.Join(err, conn.Close()); err != nil {
			tb.Errorf("dropping the database: %v", err)
		}
	})
	return engine.DatabaseDSN(name)
}
