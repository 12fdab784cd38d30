package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// pebbleDatabase keeps state on disk. Writes are not synced: after a crash of
// the machine the store is older than it was, and the changelog's tail brings
// it up to date.
type pebbleDatabase struct {
	fs         vfs.FS
	dir        string
	cacheBytes int64
	log        *slog.Logger
	damage     damage

	// mu guards db against sizeBytes, which is asked for at any time. All else
	// belongs to a session, and is opened, repaired and closed outside one.
	mu    sync.RWMutex
	db    *pebble.DB // nil once closed
	cache *pebble.Cache
	lock  *pebble.Lock
}

// openPebble opens the state in dir. Files that are damaged are set aside and
// the state begins empty; a directory that can't be used is an error.
func openPebble(fs vfs.FS, dir string, cacheBytes int64, logger *slog.Logger) (*pebbleDatabase, error) {
	d := &pebbleDatabase{fs: fs, dir: dir, cacheBytes: cacheBytes, log: logger}
	err := d.open()
	if isDamage(err) {
		if err = d.setAside(err); err == nil {
			err = d.open()
		}
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}

func (d *pebbleDatabase) open() error {
	if err := d.fs.MkdirAll(d.dir, 0o755); err != nil {
		return fmt.Errorf("making state directory %s: %w", d.dir, err)
	}
	lock, err := pebble.LockDirectory(d.dir, d.fs)
	if err != nil {
		return fmt.Errorf("locking state directory %s: %w: "+
			"stop the other process that uses it, or give this worker a state directory of its own", d.dir, err)
	}
	cache := pebble.NewCache(d.cacheBytes)
	opts := d.options()
	opts.Cache, opts.Lock = cache, lock
	var db *pebble.DB
	if err = checkManifest(d.fs, d.dir); err == nil {
		db, err = pebble.Open(d.dir, opts)
	}
	if err != nil {
		cache.Unref()
		return errors.Join(openError{fmt.Errorf("opening state store %s: %w", d.dir, err)}, lock.Close())
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.db, d.cache, d.lock = db, cache, lock
	return nil
}

func (d *pebbleDatabase) options() *pebble.Options {
	opts := &pebble.Options{
		FS:           unreserved{d.fs},
		MemTableSize: 16 << 20,
		// Two memtables absorb a burst while the older one is written out.
		MemTableStopWritesThreshold: 3,
		Logger:                      &pebbleLogger{l: d.log},
		// A compaction that meets damage is tried again for ever, and writes
		// stall behind it: the next use of the state must say so instead.
		EventListener: &pebble.EventListener{DataCorruption: func(info pebble.DataCorruptionInfo) { d.damage.note(info.Details) }},
	}
	// Most keys that are looked up are new: a filter answers without a read.
	// Levels below take it over from the first.
	opts.Levels[0].FilterPolicy = bloom.FilterPolicy(10)
	// One index a file: with the default of 4 KiB a look-up goes through two.
	opts.Levels[0].IndexBlockSize = 256 << 10
	return opts
}

// A key is partition (4 bytes), store (1 byte), kind (1 byte), then the task's
// own key.
const (
	kindPosition = 0
	kindValue    = 1
)

const keyPrefix = 4 + 1 + 1

func pebbleKey(partition int32, store, kind uint8, key []byte) []byte {
	return appendPebbleKey(make([]byte, 0, keyPrefix+len(key)), partition, store, kind, key)
}

func appendPebbleKey[K string | []byte](b []byte, partition int32, store, kind uint8, key K) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(partition))
	b = append(b, store, kind)
	return append(b, key...)
}

func (d *pebbleDatabase) get(partition int32, store uint8, key []byte) ([]byte, error) {
	return d.read(pebbleKey(partition, store, kindValue, key))
}

func (d *pebbleDatabase) read(key []byte) ([]byte, error) {
	v, closer, err := d.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, d.damage.seen(fmt.Errorf("reading state store: %w", err))
	}
	c := append(make([]byte, 0, len(v)), v...)
	return c, closer.Close()
}

