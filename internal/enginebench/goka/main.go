// Command goka is the job of the benchmark in goka, which processes at least
// once; ../job.go says what the job is. It is a module of its own: the product
// needs none of what it needs.
package main

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"hash"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/IBM/sarama"
	"github.com/lovoo/goka"
	"github.com/lovoo/goka/storage"
	"golang.org/x/sync/errgroup"
)

const (
	atCampaign, atType, atTime = 8, 16, 17
	eventSize, messageSize     = 96, 17

	opened = 2
	day    = int64(24 * time.Hour / time.Millisecond)
	minute = int64(time.Minute / time.Millisecond)
)

func main() {
	brokers := flag.String("brokers", "", "host:port")
	input := flag.String("input", "", "topic")
	name := flag.String("name", "", "prefix of groups and topics")
	dir := flag.String("dir", "", "for state")
	commit := flag.Duration("commit", 100*time.Millisecond, "time between commits of offsets")
	flag.Parse()

	c := goka.DefaultConfig()
	c.Version = sarama.V2_8_0_0
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Consumer.IsolationLevel = sarama.ReadCommitted
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Offsets.AutoCommit.Interval = *commit
	// Batches as large as the other engines' are.
	c.Producer.Flush.Bytes = 256 << 10
	c.ChannelBufferSize = 4096
	goka.ReplaceGlobalConfig(c)
	tm := goka.NewTopicManagerConfig()
	tm.Table.Replication, tm.Stream.Replication = 1, 1

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	var g errgroup.Group
	for _, graph := range []*goka.GroupGraph{messages(*name, *input), windows(*name)} {
		p, err := goka.NewProcessor([]string{*brokers}, graph,
			goka.WithStorageBuilder(storage.DefaultBuilder(*dir)),
			goka.WithHasher(newMurmur2),
			goka.WithPartitionChannelSize(4096),
			goka.WithTopicManagerBuilder(goka.TopicManagerBuilderWithTopicManagerConfig(tm)))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		g.Go(func() error { return p.Run(ctx) })
	}
	if err := g.Wait(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// messages keeps the messages; the events go on by campaign and minute.
func messages(name, input string) *goka.GroupGraph {
	triggers, windows := goka.Stream(name+"-triggers"), goka.Stream(name+"-deltas")
	one := []byte{1}
	return goka.DefineGroup(goka.Group(name+"-messages"),
		goka.Input(goka.Stream(input), raw{}, func(ctx goka.Context, msg any) {
			e := msg.([]byte)
			if len(e) != eventSize {
				ctx.Fail(fmt.Errorf("decoding event: %d bytes", len(e)))
			}
			campaign := e[atCampaign : atCampaign+8]
			at := int64(binary.BigEndian.Uint64(e[atTime:]))
			m := make([]byte, messageSize)
			if old, ok := ctx.Value().([]byte); ok {
				copy(m, old)
			}
			if add(m, e[atType], at) {
				ctx.Emit(triggers, ctx.Key(), campaign)
			}
			ctx.SetValue(m)
			key := append(make([]byte, 0, 16), campaign...)
			key = binary.BigEndian.AppendUint64(key, uint64(at/minute))
			ctx.Emit(windows, string(key), one)
		}),
		goka.Output(triggers, raw{}), goka.Output(windows, raw{}), goka.Persist(raw{}))
}

// windows counts. Its table is the output: that is how goka serves results.
func windows(name string) *goka.GroupGraph {
	return goka.DefineGroup(goka.Group(name+"-windows"),
		goka.Input(goka.Stream(name+"-deltas"), raw{}, func(ctx goka.Context, _ any) {
			var n uint64
			if old, ok := ctx.Value().([]byte); ok {
				n = binary.BigEndian.Uint64(old)
			}
			ctx.SetValue(binary.BigEndian.AppendUint64(nil, n+1))
		}),
		goka.Persist(raw{}))
}

// add takes an event into a message's state and tells whether it fires.
func add(m []byte, typ byte, at int64) bool {
	field := m[:8]
	if typ == opened {
		field = m[8:16]
	}
	if old := int64(binary.BigEndian.Uint64(field)); old == 0 || at < old {
		binary.BigEndian.PutUint64(field, uint64(at))
	}
	s, o := int64(binary.BigEndian.Uint64(m)), int64(binary.BigEndian.Uint64(m[8:]))
	if m[16] == 1 || s == 0 || o == 0 || o > s+day {
		return false
	}
	m[16] = 1
	return true
}

// raw is a codec of bytes as they are.
type raw struct{}

func (raw) Encode(v any) ([]byte, error) { return v.([]byte), nil }
func (raw) Decode(b []byte) (any, error) { return b, nil }

// murmur2 is Kafka's default hash of keys, with which the input is partitioned
// and the tables must be.
type murmur2 struct{ key []byte }

func newMurmur2() hash.Hash32 { return &murmur2{} }

func (h *murmur2) Write(p []byte) (int, error) { h.key = append(h.key, p...); return len(p), nil }
func (h *murmur2) Sum(b []byte) []byte         { return binary.BigEndian.AppendUint32(b, h.Sum32()) }
func (h *murmur2) Reset()                      { h.key = h.key[:0] }
func (h *murmur2) Size() int                   { return 4 }
func (h *murmur2) BlockSize() int              { return 4 }

func (h *murmur2) Sum32() uint32 {
	const seed, mult = 0x9747b28c, 0x5bd1e995
	key := h.key
	hash := seed ^ uint32(len(key))
	for ; len(key) >= 4; key = key[4:] {
		word := binary.LittleEndian.Uint32(key) * mult
		word ^= word >> 24
		hash = hash*mult ^ word*mult
	}
	if len(key) > 0 {
		for i, b := range key {
			hash ^= uint32(b) << (8 * i)
		}
		hash *= mult
	}
	hash ^= hash >> 13
	hash *= mult
	return (hash ^ hash>>15) & 0x7fffffff
}
