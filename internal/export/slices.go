package export

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// maxWidth bounds a slice of time.
const maxWidth = 31 * 24 * time.Hour

// timeSlice writes the next slice of time that has about as many rows as a chunk.
func (r *rowSource) timeSlice(ctx context.Context, out *chunkFile, at cursor) (step, error) {
	end := min(r.last+1, r.cfg.Until.UnixMicro())
	if at.At == 0 || at.At >= end { // no rows at all
		return step{next: at, done: true}, nil
	}
	width, rows, err := r.fit(ctx, at, end)
	if err != nil {
		return step{}, err
	}
	s := step{next: cursor{At: at.At + width, Width: width}, passed: rows, rows: rows}
	s.done = s.next.At >= end
	// The next slice is as this one, or wider: through pauses quickly.
	switch {
	case rows == 0:
		s.next.Width = min(4*width, maxWidth.Microseconds())
		return s, nil
	case rows < r.cfg.ChunkRows/2:
		s.next.Width = min(2*width, maxWidth.Microseconds())
	}
	written, err := r.write(ctx, out, r.span(at.At, s.next.At), r.order())
	if r.cfg.Format != Parquet {
		s.rows = written
	}
	return s, err
}

// fit halves the slice until it has no more rows than a chunk.
func (r *rowSource) fit(ctx context.Context, at cursor, end int64) (width, rows int64, err error) {
	for width = min(max(at.Width, 1), end-at.At); ; width = max(1, width/2) {
		rows, err = r.count(ctx, r.span(at.At, at.At+width))
		// One microsecond can't be cut.
		if err != nil || rows <= r.cfg.ChunkRows || width == 1 {
			return width, rows, err
		}
	}
}

func (r *rowSource) span(from, to int64) string {
	return fmt.Sprintf("NOT %s AND %s", r.before(from), r.before(to))
}

func (r *rowSource) count(ctx context.Context, condition string) (int64, error) {
	rows, err := r.db.list(ctx, fmt.Sprintf("SELECT count() FROM %s WHERE %s AND %s", r.from(), r.chosen(), condition))
	if err != nil {
		return 0, err
	}
	if len(rows) != 1 || len(rows[0]) != 1 {
		return 0, fmt.Errorf("counting rows: ClickHouse answers %v", rows)
	}
	return strconv.ParseInt(rows[0][0], 10, 64)
}

// keySlice writes the next rows in the order of the sort key.
func (r *rowSource) keySlice(ctx context.Context, out *chunkFile, at cursor) (step, error) {
	key := r.order()
	after := "1"
	if at.Key != nil {
		if len(at.Key) != len(key) {
			return step{}, backoff.Permanent(fmt.Errorf("the state of the export has a key of %d columns and not %d: --resume=false begins again", len(at.Key), len(key)))
		}
		after = beyond(key, at.Key)
	}
	last, err := r.lastOf(ctx, key, after)
	if err != nil {
		return step{}, err
	}
	s := step{next: cursor{Key: last}, done: last == nil}
	condition := after
	if last != nil {
		condition += " AND NOT " + beyond(key, last)
	}
	if s.rows, err = r.count(ctx, condition); err != nil {
		return s, err
	}
	s.passed = s.rows
	if s.rows == 0 {
		return s, nil
	}
	written, err := r.write(ctx, out, condition, key)
	if r.cfg.Format != Parquet {
		s.rows = written
	}
	return s, err
}

// lastOf finds the last key of the next chunk; nil where what is left is less.
func (r *rowSource) lastOf(ctx context.Context, key []string, after string) ([]string, error) {
	fields := make([]string, len(key))
	for i, k := range key {
		fields[i] = k
		if k == "window_start" {
			fields[i] = "toUnixTimestamp(window_start)"
		}
	}
	rows, err := r.db.list(ctx, fmt.Sprintf("SELECT %s FROM %s WHERE %s AND %s ORDER BY %s LIMIT 1 OFFSET %d",
		strings.Join(fields, ", "), r.from(), r.chosen(), after, strings.Join(key, ", "), r.cfg.ChunkRows-1))
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return rows[0], nil
}

// beyond is the condition that a row comes behind a key. It is written out column by
// column: that way the primary index cuts the table, as it would not for tuples.
func beyond(key, last []string) string {
	literal := quote(last[0])
	switch key[0] {
	case "recipient_id":
		literal = "toUUID(" + literal + ")"
	case "window_start":
		literal = "toDateTime(" + last[0] + ", 'UTC')"
	}
	condition := key[0] + " > " + literal
	if len(key) > 1 {
		condition += fmt.Sprintf(" OR (%s = %s AND %s)", key[0], literal, beyond(key[1:], last[1:]))
	}
	return "(" + condition + ")"
}
