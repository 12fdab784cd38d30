package stream

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

// bufferedDatabase keeps what was committed last in memory and writes it to
// disk later, a store at a time. Keys that change often are written once, look-ups
// of recent ones don't reach the disk's structures, and those are written in
// order. A store's position goes with its writes: what a crash takes from memory
// is the end of the changelog that the next restore reads.
//
// The engine's own store, which is scanned after transactions, is not buffered.
type bufferedDatabase struct {
	disk  *pebbleDatabase
	limit int64 // bytes of all buffers

	mu      sync.Mutex
	buffers map[storeID]*buffer
	bytes   int64
}

type storeID struct {
	partition int32
	store     uint8
}

// buffer holds the writes of a store since its last flush.
type buffer struct {
	writes   map[string][]byte // nil deletes
	bytes    int64
	position *position // nil if none came with the writes
	since    time.Time // zero while empty
}

const (
	// bufferShare is which part of the memory for state on disk, one in so many,
	// is for buffers.
	bufferShare = 8
	// entryBytes is what an entry takes beside its key and value.
	entryBytes = 96
	// bufferedFor is how long a write may wait for its flush, and so how much
	// time a restore after a crash can have to read again.
	bufferedFor = 10 * time.Second
)

func newBufferedDatabase(disk *pebbleDatabase, limit int64) *bufferedDatabase {
	return &bufferedDatabase{disk: disk, limit: limit, buffers: map[storeID]*buffer{}}
}

func (d *bufferedDatabase) get(partition int32, store uint8, key []byte) ([]byte, error) {
	d.mu.Lock()
	if b := d.buffers[storeID{partition, store}]; b != nil {
		if v, ok := b.writes[string(key)]; ok {
			d.mu.Unlock()
			return v, nil
		}
	}
	d.mu.Unlock()
	return d.disk.get(partition, store, key)
}

func (d *bufferedDatabase) scan(partition int32, store uint8, from, to []byte, f func(key, value []byte) bool) error {
	if err := d.flush(storeID{partition, store}); err != nil {
		return err
	}
	return d.disk.scan(partition, store, from, to, f)
}

func (d *bufferedDatabase) apply(b *batch) error {
	if err := d.disk.health(); err != nil {
		return err
	}
	if b.restored {
		for _, p := range b.positions {
			if err := d.flush(storeID{p.partition, p.store}); err != nil {
				return err
			}
		}
		return d.disk.apply(b)
	}
	now := time.Now()
	var direct batch
	d.mu.Lock()
	for _, w := range b.writes {
		if w.store == 0 {
			direct.writes = append(direct.writes, w)
		} else {
			d.bytes += d.buffer(storeID{w.partition, w.store}, now).put(w.key, w.value)
		}
	}
	for _, p := range b.positions {
		if p.store == 0 {
			direct.positions = append(direct.positions, p)
		} else {
			at := p.position
			d.buffer(storeID{p.partition, p.store}, now).position = &at
		}
	}
	d.mu.Unlock()
	if len(direct.writes)+len(direct.positions) > 0 {
		if err := d.disk.apply(&direct); err != nil {
			return err
		}
	}
	for d.overfull() {
		if err := d.flush(d.largest()); err != nil {
			return err
		}
	}
	return d.settle(now)
}

func (d *bufferedDatabase) buffer(id storeID, now time.Time) *buffer {
	b := d.buffers[id]
	if b == nil {
		b = &buffer{writes: map[string][]byte{}}
		d.buffers[id] = b
	}
	if b.since.IsZero() {
		b.since = now
	}
	return b
}

// put returns by how many bytes the buffer has grown.
func (b *buffer) put(key string, value []byte) int64 {
	grown := int64(len(value))
	if old, ok := b.writes[key]; ok {
		grown -= int64(len(old))
	} else {
		grown += int64(len(key)) + entryBytes
	}
	b.writes[key] = value
	b.bytes += grown
	return grown
}

func (d *bufferedDatabase) overfull() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.bytes > d.limit
}

func (d *bufferedDatabase) largest() (id storeID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	most := int64(-1)
	for i, b := range d.buffers {
		if b.bytes > most {
			id, most = i, b.bytes
		}
	}
	return id
}

// settle flushes what has waited for long.
func (d *bufferedDatabase) settle(now time.Time) error {
	d.mu.Lock()
	var old []storeID
	for id, b := range d.buffers {
		if !b.since.IsZero() && now.Sub(b.since) >= bufferedFor {
			old = append(old, id)
		}
	}
	d.mu.Unlock()
	for _, id := range old {
		if err := d.flush(id); err != nil {
			return err
		}
	}
	return nil
}

// flush writes a store's buffer to disk, in order of keys: that costs the disk's
// structures least.
func (d *bufferedDatabase) flush(id storeID) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	b := d.buffers[id]
	if b == nil || b.since.IsZero() {
		return nil
	}
	out := batch{writes: make([]write, 0, len(b.writes))}
	if b.position != nil {
		out.positions = []storePosition{{id.partition, id.store, *b.position}}
	}
	for _, key := range slices.Sorted(maps.Keys(b.writes)) {
		out.writes = append(out.writes, write{id.partition, id.store, key, b.writes[key]})
	}
	if err := d.disk.apply(&out); err != nil {
		return err
	}
	d.bytes -= b.bytes
	clear(b.writes) // keeps the room for as many again
	*b = buffer{writes: b.writes}
	return nil
}

// forget drops a buffer; mu is held.
func (d *bufferedDatabase) forget(id storeID) {
	if b := d.buffers[id]; b != nil {
		d.bytes -= b.bytes
		delete(d.buffers, id)
	}
}

func (d *bufferedDatabase) position(partition int32, store uint8) (position, bool, error) {
	d.mu.Lock()
	if b := d.buffers[storeID{partition, store}]; b != nil && b.position != nil {
		defer d.mu.Unlock()
		return *b.position, true, nil
	}
	d.mu.Unlock()
	return d.disk.position(partition, store)
}

func (d *bufferedDatabase) drop(partition int32, store uint8) error {
	d.mu.Lock()
	d.forget(storeID{partition, store})
	d.mu.Unlock()
	return d.disk.drop(partition, store)
}

func (d *bufferedDatabase) sizeBytes(partition int32) int64 {
	size := d.disk.sizeBytes(partition)
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, b := range d.buffers {
		if id.partition == partition {
			size += b.bytes
		}
	}
	return size
}

func (d *bufferedDatabase) health() error { return d.disk.health() }

// repair forgets the buffers too where the files below them are set aside.
func (d *bufferedDatabase) repair() error {
	if d.disk.health() != nil {
		d.mu.Lock()
		for id := range d.buffers {
			d.forget(id)
		}
		d.mu.Unlock()
	}
	return d.disk.repair()
}

func (d *bufferedDatabase) close() error {
	d.mu.Lock()
	var all []storeID
	for id := range d.buffers {
		all = append(all, id)
	}
	d.mu.Unlock()
	var err error
	for _, id := range all {
		err = errors.Join(err, d.flush(id))
	}
	return errors.Join(err, d.disk.close())
}
