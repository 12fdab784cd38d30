package avro

import (
	"fmt"
	"math"
)

// Reader reads Avro's binary encoding. The first error sticks: every later call
// returns a zero value, and Close returns the error. Nothing is allocated on
// the word of a length alone: a length or count that the remaining bytes cannot
// hold is an error.
type Reader struct {
	b   []byte
	s   string // copy of b that strings are cut from; empty: each string is copied
	pos int
	err error
}

// NewReader returns a reader of b that copies b once, to cut all strings from
// that copy: one allocation instead of one per string, but a string that is
// kept keeps the whole copy.
func NewReader(b []byte) Reader { return Reader{b: b, s: string(b)} }

// NewCopyingReader returns a reader of b that copies each string by itself. It
// is for records whose bulk is bytes, which are copied anyway.
func NewCopyingReader(b []byte) Reader { return Reader{b: b} }

// Close returns the first error, or one if bytes are left over.
func (r *Reader) Close() error {
	if r.err == nil && r.pos < len(r.b) {
		r.err = fmt.Errorf("%d bytes left over at byte %d", len(r.b)-r.pos, r.pos)
	}
	return r.err
}

// OK tells whether there was no error so far.
func (r *Reader) OK() bool { return r.err == nil }

// fail notes the first error and moves to the end, so that fast paths fail too.
func (r *Reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("at byte %d: %s", r.pos, fmt.Sprintf(format, args...))
	}
	r.pos = len(r.b)
}

// Long reads a long.
func (r *Reader) Long() int64 {
	if r.pos < len(r.b) {
		if c := r.b[r.pos]; c < 0x80 {
			r.pos++
			return int64(c>>1) ^ -int64(c&1)
		}
	}
	return r.longSlow()
}

func (r *Reader) longSlow() int64 {
	var u uint64
	for i, shift := r.pos, uint(0); i < len(r.b); i, shift = i+1, shift+7 {
		c := r.b[i]
		if shift == 63 && c > 1 {
			r.fail("a number overflows 64 bits")
			return 0
		}
		u |= uint64(c&0x7f) << shift
		if c < 0x80 {
			r.pos = i + 1
			return int64(u>>1) ^ -int64(u&1)
		}
	}
	r.fail("a number is cut off")
	return 0
}

// Int reads an int; a number beyond 32 bits is an error.
func (r *Reader) Int() int32 {
	v := r.Long()
	if v != int64(int32(v)) {
		r.fail("%d overflows an int", v)
		return 0
	}
	return int32(v)
}

// Bool reads a boolean; a byte other than 0 and 1 is an error.
func (r *Reader) Bool() bool {
	if r.pos >= len(r.b) {
		r.fail("a boolean is cut off")
		return false
	}
	c := r.b[r.pos]
	if c > 1 {
		r.fail("a boolean is %d", c)
		return false
	}
	r.pos++
	return c == 1
}

// Double reads a double as its IEEE 754 bits.
func (r *Reader) Double() uint64 {
	var b [8]byte
	r.Fixed(b[:])
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

// Enum reads the index of one of so many symbols.
func (r *Reader) Enum(symbols int) int32 {
	v := r.Long()
	if uint64(v) >= uint64(symbols) {
		r.fail("enum index %d, there are %d symbols", v, symbols)
		return 0
	}
	return int32(v)
}

// Some reads the branch of a ["null", X]: true means that an X follows.
func (r *Reader) Some() bool {
	if r.pos < len(r.b) {
		if c := r.b[r.pos]; c&^2 == 0 {
			r.pos++
			return c != 0
		}
	}
	return r.someSlow()
}

// someSlow reads a branch that is not written in one byte, which the encoding
// allows.
func (r *Reader) someSlow() bool {
	v := r.Long()
	if r.err == nil && uint64(v) > 1 {
		r.fail("union branch %d of 2", v)
	}
	return v == 1 && r.err == nil
}

// Fixed fills dst.
func (r *Reader) Fixed(dst []byte) {
	if len(r.b)-r.pos < len(dst) {
		r.fail("a fixed of %d bytes is cut off", len(dst))
		return
	}
	r.pos += copy(dst, r.b[r.pos:])
}

// length reads the length of a string or bytes and returns where it ends.
func (r *Reader) length() (start, end int) { return r.span(r.Long()) }

// span takes n bytes and returns where they are.
func (r *Reader) span(n int64) (start, end int) {
	if uint64(n) > uint64(len(r.b)-r.pos) {
		r.fail("a length of %d with %d bytes left", n, len(r.b)-r.pos)
		return 0, 0
	}
	start = r.pos
	r.pos += int(n)
	return start, r.pos
}

// String reads a string. Invalid UTF-8 is passed on as it is.
func (r *Reader) String() string { return r.Text(r.Long()) }

// Text reads a string of n bytes, the rest of one whose length was read before.
func (r *Reader) Text(n int64) string {
	start, end := r.span(n)
	if r.s != "" {
		return r.s[start:end]
	}
	return string(r.b[start:end])
}

// OptString reads a ["null", "string"]; null is empty.
func (r *Reader) OptString() string {
	if !r.Some() {
		return ""
	}
	return r.String()
}

// Bytes reads bytes into memory of their own; empty is nil.
func (r *Reader) Bytes() []byte {
	start, end := r.length()
	if start == end {
		return nil
	}
	return append(make([]byte, 0, end-start), r.b[start:end]...)
}

// Block reads the head of the next block of an array or map and returns the
// number of its items, 0 at the end. Each item takes at least minSize bytes: a
// count that the remaining bytes cannot hold is an error.
func (r *Reader) Block(minSize int) int {
	n := r.Long()
	if n == 0 {
		return 0
	}
	if n < 0 {
		// The block's size in bytes follows, for readers that skip it.
		if n == math.MinInt64 {
			r.fail("a block of %d items", n)
			return 0
		}
		n = -n
		if size := r.Long(); uint64(size) > uint64(len(r.b)-r.pos) {
			r.fail("a block of %d bytes with %d bytes left", size, len(r.b)-r.pos)
			return 0
		}
	}
	if n > int64((len(r.b)-r.pos)/max(minSize, 1)) {
		r.fail("a block of %d items with %d bytes left", n, len(r.b)-r.pos)
		return 0
	}
	return int(n)
}

// Strings reads an array of strings; empty is nil.
func (r *Reader) Strings() []string {
	var v []string
	for n := r.Block(1); n > 0; n = r.Block(1) {
		at := len(v)
		v = append(v, make([]string, n)...)
		for i := at; i < len(v) && r.OK(); i++ {
			v[i] = r.String()
		}
	}
	return v
}

// mapHint bounds the size a map is made with: keys may repeat, so that a count
// says little about the entries.
const mapHint = 64

// MapSize returns the size to make a map with for a block of n entries.
func MapSize(n int) int { return min(n, mapHint) }

// StringMap reads a map of strings; empty is nil.
func (r *Reader) StringMap() map[string]string {
	var m map[string]string
	for n := r.Block(2); n > 0; n = r.Block(2) {
		if m == nil {
			m = make(map[string]string, MapSize(n))
		}
		for ; n > 0 && r.OK(); n-- {
			k := r.String()
			m[k] = r.String()
		}
	}
	return m
}
