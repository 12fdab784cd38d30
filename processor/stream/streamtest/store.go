package streamtest

import (
	"fmt"
	"maps"
	"slices"

	"github.com/tidwall/btree"
)

// store is one of the task's stores: the open transaction's writes over the
// committed state.
type store struct {
	d         *Driver
	committed btree.Map[string, []byte]
	open      map[string][]byte // nil deletes
	scanning  int
}

func (d *Driver) store(name string) *store {
	s := d.stores[name]
	if s == nil {
		panic(fmt.Sprintf("streamtest: stage %s declares no store %q", d.stage.Name, name))
	}
	return s
}

// State returns a copy of a store, the open transaction included.
func (d *Driver) State(name string) map[string][]byte {
	s := d.store(name)
	all := make(map[string][]byte, s.committed.Len())
	s.committed.Scan(func(key string, value []byte) bool {
		all[key] = value
		return true
	})
	maps.Copy(all, s.open)
	maps.DeleteFunc(all, func(_ string, value []byte) bool { return value == nil })
	return all
}

func (s *store) commit() {
	for key, value := range s.open {
		if value == nil {
			s.committed.Delete(key)
		} else {
			s.committed.Set(key, value)
		}
	}
	clear(s.open)
}

func (s *store) write(key, value []byte) {
	if s.scanning > 0 {
		panic("streamtest: a store was written to during its Scan")
	}
	s.d.touched = true
	s.open[string(key)] = value
}

// Get implements stream.Store.
func (s *store) Get(key []byte) ([]byte, error) {
	if value, changed := s.open[string(key)]; changed {
		return value, nil
	}
	value, _ := s.committed.Get(string(key))
	return value, nil
}

// Put implements stream.Store. Like the engine it keeps the value.
func (s *store) Put(key, value []byte) {
	if value == nil {
		value = []byte{}
	}
	s.write(key, value)
}

// Delete implements stream.Store.
func (s *store) Delete(key []byte) { s.write(key, nil) }

// Scan implements stream.Store. Its slices are overwritten after each call, so
// that a test notices a task that keeps them.
func (s *store) Scan(from, to []byte, f func(key, value []byte) bool) error {
	s.scanning++
	defer func() { s.scanning-- }()
	within := func(key string) bool { return key >= string(from) && (to == nil || key < string(to)) }
	open := slices.DeleteFunc(slices.Sorted(maps.Keys(s.open)), func(key string) bool { return !within(key) })
	var k, v []byte
	defer func() { clear(k); clear(v) }()
	more := true
	emit := func(key string, value []byte) {
		if more && value != nil {
			k, v = append(k[:0], key...), append(v[:0], value...)
			more = f(k, v)
		}
	}
	s.committed.Ascend(string(from), func(key string, value []byte) bool {
		if !within(key) {
			return false
		}
		for ; len(open) > 0 && open[0] < key; open = open[1:] {
			emit(open[0], s.open[open[0]])
		}
		if _, changed := s.open[key]; !changed {
			emit(key, value)
		}
		return more
	})
	for ; len(open) > 0; open = open[1:] {
		emit(open[0], s.open[open[0]])
	}
	return nil
}
