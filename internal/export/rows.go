package export

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// rowSource reads a table of ClickHouse in slices. Those of facts, which are never
// changed, are slices of time, in the order of time and place; those of rows that are
// replaced are slices of the sort key, in its order. Both orders are total, so that it
// does not matter for what is written where slices end.
type rowSource struct {
	cfg     *Config
	st      *state
	table   table
	db      *database
	columns []column
	last    int64 // the time of the last row, in microseconds
	// whole says that all rows are one chunk: of Parquet, which has files of several
	// chunks in a folder alone, and one even where there are no rows.
	whole bool
}

type column struct{ name, kind string }

func (r *rowSource) open(ctx context.Context) (total int64, err error) {
	if r.table, err = tableOf(r.cfg.Table); err != nil {
		return 0, backoff.Permanent(err)
	}
	if r.db, err = openDatabase(r.cfg.DSN); err != nil {
		return 0, backoff.Permanent(err)
	}
	if err := r.describe(ctx); err != nil {
		return 0, err
	}
	// The ends of time are those of the rows: empty years are not walked through.
	rows, err := r.db.list(ctx, fmt.Sprintf("SELECT count(), toUnixTimestamp64Micro(toDateTime64(min(%[1]s), 6, 'UTC')), toUnixTimestamp64Micro(toDateTime64(max(%[1]s), 6, 'UTC')) FROM %[2]s WHERE %[3]s",
		r.table.at, r.from(), r.chosen()))
	if err != nil {
		return 0, err
	}
	if len(rows) != 1 || len(rows[0]) != 3 {
		return 0, errors.New("counting rows: ClickHouse gives no answer")
	}
	var n [3]int64
	for i := range n {
		if n[i], err = strconv.ParseInt(rows[0][i], 10, 64); err != nil {
			return 0, fmt.Errorf("counting rows: %w", err)
		}
	}
	r.last = n[2]
	r.whole = r.cfg.Format == Parquet && r.st.Files == 0 && n[0] <= r.cfg.ChunkRows
	if r.table.key == nil && r.st.Cursor.At == 0 && n[0] > 0 {
		r.st.Cursor = cursor{At: n[1], Width: time.Hour.Microseconds()}
	}
	return n[0], nil
}

// describe finds the columns that are written.
func (r *rowSource) describe(ctx context.Context) error {
	rows, err := r.db.list(ctx, "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = "+quote(r.table.name)+" ORDER BY position")
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return backoff.Permanent(fmt.Errorf("ClickHouse has no table %s: run posthorn migrate, or name the right database in the DSN", r.table.name))
	}
	var all []column
	var names []string
	for _, row := range rows {
		all, names = append(all, column{row[0], row[1]}), append(names, row[0])
	}
	r.columns = all
	if len(r.cfg.Columns) == 0 {
		return nil
	}
	r.columns = nil
	for _, name := range r.cfg.Columns {
		i := slices.Index(names, name)
		if i < 0 {
			return backoff.Permanent(fmt.Errorf("%s has no column %q: name some of %s", r.cfg.Table, name, strings.Join(names, ", ")))
		}
		r.columns = append(r.columns, all[i])
	}
	return nil
}

// begin writes the header of CSV.
func (r *rowSource) begin(out *chunkFile, fresh bool) error {
	if r.cfg.Format != CSV || !fresh {
		return nil
	}
	var names []string
	for _, c := range r.columns {
		names = append(names, c.name)
	}
	w := csv.NewWriter(out)
	if err := w.Write(names); err != nil {
		return fmt.Errorf("writing the header: %w", err)
	}
	w.Flush()
	return w.Error()
}

func (r *rowSource) chunk(ctx context.Context, out *chunkFile, at cursor) (step, error) {
	switch {
	case r.whole:
		rows, err := r.count(ctx, "1")
		if err == nil {
			_, err = r.write(ctx, out, "1", r.order())
		}
		return step{rows: rows, passed: rows, done: true}, err
	case r.table.key != nil:
		return r.keySlice(ctx, out, at)
	}
	return r.timeSlice(ctx, out, at)
}

// order is the one that rows are written in.
func (r *rowSource) order() []string {
	if r.table.key != nil {
		return append([]string{"tenant"}, r.table.key...) // as every sort key begins
	}
	return []string{r.table.at, "kafka_partition", "kafka_offset"}
}

// from names the table; of replaced rows the last version of each.
func (r *rowSource) from() string {
	if r.table.key != nil {
		return r.table.name + " FINAL"
	}
	return r.table.name
}

// chosen is the condition on all rows.
func (r *rowSource) chosen() string {
	conditions := []string{r.before(r.cfg.Until.UnixMicro())}
	if r.cfg.Tenant != "" {
		conditions = append(conditions, "tenant = "+quote(r.cfg.Tenant))
	}
	if !r.cfg.Since.IsZero() {
		conditions = append(conditions, "NOT "+r.before(r.cfg.Since.UnixMicro()))
	}
	if r.cfg.Campaign != "" {
		conditions = append(conditions, "campaign_id = "+quote(r.cfg.Campaign))
	}
	return strings.Join(conditions, " AND ")
}

// before is the condition that a row is before a time in microseconds.
func (r *rowSource) before(micros int64) string {
	return fmt.Sprintf("%s < fromUnixTimestamp64Micro(%d, 'UTC')", r.table.at, micros)
}

// write writes the rows of a condition in order.
func (r *rowSource) write(ctx context.Context, out *chunkFile, condition string, order []string) (rows int64, err error) {
	var fields []string
	for _, c := range r.columns {
		fields = append(fields, r.field(c))
	}
	format := map[string]string{CSV: "CSV", NDJSON: "JSONEachRow", Parquet: "Parquet"}[r.cfg.Format]
	sql := fmt.Sprintf("SELECT %s\nFROM %s\nWHERE %s AND %s\nORDER BY %s\nFORMAT %s",
		strings.Join(fields, ", "), r.from(), r.chosen(), condition, strings.Join(order, ", "), format)
	lines := &lineCounter{csv: r.cfg.Format == CSV}
	if err := r.db.query(ctx, sql, &both{out, lines}); err != nil {
		return 0, err
	}
	return lines.n, nil
}

// field selects a column. In CSV what is null is empty, not \N.
func (r *rowSource) field(c column) string {
	name := quoteName(c.name)
	if r.cfg.Format == CSV && strings.HasPrefix(c.kind, "Nullable(DateTime64") {
		// toString would give it without T and Z.
		return fmt.Sprintf("if(isNull(%[1]s), '', formatDateTime(assumeNotNull(%[1]s), '%%Y-%%m-%%dT%%H:%%i:%%S.%%fZ', 'UTC'))", name)
	}
	if r.cfg.Format == CSV && strings.HasPrefix(c.kind, "Nullable(") {
		return fmt.Sprintf("ifNull(toString(%s), '')", name)
	}
	return name
}

// both writes rows and counts them.
type both struct {
	out   *chunkFile
	lines *lineCounter
}

func (b *both) Write(p []byte) (int, error) {
	b.lines.count(p)
	return b.out.Write(p)
}

// lineCounter counts the lines of NDJSON, and of CSV those that end outside of
// quotes.
type lineCounter struct {
	csv, quoted bool
	n           int64
}

func (l *lineCounter) count(b []byte) {
	if !l.csv {
		l.n += int64(bytes.Count(b, []byte{'\n'}))
		return
	}
	for _, c := range b {
		switch {
		case c == '"':
			l.quoted = !l.quoted
		case c == '\n' && !l.quoted:
			l.n++
		}
	}
}
