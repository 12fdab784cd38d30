package analytics

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/posthorn/posthorn/schemas"
)

var clustered = Layout{Cluster: "mail"}

// Every statement of both layouts parses in the engine. A cluster's are not
// executed here.
func TestStatementsOfBothLayoutsParse(t *testing.T) {
	conn := opened(t, testDSN(t))
	all, err := Migrations()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []Layout{single, clustered} {
		list := []string{l.createMigrations()}
		for _, m := range all {
			add, err := l.statements(m)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, add...)
		}
		for _, name := range derivedTables() {
			list = append(list, l.createLike(schemas.Generation(2).Table(name), name)...)
			list = append(list, l.dropTable(firstTable(name), name)...)
			if l.Cluster != "" {
				list = append(list, l.exposed(2, 1, name)...)
				list = append(list, l.alterCluster(name, "ADD COLUMN IF NOT EXISTS x String", 2, []string{name + "_1", name + "_2"})...)
			}
		}
		for _, statement := range list {
			var formatted string
			if err := conn.QueryRow(t.Context(), "SELECT formatQuery(?)", statement).Scan(&formatted); err != nil {
				t.Errorf("%s: %v\n%s", l, err, statement)
			}
			if clustered := strings.Contains(formatted, "ON CLUSTER mail"); clustered != (l.Cluster != "") {
				t.Errorf("%s:\n%s", l, formatted)
			}
			if strings.Contains(statement, "{{") {
				t.Errorf("not filled in:\n%s", statement)
			}
		}
	}
}

// The two layouts have the same columns and sort keys.
func TestLayoutsDifferOnlyInEngines(t *testing.T) {
	one, err := single.SQL()
	if err != nil {
		t.Fatal(err)
	}
	many, err := clustered.SQL()
	if err != nil {
		t.Fatal(err)
	}
	many = strings.ReplaceAll(many, " ON CLUSTER 'mail'", "")
	many = regexp.MustCompile(`(?m)^CREATE TABLE IF NOT EXISTS \w+ AS \w+ ENGINE = Distributed\(.*;\n?`).ReplaceAllString(many, "")
	many = strings.NewReplacer("_local", "", "Replicated", "", shardPath+", ", "", nodePath+", ", "", "("+shardPath+")", "",
		clustered.once(), single.once()).Replace(many)
	tidy := func(s string) string { return regexp.MustCompile(`\n+`).ReplaceAllString(s, "\n") }
	if tidy(one) != tidy(many) {
		t.Errorf("they differ beyond that:\n%s\n---\n%s", one, many)
	}
	for _, name := range append(derivedTables(), "deliveries") {
		want := fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s ON CLUSTER 'mail' AS %[1]s_local ENGINE = Distributed('mail', currentDatabase(), %[1]s_local);", name)
		text, _ := clustered.SQL()
		if !strings.Contains(text, want) {
			t.Errorf("there is no %s", want)
		}
	}
}

