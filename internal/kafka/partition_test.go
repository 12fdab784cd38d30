package kafka_test

import (
	"math/rand/v2"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
)

func TestPartitionForAgreesWithTheClient(t *testing.T) {
	theirs := kgo.StickyKeyPartitioner(nil).ForTopic("t")
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		key := make([]byte, rnd.IntN(40)) // not nil: a nil key is spread, not hashed
		for i := range key {
			key[i] = byte(rnd.Uint32())
		}
		n := 1 + rnd.IntN(1000)
		want := theirs.Partition(&kgo.Record{Key: key}, n)
		if got := kafka.PartitionFor(key, int32(n)); int(got) != want {
			t.Fatalf("PartitionFor(%x, %d) = %d, the client says %d", key, n, got, want)
		}
	}
}

// The hashes are those of the Java client's own tests of murmur2, masked.
func TestPartitionForAgreesWithJava(t *testing.T) {
	for key, hash := range map[string]int32{
		"21":                         -973932308,
		"foobar":                     -790332482,
		"a-little-bit-long-string":   -985981536,
		"a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	} {
		const n = 1<<31 - 1
		want := int32(int64(uint32(hash)&0x7fffffff) % n)
		if got := kafka.PartitionFor([]byte(key), n); got != want {
			t.Errorf("PartitionFor(%q) = %d, want %d", key, got, want)
		}
	}
}

func BenchmarkPartitionFor(b *testing.B) {
	key := []byte("0123456789abcdef")
	for b.Loop() {
		kafka.PartitionFor(key, 48)
	}
}
