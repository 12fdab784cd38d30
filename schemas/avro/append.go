// Package avro is the small run-time of the code that schemas/gen writes:
// Avro's binary encoding in append style, and a bounds-checked reader. It knows
// no schemas and uses no reflection.
package avro

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// AppendLong appends an int or a long: zigzag, then base 128.
func AppendLong(dst []byte, v int64) []byte {
	u := uint64(v)<<1 ^ uint64(v>>63)
	for u >= 0x80 {
		dst = append(dst, byte(u)|0x80)
		u >>= 7
	}
	return append(dst, byte(u))
}

// AppendOptLong appends a ["null", int] where zero is null.
func AppendOptLong(dst []byte, v int64) []byte {
	if v == 0 {
		return append(dst, 0)
	}
	return AppendLong(append(dst, 2), v)
}

// AppendBool appends a boolean.
func AppendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// AppendDouble appends a double from its IEEE 754 bits.
func AppendDouble(dst []byte, bits uint64) []byte {
	return append(dst, byte(bits), byte(bits>>8), byte(bits>>16), byte(bits>>24),
		byte(bits>>32), byte(bits>>40), byte(bits>>48), byte(bits>>56))
}

// AppendEnum appends the index of a symbol. An index that is not below symbols
// is a programming error that would make the record unreadable: it panics.
func AppendEnum(dst []byte, v int32, symbols int) []byte {
	if uint32(v) >= uint32(symbols) {
		panic(fmt.Sprintf("avro: enum index %d, there are %d symbols", v, symbols))
	}
	return AppendLong(dst, int64(v))
}

// AppendBytes appends bytes.
func AppendBytes(dst, v []byte) []byte {
	return append(AppendLong(dst, int64(len(v))), v...)
}

// AppendOptBytes appends a ["null", "bytes"] where empty is null.
func AppendOptBytes(dst, v []byte) []byte {
	if len(v) == 0 {
		return append(dst, 0)
	}
	return AppendBytes(append(dst, 2), v)
}

// AppendString appends a string. Avro strings are UTF-8, and readers in other
// languages refuse or mangle others: what is invalid becomes U+FFFD.
func AppendString(dst []byte, v string) []byte {
	if !isASCII(v) && !utf8.ValidString(v) {
		v = strings.ToValidUTF8(v, "\uFFFD")
	}
	if len(v) < 64 {
		return append(append(dst, byte(len(v)<<1)), v...)
	}
	return append(AppendLong(dst, int64(len(v))), v...)
}

// isASCII looks at eight bytes at a time: for the short strings of a record it
// costs half of utf8.ValidString.
func isASCII(s string) bool {
	const high = 0x8080808080808080
	if len(s) < 8 {
		var or byte
		for i := range len(s) {
			or |= s[i]
		}
		return or < 0x80
	}
	for i := 0; i+8 <= len(s); i += 8 {
		if word(s[i:i+8])&high != 0 {
			return false
		}
	}
	return word(s[len(s)-8:])&high == 0
}

// word is a load of eight bytes; the compiler makes it one instruction.
func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// AppendOptString appends a ["null", "string"] where empty is null.
func AppendOptString(dst []byte, v string) []byte {
	if v == "" {
		return append(dst, 0)
	}
	return AppendString(append(dst, 2), v)
}

// AppendStrings appends an array of strings.
func AppendStrings(dst []byte, v []string) []byte {
	if len(v) > 0 {
		dst = AppendLong(dst, int64(len(v)))
		for _, s := range v {
			dst = AppendString(dst, s)
		}
	}
	return append(dst, 0)
}

// AppendStringMap appends a map of strings in the order of its keys, so that
// equal maps give equal bytes.
func AppendStringMap(dst []byte, m map[string]string) []byte {
	if len(m) > 0 {
		type entry struct{ key, value string }
		var buf [8]entry
		entries := buf[:0]
		for k, v := range m {
			entries = append(entries, entry{k, v})
		}
		slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.key, b.key) })
		dst = AppendLong(dst, int64(len(m)))
		for _, e := range entries {
			dst = AppendString(AppendString(dst, e.key), e.value)
		}
	}
	return append(dst, 0)
}

// SortedKeys appends the keys of m to buf and sorts them.
func SortedKeys[V any](buf []string, m map[string]V) []string {
	for k := range m {
		buf = append(buf, k)
	}
	slices.Sort(buf)
	return buf
}
