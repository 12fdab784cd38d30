package analytics

import (
	"sync"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/schemas"
)

// single is the layout of a single node.
var single Layout

// addMessages writes n rows into a table of messages.
func addMessages(t *testing.T, conn driver.Conn, table string, n int) error {
	t.Helper()
	rows := messageRows(table)
	for i := range n {
		m := &schemas.Message{Tenant: "t", Account: "a", MessageID: string(rune('a' + i)), Revision: 1}
		if err := rows.add(serde, &kgo.Record{Offset: int64(i), Value: serde.Append(nil, schemas.TopicMessages, m)}); err != nil {
			t.Fatal(err)
		}
	}
	return rows.blocks()[0].insert(t.Context(), conn)
}

func TestExpose(t *testing.T) {
	conn := migrated(t)
	count := func() uint64 { return number(t, conn, "SELECT count() FROM messages FINAL") }
	if err := addMessages(t, conn, "messages", 1); err != nil {
		t.Fatal(err)
	}
	live := schemas.FirstGeneration
	for _, g := range []schemas.Generation{2, 4, 5} {
		if err := CreateTables(t.Context(), conn, g, live); err != nil {
			t.Fatal(err)
		}
		if err := addMessages(t, conn, g.Table("messages"), int(g)); err != nil {
			t.Fatal(err)
		}
		before := count()
		if before == uint64(g) {
			t.Fatalf("generation %d is seen before it is exposed", g)
		}
		var all sync.WaitGroup
		for range 4 { // every sink does it when it starts
			all.Go(func() {
				if err := Expose(t.Context(), conn, g); err != nil {
					t.Errorf("exposing generation %d: %v", g, err)
				}
			})
		}
		all.Wait()
		if n := count(); n != uint64(g) {
			t.Errorf("%d messages are seen of generation %d, want %d", n, g, g)
		}
		live = g
	}
	// A sink that is late neither goes back nor writes among the new rows.
	if err := Expose(t.Context(), conn, 2); err != nil || count() != 5 {
		t.Errorf("exposing an earlier generation: %v, %d messages", err, count())
	}
	if err := addMessages(t, conn, "messages", 20); err == nil {
		t.Error("a late sink wrote under the public name")
	}
	if table, err := PhysicalTable(t.Context(), conn, 1, "messages"); err != nil || table != "messages_1" {
		t.Errorf("the first generation's table is %q: %v", table, err)
	}
	if err := DropTables(t.Context(), conn, 5); err == nil {
		t.Error("the live generation's tables were dropped")
	}
	for _, g := range []schemas.Generation{1, 2, 3, 4} {
		if err := DropTables(t.Context(), conn, g); err != nil {
			t.Error(err)
		}
	}
	// deliveries is one for all; the live ones are a table and its public name.
	want := uint64(2*len(derivedTables()) + len([]string{"deliveries", "mailbox_providers", "schema_migrations"}))
	if n := number(t, conn, "SELECT count() FROM system.tables WHERE database = currentDatabase() AND engine != 'View'"); n != want || count() != 5 {
		t.Errorf("%d tables are left, want %d; %d messages, want 5", n, want, count())
	}
}

// A migration reaches the tables of all generations, and what analysts ask.
func TestMigrationsOfGenerations(t *testing.T) {
	conn := migrated(t)
	has := func(table, column string) bool {
		return number(t, conn, "SELECT count() FROM system.columns WHERE database = currentDatabase() AND table = '"+table+"' AND name = '"+column+"'") == 1
	}
	for i, tables := range [][]string{{"messages"}, {"messages", "messages_2"}, {"messages", "messages_1", "messages_2"}} {
		switch i {
		case 1:
			if err := CreateTables(t.Context(), conn, 2, 1); err != nil {
				t.Fatal(err)
			}
		case 2:
			if err := Expose(t.Context(), conn, 2); err != nil {
				t.Fatal(err)
			}
		}
		column := "added_" + string(rune('a'+i))
		for range 2 { // every statement may be repeated
			if err := single.apply(t.Context(), conn, "ALTER TABLE messages\n    ADD COLUMN IF NOT EXISTS "+column+" String"); err != nil {
				t.Fatal(err)
			}
		}
		for _, table := range tables {
			if !has(table, column) {
				t.Errorf("%s has no column %s", table, column)
			}
		}
	}
	if n := number(t, conn, "SELECT count() FROM messages FINAL WHERE added_c = ''"); n != 0 {
		t.Errorf("%d messages", n)
	}
}

// A table that a migration adds is there for all generations, and its name
// stands for the live one's.
func TestMigrationAddsTableToGenerations(t *testing.T) {
	conn := migrated(t)
	for _, g := range []schemas.Generation{2, 3} {
		if err := CreateTables(t.Context(), conn, g, g-1); err != nil {
			t.Fatal(err)
		}
		if g == 2 {
			if err := Expose(t.Context(), conn, g); err != nil {
				t.Fatal(err)
			}
		}
	}
	tables := []string{"suppressions", "suppressions_1", "suppressions_2", "suppressions_3"}
	for _, table := range tables {
		if err := conn.Exec(t.Context(), "DROP TABLE "+table+" SYNC"); err != nil {
			t.Fatal(err)
		}
	}
	all, err := Migrations()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if m.Name != "0007_suppressions" {
			continue
		}
		list, err := single.statements(m)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // every statement may be repeated
			if err := single.apply(t.Context(), conn, list[0]); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, table := range tables {
		if n := number(t, conn, "SELECT count() FROM "+table); n != 0 {
			t.Errorf("%s holds %d rows", table, n)
		}
	}
	rows := suppressionRows("suppressions_2")
	s := &schemas.Suppression{Tenant: "default", Scope: "all", Recipient: "ann@example.org"}
	if err := rows.add(serde, &kgo.Record{Value: serde.Append(nil, schemas.TopicSuppressions, s)}); err != nil {
		t.Fatal(err)
	}
	insert(t, conn, rows)
	if n := number(t, conn, "SELECT count() FROM suppressions"); n != 1 {
		t.Errorf("%d suppressions of the live generation are seen", n)
	}
}
