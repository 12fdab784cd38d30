package jsonscan

import "encoding/binary"

// Members walks the members of an object, in order, repeated names included.
type Members struct {
	b []byte
	i int
}

// Members returns a walk over v, which must be an Object.
func (v *Value) Members() Members { return Members{b: v.Raw, i: 1} }

// Next sets name and value to the next member, or returns false at the end.
func (m *Members) Next(name, value *Value) bool {
	i := skipTo(m.b, m.i)
	if m.b[i] == '}' {
		return false
	}
	*name, i = valueAt(m.b, i)
	*value, m.i = valueAt(m.b, skipTo(m.b, i))
	return true
}

// Elements walks the elements of an array.
type Elements struct {
	b []byte
	i int
}

// Elements returns a walk over v, which must be an Array.
func (v *Value) Elements() Elements { return Elements{b: v.Raw, i: 1} }

// Next sets value to the next element, or returns false at the end.
func (e *Elements) Next(value *Value) bool {
	i := skipTo(e.b, e.i)
	if e.b[i] == ']' {
		return false
	}
	*value, e.i = valueAt(e.b, i)
	return true
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
		for i+8 <= len(b) {
			w := binary.LittleEndian.Uint64(b[i:])
			if plain(w) != 0 {
				break
			}
			wide |= w
			i += 8
		}
		for b[i] != '"' && b[i] != '\\' {
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
