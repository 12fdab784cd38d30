package analytics

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"text/template"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Layout is how the tables stand in ClickHouse: on a single node, or spread over
// the shards of a cluster. The files of migrations hold the tables once, and name
// what differs:
//
//	{{table "events"}}         what is written to: events, or events_local on all nodes
//	{{engine "Replacing" "v"}} ReplacingMergeTree(v), or its replicated kind
//	{{once}}                   settings by which an insert that is repeated is dropped
//	{{distributed "events"}}   in a cluster the table that is read; else nothing
//	{{sums "opens clicks"}}    sum(b.opens) AS opens, sum(b.clicks) AS clicks
//	{{view "campaigns"}}       a view, in a cluster on all nodes
//	{{everywhere "t"}}, {{engineEverywhere "Replacing" "v"}}
//	                           a table of which every node has all rows
type Layout struct {
	// Cluster is the name in the servers' remote_servers; empty: a single node.
	Cluster string
}

var clusterName = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

// Check tells whether the layout can be written as SQL.
func (l Layout) Check() error {
	if l.Cluster != "" && !clusterName.MatchString(l.Cluster) {
		return fmt.Errorf("clickhouse.cluster %q is no name of a cluster: use letters, digits, underscores, dots and dashes, as in remote_servers", l.Cluster)
	}
	return nil
}

// remembered is how many inserts a table remembers, and for how long in a
// cluster: as long as a sink may be away in the middle of a batch.
const (
	rememberedInserts = 10_000
	rememberedSeconds = 30 * 24 * 60 * 60
)

// render writes the SQL of a migration.
func (l Layout) render(m Migration) (string, error) {
	t, err := template.New(m.Name).Funcs(template.FuncMap{
		"table":            func(name string) string { return l.local(name) + l.onCluster() },
		"view":             func(name string) string { return name + l.onCluster() },
		"everywhere":       func(name string) string { return name + l.onCluster() },
		"engine":           func(kind string, args ...string) string { return l.engine(shardPath, kind, args) },
		"engineEverywhere": func(kind string, args ...string) string { return l.engine(nodePath, kind, args) },
		"once":             l.once,
		"sums":             sumColumns,
		"distributed": func(name string) string {
			if l.Cluster == "" {
				return ""
			}
			return "CREATE TABLE IF NOT EXISTS " + l.distributed(name, l.local(name)) + ";"
		},
	}).Parse(m.SQL)
	if err != nil {
		return "", fmt.Errorf("migration %s: %w", m.Name, err)
	}
	var out strings.Builder
	if err := t.Execute(&out, nil); err != nil {
		return "", fmt.Errorf("migration %s: %w", m.Name, err)
	}
	return out.String(), nil
}

// sumColumns writes the sums of columns of a table b, by their names.
func sumColumns(columns string) string {
	var list []string
	for _, c := range strings.Fields(columns) {
		list = append(list, "sum(b."+c+") AS "+c)
	}
	return strings.Join(list, ", ")
}

// statements are what a migration executes.
func (l Layout) statements(m Migration) ([]string, error) {
	text, err := l.render(m)
	return statements(text), err
}

// SQL is the text of all migrations as they are executed.
func (l Layout) SQL() (string, error) {
	if err := l.Check(); err != nil {
		return "", err
	}
	all, err := Migrations()
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for i, m := range all {
		text, err := l.render(m)
		if err != nil {
			return "", err
		}
		if i > 0 {
			out.WriteByte('\n')
		}
		fmt.Fprintf(&out, "-- Migration %s.\n%s\n", m.Name, strings.TrimSpace(text))
	}
	return out.String(), nil
}

// local is the name of the table of a node that holds a public table's rows.
func (l Layout) local(name string) string {
	if l.Cluster == "" {
		return name
	}
	return name + localSuffix
}

const localSuffix = "_local"

// onCluster follows the name of a table or view in a statement that changes it.
func (l Layout) onCluster() string {
	if l.Cluster == "" {
		return ""
	}
	return " ON CLUSTER '" + l.Cluster + "'"
}

// Where replicas of a table find each other in Keeper. The path holds the id of
// the table and not its name; macros are the server's.
const (
	shardPath = `'/clickhouse/tables/{uuid}/{shard}', '{replica}'`
	nodePath  = `'/clickhouse/tables/{uuid}/all', '{shard}-{replica}'`
)

func (l Layout) engine(path, kind string, args []string) string {
	name := kind + "MergeTree"
	if l.Cluster != "" {
		name, args = "Replicated"+name, append([]string{path}, args...)
	}
	if len(args) == 0 {
		return name
	}
	return name + "(" + strings.Join(args, ", ") + ")"
}

func (l Layout) once() string {
	if l.Cluster == "" {
		return fmt.Sprintf("non_replicated_deduplication_window = %d", rememberedInserts)
	}
	return fmt.Sprintf("replicated_deduplication_window = %d, replicated_deduplication_window_seconds = %d", rememberedInserts, rememberedSeconds)
}

// distributed is the definition, without its verb, of a table that reads a local
// one on all shards. It has no sharding key, so that nobody can write through
// it: which shard a row belongs to is known by the lane that it came by, and
// not by what it holds.
func (l Layout) distributed(table, local string) string {
	return fmt.Sprintf("%s%s AS %s ENGINE = Distributed('%s', currentDatabase(), %s)", table, l.onCluster(), local, l.Cluster, local)
}

// reads finds the cluster and the local table of a distributed one.
var reads = regexp.MustCompile(`^Distributed\('([^']+)', [^,]+, '?(\w+)'?`)

// layoutOf finds the layout of a database that has its tables.
func layoutOf(ctx context.Context, conn driver.Conn) (Layout, error) {
	p, err := publicTable(ctx, conn, everyGeneration)
	return p.layout, err
}

func (l Layout) String() string {
	if l.Cluster == "" {
		return "a single node"
	}
	return "the cluster " + l.Cluster
}
