package analytics

import (
	"cmp"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// ErrPending says that the database lacks migrations which this build needs.
var ErrPending = errors.New("migrations are pending")

// ErrOtherTables says that the database holds tables which no migration leads to
// this build's.
var ErrOtherTables = errors.New("another build, which this one can't change. Stop posthorn; name a new database in clickhouse.dsn, or, all in one, move the folder clickhouse out of the data directory; start it again, and fill the tables from the webhooks: posthorn rebuild")

// Migration is one versioned change of the tables.
type Migration struct {
	Version  uint32
	Name     string
	Checksum string // SHA-256 of the file, hex.
	SQL      string // as in the file; Layout says what it is filled in with
}

// createMigrations makes the table of what was applied; in a cluster every node
// has all of it.
func (l Layout) createMigrations() string {
	return `CREATE TABLE IF NOT EXISTS schema_migrations` + l.onCluster() + `
(version UInt32, name String, checksum String, applied_at DateTime64(3, 'UTC'))
ENGINE = ` + l.engine(nodePath, "Replacing", nil) + ` ORDER BY version`
}

// Migrations returns all migrations of this build in order.
func Migrations() ([]Migration, error) { return readMigrations(migrationFiles) }

func readMigrations(files fs.FS) ([]Migration, error) {
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		return nil, fmt.Errorf("listing migrations: %w", err)
	}
	var all []Migration
	for _, path := range names {
		text, err := fs.ReadFile(files, path)
		if err != nil {
			return nil, fmt.Errorf("reading migration: %w", err)
		}
		name := strings.TrimSuffix(strings.TrimPrefix(path, "migrations/"), ".sql")
		number, _, _ := strings.Cut(name, "_")
		version, err := strconv.ParseUint(number, 10, 32)
		if err != nil || version == 0 {
			return nil, fmt.Errorf("migration %s: the name must begin with its number", name)
		}
		sum := sha256.Sum256(text)
		all = append(all, Migration{uint32(version), name, hex.EncodeToString(sum[:]), string(text)})
	}
	slices.SortFunc(all, func(a, b Migration) int { return cmp.Compare(a.Version, b.Version) })
	for i := 1; i < len(all); i++ {
		if all[i].Version == all[i-1].Version {
			return nil, fmt.Errorf("migrations %s and %s have one number", all[i-1].Name, all[i].Name)
		}
	}
	return all, nil
}

// Migrate applies what is pending on a single node; see Layout.Migrate.
func Migrate(ctx context.Context, conn driver.Conn) ([]Migration, error) {
	return Layout{}.Migrate(ctx, conn)
}

// Migrate applies what is pending and returns it. It takes no lock: every
// statement may be repeated, so that two may run at once. Tables that stand in
// another layout are refused.
func (l Layout) Migrate(ctx context.Context, conn driver.Conn) ([]Migration, error) {
	if err := l.Check(); err != nil {
		return nil, err
	}
	if err := conn.Exec(ctx, l.createMigrations()); err != nil {
		return nil, fmt.Errorf("creating schema_migrations: %w", err)
	}
	pending, err := Pending(ctx, conn)
	if err != nil {
		return nil, err
	}
	if err := l.checkStanding(ctx, conn); err != nil {
		return nil, err
	}
	for _, m := range pending {
		list, err := l.statements(m)
		if err != nil {
			return nil, err
		}
		for _, statement := range list {
			if err := l.apply(ctx, conn, statement); err != nil {
				return nil, fmt.Errorf("applying migration %s: %w", m.Name, err)
			}
		}
		// A repeated row is no harm, whereas a deduplicated or buffered one is.
		once := clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"async_insert": 0}))
		err = conn.Exec(once, `INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES (?, ?, ?, ?)`,
			m.Version, m.Name, m.Checksum, time.Now().UTC())
		if err != nil {
			return nil, fmt.Errorf("recording migration %s: %w", m.Name, err)
		}
	}
	return pending, nil
}

// checkStanding refuses a layout other than that of the tables that are there.
func (l Layout) checkStanding(ctx context.Context, conn driver.Conn) error {
	var tables uint64
	err := conn.QueryRow(ctx, `SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = ?`, everyGeneration).Scan(&tables)
	if err != nil {
		return fmt.Errorf("looking for table %s: %w", everyGeneration, err)
	}
	if tables == 0 {
		return nil
	}
	standing, err := layoutOf(ctx, conn)
	if err != nil || standing == l {
		return err
	}
	return fmt.Errorf("the tables were made for %s, clickhouse.cluster now says %s: set it as it was, or name a new database in clickhouse.dsn and fill it by posthorn rebuild", standing, l)
}

// Pending returns the migrations that the database lacks. A database that holds
// a migration with another text, or one that this build does not know, is an
// error: this build must not write to it.
func Pending(ctx context.Context, conn driver.Conn) ([]Migration, error) {
	all, err := Migrations()
	if err != nil {
		return nil, err
	}
	applied, err := appliedMigrations(ctx, conn)
	if err != nil {
		return nil, err
	}
	var pending []Migration
	for _, m := range all {
		switch sum, ok := applied[m.Version]; {
		case !ok:
			pending = append(pending, m)
		case sum != m.Checksum:
			return nil, fmt.Errorf("migration %s was applied with another text: the tables are those of %w", m.Name, ErrOtherTables)
		}
		delete(applied, m.Version)
	}
	for version := range applied {
		return nil, fmt.Errorf("the database has migration %d, which this build does not know: use a newer build", version)
	}
	return pending, nil
}

// CheckMigrated returns ErrPending, with the names, unless the tables are as
// this build needs them. Services refuse to start on it.
func CheckMigrated(ctx context.Context, conn driver.Conn) error {
	pending, err := Pending(ctx, conn)
	if err != nil || len(pending) == 0 {
		return err
	}
	names := make([]string, len(pending))
	for i, m := range pending {
		names[i] = m.Name
	}
	return fmt.Errorf("%w (%s): run posthorn migrate", ErrPending, strings.Join(names, ", "))
}

func appliedMigrations(ctx context.Context, conn driver.Conn) (map[uint32]string, error) {
	var tables uint64
	err := conn.QueryRow(ctx, `SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = 'schema_migrations'`).Scan(&tables)
	if err != nil {
		return nil, fmt.Errorf("looking for schema_migrations: %w", err)
	}
	applied := map[uint32]string{}
	if tables == 0 {
		return applied, nil
	}
	rows, err := conn.Query(ctx, `SELECT version, argMax(checksum, applied_at) FROM schema_migrations GROUP BY version`)
	if err != nil {
		return nil, fmt.Errorf("reading schema_migrations: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var version uint32
		var sum string
		if err := rows.Scan(&version, &sum); err != nil {
			return nil, fmt.Errorf("reading schema_migrations: %w", err)
		}
		applied[version] = sum
	}
	return applied, rows.Err()
}

// statements splits a file at semicolons that end a line; comment lines are
// dropped first, since they may hold anything.
func statements(text string) []string {
	var kept []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimSpace(line), "--") {
			kept = append(kept, line)
		}
	}
	var out []string
	for _, part := range strings.Split(strings.Join(kept, ""), ";\n") {
		if part = strings.Trim(part, "; \t\n"); part != "" {
			out = append(out, part)
		}
	}
	return out
}
