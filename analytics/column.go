package analytics

import (
	"encoding/binary"
	"maps"
	"math"
	"slices"

	"github.com/posthorn/posthorn/schemas"
)

// column is one column of a table while a batch is built. R is the record that
// becomes a row.
//
// Values are kept as ClickHouse's own column format has them, in plain bytes:
// there is nothing for the garbage collector to walk, and the driver takes them
// by the code with which it reads columns. Handing it slices of Go values cost
// twice the CPU, and three times that for LowCardinality, arrays and maps.
type column[R any] interface {
	output
	add(*R)
}

// output is a column, whatever it is made of.
type output interface {
	title() string
	// wire is the type of the column in the insert.
	wire() string
	// encode appends the column.
	encode(dst []byte) []byte
	reset()
}

func outputs[R any](columns []column[R]) []output {
	out := make([]output, len(columns))
	for i, c := range columns {
		out[i] = c
	}
	return out
}

// plain is a column whose format is one value after the other.
type plain[R any] struct {
	name, typ string
	put       func(dst []byte, r *R) []byte
	data      []byte
}

func (c *plain[R]) title() string            { return c.name }
func (c *plain[R]) wire() string             { return c.typ }
func (c *plain[R]) add(r *R)                 { c.data = c.put(c.data, r) }
func (c *plain[R]) encode(dst []byte) []byte { return append(dst, c.data...) }
func (c *plain[R]) reset()                   { c.data = c.data[:0] }

// nullable is a plain column behind a map of what is null.
type nullable[R any] struct {
	plain[R]
	valid func(*R) bool
	nulls []byte
}

func (c *nullable[R]) add(r *R) {
	null := byte(1)
	if c.valid(r) {
		null = 0
	}
	c.nulls = append(c.nulls, null)
	c.plain.add(r)
}

func (c *nullable[R]) encode(dst []byte) []byte {
	return c.plain.encode(append(dst, c.nulls...))
}

func (c *nullable[R]) reset() {
	c.nulls = c.nulls[:0]
	c.plain.reset()
}

// lists is a column of arrays, or of maps with parts of keys and of values: the
// ends of the rows, then all elements.
type lists[R any] struct {
	name, typ string
	put       func(parts [][]byte, r *R) (elements int)
	parts     [][]byte
	ends      []byte
	end       uint64
}

func (c *lists[R]) title() string { return c.name }
func (c *lists[R]) wire() string  { return c.typ }

func (c *lists[R]) add(r *R) {
	c.end += uint64(c.put(c.parts, r))
	c.ends = binary.LittleEndian.AppendUint64(c.ends, c.end)
}

func (c *lists[R]) encode(dst []byte) []byte {
	dst = append(dst, c.ends...)
	for _, p := range c.parts {
		dst = append(dst, p...)
	}
	return dst
}

func (c *lists[R]) reset() {
	c.ends, c.end = c.ends[:0], 0
	for i := range c.parts {
		c.parts[i] = c.parts[i][:0]
	}
}

// coded is a LowCardinality(String): the distinct values, then for every row
// the number of its value.
type coded[R any] struct {
	name   string
	get    func(*R) string
	number map[string]uint32
	values []byte // of the dictionary, which begins with the empty string
	rows   []uint32
	last   string // the value of the row before, which is often the same
	code   uint32
}

func (c *coded[R]) title() string { return c.name }
func (c *coded[R]) wire() string  { return "LowCardinality(String)" }

func (c *coded[R]) add(r *R) {
	if v := c.get(r); v != c.last {
		code, ok := c.number[v]
		if !ok {
			code = uint32(len(c.number))
			c.number[v] = code
			c.values = appendText(c.values, v)
		}
		c.last, c.code = v, code
	}
	c.rows = append(c.rows, c.code)
}

func (c *coded[R]) encode(dst []byte) []byte {
	// The low byte is the width of the numbers; the flags say that the
	// dictionary is here and new.
	const flags = 1<<9 | 1<<10
	width := uint64(0)
	switch n := len(c.number); {
	case n > 1<<16:
		width = 2
	case n > 1<<8:
		width = 1
	}
	dst = binary.LittleEndian.AppendUint64(dst, flags|width)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(len(c.number)))
	dst = append(dst, c.values...)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(len(c.rows)))
	for _, code := range c.rows {
		switch width {
		case 0:
			dst = append(dst, byte(code))
		case 1:
			dst = binary.LittleEndian.AppendUint16(dst, uint16(code))
		default:
			dst = binary.LittleEndian.AppendUint32(dst, code)
		}
	}
	return dst
}

func (c *coded[R]) reset() {
	clear(c.number)
	c.number[""] = 0
	c.values, c.rows, c.last, c.code = appendText(c.values[:0], ""), c.rows[:0], "", 0
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// appendID writes a UUID as two numbers of 64 bits, so that toString(id) is
// schemas.ID.String().
func appendID(dst []byte, id schemas.ID) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, binary.BigEndian.Uint64(id[:8]))
	return binary.LittleEndian.AppendUint64(dst, binary.BigEndian.Uint64(id[8:]))
}

// text is for values that mostly differ.
func text[R any](name string, get func(*R) string) column[R] {
	return &plain[R]{name: name, typ: "String", put: func(dst []byte, r *R) []byte { return appendText(dst, get(r)) }}
}

