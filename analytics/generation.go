package analytics

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/posthorn/posthorn/schemas"
)

// Tables of several generations stand beside each other: events_2 holds the
// events of generation 2. The name without a number is what analysts ask. It is
// the table of the first generation itself until another one goes live; from
// then on it is a Merge table over the live generation's, and the first one's is
// events_1. Nobody can write to a Merge table: a sink of an earlier generation
// that wakes up late fails instead of writing among the rows of a later one.
//
// In a cluster events_local and events_2_local hold the rows of generations, and
// events, events_1 and events_2 read them on all shards; the local tables are
// never renamed, and the public name reads those of the live generation.

// PhysicalTable returns the name of the table that a generation's rows are read
// from.
func PhysicalTable(ctx context.Context, conn driver.Conn, g schemas.Generation, name string) (string, error) {
	if g > schemas.FirstGeneration {
		return g.Table(name), nil
	}
	public, err := publicTable(ctx, conn, name)
	if err != nil || public.generation == schemas.FirstGeneration {
		return name, err
	}
	return firstTable(name), nil
}

// firstTable is the name of the first generation's table once it is not the
// public one.
func firstTable(name string) string { return name + "_1" }

// writtenTable returns the name of the table that a generation's rows are
// written to.
func (l Layout) writtenTable(ctx context.Context, conn driver.Conn, g schemas.Generation, name string) (string, error) {
	if l.Cluster != "" {
		return l.local(g.Table(name)), nil
	}
	return PhysicalTable(ctx, conn, g, name)
}

// public is what stands behind a public name.
type public struct {
	generation schemas.Generation
	merge      bool
	layout     Layout
}

var mergedTable = regexp.MustCompile(`_(\d+)\$'\)`)

func publicTable(ctx context.Context, conn driver.Conn, name string) (public, error) {
	var engine string
	for attempt := 0; ; attempt++ {
		err := conn.QueryRow(ctx, `SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = ?`, name).Scan(&engine)
		if err == nil {
			break
		}
		// In the middle of a renaming there is none for a moment.
		if !errors.Is(err, sql.ErrNoRows) || attempt == 20 {
			return public{}, fmt.Errorf("describing table %s: %w", name, err)
		}
		select {
		case <-ctx.Done():
			return public{}, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return parsePublic(name, engine)
}

// parsePublic reads the engine of a public name.
func parsePublic(name, engine string) (public, error) {
	if found := reads.FindStringSubmatch(engine); found != nil {
		p := public{generation: schemas.FirstGeneration, layout: Layout{Cluster: found[1]}}
		if number := strings.TrimSuffix(strings.TrimPrefix(found[2], name), localSuffix); number != "" {
			n, err := strconv.Atoi(strings.TrimPrefix(number, "_"))
			if err != nil {
				return public{}, fmt.Errorf("table %s reads what this build does not know: %s", name, engine)
			}
			p.generation = schemas.Generation(n)
		}
		return p, nil
	}
	if !strings.HasPrefix(engine, "Merge(") {
		return public{generation: schemas.FirstGeneration}, nil
	}
	found := mergedTable.FindStringSubmatch(engine)
	if found == nil {
		return public{}, fmt.Errorf("table %s merges what this build does not know: %s", name, engine)
	}
	n, err := strconv.Atoi(found[1])
	return public{generation: schemas.Generation(n), merge: true}, err
}

// derivedTables lists the public names of tables that each generation has.
func derivedTables() (names []string) {
	for _, t := range tables(schemas.FirstGeneration) {
		if t.derived() {
			names = append(names, t.names...)
		}
	}
	return names
}

// CreateTables makes the tables of a generation beside the live one's, of the
// same form. Those that are there stay.
func CreateTables(ctx context.Context, conn driver.Conn, g, live schemas.Generation) error {
	l, err := layoutOf(ctx, conn)
	if err != nil {
		return err
	}
	for _, name := range derivedTables() {
		like := live.Table(name)
		if l.Cluster == "" {
			if like, err = PhysicalTable(ctx, conn, live, name); err != nil {
				return err
			}
		}
		for _, statement := range l.createLike(g.Table(name), like) {
			if err := conn.Exec(ctx, statement); err != nil {
				return fmt.Errorf("creating table %s: %w", g.Table(name), err)
			}
		}
	}
	return nil
}

// DropTables drops the tables of a generation, but never those that the public
// names stand for.
func DropTables(ctx context.Context, conn driver.Conn, g schemas.Generation) error {
	for _, name := range derivedTables() {
		p, err := publicTable(ctx, conn, name)
		if err != nil {
			return err
		}
		if p.generation == g {
			return fmt.Errorf("dropping table %s of generation %d: it is the one that is asked", name, g)
		}
		table, err := PhysicalTable(ctx, conn, g, name)
		if err != nil {
			return err
		}
		for _, statement := range p.layout.dropTable(table, g.Table(name)) {
			if err := conn.Exec(ctx, statement); err != nil {
				return fmt.Errorf("dropping table %s: %w", table, err)
			}
		}
	}
	return nil
}

// dropTable drops what a generation is read from, and what it was written to.
func (l Layout) dropTable(table, generation string) []string {
	drop := func(name string) string { return "DROP TABLE IF EXISTS " + name + l.onCluster() + " SYNC" }
	if l.Cluster == "" {
		return []string{drop(table)}
	}
	return []string{drop(table), drop(l.local(generation))}
}

// Expose makes the public names stand for a generation. It never goes back to an
// earlier one, and may be called by several at once.
func Expose(ctx context.Context, conn driver.Conn, g schemas.Generation) error {
	for _, name := range derivedTables() {
		if err := expose(ctx, conn, g, name); err != nil {
			return fmt.Errorf("exposing generation %d: %w", g, err)
		}
	}
	return nil
}

// exposeAttempts is how often another process may be in the way.
const exposeAttempts = 5

func expose(ctx context.Context, conn driver.Conn, g schemas.Generation, name string) error {
	next := fmt.Sprintf("%s_as_%d", name, g)
	var last error
	for range exposeAttempts {
		p, err := publicTable(ctx, conn, name)
		switch {
		case err != nil:
			return err
		case p.generation >= g:
			// One that was too late has left its own.
			return conn.Exec(ctx, "DROP TABLE IF EXISTS "+next)
		case p.layout.Cluster != "":
			for _, statement := range p.layout.exposed(g, p.generation, name) {
				if err := conn.Exec(ctx, statement); err != nil {
					return err
				}
			}
			continue
		case p.merge:
			if err := conn.Exec(ctx, "CREATE OR REPLACE TABLE "+mergeOver(name, name, g, g.Table(name))); err != nil {
				return err
			}
			continue
		}
		if err := conn.Exec(ctx, "CREATE TABLE IF NOT EXISTS "+mergeOver(next, name, g, g.Table(name))); err != nil {
			return err
		}
		// Not by an exchange: done twice it would be undone. Where this fails
		// another process is ahead, which the next look tells.
		last = conn.Exec(ctx, fmt.Sprintf("RENAME TABLE %s TO %s, %s TO %s", name, firstTable(name), next, name))
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return fmt.Errorf("table %s is still not that of the generation: %w", name, last)
}

// exposed makes a public name of a cluster read a generation, and gives the first
// one, whose table it was, a name to be read by.
func (l Layout) exposed(g, before schemas.Generation, name string) (list []string) {
	if before == schemas.FirstGeneration {
		list = append(list, "CREATE TABLE IF NOT EXISTS "+l.distributed(firstTable(name), l.local(name)))
	}
	return append(list, "CREATE OR REPLACE TABLE "+l.distributed(name, l.local(g.Table(name))))
}
