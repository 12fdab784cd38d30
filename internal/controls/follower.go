package controls

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

const (
	readTimeout = 30 * time.Second // of the first reading of the topic
	quietAfter  = 3 * time.Second  // several times what a fetch waits for records
)

// Follower knows what was asked, from its start on.
type Follower struct {
	client *kgo.Client
	log    *slog.Logger
	state  *state // of the reader alone
	now    atomic.Pointer[Snapshot]

	mu    sync.Mutex
	wakes []*func()
}

// Follow reads all that was asked until now: nobody calls for a paused rule
// because it did not know yet. Run, which must be called, keeps it up to date.
func Follow(ctx context.Context, cfg kafka.Config, log *slog.Logger) (*Follower, error) {
	cl, err := kafka.NewConsumer(cfg, kgo.ConsumeTopics(schemas.TopicControls), kgo.KeepControlRecords())
	if err != nil {
		return nil, err
	}
	f := &Follower{client: cl, log: log, state: newState()}
	if err := f.readAll(ctx); err != nil {
		cl.Close()
		return nil, fmt.Errorf("reading %s: %w", schemas.TopicControls, err)
	}
	f.now.Store(f.state.snapshot())
	return f, nil
}

// Read returns all that was asked until now.
func Read(ctx context.Context, cfg kafka.Config) (*Snapshot, error) {
	f, err := Follow(ctx, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	f.client.Close()
	return f.Snapshot(), nil
}

// Snapshot returns what was asked.
func (f *Follower) Snapshot() *Snapshot { return f.now.Load() }

// Wake has a function called after every change, until stop. It must not block.
func (f *Follower) Wake(wake func()) (stop func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	entry := &wake
	f.wakes = append(f.wakes, entry)
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.wakes = slices.DeleteFunc(f.wakes, func(w *func()) bool { return w == entry })
	}
}

// Run follows the topic until ctx ends. While it can't be read, what was asked
// last holds.
func (f *Follower) Run(ctx context.Context) error {
	defer f.client.Close()
	for ctx.Err() == nil {
		fetches := f.client.PollFetches(ctx)
		f.take(fetches)
		if err := fetches.Err(); err != nil && ctx.Err() == nil && !errors.Is(err, context.Canceled) {
			f.log.Warn("can't read what is asked of calls: what was asked last holds", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}
	return nil
}

// take applies what was read and tells of it.
func (f *Follower) take(fetches kgo.Fetches) {
	if fetches.NumRecords() == 0 {
		return
	}
	f.apply(fetches)
	f.now.Store(f.state.snapshot())
	f.mu.Lock()
	wakes := slices.Clone(f.wakes)
	f.mu.Unlock()
	for _, wake := range wakes {
		(*wake)()
	}
}

// apply keeps the state; what can't be read is passed over, since it would be
// in the way of all that is asked later.
func (f *Follower) apply(fetches kgo.Fetches) {
	for it := fetches.RecordIter(); !it.Done(); {
		rec := it.Next()
		if rec.Attrs.IsControl() { // the end of a transaction
			continue
		}
		if err := f.state.take(rec); err != nil {
			f.log.Error("a request is passed over", "error", err)
		}
	}
}

// readAll reads up to the end that the topic has now.
func (f *Follower) readAll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	adm := kadm.NewClient(f.client)
	starts, err := adm.ListStartOffsets(ctx, schemas.TopicControls)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return err
	}
	start, ok := starts.Lookup(schemas.TopicControls, 0)
	if !ok {
		return errors.New("the topic is missing: create the topics first (posthorn topics create)")
	}
	for read := start.Offset; ; {
		ends, err := adm.ListCommittedOffsets(ctx, schemas.TopicControls)
		if err == nil {
			err = ends.Error()
		}
		if err != nil {
			return err
		}
		end, _ := ends.Lookup(schemas.TopicControls, 0)
		before := read
		for read < end.Offset {
			fetches, quiet := f.poll(ctx)
			if quiet {
				break
			}
			if err := fetches.Err(); err != nil {
				return err
			}
			f.apply(fetches)
			fetches.EachRecord(func(rec *kgo.Record) { read = max(read, rec.Offset+1) })
		}
		// A broker that answers and gives nothing more has nothing more: what was
		// last is compacted away.
		if read >= end.Offset || read == before {
			return nil
		}
	}
}

// poll reads what comes next, or tells that nothing does for a while.
func (f *Follower) poll(ctx context.Context) (fetches kgo.Fetches, quiet bool) {
	wait, cancel := context.WithTimeout(ctx, quietAfter)
	defer cancel()
	fetches = f.client.PollFetches(wait)
	return fetches, wait.Err() != nil && ctx.Err() == nil && fetches.NumRecords() == 0
}
