package clickhouse_test

import (
	"fmt"
	"os"
	osexec "os/exec"
	"testing"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/posthorn/posthorn/internal/embedded/clickhouse"
)

const (
	aloneVariable = "POSTHORN_TEST_ALONE"
	crashChild    = "POSTHORN_TEST_CRASH_DIR"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashChild); dir != "" {
		if err := insertUntilKilled(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// alone runs the test again in a process of its own and tells whether this is
// that process. A process has one data directory open, and the other tests
// share an engine.
func alone(t *testing.T) bool {
	t.Helper()
	if os.Getenv(aloneVariable) == t.Name() {
		return true
	}
	library(t)
	child := osexec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=5m")
	child.Env = append(os.Environ(), aloneVariable+"="+t.Name())
	if out, err := child.CombinedOutput(); err != nil {
		t.Errorf("in a process of its own: %v\n%s", err, out)
	}
	return false
}

// library gives the path of libchdb.so, or skips the test.
func library(t testing.TB) string {
	t.Helper()
	path, err := clickhouse.Fetch(t.Context(), clickhouse.FetchConfig{})
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skipf("no embedded ClickHouse: %v", err)
	}
	return path
}

// soloEngine starts an engine of the test's own, in a test that is alone.
func soloEngine(t testing.TB, config clickhouse.Config) *clickhouse.Engine {
	t.Helper()
	config.Library = library(t)
	if config.Dir == "" {
		config.Dir = t.TempDir()
	}
	if config.SQLListen == "" {
		config.SQLListen = "127.0.0.1:0"
	}
	if config.MaxMemory == 0 {
		config.MaxMemory = 4 << 30
	}
	engine, err := clickhouse.Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return engine
}

// open connects clickhouse-go.
func open(t testing.TB, dsn string) driver.Conn {
	t.Helper()
	options, err := driver.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := driver.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	return conn
}