// code is for texts with few distinct values.
func code[R any](name string, get func(*R) string) column[R] {
	c := &coded[R]{name: name, get: get, number: map[string]uint32{}}
	c.reset()
	return c
}

func boolean[R any](name string, get func(*R) bool) column[R] {
	return &plain[R]{name: name, typ: "Bool", put: func(dst []byte, r *R) []byte {
		if get(r) {
			return append(dst, 1)
		}
		return append(dst, 0)
	}}
}

func integer[R any](name string, get func(*R) int64) column[R] {
	return &plain[R]{name: name, typ: "Int64", put: func(dst []byte, r *R) []byte {
		return binary.LittleEndian.AppendUint64(dst, uint64(get(r)))
	}}
}

func unsigned[R any](name string, get func(*R) uint64) column[R] {
	return &plain[R]{name: name, typ: "UInt64", put: func(dst []byte, r *R) []byte {
		return binary.LittleEndian.AppendUint64(dst, get(r))
	}}
}

func small[R any](name string, get func(*R) int32) column[R] {
	return &plain[R]{name: name, typ: "Int32", put: func(dst []byte, r *R) []byte {
		return binary.LittleEndian.AppendUint32(dst, uint32(get(r)))
	}}
}

// short is for numbers that are never negative and fit 16 bits, such as SMTP
// codes; others become the nearest that does.
func short[R any](name string, get func(*R) int32) column[R] {
	return &plain[R]{name: name, typ: "UInt16", put: func(dst []byte, r *R) []byte {
		return binary.LittleEndian.AppendUint16(dst, uint16(min(max(get(r), 0), 65535)))
	}}
}

func id[R any](name string, get func(*R) schemas.ID) column[R] {
	return &plain[R]{name: name, typ: "UUID", put: func(dst []byte, r *R) []byte { return appendID(dst, get(r)) }}
}

func micros[R any](name string, get func(*R) schemas.Timestamp) column[R] {
	return &plain[R]{name: name, typ: "DateTime64(6, 'UTC')", put: func(dst []byte, r *R) []byte {
		return binary.LittleEndian.AppendUint64(dst, uint64(get(r)))
	}}
}

// seconds cuts to seconds.
func seconds[R any](name string, get func(*R) schemas.Timestamp) column[R] {
	return &plain[R]{name: name, typ: "DateTime('UTC')", put: func(dst []byte, r *R) []byte {
		return binary.LittleEndian.AppendUint32(dst, uint32(get(r)/1_000_000))
	}}
}

// dateTime cuts to seconds within what a DateTime can hold; unknown stands for a
// time that is not known, and for no other.
func dateTime[R any](name string, unknown uint32, get func(*R) schemas.Timestamp) column[R] {
	return &plain[R]{name: name, typ: "DateTime('UTC')", put: func(dst []byte, r *R) []byte {
		at := unknown
		if t := get(r); t != 0 {
			at = uint32(min(max(int64(t)/1_000_000, 1), math.MaxUint32-1))
		}
		return binary.LittleEndian.AppendUint32(dst, at)
	}}
}

func nullMicros[R any](name string, get func(*R) schemas.Timestamp) column[R] {
	return &nullable[R]{
		valid: func(r *R) bool { return get(r) != 0 },
		plain: plain[R]{name: name, typ: "Nullable(DateTime64(6, 'UTC'))", put: func(dst []byte, r *R) []byte {
			return binary.LittleEndian.AppendUint64(dst, uint64(get(r)))
		}},
	}
}

func nullInteger[R any](name string, get func(*R) schemas.NullInt64) column[R] {
	return &nullable[R]{
		valid: func(r *R) bool { return get(r).Valid },
		plain: plain[R]{name: name, typ: "Nullable(Int64)", put: func(dst []byte, r *R) []byte {
			return binary.LittleEndian.AppendUint64(dst, uint64(get(r).Int64))
		}},
	}
}

func texts[R any](name string, get func(*R) []string) column[R] {
	return &lists[R]{name: name, typ: "Array(String)", parts: make([][]byte, 1), put: func(parts [][]byte, r *R) int {
		list := get(r)
		for _, s := range list {
			parts[0] = appendText(parts[0], s)
		}
		return len(list)
	}}
}

func ids[R any](name string, get func(*R) []schemas.ID) column[R] {
	return &lists[R]{name: name, typ: "Array(UUID)", parts: make([][]byte, 1), put: func(parts [][]byte, r *R) int {
		list := get(r)
		for _, v := range list {
			parts[0] = appendID(parts[0], v)
		}
		return len(list)
	}}
}

// dictionary sorts the keys: the same record always gives the same bytes.
func dictionary[R any](name string, get func(*R) map[string]string) column[R] {
	return &lists[R]{name: name, typ: "Map(String, String)", parts: make([][]byte, 2), put: func(parts [][]byte, r *R) int {
		m := get(r)
		if len(m) == 0 {
			return 0
		}
		for _, key := range slices.Sorted(maps.Keys(m)) {
			parts[0], parts[1] = appendText(parts[0], key), appendText(parts[1], m[key])
		}
		return len(m)
	}}
}
