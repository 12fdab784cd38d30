package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/posthorn/posthorn/internal/kafka"
)

// WorkerConfig says where and how a worker runs a stage.
type WorkerConfig struct {
	Stage Stage
	Kafka kafka.Config
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
	wake     chan struct{}

	mu     sync.Mutex
	status Status
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
		cfg.ChangelogRetention = 7 * 24 * time.Hour
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	w := &Worker{
		cfg:   cfg,
		stage: cfg.Stage,
		log:   cfg.Logger.With("stage", cfg.Stage.Name),
		wake:  make(chan struct{}, 1),
	}
	if len(cfg.Stage.Stores) > 0 {
		w.stores = append([]string{engineStore}, cfg.Stage.Stores...)
	}
	w.status = Status{Stage: cfg.Stage.Name, Detail: "starting"}
	w.metrics = newMetrics(cfg.Registerer, w)
	var err error
	if cfg.StateDir == "" || len(w.stores) == 0 {
		w.db = newMemoryDatabase()
	} else if w.db, err = openPebble(vfs.Default, filepath.Join(cfg.StateDir, cfg.Stage.Name), cfg.CacheBytes, w.log); err != nil {
		return nil, err
	}
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
		began := time.Now()
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
		if time.Since(began) > time.Minute {
			pause.Reset()
		}
		wait := pause.NextBackOff()
		w.log.Error("session failed", "error", err, "again_in", wait)
		w.metrics.sessionFailures.Inc()
		w.setError(err)
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
func (w *Worker) Wake() {
	select {
	case w.wake <- struct{}{}:
	default: // one is waiting already
	}
}

// Status is a worker's state of the moment.
type Status struct {
	Stage string `json:"stage"`
	// Ready: every assigned task is restored and commits succeed.
	Ready     bool  `json:"ready"`
	Tasks     int   `json:"tasks"`
	Restoring int   `json:"restoring"`
	Lag       int64 `json:"lag_records"`
	// Frontier is the least arrival frontier of the tasks; zero while unknown.
	Frontier    time.Time `json:"frontier"`
	Commits     int64     `json:"commits"`
	Aborts      int64     `json:"aborts"`
	DeadLetters int64     `json:"dead_letters"`
	// Detail says in words what the worker does or why it is not ready.
	Detail    string    `json:"detail,omitempty"`
	LastError string    `json:"last_error,omitempty"`
	ErrorAt   time.Time `json:"error_at,omitzero"`
}

// Status returns the worker's state.
func (w *Worker) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}

func (w *Worker) update(f func(*Status)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.status)
}

func (w *Worker) setError(err error) {
	w.update(func(s *Status) {
		s.Ready = false
		s.Detail = "waiting to try again"
		s.LastError = err.Error()
		s.ErrorAt = time.Now()
	})
}
