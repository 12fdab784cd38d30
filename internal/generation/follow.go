package generation

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

// Follower knows which generation is live, from its start on.
type Follower struct {
	cfg kafka.Config
	log *slog.Logger

	mu      sync.Mutex
	live    Live
	changed chan struct{} // closed when another generation goes live
}

// Follow reads which generation is live. Run keeps it up to date.
func Follow(ctx context.Context, cfg kafka.Config, log *slog.Logger) (*Follower, error) {
	live, err := Read(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &Follower{cfg: cfg, log: log, live: live, changed: make(chan struct{})}, nil
}

// Live returns what is live, and a channel that is closed once another
// generation is.
func (f *Follower) Live() (Live, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.live, f.changed
}

// Run follows the topic until ctx ends. While it can't be read, what was live
// last stays so.
func (f *Follower) Run(ctx context.Context) error {
	cl, err := kafka.NewConsumer(f.cfg, kgo.ConsumeTopics(schemas.TopicGenerations))
	if err != nil {
		return err
	}
	defer cl.Close()
	for ctx.Err() == nil {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil && ctx.Err() == nil && !errors.Is(err, context.Canceled) {
			f.log.Warn("can't read which generation is live", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
			continue
		}
		for it := fetches.RecordIter(); !it.Done(); {
			f.take(it.Next())
		}
	}
	return nil
}

func (f *Follower) take(rec *kgo.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	live, err := take(f.live, rec)
	switch {
	case err != nil:
		f.log.Error("can't read which generation is live", "error", err)
	case live.Generation < f.live.Generation: // one of old, read again
	case live.Generation == f.live.Generation:
		f.live = live
	default:
		f.live = live
		close(f.changed)
		f.changed = make(chan struct{})
	}
}
