package delivery

import (
	"sync"
	"time"
)

// order is what the worker itself has said in posthorn.controls, that a rule is
// paused or an endpoint disabled: it holds here at once, before the topic is
// read. An order whose transaction came to nothing does not.
type order struct {
	mu        sync.Mutex
	gen       *generation // nil: none
	at        time.Time
	committed bool
}

func (o *order) give(g *generation, at time.Time) {
	o.mu.Lock()
	o.gen, o.at, o.committed = g, at, false
	o.mu.Unlock()
}

func (o *order) commit() {
	o.mu.Lock()
	o.committed = true
	o.mu.Unlock()
}

func (o *order) clear() {
	o.mu.Lock()
	o.gen = nil
	o.mu.Unlock()
}

// holds tells whether the order holds, where the topic says otherwise as of a
// time; zero: it says nothing.
func (o *order) holds(otherwise time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.gen == nil {
		return false
	}
	if !o.committed && o.gen.stale() || otherwise.After(o.at) {
		o.gen = nil
		return false
	}
	return true
}
