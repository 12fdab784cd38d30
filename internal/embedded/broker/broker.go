// Package broker is a Kafka in one process, for evaluation, development and
// small senders: the franz-go project's kfake with a data directory. It speaks
// the real protocol, with groups, transactions and compacted topics, to any
// client on this machine.
//
// What it promises: a record that was acknowledged survives the death of the
// process, and with SyncWrites that of the machine. What it needs from its
// users, because a crash hides state of its own:
//
//   - A transactional id must not be used again after a crash of the broker, or
//     committed records may become invisible: make [Broker.Epoch] part of it.
//   - Idempotent producers may write twice over a crash.
//   - A transaction that was just being committed may be half visible:
//     [Broker.Unclean] tells that there may be something to verify.
//
// Topics expire by their own retention.ms only; there is no default. Compacted
// topics are compacted at start, and only then (see compact.go).
package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Config configures a broker.
type Config struct {
	// Dir holds everything that the broker keeps.
	Dir string
	// Port to listen on at 127.0.0.1. With 0 a free one is chosen at the first
	// start and kept for all later ones.
	Port int
	// SyncWrites has every write reach the disk before it is acknowledged, which
	// protects against power loss and costs up to ten times the throughput where
	// few clients write. Without it records survive only the process.
	SyncWrites bool
	// Logger takes warnings and errors; the default is slog's.
	Logger *slog.Logger
}

// Broker is a running broker.
type Broker struct {
	cluster *kfake.Cluster
	dir     directory
	lock    *os.File
	log     *logger
	addrs   []string // kept: a stopped cluster does not answer any more
	epoch   int64
	unclean bool

	stopRetention context.CancelFunc
	retentionDone chan struct{}

	closing sync.Once
	closed  error
}

// Start opens the data directory and returns once the broker listens.
func Start(ctx context.Context, cfg Config) (*Broker, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	b := &Broker{dir: directory(cfg.Dir), log: &logger{log: cfg.Logger}}
	if err := b.start(ctx, cfg); err != nil {
		if b.lock != nil {
			err = errors.Join(err, b.lock.Close())
		}
		return nil, fmt.Errorf("starting the embedded Kafka in %s: %w", cfg.Dir, err)
	}
	return b, nil
}

func (b *Broker) start(ctx context.Context, cfg Config) error {
	var err error
	if b.lock, err = b.dir.acquire(); err != nil {
		return err
	}
	// Before anything else: whatever this start does, no epoch is used twice.
	if b.epoch, err = b.dir.nextEpoch(); err != nil {
		return err
	}
	if b.unclean, err = b.dir.has("running"); err != nil {
		return err
	}
	if err := b.dir.restoreBackup(); err != nil {
		return err
	}
	if !b.unclean {
		if err := compactIfLarge(ctx, b.dir, b.log); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := b.dir.write("running", strconv.FormatInt(b.epoch, 10)); err != nil {
		return err
	}
	port, err := b.dir.port(cfg.Port)
	if err != nil {
		return err
	}
	opts := options(b.dir, port, b.log)
	if cfg.SyncWrites {
		opts = append(opts, kfake.SyncWrites())
	}
	b.cluster, err = kfake.NewCluster(opts...)
	if err != nil {
		if !b.unclean { // nothing ran
			err = errors.Join(err, b.dir.remove("running"))
		}
		return explainPort(err, port, cfg.Port, b.dir)
	}
	b.addrs = b.cluster.ListenAddrs()
	if err := stampAppendTime(b.cluster); err != nil {
		b.cluster.Close()
		return err
	}
	if err := b.dir.write("port", portOf(b.addrs[0])); err != nil {
		b.cluster.Close()
		return err
	}
	retain, stop := context.WithCancel(context.Background())
	b.stopRetention, b.retentionDone = stop, make(chan struct{})
	go func() {
		defer close(b.retentionDone)
		expireHourly(retain, b.Addrs(), cfg.Logger)
	}()
	return nil
}

// options are what every opening of a data directory has in common.
func options(dir directory, port int, log *logger) []kfake.Opt {
	return []kfake.Opt{
		kfake.Ports(port),
		kfake.DataDir(dir.data()),
		kfake.WithLogger(log),
		kfake.ClusterID("posthorn"),
		// Members come back quickly after a crash.
		kfake.GroupMinSessionTimeout(time.Second),
		kfake.BrokerConfigs(map[string]string{
			// Room for the largest webhook.
			"message.max.bytes": "16777216",
			// Retention frees whole segments only.
			"log.segment.bytes": "33554432",
			// By default a topic without a retention of its own would expire after
			// 7 days, compacted ones too.
			"log.retention.ms": "-1",
			// The cleaner's rewrite is not atomic and stops all other work: it
			// never runs by itself. (Ten years; the ticker allows no "never".)
			"log.cleaner.backoff.ms": "315360000000",
		}),
	}
}

// Addrs returns the address to bootstrap from.
func (b *Broker) Addrs() []string { return slices.Clone(b.addrs) }

// Epoch is the number of this start of the data directory; it always grows.
func (b *Broker) Epoch() int64 { return b.epoch }

// Unclean tells whether the previous run ended without Close: a crash, a kill
// or a power loss.
func (b *Broker) Unclean() bool { return b.unclean }

// Close writes what is still in memory and stops. Further calls do nothing.
func (b *Broker) Close() error {
	b.closing.Do(func() { b.closed = b.close() })
	return b.closed
}

func (b *Broker) close() error {
	b.stopRetention()
	<-b.retentionDone
	b.log.failed.Store(false)
	b.cluster.Close()
	if b.log.failed.Load() {
		// The next start then finds the stop unclean, as it was.
		return errors.Join(errors.New("stopping the embedded Kafka: not everything could be written, see the log"), b.lock.Close())
	}
	return errors.Join(b.dir.remove("running"), b.lock.Close())
}

func portOf(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }

func explainPort(err error, port, configured int, dir directory) error {
	if port == 0 || configured != 0 || !strings.Contains(err.Error(), "in use") {
		return err
	}
	return fmt.Errorf("port %d was chosen at the first start, but another process has it now; "+
		"stop that one, or delete %s to choose another: %w", port, filepath.Join(string(dir), "port"), err)
}

// logger is kfake's way to our log. It remembers errors, since kfake returns
// none from Close.
type logger struct {
	log    *slog.Logger
	failed atomic.Bool
}

func (l *logger) Logf(level kfake.LogLevel, format string, args ...any) {
	switch level {
	case kfake.LogLevelError:
		l.failed.Store(true)
		l.log.Error("embedded kafka: " + fmt.Sprintf(format, args...))
	case kfake.LogLevelWarn:
		if strings.HasPrefix(format, "txn: EndTxn slow") {
			return // from 5 ms on, which is nothing on a busy machine
		}
		l.log.Warn("embedded kafka: " + fmt.Sprintf(format, args...))
	}
}
