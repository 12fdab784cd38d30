// Package jsonscan reads JSON where it stands: a body is checked once from end
// to end, and then walked without building a tree, copying or converting
// numbers. It exists because webhook bodies hold ids above 2^53, because only
// a few of their fields are wanted, and because decoding them is most of what
// the first processor does.
//
// It accepts exactly what encoding/json accepts (RFC 8259, with invalid UTF-8
// inside strings), except that values nested deeper than [MaxDepth] are
// refused.
package jsonscan

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// Kind is the type of a value.
type Kind uint8

// The kinds. Missing is the zero Value's: a member that is not there.
const (
	Missing Kind = iota
	Null
	Bool
	Number
	String
	Object
	Array
)

// Value is one JSON value, as a slice of the text that holds it.
type Value struct {
	// Raw is the value as sent; of a String, what stands between its quotes.
	Raw  []byte
	Kind Kind
	// escaped: a String with backslashes. wide: a String beyond ASCII.
	escaped, wide bool
}

// Text returns what a String says, and the raw text of any other kind.
// Invalid UTF-8 and unpaired surrogates become U+FFFD. The string shares
// memory with the body where it can, so the body must not be changed after.
func (v *Value) Text() string {
	if v.Kind == String && (v.escaped || v.wide && !utf8.Valid(v.Raw)) {
		buf := v.append(make([]byte, 0, len(v.Raw)), true)
		return unsafe.String(unsafe.SliceData(buf), len(buf))
	}
	return unsafe.String(unsafe.SliceData(v.Raw), len(v.Raw))
}

// AppendRaw appends what a String says, its escapes resolved but its bytes not
// otherwise touched, and the raw text of any other kind.
func (v *Value) AppendRaw(dst []byte) []byte {
	if v.Kind == String && v.escaped {
		return v.append(dst, false)
	}
	return append(dst, v.Raw...)
}

// Bytes is like AppendRaw, without a copy where there are no escapes: the
// slice is then part of the body.
func (v *Value) Bytes() []byte {
	if v.Kind == String && v.escaped {
		return v.append(make([]byte, 0, len(v.Raw)), false)
	}
	return v.Raw
}

// append resolves escapes; with repair, invalid UTF-8 becomes U+FFFD, one for
// each byte as in encoding/json.
func (v *Value) append(dst []byte, repair bool) []byte {
	for s := v.Raw; len(s) > 0; {
		switch c := s[0]; {
		case c == '\\':
			dst, s = appendEscape(dst, s)
		case c < utf8.RuneSelf || !repair:
			n := bytes.IndexByte(s, '\\')
			if n < 0 {
				n = len(s)
			}
			if repair && v.wide {
				n = 1
			}
			dst = append(dst, s[:n]...)
			s = s[n:]
		default:
			r, n := utf8.DecodeRune(s)
			dst = utf8.AppendRune(dst, r)
			s = s[n:]
		}
	}
	return dst
}

// appendEscape resolves the escape at the start of s, which is well formed, and
// returns what follows it.
func appendEscape(dst, s []byte) (_, rest []byte) {
	switch c := s[1]; c {
	case 'b':
		return append(dst, '\b'), s[2:]
	case 'f':
		return append(dst, '\f'), s[2:]
	case 'n':
		return append(dst, '\n'), s[2:]
	case 'r':
		return append(dst, '\r'), s[2:]
	case 't':
		return append(dst, '\t'), s[2:]
	case 'u':
		r := hex4(s[2:])
		s = s[6:]
		if utf16.IsSurrogate(r) {
			r2 := rune(-1)
			if len(s) >= 6 && s[0] == '\\' && s[1] == 'u' {
				r2 = hex4(s[2:])
			}
			if r = utf16.DecodeRune(r, r2); r != utf8.RuneError {
				s = s[6:]
			}
		}
		return utf8.AppendRune(dst, r), s
	default: // " \ /
		return append(dst, c), s[2:]
	}
}

func hex4(s []byte) (r rune) {
	for _, c := range s[:4] {
		switch {
		case c <= '9':
			c -= '0'
		case c <= 'F':
			c -= 'A' - 10
		default:
			c -= 'a' - 10
		}
		r = r<<4 | rune(c)
	}
	return r
}

// AppendCompact appends a value without the white space outside its strings.
func (v *Value) AppendCompact(dst []byte) []byte {
	if v.Kind == String {
		dst = append(dst, '"')
		dst = append(dst, v.Raw...)
		return append(dst, '"')
	}
	inString := false
	for i := 0; i < len(v.Raw); i++ {
		c := v.Raw[i]
		switch {
		case inString && c == '\\':
			dst = append(dst, c)
			i++
			c = v.Raw[i]
		case c == '"':
			inString = !inString
		case !inString && isSpace(c):
			continue
		}
		dst = append(dst, c)
	}
	return dst
}
