package ingest

import "sync/atomic"

// budget bounds what is held at once. It never blocks: what does not fit is
// refused, so that the caller can be told to come back.
type budget struct {
	limit int64
	used  atomic.Int64
}

func newBudget(limit int64) *budget { return &budget{limit: limit} }

// take takes n, or returns false if that is more than is left.
func (b *budget) take(n int64) bool {
	if b.used.Add(n) > b.limit {
		b.used.Add(-n)
		return false
	}
	return true
}

func (b *budget) give(n int64) { b.used.Add(-n) }

func (b *budget) inUse() float64 { return float64(b.used.Load()) }
