package jsonscan

import (
	"encoding/binary"
	"math/bits"
)

// Members walks the members of an object, in order, repeated names included.
type Members struct {
	b   []byte
	i   int
	end *int // where to put the place behind the object, once it is known
}

// Members returns a walk over v, which must be an Object.
func (v *Value) Members() Members { return Members{b: v.Raw, i: 1} }

// Next sets name and value to the next member, or returns false at the end.
func (m *Members) Next(name, value *Value) bool {
	i := skipTo(m.b, m.i)
	if m.b[i] == '}' {
		if m.end != nil {
			*m.end = i + 1
		}
		return false
	}
	*name, i = valueAt(m.b, i)
	*value, m.i = valueAt(m.b, skipTo(m.b, i))
	return true
}

// Elements walks the elements of an array.
type Elements struct {
	b     []byte
	start int // of the current element
	next  int // behind the current element; 0: not known yet
}

// Elements returns a walk over v, which must be an Array.
func (v *Value) Elements() Elements { return Elements{b: v.Raw, next: 1} }

// Next moves to the next element, or returns false at the end.
func (e *Elements) Next() bool {
	if e.next == 0 {
		_, e.next = valueAt(e.b, e.start)
	}
	e.start, e.next = skipTo(e.b, e.next), 0
	return e.b[e.start] != ']'
}

// Value returns the current element.
func (e *Elements) Value() (v Value) {
	v, e.next = valueAt(e.b, e.start)
	return v
}

// Object returns a walk over the current element if it is an object. To go
// through it to its end spares Next from looking for that.
func (e *Elements) Object() (Members, bool) {
	return Members{b: e.b, i: e.start + 1, end: &e.next}, e.b[e.start] == '{'
}

// root returns the value that b holds, without white space around it.
func root(b []byte) Value {
	switch b[0] {
	case '{':
		return Value{Kind: Object, Raw: b}
	case '[':
		return Value{Kind: Array, Raw: b}
	}
	v, _ := valueAt(b, 0)
	return v
}

// skipTo returns the place of the next token that is neither white space nor a
// separator. The text has been checked, so there is one.
func skipTo(b []byte, i int) int {
	for isSpace(b[i]) || b[i] == ',' || b[i] == ':' {
		i++
	}
	return i
}

// valueAt reads the value that starts at i of a checked text, and returns where
// it ends.
func valueAt(b []byte, i int) (Value, int) {
	start := i
	switch b[i] {
	case '"':
		v := Value{Kind: String}
		end := v.scan(b, i+1)
		v.Raw = b[i+1 : end]
		return v, end + 1
	case '{':
		i = endOfNested(b, i)
		return Value{Kind: Object, Raw: b[start:i]}, i
	case '[':
		i = endOfNested(b, i)
		return Value{Kind: Array, Raw: b[start:i]}, i
	case 't':
		return Value{Kind: Bool, Raw: b[i : i+4]}, i + 4
	case 'f':
		return Value{Kind: Bool, Raw: b[i : i+5]}, i + 5
	case 'n':
		return Value{Kind: Null, Raw: b[i : i+4]}, i + 4
	}
	for i < len(b) && b[i] != ',' && b[i] != '}' && b[i] != ']' && !isSpace(b[i]) {
		i++
	}
	return Value{Kind: Number, Raw: b[start:i]}, i
}

// scan returns the place of the quote that ends the string whose first
// character is at i, and notes what the string holds.
func (v *Value) scan(b []byte, i int) int {
	wide := uint64(0)
	for ; ; i++ {
		for ; i+8 <= len(b); i += 8 {
			w := binary.LittleEndian.Uint64(b[i:])
			if m := marks(w); m != 0 {
				n := bits.TrailingZeros64(m) &^ 7
				wide |= w & (1<<n - 1)
				i += n >> 3
				break
			}
			wide |= w
		}
		for b[i] != '"' && b[i] != '\\' { // Where fewer than eight bytes are left.
			wide |= uint64(b[i])
			i++
		}
		if b[i] == '"' {
			v.wide = wide&highs != 0
			return i
		}
		v.escaped = true
		i++
	}
}

func endOfNested(b []byte, i int) int {
	for depth := 0; ; i++ {
		switch b[i] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		case '"':
			var v Value
			i = v.scan(b, i+1)
		}
	}
}
