package analytics

import (
	"context"
	"fmt"
	"regexp"
	"slices"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/posthorn/posthorn/schemas"
)

var alter = regexp.MustCompile(`(?s)^ALTER TABLE (\w+)\s+(.*)$`)

// apply executes a statement of a migration. One that alters a table which each
// generation has alters those of all generations.
func apply(ctx context.Context, conn driver.Conn, statement string) error {
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
