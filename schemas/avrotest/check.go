package avrotest

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"runtime"
	"testing"

	"github.com/linkedin/goavro/v2"
	"pgregory.net/rapid"
)

// Record is a generated record type.
type Record interface {
	AppendAvro(dst []byte) []byte
	DecodeAvro(b []byte) error
	AvroSchema() string
}

// Check runs the checks that every generated record type passes: its bytes are
// goavro's, in both directions; corrupted bytes give an error or a valid record,
// never a panic or a large allocation.
func Check(t *testing.T, fresh func() Record) {
	t.Helper()
	codec, err := goavro.NewCodec(fresh().AvroSchema())
	if err != nil {
		t.Fatalf("goavro refuses the schema: %v", err)
	}
	schema := parse(fresh().AvroSchema())
	t.Run("oracle", rapid.MakeCheck(func(t *rapid.T) { checkOracle(t, schema, codec, fresh) }))
	t.Run("corrupted", rapid.MakeCheck(func(t *rapid.T) { checkCorrupted(t, schema, codec, fresh) }))
}

// checkOracle lets goavro write a random value, reads and writes it with the
// generated code, and lets goavro read that.
func checkOracle(t *rapid.T, schema *node, codec *goavro.Codec, fresh func() Record) {
	want := schema.draw(t)
	theirs, err := codec.BinaryFromNative(nil, want)
	if err != nil {
		t.Fatalf("goavro: encoding: %v", err)
	}
	rec := fresh()
	if err := rec.DecodeAvro(theirs); err != nil {
		t.Fatalf("decoding goavro's bytes: %v", err)
	}
	ours := rec.AppendAvro(nil)
	got, rest, err := codec.NativeFromBinary(ours)
	if err != nil || len(rest) > 0 {
		t.Fatalf("goavro: decoding our bytes: %v, %d bytes left over", err, len(rest))
	}
	if want := schema.normal(want); !reflect.DeepEqual(got, want) {
		t.Fatalf("goavro reads\n%v\nwant\n%v", got, want)
	}
	// Decoding into a record in use must leave nothing of it behind.
	used, again := fresh(), fresh()
	other, err := codec.BinaryFromNative(nil, schema.draw(t))
	if err != nil {
		t.Fatalf("goavro: encoding: %v", err)
	}
	if err := used.DecodeAvro(other); err != nil {
		t.Fatalf("decoding goavro's bytes: %v", err)
	}
	if err := used.DecodeAvro(ours); err != nil {
		t.Fatalf("decoding our bytes: %v", err)
	}
	if err := again.DecodeAvro(ours); err != nil {
		t.Fatalf("decoding our bytes: %v", err)
	}
	if !reflect.DeepEqual(used, again) {
		t.Fatalf("decoding into a used record gives\n%+v\nwant\n%+v", used, again)
	}
	if b := again.AppendAvro(nil); !bytes.Equal(b, ours) {
		t.Fatalf("encoding is not stable:\n%x\n%x", b, ours)
	}
}

func checkCorrupted(t *rapid.T, schema *node, codec *goavro.Codec, fresh func() Record) {
	b, err := codec.BinaryFromNative(nil, schema.draw(t))
	if err != nil {
		t.Fatalf("goavro: encoding: %v", err)
	}
	cut := rapid.IntRange(0, len(b)-1).Draw(t, "cut")
	if rec := fresh(); rec.DecodeAvro(b[:cut]) == nil {
		t.Fatalf("the first %d of %d bytes decode without error", cut, len(b))
	}
	if rec := fresh(); rec.DecodeAvro(append(bytes.Clone(b), 0)) == nil {
		t.Fatal("a byte too many decodes without error")
	}
	for range rapid.IntRange(1, 4).Draw(t, "flips") {
		b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
	}
	if rapid.Bool().Draw(t, "huge") {
		at := rapid.IntRange(0, len(b)).Draw(t, "huge at")
		huge := binary.AppendVarint(nil, rapid.Int64().Draw(t, "huge value"))
		b = append(b[:at:at], append(huge, b[at:]...)...)
	}
	if msg := decodeBounded(b, fresh); msg != "" {
		t.Fatal(msg)
	}
}

// decodeBounded decodes arbitrary bytes and says what went wrong beyond an
// error, which is fine.
func decodeBounded(b []byte, fresh func() Record) string {
	rec := fresh()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := rec.DecodeAvro(b)
	runtime.ReadMemStats(&after)
	// The largest ratio is that of an array of empty strings: 16 bytes for one,
	// doubled while it grows.
	if n := after.TotalAlloc - before.TotalAlloc; n > uint64(64*len(b)+64<<10) {
		return "decoding allocates out of proportion"
	}
	if err != nil {
		if !reflect.DeepEqual(rec, fresh()) {
			return "the record is not empty after an error"
		}
		return ""
	}
	// What decodes is a record like any other. Its first encoding replaces what
	// is not UTF-8, also in keys, by which maps are sorted.
	second := again(rec, rec.AppendAvro(nil))
	if third := again(rec, second); !bytes.Equal(second, third) {
		return "encoding is not stable"
	}
	return ""
}

// again decodes what was encoded and encodes it.
func again(rec Record, b []byte) []byte {
	if err := rec.DecodeAvro(b); err != nil {
		panic("decoding what was decoded and encoded: " + err.Error())
	}
	return rec.AppendAvro(nil)
}

// Fuzz runs a fuzz target on DecodeAvro, seeded with the encoding of the given
// records.
func Fuzz(f *testing.F, fresh func() Record, seeds ...Record) {
	f.Add([]byte{})
	f.Add(fresh().AppendAvro(nil))
	for _, rec := range seeds {
		f.Add(rec.AppendAvro(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if msg := decodeBounded(b, fresh); msg != "" {
			t.Fatal(msg)
		}
	})
}
