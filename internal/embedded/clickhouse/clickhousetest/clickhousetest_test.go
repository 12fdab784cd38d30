package clickhousetest_test

import (
	"context"
	"testing"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/posthorn/posthorn/internal/embedded/clickhouse/clickhousetest"
)

func TestDatabasesAreApart(t *testing.T) {
	var names []string
	for range 2 {
		options, err := driver.ParseDSN(clickhousetest.Database(t))
		if err != nil {
			t.Fatal(err)
		}
		conn, err := driver.Open(options)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.Exec(context.Background(), "CREATE TABLE same (a UInt8) ENGINE = MergeTree ORDER BY a"); err != nil {
			t.Fatal(err)
		}
		var name string
		if err := conn.QueryRow(context.Background(), "SELECT currentDatabase()").Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if names[0] == names[1] || names[0] == "default" {
		t.Errorf("databases are %q", names)
	}
}
