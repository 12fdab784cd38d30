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
// Calls belong to it, and their results are for it alone. What a generation
// that has ended left under way is pending in the store, and its successor
// calls again.
type generation struct {
	d        *Delivery
	beat     atomic.Int64 // the round of ticks that it was last part of
	ended    atomic.Bool
	lastTick atomic.Pointer[time.Time]
	backlog  atomic.Pointer[map[string]backlog] // as of the last tick, by endpoint

	mu      sync.Mutex
	results []result
}

// newGeneration ends the partition's generation, if there is one here, and
// begins the next.
func (d *Delivery) newGeneration(partition int32) *generation {
	g := &generation{d: d}
	now := time.Now()
	g.lastTick.Store(&now)
	g.beat.Store(d.beat.Load())
	d.generations.Lock()
	defer d.generations.Unlock()
	if old := d.generations.current[partition]; old != nil {
		old.ended.Store(true)
	}
	d.generations.current[partition] = g
	return g
}

// ticked notes that the task is alive. All tasks of a worker tick in turn, so
// the second tick of one begins a new round.
func (g *generation) ticked() {
	now := time.Now()
	g.lastTick.Store(&now)
	if g.beat.Load() == g.d.beat.Load() {
		g.d.beat.Add(1)
	}
	g.beat.Store(g.d.beat.Load())
}

// stale tells that calls of the generation should not be started any more: it
// was left out of a round, or gone. Partitions that went to another worker are
// known by that at once, where some have stayed.
func (g *generation) stale() bool {
	return g.gone() || g.d.beat.Load()-g.beat.Load() > 1
}

// gone tells that the generation has ended, as far as can be known.
func (g *generation) gone() bool {
	return g.ended.Load() || time.Since(*g.lastTick.Load()) > lease
}

// hand gives a result to the task's next tick.
func (g *generation) hand(r result) {
	g.mu.Lock()
	g.results = append(g.results, r)
	g.mu.Unlock()
}

// take returns the results handed in so far.
func (g *generation) take() []result {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.results
	g.results = nil
	return r
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