func (d *pebbleDatabase) scan(partition int32, store uint8, from, to []byte, f func(key, value []byte) bool) (err error) {
	start := pebbleKey(partition, store, kindValue, from)
	end := pebbleKey(partition, store, kindValue, to)
	if to == nil {
		end = PrefixEnd(end)
	}
	it, err := d.db.NewIter(&pebble.IterOptions{LowerBound: start, UpperBound: end})
	if err != nil {
		return d.damage.seen(fmt.Errorf("scanning state store: %w", err))
	}
	// Also when f panics. A scan that ended early on an error says so here.
	defer func() {
		if err = errors.Join(err, it.Close()); err != nil {
			err = d.damage.seen(fmt.Errorf("scanning state store: %w", err))
		}
	}()
	for ok := it.First(); ok; ok = it.Next() {
		v, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		if !f(it.Key()[keyPrefix:], v) {
			break
		}
	}
	return nil
}

func (d *pebbleDatabase) apply(b *batch) error {
	if err := d.damage.found(); err != nil {
		return err
	}
	if err := expandTimers(d, b); err != nil {
		return err
	}
	pb := d.db.NewBatch()
	var err error
	for _, w := range b.writes {
		if w.value == nil {
			op := pb.DeleteDeferred(keyPrefix + len(w.key))
			appendPebbleKey(op.Key[:0], w.partition, w.store, kindValue, w.key)
			err = errors.Join(err, op.Finish())
		} else {
			op := pb.SetDeferred(keyPrefix+len(w.key), len(w.value))
			appendPebbleKey(op.Key[:0], w.partition, w.store, kindValue, w.key)
			copy(op.Value, w.value)
			err = errors.Join(err, op.Finish())
		}
	}
	for _, p := range b.positions {
		err = errors.Join(err, pb.Set(pebbleKey(p.partition, p.store, kindPosition, nil), p.position.encode(), nil))
	}
	if err == nil {
		err = pb.Commit(pebble.NoSync)
	}
	if err = errors.Join(err, pb.Close()); err != nil {
		return d.damage.seen(fmt.Errorf("writing state store: %w", err))
	}
	return nil
}

// settle has nothing to do: apply has handed all to the operating system.
func (d *pebbleDatabase) settle(time.Time) error { return nil }

func (d *pebbleDatabase) position(partition int32, store uint8) (position, bool, error) {
	b, err := d.read(pebbleKey(partition, store, kindPosition, nil))
	if err != nil || b == nil {
		return position{}, false, err
	}
	p, err := decodePosition(b)
	return p, err == nil, err
}

func (d *pebbleDatabase) drop(partition int32, store uint8) error {
	start := binary.BigEndian.AppendUint32(nil, uint32(partition))
	start = append(start, store)
	if err := d.db.DeleteRange(start, PrefixEnd(start), pebble.Sync); err != nil {
		return fmt.Errorf("dropping store: %w", err)
	}
	return nil
}

func (d *pebbleDatabase) sizeBytes(partition int32) int64 {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.db == nil {
		return 0
	}
	start := binary.BigEndian.AppendUint32(nil, uint32(partition))
	size, err := d.db.EstimateDiskUsage(start, PrefixEnd(start))
	if err != nil {
		return 0 // damaged files: the next use of the state says so
	}
	return int64(size)
}

func (d *pebbleDatabase) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.db == nil {
		return nil
	}
	err := d.db.Close()
	d.cache.Unref()
	err = errors.Join(err, d.lock.Close())
	d.db = nil
	return err
}

// pebbleLogger tells of errors, of one in errorInterval: a flush that fails is
// tried again at once, thousands of times while a disk is full.
type pebbleLogger struct {
	l *slog.Logger

	mu      sync.Mutex
	next    time.Time
	skipped int
}

const errorInterval = 10 * time.Second

func (l *pebbleLogger) Infof(string, ...any) {}
func (l *pebbleLogger) Errorf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.Before(l.next) {
		l.skipped++
		return
	}
	l.l.Error("state store", "detail", fmt.Sprintf(format, args...), "not_told_before", l.skipped)
	l.next, l.skipped = now.Add(errorInterval), 0
}

// Fatalf must not return: Pebble calls it when its files can no longer be
// trusted, on a full disk for instance. The state is rebuilt from the changelog.
func (l *pebbleLogger) Fatalf(format string, args ...any) {
	panic("state store: " + fmt.Sprintf(format, args...))
}
