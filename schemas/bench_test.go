package schemas_test

import (
	"testing"

	"github.com/linkedin/goavro/v2"
	"github.com/posthorn/posthorn/schemas"
)

func BenchmarkEventEncode(b *testing.B) {
	e := sampleEvent()
	buf := e.AppendAvro(nil)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		buf = e.AppendAvro(buf[:0])
	}
}

func BenchmarkEventDecode(b *testing.B) {
	buf := sampleEvent().AppendAvro(nil)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	var e schemas.Event
	for b.Loop() {
		if err := e.DecodeAvro(buf); err != nil {
			b.Fatal(err)
		}
	}
}

// The same record through goavro, for comparison.
func BenchmarkEventGoavro(b *testing.B) {
	buf := sampleEvent().AppendAvro(nil)
	codec, err := goavro.NewCodec(sampleEvent().AvroSchema())
	if err != nil {
		b.Fatal(err)
	}
	native, _, err := codec.NativeFromBinary(buf)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if buf, err = codec.BinaryFromNative(buf[:0], native); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := codec.NativeFromBinary(buf); err != nil {
				b.Fatal(err)
			}
		}
	})
}
