package delivery

import (
	"sync"
	"sync/atomic"
	"time"
)

// lease is how long after its last tick a task is taken to be alive. A task
// ticks with every commit, so one that is silent for longer has lost its
// partition, and another worker makes its calls.
const lease = 10 * time.Second

// generation is one life of a task: from one assignment or abort to the next.
// Calls belong to it. What it had under way when it ended, and results that were
// not committed, are its successor's where that is of the same process: an abort
// makes no call again. What ended with its process is pending in the store, and
// whoever has the partition next calls again.
type generation struct {
	ended    atomic.Bool
	lost     atomic.Bool // its partition is another worker's
	lastTick atomic.Pointer[time.Time]
	backlog  atomic.Pointer[map[string]backlog] // as of the last tick, by endpoint

	mu      sync.Mutex
	flying  map[*call]struct{} // being made
	results []result           // not yet taken
	taken   []result           // part of the open transaction
	next    *generation        // the successor
}

// newGeneration ends the partition's generation, if there is one here, and
// begins the next.
func (d *Delivery) newGeneration(partition int32) *generation {
	g := &generation{}
	g.ticked()
	d.generations.Lock()
	defer d.generations.Unlock()
	if old := d.generations.current[partition]; old != nil {
		old.ended.Store(true)
		old.bequeath(g)
	}
	d.generations.current[partition] = g
	return g
}

// bequeath leaves what is not committed to the successor.
func (g *generation) bequeath(heir *generation) {
	g.mu.Lock()
	defer g.mu.Unlock()
	heir.flying, heir.results, g.next = g.flying, append(g.taken, g.results...), heir
	g.flying, g.results, g.taken = nil, nil, nil
}

// last returns the generation that lives now, locked.
func (g *generation) last() *generation {
	g.mu.Lock()
	for g.next != nil {
		next := g.next
		next.mu.Lock()
		g.mu.Unlock()
		g = next
	}
	return g
}

// fly notes that a call is about to be made.
func (g *generation) fly(c *call) {
	g = g.last()
	defer g.mu.Unlock()
	if g.flying == nil {
		g.flying = map[*call]struct{}{}
	}
	g.flying[c] = struct{}{}
}

// lose stops the calls of partitions that are another worker's now: it makes
// them.
func (d *Delivery) lose(partitions []int32) {
	d.generations.Lock()
	defer d.generations.Unlock()
	for _, p := range partitions {
		if g := d.generations.current[p]; g != nil {
			g.lost.Store(true)
		}
	}
}

func (g *generation) ticked() {
	now := time.Now()
	g.lastTick.Store(&now)
}

// stale tells that the generation has ended, as far as can be known: its calls
// should not be started any more.
func (g *generation) stale() bool {
	return g.ended.Load() || g.lost.Load() || time.Since(*g.lastTick.Load()) > lease
}

// hand gives a result to the task's next tick.
func (g *generation) hand(r result) {
	g = g.last()
	delete(g.flying, r.call)
	g.results = append(g.results, r)
	g.mu.Unlock()
}

// take returns the results handed in so far. Until they are written, which
// written says, they are also a successor's.
func (g *generation) take() []result {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.results
	g.results = nil
	g.taken = append(g.taken, r...)
	return r
}

// written forgets the results that were taken: they are committed.
func (g *generation) written() {
	g.mu.Lock()
	clear(g.taken)
	g.taken = g.taken[:0]
	g.mu.Unlock()
}

// unfinished returns the calls that the generation has inherited: under way, or
// with a result that is not written.
func (g *generation) unfinished() (calls []*call) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.flying {
		calls = append(calls, c)
	}
	for _, r := range g.results {
		if r.verdict != notMade {
			calls = append(calls, r.call)
		}
	}
	return calls
}

// untaken tells whether a task that lives has results to write.
func (d *Delivery) untaken() bool {
	d.generations.Lock()
	defer d.generations.Unlock()
	for _, g := range d.generations.current {
		g.mu.Lock()
		n := len(g.results)
		g.mu.Unlock()
		if n > 0 && !g.stale() {
			return true
		}
	}
	return false
}
