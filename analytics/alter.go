package analytics

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/posthorn/posthorn/schemas"
)

// Statements of migrations as a layout writes them.
var (
	alter  = regexp.MustCompile(`(?s)^ALTER TABLE (\w+)( ON CLUSTER '[^']*')?\s+(.*)$`)
	create = regexp.MustCompile(`(?s)^CREATE TABLE IF NOT EXISTS (\w+)( ON CLUSTER '[^']*')?\s`)
)

// apply executes a statement of a migration. One that makes or alters a table
// which each generation has does it for all generations.
func (l Layout) apply(ctx context.Context, conn driver.Conn, statement string) error {
	if found := create.FindStringSubmatch(statement); found != nil && slices.Contains(derivedTables(), found[1]) {
		// In a cluster this is the table that is read; what it reads is there.
		if err := conn.Exec(ctx, statement); err != nil {
			return err
		}
		return l.createInGenerations(ctx, conn, found[1])
	}
	found := alter.FindStringSubmatch(statement)
	if found == nil {
		return conn.Exec(ctx, statement)
	}
	name, change := found[1], found[3]
	if l.Cluster != "" {
		name = strings.TrimSuffix(name, localSuffix)
	}
	if !slices.Contains(derivedTables(), name) {
		return conn.Exec(ctx, statement)
	}
	changes, err := l.alterGenerations(ctx, conn, name, change)
	if err != nil {
		return err
	}
	for _, statement := range changes {
		if err := conn.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// alterGenerations lists the statements that change a table in all generations,
// and then what stands for them.
func (l Layout) alterGenerations(ctx context.Context, conn driver.Conn, name, change string) (list []string, err error) {
	p, err := publicTable(ctx, conn, name)
	if err != nil {
		return nil, err
	}
	numbered, err := numberedTables(ctx, conn, name)
	if err != nil {
		return nil, err
	}
	if l.Cluster != "" {
		return l.alterCluster(name, change, p.generation, numbered), nil
	}
	if !p.merge {
		numbered = append(numbered, name)
	}
	for _, table := range numbered {
		list = append(list, "ALTER TABLE "+table+" "+change)
	}
	if p.merge {
		like, err := PhysicalTable(ctx, conn, p.generation, name)
		if err != nil {
			return nil, err
		}
		list = append(list, "CREATE OR REPLACE TABLE "+mergeOver(name, name, p.generation, like))
	}
	return list, nil
}

// alterCluster is alterGenerations in a cluster: the local tables, then those
// that read them. The first generation's local table has no number, even where
// the table that reads it has one.
func (l Layout) alterCluster(name, change string, live schemas.Generation, numbered []string) (list []string) {
	local := func(table string) string {
		if table == firstTable(name) {
			return l.local(name)
		}
		return l.local(table)
	}
	list = append(list, "ALTER TABLE "+l.local(name)+l.onCluster()+" "+change)
	for _, table := range numbered {
		if table != firstTable(name) {
			list = append(list, "ALTER TABLE "+local(table)+l.onCluster()+" "+change)
		}
	}
	for _, table := range numbered {
		list = append(list, "CREATE OR REPLACE TABLE "+l.distributed(table, local(table)))
	}
	return append(list, "CREATE OR REPLACE TABLE "+l.distributed(name, l.local(live.Table(name))))
}

// mergeOver is the definition, without its verb, of a table that stands for a
// generation's.
func mergeOver(table, name string, g schemas.Generation, like string) string {
	return fmt.Sprintf("%s AS %s ENGINE = Merge(currentDatabase(), '^%s$')", table, like, g.Table(name))
}

// numberedTables lists the tables of generations that have a number in their
// name.
func numberedTables(ctx context.Context, conn driver.Conn, name string) (list []string, err error) {
	rows, err := conn.Query(ctx, `SELECT name FROM system.tables WHERE database = currentDatabase() AND match(name, ?) ORDER BY name`, "^"+name+`_[0-9]+$`)
	if err != nil {
		return nil, fmt.Errorf("listing the tables of generations: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var table string
		if err := rows.Scan(&table); err != nil {
			return nil, fmt.Errorf("listing the tables of generations: %w", err)
		}
		list = append(list, table)
	}
	return list, rows.Err()
}

// everyGeneration is a table of the first migration: the generations that have
// it are those that there are.
const everyGeneration = "events"

// createInGenerations makes a table that a migration adds in the generations
// that are there already, and makes its name stand for the live one's.
func (l Layout) createInGenerations(ctx context.Context, conn driver.Conn, name string) error {
	if name == everyGeneration {
		return nil
	}
	live, err := publicTable(ctx, conn, everyGeneration)
	if err != nil {
		return err
	}
	others, err := numberedTables(ctx, conn, everyGeneration)
	if err != nil {
		return err
	}
	for _, other := range others {
		table := name + strings.TrimPrefix(other, everyGeneration)
		if table == firstTable(name) {
			continue // the one that was just made becomes it
		}
		for _, statement := range l.createLike(table, name) {
			if err := conn.Exec(ctx, statement); err != nil {
				return fmt.Errorf("creating table %s: %w", table, err)
			}
		}
	}
	if live.generation == schemas.FirstGeneration {
		return nil
	}
	return expose(ctx, conn, live.generation, name)
}

// createLike makes a table of a generation, of the form of another one's.
func (l Layout) createLike(table, like string) []string {
	list := []string{"CREATE TABLE IF NOT EXISTS " + l.local(table) + l.onCluster() + " AS " + l.local(like)}
	if l.Cluster != "" {
		list = append(list, "CREATE TABLE IF NOT EXISTS "+l.distributed(table, l.local(table)))
	}
	return list
}
