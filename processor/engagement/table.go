package engagement

import "slices"

// table maps keys to values that it makes where there is none, in the order in
// which they were asked for first. Most have few keys, and are asked for the same
// one again and again: those are found without hashing. A value stays where it is
// until reset, which keeps its memory for the next transaction.
type table[K comparable, V any] struct {
	entries []*entry[K, V] // the first n are in use
	n       int
	last    *entry[K, V] // asked for last
	index   map[K]*entry[K, V]
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

// Up to scanned keys are found by looking at each; of more than maxReused the
// memory is given back.
const (
	scanned   = 8
	maxReused = 8192
)

// at returns the value of a key.
func (t *table[K, V]) at(k K) *V {
	if t.last != nil && t.last.key == k {
		return &t.last.value
	}
	e := t.find(k)
	if e == nil {
		e = t.add(k)
	}
	t.last = e
	return &e.value
}

func (t *table[K, V]) find(k K) *entry[K, V] {
	if t.n > scanned {
		return t.index[k]
	}
	for _, e := range t.entries[:t.n] {
		if e.key == k {
			return e
		}
	}
	return nil
}

func (t *table[K, V]) add(k K) *entry[K, V] {
	if t.n == len(t.entries) {
		t.entries = append(t.entries, new(entry[K, V]))
	}
	e := t.entries[t.n]
	e.key = k
	t.n++
	switch {
	case t.n == scanned+1:
		if t.index == nil {
			t.index = make(map[K]*entry[K, V], 4*scanned)
		}
		for _, e := range t.entries[:t.n] {
			t.index[e.key] = e
		}
	case t.n > scanned:
		t.index[k] = e
	}
	return e
}

// all are the entries in use.
func (t *table[K, V]) all() []*entry[K, V] { return t.entries[:t.n] }

// sorted are the entries in use, in the order of their keys. That by which they
// were asked for is lost.
func (t *table[K, V]) sorted(compare func(a, b *K) int) []*entry[K, V] {
	slices.SortFunc(t.all(), func(a, b *entry[K, V]) int { return compare(&a.key, &b.key) })
	return t.all()
}

// reset empties the table. What holds tables itself is emptied by empty; nil: by
// setting it to zero.
func (t *table[K, V]) reset(empty func(*V)) {
	if t.n > maxReused {
		*t = table[K, V]{}
		return
	}
	var none entry[K, V]
	for _, e := range t.all() {
		if empty == nil {
			*e = none
			continue
		}
		e.key = none.key
		empty(&e.value)
	}
	if t.n > scanned {
		clear(t.index)
	}
	t.n, t.last = 0, nil
}