func TestNamesOfClusters(t *testing.T) {
	for name, ok := range map[string]bool{"": true, "mail-1": true, "a'b": false, "a b": false, "{cluster}": false} {
		l := Layout{Cluster: name}
		if _, err := l.SQL(); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// What analysts see in DESCRIBE: each column and table says what it is.
func TestEveryColumnIsDocumented(t *testing.T) {
	conn := migrated(t)
	rows, err := conn.Query(t.Context(), `SELECT concat(table, '.', name) FROM system.columns WHERE database = currentDatabase() AND comment = '' AND table != 'schema_migrations'
		AND table IN (SELECT name FROM system.tables WHERE database = currentDatabase() AND engine NOT LIKE '%View')
		UNION ALL SELECT name FROM system.tables WHERE database = currentDatabase() AND comment = '' AND name != 'schema_migrations'`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		t.Errorf("%s has no comment", name)
	}
	if n := number(t, conn, "SELECT count() FROM system.columns WHERE database = currentDatabase() AND comment != ''"); n < 250 {
		t.Errorf("only %d columns have a comment", n)
	}
}

// In a cluster the local tables of generations stay, and the names that are read
// move on.
func TestGenerationsOfACluster(t *testing.T) {
	for engine, want := range map[string]public{
		"Distributed('mail', 'posthorn', 'events_local')":              {generation: 1, layout: clustered},
		"Distributed('mail', 'posthorn', 'events_3_local')":            {generation: 3, layout: clustered},
		"Distributed('mail', 'default', 'events_12_local', rand())":    {generation: 12, layout: clustered},
		"MergeTree PARTITION BY toYYYYMM(received_at) ORDER BY tenant": {generation: 1},
		"Merge(currentDatabase(), '^events_2$')":                       {generation: 2, merge: true},
	} {
		got, err := parsePublic("events", engine)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", engine, got, err)
		}
	}
	if _, err := parsePublic("events", "Distributed('mail', 'posthorn', 'other')"); err == nil {
		t.Error("another table is taken for a generation")
	}
	exposed := clustered.exposed(2, 1, "events")
	if want := []string{
		"CREATE TABLE IF NOT EXISTS events_1 ON CLUSTER 'mail' AS events_local ENGINE = Distributed('mail', currentDatabase(), events_local)",
		"CREATE OR REPLACE TABLE events ON CLUSTER 'mail' AS events_2_local ENGINE = Distributed('mail', currentDatabase(), events_2_local)",
	}; !slices.Equal(exposed, want) {
		t.Errorf("got %q", exposed)
	}
	altered := clustered.alterCluster("events", "ADD COLUMN x String", 2, []string{"events_1", "events_2"})
	if want := []string{
		"ALTER TABLE events_local ON CLUSTER 'mail' ADD COLUMN x String",
		"ALTER TABLE events_2_local ON CLUSTER 'mail' ADD COLUMN x String",
		"CREATE OR REPLACE TABLE events_1 ON CLUSTER 'mail' AS events_local ENGINE = Distributed('mail', currentDatabase(), events_local)",
		"CREATE OR REPLACE TABLE events_2 ON CLUSTER 'mail' AS events_2_local ENGINE = Distributed('mail', currentDatabase(), events_2_local)",
		"CREATE OR REPLACE TABLE events ON CLUSTER 'mail' AS events_2_local ENGINE = Distributed('mail', currentDatabase(), events_2_local)",
	}; !slices.Equal(altered, want) {
		t.Errorf("got %q", altered)
	}
}

func TestAnotherLayoutIsRefused(t *testing.T) {
	conn := migrated(t)
	if err := clustered.checkStanding(t.Context(), conn); err == nil || !strings.Contains(err.Error(), "made for a single node") {
		t.Errorf("got %v", err)
	}
	if err := single.checkStanding(t.Context(), conn); err != nil {
		t.Error(err)
	}
}

// A database with the tables that were before the first release.
func TestTablesBeforeTheFirstReleaseAreRefused(t *testing.T) {
	conn := opened(t, testDSN(t))
	if err := conn.Exec(t.Context(), single.createMigrations()); err != nil {
		t.Fatal(err)
	}
	if err := conn.Exec(t.Context(), "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES (1, '0001_events', 'c0ffee', now())"); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"check":   CheckMigrated(t.Context(), conn),
		"migrate": func() error { _, err := Migrate(t.Context(), conn); return err }(),
	} {
		if !errors.Is(err, ErrOtherTables) || !strings.Contains(err.Error(), "0001_events") || !strings.Contains(err.Error(), "posthorn rebuild") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestInsertsMustBeRemembered(t *testing.T) {
	for engine, want := range map[string]string{
		"MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192":                                           "",
		"MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 50":                                                                        "raise non_replicated_deduplication_window ",
		"MergeTree ORDER BY a SETTINGS index_granularity = 8192":                                                                                        "remembers 0 inserts",
		"ReplicatedMergeTree('/p', 'r') ORDER BY a SETTINGS replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 2592000": "",
		"ReplicatedMergeTree('/p', 'r') ORDER BY a SETTINGS replicated_deduplication_window = 10000":                                                    "raise replicated_deduplication_window_seconds",
		"ReplicatedMergeTree('/p', 'r') ORDER BY a SETTINGS non_replicated_deduplication_window = 10000":                                                "raise replicated_deduplication_window ",
		"ReplicatedSummingMergeTree('/p', 'r') SETTINGS replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 3600":        "for 3600 seconds",
	} {
		err := checkRemembered(engine, 100)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", engine, err, want)
		}
	}
}
