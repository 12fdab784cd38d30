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

var (
	alter  = regexp.MustCompile(`(?s)^ALTER TABLE (\w+)\s+(.*)$`)
	create = regexp.MustCompile(`(?s)^CREATE TABLE IF NOT EXISTS (\w+)\s`)
)

// apply executes a statement of a migration. One that makes or alters a table
// which each generation has does it for all generations.
func apply(ctx context.Context, conn driver.Conn, statement string) error {
	if found := create.FindStringSubmatch(statement); found != nil && slices.Contains(derivedTables(), found[1]) {
		if err := conn.Exec(ctx, statement); err != nil {
			return err
		}
		return createInGenerations(ctx, conn, found[1])
	}
	found := alter.FindStringSubmatch(statement)
	if found == nil || !slices.Contains(derivedTables(), found[1]) {
		return conn.Exec(ctx, statement)
	}
	name, change := found[1], found[2]
	p, err := publicTable(ctx, conn, name)
	if err != nil {
		return err
	}
	targets, err := numberedTables(ctx, conn, name)
	if err != nil {
		return err
	}
	if !p.merge {
		targets = append(targets, name)
	}
	for _, table := range targets {
		if err := conn.Exec(ctx, "ALTER TABLE "+table+" "+change); err != nil {
			return err
		}
	}
	if !p.merge {
		return nil
	}
	like, err := PhysicalTable(ctx, conn, p.generation, name)
	if err != nil {
		return err
	}
	return conn.Exec(ctx, "CREATE OR REPLACE TABLE "+mergeOver(name, name, p.generation, like))
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
func createInGenerations(ctx context.Context, conn driver.Conn, name string) error {
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
		like, err := PhysicalTable(ctx, conn, schemas.FirstGeneration, name)
		if err != nil {
			return err
		}
		if err := conn.Exec(ctx, "CREATE TABLE IF NOT EXISTS "+table+" AS "+like); err != nil {
			return fmt.Errorf("creating table %s: %w", table, err)
		}
	}
	if !live.merge {
		return nil
	}
	return expose(ctx, conn, live.generation, name)
}
