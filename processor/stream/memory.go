package stream

import (
	"bytes"
	"sync"
	"time"

	"github.com/tidwall/btree"
)

// memoryDatabase keeps state in memory only; it is restored from the
// changelogs in full after every start.
type memoryDatabase struct {
	mu        sync.RWMutex
	stores    map[storeID]*btree.BTreeG[memoryItem]
	positions map[storeID]position
	bytes     map[int32]int64 // by partition
}

type memoryItem struct{ key, value []byte }

func newMemoryDatabase() *memoryDatabase {
	return &memoryDatabase{stores: map[storeID]*btree.BTreeG[memoryItem]{}, positions: map[storeID]position{}, bytes: map[int32]int64{}}
}

func (d *memoryDatabase) tree(s storeID) *btree.BTreeG[memoryItem] {
	t := d.stores[s]
	if t == nil {
		t = btree.NewBTreeGOptions(func(a, b memoryItem) bool { return bytes.Compare(a.key, b.key) < 0 }, btree.Options{NoLocks: true})
		d.stores[s] = t
	}
	return t
}

func (d *memoryDatabase) get(partition int32, store uint8, key []byte) ([]byte, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if t := d.stores[storeID{partition, store}]; t != nil {
		if item, ok := t.Get(memoryItem{key: key}); ok {
			return item.value, nil
		}
	}
	return nil, nil
}

func (d *memoryDatabase) scan(partition int32, store uint8, from, to []byte, f func(key, value []byte) bool) error {
	d.mu.Lock()
	t := d.stores[storeID{partition, store}]
	if t == nil {
		d.mu.Unlock()
		return nil
	}
	// A copy on write: f may take its time, and may read this database, which
	// under its lock would wait for a writer that waits for the scan.
	t = t.Copy()
	d.mu.Unlock()
	t.Ascend(memoryItem{key: from}, func(item memoryItem) bool {
		return (to == nil || bytes.Compare(item.key, to) < 0) && f(item.key, item.value)
	})
	return nil
}

func (d *memoryDatabase) apply(b *batch) error {
	if err := expandTimers(d, b); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range b.writes {
		t := d.tree(storeID{w.partition, w.store})
		var old memoryItem
		var had bool
		if w.value == nil {
			old, had = t.Delete(memoryItem{key: []byte(w.key)})
		} else {
			old, had = t.Set(memoryItem{[]byte(w.key), w.value})
			d.bytes[w.partition] += int64(len(w.key) + len(w.value))
		}
		if had {
			d.bytes[w.partition] -= int64(len(old.key) + len(old.value))
		}
	}
	for _, p := range b.positions {
		d.positions[storeID{p.partition, p.store}] = p.position
	}
	return nil
}

func (d *memoryDatabase) position(partition int32, store uint8) (position, bool, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	p, ok := d.positions[storeID{partition, store}]
	return p, ok, nil
}

func (d *memoryDatabase) drop(partition int32, store uint8) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := storeID{partition, store}
	if t := d.stores[s]; t != nil {
		t.Scan(func(item memoryItem) bool {
			d.bytes[partition] -= int64(len(item.key) + len(item.value))
			return true
		})
	}
	delete(d.stores, s)
	delete(d.positions, s)
	return nil
}

func (d *memoryDatabase) sizeBytes(partition int32) int64 {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.bytes[partition]
}

func (d *memoryDatabase) health() error { return nil }
func (d *memoryDatabase) repair() error { return nil }

func (d *memoryDatabase) settle(time.Time) error { return nil }

func (d *memoryDatabase) close() error { return nil }
