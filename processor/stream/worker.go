package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"
)

// WorkerConfig says where and how a worker runs a stage.
type WorkerConfig struct {
	Stage Stage
	Kafka KafkaConfig
	// StateDir holds the stage's state on disk, in a folder named after the
	// stage; empty keeps it in memory, to be restored in full at every start.
	StateDir string
	// CacheBytes bounds the block cache of state on disk, which takes what it
	// needs. Default 256 MiB: where filters and indexes no longer fit, a
	// look-up costs several times as much.
	CacheBytes int64
	// CommitInterval is the time between commits. Default 100 ms.
	CommitInterval time.Duration
	// TransactionalID must be unique to this stage of this worker and, where
	// the broker survives, the same after a restart: a worker that comes back
	// then fences what its predecessor left open.
	TransactionalID string
	// InstanceID makes the group member static: a restart within the session
	// timeout moves no partitions. Optional.
	InstanceID string
	// Protocol is how the group agrees on who reads what; the default is
	// ClassicGroup.
	Protocol GroupProtocol
	// SessionTimeout is how long a member may be silent before its partitions
	// go to others, TransactionTimeout how long what a dead worker left open
	// holds up those who read after it. Together they bound a failover. Default
	// 10 s each. With ConsumerGroup the broker decides on the session.
	SessionTimeout, TransactionTimeout time.Duration
	// MinFreeBytes is the space that must be free on the state's disk: with less
	// the stage stops until there is room again. Default 64 MiB.
	MinFreeBytes int64
	// StuckAfter is how long the worker may stand at one point before Status
	// says so. Default 30 s.
	StuckAfter time.Duration
	// Clock tells the time of day where that matters: to judge the age of state
	// on disk, and for Ticker. The arrival frontier runs on the brokers' time.
	// Default time.Now.
	Clock func() time.Time
	// ChangelogRetention is the delete.retention.ms of the changelogs; state
	// older than half of it is rebuilt. Default 7 days.
	ChangelogRetention time.Duration
	Logger             *slog.Logger
	Registerer         prometheus.Registerer
}

// Worker runs the tasks of one stage that the consumer group assigns to it.
type Worker struct {
	cfg      WorkerConfig
	stage    Stage
	stores   []string // engine's own first
	db       database
	topicIDs map[string][16]byte
	log      *slog.Logger
	metrics  *metrics
	wake     waker
	clock    brokerClock
	disk     *diskSpace // nil: nothing is kept on disk

	// allowance is how far an idle partition's frontier stays behind the time
	// that its end was asked for, in microseconds. It grows where a broker's
	// clock turns out to be further behind.
	allowance atomic.Int64

	mu     sync.Mutex
	status Status
	stuck  string // what the loop stands at, empty while it moves
}

// NewWorker checks the configuration and opens the state on disk.
func NewWorker(cfg WorkerConfig) (*Worker, error) {
	if cfg.Stage.Name == "" || cfg.Stage.Input == "" || cfg.Stage.NewTask == nil {
		return nil, errors.New("stream: a stage needs Name, Input and NewTask")
	}
	if cfg.TransactionalID == "" {
		return nil, fmt.Errorf("stream: stage %s needs a TransactionalID", cfg.Stage.Name)
	}
	if cfg.CommitInterval <= 0 {
		cfg.CommitInterval = 100 * time.Millisecond
	}
	if cfg.CacheBytes <= 0 {
		cfg.CacheBytes = 256 << 20
	}
	if cfg.ChangelogRetention <= 0 {
		cfg.ChangelogRetention = defaultChangelogRetention
	}
	if cfg.MinFreeBytes <= 0 {
		cfg.MinFreeBytes = 64 << 20
	}
	if cfg.StuckAfter <= 0 {
		cfg.StuckAfter = 30 * time.Second
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	w := &Worker{
		cfg:   cfg,
		stage: cfg.Stage,
		log:   cfg.Logger.With("stage", cfg.Stage.Name),
	}
	if len(cfg.Stage.Stores) > 0 {
		w.stores = append([]string{engineStore}, cfg.Stage.Stores...)
	}
	w.status = Status{Stage: cfg.Stage.Name, Detail: "starting"}
	w.allowance.Store(idleAllowance.Microseconds())
	if cfg.StateDir == "" || len(w.stores) == 0 {
		w.db = newMemoryDatabase()
	} else {
		dir := filepath.Join(cfg.StateDir, cfg.Stage.Name)
		db, err := openPebble(vfs.Default, dir, cfg.CacheBytes-cfg.CacheBytes/bufferShare, w.log)
		if err != nil {
			return nil, err
		}
		w.db = newBufferedDatabase(db, cfg.CacheBytes/bufferShare)
		w.disk = &diskSpace{dir: dir, least: uint64(cfg.MinFreeBytes)}
	}
	w.metrics = newMetrics(cfg.Registerer, w)
	return w, nil
}

// Run works until ctx ends, then commits what is open, and closes the state. A
// session that failed is followed by another after a pause; the error is in
// Status meanwhile.
func (w *Worker) Run(ctx context.Context) error {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval = 200 * time.Millisecond
	pause.MaxInterval = 15 * time.Second
	for ctx.Err() == nil {
		before := w.commits()
		err := w.runSession(ctx)
		if ctx.Err() != nil {
			if err != nil && !errors.Is(err, context.Canceled) {
				w.log.Warn("last transaction not committed; it is done again at the next start", "error", err)
			}
			break
		}
		if err == nil {
			err = errors.New("session ended by itself")
		}
		if w.commits() > before {
			pause.Reset() // it got on: what failed is something new
		}
		wait := pause.NextBackOff()
		w.log.Error("session failed", "error", err, "again_in", wait)
		w.metrics.sessionFailures.Inc()
		w.setError("the session has failed and begins anew", err)
		w.update(func(s *Status) { s.Tasks = nil }) // the group gives them anew
		if err := w.db.repair(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
	return w.db.close()
}

// Wake makes the worker call Tick of its tasks soon.
func (w *Worker) Wake() { w.wake.wake() }

// waker interrupts a wait, or the one that comes next.
type waker struct {
	mu      sync.Mutex
	pending bool
	cancel  context.CancelFunc // of the wait under way
}

func (k *waker) wake() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.cancel == nil {
		k.pending = true
		return
	}
	k.cancel()
}

// interrupts makes the waker call cancel; nil ends the wait.
func (k *waker) interrupts(cancel context.CancelFunc) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.cancel = cancel
	if cancel != nil && k.pending {
		k.pending = false
		cancel()
	}
}
