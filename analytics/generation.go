package analytics

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/posthorn/posthorn/schemas"
)

// Tables of several generations stand beside each other: events_2 holds the
// events of generation 2. The name without a number is what analysts ask. It is
// the table of the first generation itself until another one goes live; from
// then on it is a Merge table over the live generation's, and the first one's is
// events_1. Nobody can write to a Merge table: a sink of an earlier generation
// that wakes up late fails instead of writing among the rows of a later one.

// PhysicalTable returns the name of the table that holds a generation's rows.
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

// public is what stands behind a public name.
type public struct {
	generation schemas.Generation
	merge      bool
}

var mergedTable = regexp.MustCompile(`_(\d+)\$'\)`)

func publicTable(ctx context.Context, conn driver.Conn, name string) (public, error) {
	var engine string
	err := conn.QueryRow(ctx, `SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = ?`, name).Scan(&engine)
	if err != nil {
		return public{}, fmt.Errorf("describing table %s: %w", name, err)
	}
	if !strings.HasPrefix(engine, "Merge(") {
		return public{generation: schemas.FirstGeneration}, nil
	}
	found := mergedTable.FindStringSubmatch(engine)
	if found == nil {
		return public{}, fmt.Errorf("table %s merges what this build does not know: %s", name, engine)
	}
	n, err := strconv.Atoi(found[1])
	return public{schemas.Generation(n), true}, err
}

// derivedTables lists the public names of tables that each generation has.
func derivedTables() (names []string) {
	for _, t := range tables(schemas.FirstGeneration) {
		if t.derived() {
			names = append(names, t.name)
		}
	}
	return names
}

// CreateTables makes the tables of a generation beside the live one's, of the
// same form. Those that are there stay.
func CreateTables(ctx context.Context, conn driver.Conn, g, live schemas.Generation) error {
	for _, name := range derivedTables() {
		like, err := PhysicalTable(ctx, conn, live, name)
		if err != nil {
			return err
		}
		if err := conn.Exec(ctx, fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s AS %s", g.Table(name), like)); err != nil {
			return fmt.Errorf("creating table %s: %w", g.Table(name), err)
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
		if err := conn.Exec(ctx, "DROP TABLE IF EXISTS "+table+" SYNC"); err != nil {
			return fmt.Errorf("dropping table %s: %w", table, err)
		}
	}
	return nil
}

// Expose makes the public names stand for a generation, all in one statement. It
// never goes back to an earlier one, and may be called by several at once.
func Expose(ctx context.Context, conn driver.Conn, g schemas.Generation) error {
	for attempt := 0; ; attempt++ {
		moves, made, err := moves(ctx, conn, g)
		if err != nil {
			return err
		}
		if len(moves) == 0 {
			return dropMoved(ctx, conn, g)
		}
		for _, create := range made {
			if err := conn.Exec(ctx, create); err != nil {
				return fmt.Errorf("exposing generation %d: %w", g, err)
			}
		}
		// Another process that does the same may be ahead: then there is nothing
		// left to do, which the next look tells.
		if err := conn.Exec(ctx, "RENAME TABLE "+strings.Join(moves, ", ")); err != nil && attempt >= 3 {
			return fmt.Errorf("exposing generation %d: %w", g, err)
		}
	}
}

// formerTable and nextTable are names on the way from one Merge table to another.
func formerTable(name string, g schemas.Generation) string {
	return fmt.Sprintf("%s_before_%d", name, g)
}

func nextTable(name string, g schemas.Generation) string { return fmt.Sprintf("%s_as_%d", name, g) }

// dropMoved drops the Merge tables that were replaced, and those of a process
// that was too late.
func dropMoved(ctx context.Context, conn driver.Conn, g schemas.Generation) error {
	if g <= schemas.FirstGeneration {
		return nil
	}
	for _, name := range derivedTables() {
		for _, table := range []string{formerTable(name, g), nextTable(name, g)} {
			if err := conn.Exec(ctx, "DROP TABLE IF EXISTS "+table); err != nil {
				return fmt.Errorf("dropping table %s: %w", table, err)
			}
		}
	}
	return nil
}

// moves lists the renames that expose a generation, and the statements that make
// what is renamed; none where it is exposed, or a later one.
func moves(ctx context.Context, conn driver.Conn, g schemas.Generation) (moves, made []string, err error) {
	for _, name := range derivedTables() {
		p, err := publicTable(ctx, conn, name)
		if err != nil {
			return nil, nil, err
		}
		if p.generation >= g {
			continue
		}
		next, away := nextTable(name, g), firstTable(name)
		if p.merge {
			away = formerTable(name, g)
		}
		made = append(made, "CREATE TABLE IF NOT EXISTS "+mergeOver(next, name, g, g.Table(name)))
		moves = append(moves, name+" TO "+away, next+" TO "+name)
	}
	return moves, made, nil
}
