package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/processor/stream"
)

const (
	storeMessages = "messages"
	storeWindows  = "windows"
)

// run is what a child that runs the job is told, whatever its engine. Names of
// topics derive from Name.
type run struct {
	Brokers  string
	Input    string
	Name     string
	Dir      string // for state
	Commit   time.Duration
	Instance string // distinguishes workers of the same job
	// StateOnly leaves the counts out.
	StateOnly  bool
	CacheBytes int64
	Profile    string // directory for a CPU profile, "" for none
	// Stages, where set, are stages of the product to run instead of the job.
	Stages []string
}

func (r run) messages() string  { return r.Name + "-messages" }
func (r run) campaigns() string { return r.Name + "-campaigns" }
func (r run) triggers() string  { return r.Name + "-triggers" }
func (r run) deltas() string    { return r.Name + "-deltas" }
func (r run) counts() string    { return r.Name + "-counts" }

// runPosthorn is the child's main: the job on this project's engine, in two
// stages, chained as the product's are.
func runPosthorn(ctx context.Context, r run) error {
	stages := []stream.Stage{{
		Name: r.messages(), Input: r.Input, Stores: []string{storeMessages}, Root: true,
		NewTask: func(int32) (stream.Task, error) {
			return &messagesTask{run: r, deltas: map[uint64]map[int64]uint64{}}, nil
		},
	}}
	if !r.StateOnly {
		stages[0].FrontierTo = []string{r.deltas()}
		stages = append(stages, stream.Stage{
			Name: r.campaigns(), Input: r.deltas(), Stores: []string{storeWindows},
			NewTask: func(int32) (stream.Task, error) {
				return &campaignsTask{run: r, windows: map[windowKey]*window{}}, nil
			},
		})
	}
	var g errgroup.Group
	for _, s := range stages {
		w, err := stream.NewWorker(stream.WorkerConfig{
			Stage: s, Kafka: kafka.Config{Brokers: []string{r.Brokers}}, StateDir: r.Dir,
			CommitInterval: r.Commit, CacheBytes: r.CacheBytes,
			TransactionalID: s.Name + "-" + r.Instance, InstanceID: s.Name + "-" + r.Instance,
			Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		})
		if err != nil {
			return err
		}
		g.Go(func() error { return w.Run(ctx) })
	}
	return g.Wait()
}

// messagesTask keeps the messages and sums what they add to the windows over a
// transaction.
type messagesTask struct {
	run    run
	deltas map[uint64]map[int64]uint64 // by campaign and minute
}

func (t *messagesTask) Process(ctx stream.Context, rec *kgo.Record) error {
	e, err := decodeEvent(rec.Value)
	if err != nil {
		return stream.Permanent(err)
	}
	store := ctx.Store(storeMessages)
	value, err := store.Get(rec.Key)
	if err != nil {
		return err
	}
	m := decodeMessage(value)
	if m.add(e) {
		ctx.Produce(&kgo.Record{Topic: t.run.triggers(), Key: rec.Key, Value: binary.BigEndian.AppendUint64(nil, e.campaign)})
	}
	store.Put(rec.Key, m.encode())
	if !t.run.StateOnly {
		minutes := t.deltas[e.campaign]
		if minutes == nil {
			minutes = map[int64]uint64{}
			t.deltas[e.campaign] = minutes
		}
		minutes[e.at/minute]++
	}
	return nil
}

func (t *messagesTask) Timer(stream.Context, []byte, time.Time) error { return nil }

func (t *messagesTask) Flush(ctx stream.Context) error {
	for campaign, minutes := range t.deltas {
		value := make([]byte, 0, 16*len(minutes))
		for minute, n := range minutes {
			value = binary.BigEndian.AppendUint64(value, uint64(minute))
			value = binary.BigEndian.AppendUint64(value, n)
		}
		ctx.Produce(&kgo.Record{Topic: t.run.deltas(), Key: binary.BigEndian.AppendUint64(nil, campaign), Value: value})
	}
	clear(t.deltas)
	return nil
}

// maxWindows bounds the windows kept in memory between transactions.
const maxWindows = 4096

type window struct {
	n     uint64
	dirty bool
}

// campaignsTask sums the windows of campaigns.
type campaignsTask struct {
	run     run
	windows map[windowKey]*window
	dirty   []windowKey
}

func (t *campaignsTask) Process(ctx stream.Context, rec *kgo.Record) error {
	if len(rec.Key) != 8 || len(rec.Value)%16 != 0 {
		return stream.Permanent(fmt.Errorf("decoding deltas: %d bytes with a key of %d", len(rec.Value), len(rec.Key)))
	}
	campaign := binary.BigEndian.Uint64(rec.Key)
	for b := rec.Value; len(b) > 0; b = b[16:] {
		k := windowKey{campaign, int64(binary.BigEndian.Uint64(b))}
		w := t.windows[k]
		if w == nil {
			value, err := ctx.Store(storeWindows).Get(k.encode())
			if err != nil {
				return err
			}
			w = &window{}
			if len(value) == 8 {
				w.n = binary.BigEndian.Uint64(value)
			}
			t.windows[k] = w
		}
		w.n += binary.BigEndian.Uint64(b[8:])
		if !w.dirty {
			w.dirty = true
			t.dirty = append(t.dirty, k)
		}
	}
	return nil
}

func (t *campaignsTask) Timer(stream.Context, []byte, time.Time) error { return nil }

func (t *campaignsTask) Flush(ctx stream.Context) error {
	for _, k := range t.dirty {
		w := t.windows[k]
		w.dirty = false
		key, value := k.encode(), binary.BigEndian.AppendUint64(nil, w.n)
		ctx.Store(storeWindows).Put(key, value)
		ctx.ProduceTo(&kgo.Record{Topic: t.run.counts(), Key: key, Value: value}, ctx.Partition())
	}
	t.dirty = t.dirty[:0]
	if len(t.windows) > maxWindows {
		clear(t.windows)
	}
	return nil
}
