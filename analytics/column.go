package analytics

import (
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/posthorn/posthorn/schemas"
)

// column is one column of a table while a batch is built. R is the record that
// becomes a row.
type column[R any] interface {
	title() string
	// wire is the type that the column has in the insert. It may be plainer
	// than the table's: the server makes LowCardinality(String) of a String,
	// for much less than the driver would.
	wire() string
	add(*R)
	send(driver.BatchColumn) error
	reset()
}

// values is a column that the driver takes as one slice.
type values[R, T any] struct {
	name, typ string
	get       func(*R) T
	vals      []T
}

func (c *values[R, T]) title() string                    { return c.name }
func (c *values[R, T]) wire() string                     { return c.typ }
func (c *values[R, T]) add(r *R)                         { c.vals = append(c.vals, c.get(r)) }
func (c *values[R, T]) send(to driver.BatchColumn) error { return to.Append(c.vals) }
func (c *values[R, T]) reset() {
	clear(c.vals) // strings would keep whole fetches alive
	c.vals = c.vals[:0]
}

// each is a column whose values the driver takes fastest one by one: arrays and
// maps, which it would otherwise walk by reflection.
type each[R, T any] struct{ values[R, T] }

func (c *each[R, T]) send(to driver.BatchColumn) error {
	for i := range c.vals {
		if err := to.AppendRow(c.vals[i]); err != nil {
			return err
		}
	}
	return nil
}

const (
	wireTime     = "DateTime64(6, 'UTC')"
	wireNullTime = "Nullable(DateTime64(6, 'UTC'))"
)

func text[R any](name string, get func(*R) string) column[R] {
	return &values[R, string]{name: name, typ: "String", get: get}
}

func boolean[R any](name string, get func(*R) bool) column[R] {
	return &values[R, bool]{name: name, typ: "Bool", get: get}
}

func integer[R any](name string, get func(*R) int64) column[R] {
	return &values[R, int64]{name: name, typ: "Int64", get: get}
}

func unsigned[R any](name string, get func(*R) uint64) column[R] {
	return &values[R, uint64]{name: name, typ: "UInt64", get: get}
}

func small[R any](name string, get func(*R) int32) column[R] {
	return &values[R, int32]{name: name, typ: "Int32", get: get}
}

// short is for numbers that are never negative and fit 16 bits, such as SMTP
// codes; others become the nearest that does.
func short[R any](name string, get func(*R) int32) column[R] {
	return &values[R, uint16]{name: name, typ: "UInt16", get: func(r *R) uint16 { return uint16(min(max(get(r), 0), 65535)) }}
}

// id keeps the byte order of the text: toString(id) is schemas.ID.String().
func id[R any](name string, get func(*R) schemas.ID) column[R] {
	return &values[R, uuid.UUID]{name: name, typ: "UUID", get: func(r *R) uuid.UUID { return uuid.UUID(get(r)) }}
}

func micros[R any](name string, get func(*R) schemas.Timestamp) column[R] {
	return &values[R, time.Time]{name: name, typ: wireTime, get: func(r *R) time.Time { return time.UnixMicro(int64(get(r))) }}
}

func nullMicros[R any](name string, get func(*R) schemas.Timestamp) column[R] {
	return &values[R, *time.Time]{name: name, typ: wireNullTime, get: func(r *R) *time.Time {
		ts := get(r)
		if ts == 0 {
			return nil
		}
		at := time.UnixMicro(int64(ts))
		return &at
	}}
}

func nullInteger[R any](name string, get func(*R) schemas.NullInt64) column[R] {
	return &values[R, *int64]{name: name, typ: "Nullable(Int64)", get: func(r *R) *int64 {
		v := get(r)
		if !v.Valid {
			return nil
		}
		return &v.Int64
	}}
}

func texts[R any](name string, get func(*R) []string) column[R] {
	return &each[R, []string]{values[R, []string]{name: name, typ: "Array(String)", get: get}}
}

func ids[R any](name string, get func(*R) []uuid.UUID) column[R] {
	return &each[R, []uuid.UUID]{values[R, []uuid.UUID]{name: name, typ: "Array(UUID)", get: get}}
}

func dictionary[R any](name string, get func(*R) map[string]string) column[R] {
	return &each[R, map[string]string]{values[R, map[string]string]{name: name, typ: "Map(String, String)", get: get}}
}
