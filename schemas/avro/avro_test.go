package avro

import (
	"encoding/binary"
	"math"
	"reflect"
	"strings"
	"testing"
)

func TestLong(t *testing.T) {
	for _, v := range []int64{0, -1, 1, 63, 64, -64, -65, 1 << 31, math.MaxInt64, math.MinInt64} {
		b := AppendLong(nil, v)
		if want := binary.AppendVarint(nil, v); !reflect.DeepEqual(b, want) {
			t.Errorf("AppendLong(%d) = %x, want %x", v, b, want)
		}
		r := NewReader(b)
		if got := r.Long(); got != v || r.Close() != nil {
			t.Errorf("Long() = %d, %v, want %d", got, r.Close(), v)
		}
	}
}

func TestInvalidUTF8IsReplaced(t *testing.T) {
	for in, want := range map[string]string{"a\xffb": "a\uFFFDb", "longer than eight\xc3": "longer than eight\uFFFD", "grün": "grün", strings.Repeat("ü", 50): strings.Repeat("ü", 50)} {
		r := NewReader(AppendString(nil, in))
		if got := r.String(); got != want || r.Close() != nil {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

// Writers may split arrays and maps in blocks and give the size of a block in
// bytes, after a negative count.
func TestBlocks(t *testing.T) {
	items := func(dst []byte, v ...string) []byte {
		for _, s := range v {
			dst = AppendString(dst, s)
		}
		return dst
	}
	b := items(AppendLong(nil, 2), "a", "b")
	b = items(AppendLong(AppendLong(b, -2), 4), "c", "d")
	b = append(b, 0)
	r := NewReader(b)
	if got := r.Strings(); !reflect.DeepEqual(got, []string{"a", "b", "c", "d"}) || r.Close() != nil {
		t.Errorf("array %q, %v", got, r.Close())
	}
	b = items(AppendLong(AppendLong(nil, -1), 4), "k", "v")
	b = append(items(AppendLong(b, 1), "l", "w"), 0)
	r = NewCopyingReader(b)
	if got := r.StringMap(); !reflect.DeepEqual(got, map[string]string{"k": "v", "l": "w"}) || r.Close() != nil {
		t.Errorf("map %q, %v", got, r.Close())
	}
}

func TestMalformed(t *testing.T) {
	long := func(v ...int64) []byte {
		var b []byte
		for _, n := range v {
			b = AppendLong(b, n)
		}
		return b
	}
	for _, tt := range []struct {
		name, want string
		b          []byte
		read       func(r *Reader)
	}{
		{"nothing", "cut off", nil, func(r *Reader) { r.Long() }},
		{"number cut off", "cut off", []byte{0x80}, func(r *Reader) { r.Long() }},
		{"number of 11 bytes", "overflows 64", []byte(strings.Repeat("\x80", 10) + "\x01"), func(r *Reader) { r.Long() }},
		{"number of 65 bits", "overflows 64", []byte(strings.Repeat("\xff", 9) + "\x02"), func(r *Reader) { r.Long() }},
		{"int", "overflows an int", long(1 << 31), func(r *Reader) { r.Int() }},
		{"boolean", "boolean is 2", []byte{2}, func(r *Reader) { r.Bool() }},
		{"no boolean", "cut off", nil, func(r *Reader) { r.Bool() }},
		{"enum", "3 symbols", long(3), func(r *Reader) { r.Enum(3) }},
		{"negative enum", "3 symbols", long(-1), func(r *Reader) { r.Enum(3) }},
		{"union", "branch 2", long(2), func(r *Reader) { r.Some() }},
		{"negative union", "branch -1", long(-1), func(r *Reader) { r.Some() }},
		{"string", "length of 5", append(long(5), "four"...), func(r *Reader) { _ = r.String() }},
		{"negative string", "length of -1", long(-1), func(r *Reader) { _ = r.String() }},
		{"bytes", "length of", long(math.MaxInt64), func(r *Reader) { r.Bytes() }},
		{"fixed", "cut off", []byte{1, 2}, func(r *Reader) { r.Fixed(make([]byte, 3)) }},
		{"array", "3 items", append(long(3), 0, 0), func(r *Reader) { r.Strings() }},
		{"array of the least number", "block of", long(math.MinInt64, 0), func(r *Reader) { r.Strings() }},
		{"block size", "9 bytes", append(long(-1, 9), 0, 0), func(r *Reader) { r.Strings() }},
		{"negative block size", "-1 bytes", append(long(-1, -1), 0, 0), func(r *Reader) { r.Strings() }},
		{"map", "2 items", append(long(2), 0, 0), func(r *Reader) { r.StringMap() }},
		{"left over", "1 bytes left over at byte 1", []byte{0, 0}, func(r *Reader) { r.Long() }},
		{"the first error sticks", "boolean is 7", []byte{7, 0}, func(r *Reader) { r.Bool(); r.Long() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := NewReader(tt.b)
			tt.read(&r)
			if err := r.Close(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want one that contains %q", err, tt.want)
			}
		})
	}
}

func TestEnumOutOfRangePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	AppendEnum(nil, 3, 3)
}
