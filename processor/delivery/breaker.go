package delivery

import (
	"sync"
	"time"
)

// Defaults of an endpoint's breaker.
const (
	// breakAfter is how many calls in a row must fail until no more are made.
	breakAfter = 5
	// openFirst is how long none are made then, at first. It doubles with every
	// probe that fails, up to openMost.
	openFirst = 5 * time.Second
	openMost  = 5 * time.Minute
)

// breaker holds calls back from an endpoint that fails time after time: they
// wait, and use up no attempts. After a time that grows, one call is made to
// see whether the endpoint is back, the probe; if it is, all are.
//
// An endpoint that answers is alive, whatever it says of the one call: 4xx
// counts as success here, except those that are worth another attempt.
//
// It is the process's own: other workers find out by themselves.
type breaker struct {
	mu       sync.Mutex
	failures int // in a row
	opened   int // times in a row, 0: closed
	until    time.Time
	probing  bool
}

// access is what a breaker lets through.
type access int

const (
	all access = iota
	one        // a probe, which must be reserved
	none
)

// lets tells what may be called now.
func (b *breaker) lets(now time.Time) access {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.opened == 0:
		return all
	case b.probing || now.Before(b.until):
		return none
	}
	return one
}

// reserve makes the caller's call the probe, if there is need and room for one.
func (b *breaker) reserve(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.opened == 0 || b.probing || now.Before(b.until) {
		return false
	}
	b.probing = true
	return true
}

// release gives up a probe that was not made.
func (b *breaker) release() {
	b.mu.Lock()
	b.probing = false
	b.mu.Unlock()
}

// succeeded closes the breaker.
func (b *breaker) succeeded() {
	b.mu.Lock()
	b.failures, b.opened, b.probing = 0, 0, false
	b.mu.Unlock()
}

// failed counts a failure, and reports whether it opened the breaker that was
// closed. The endpoint's own wish, in Retry-After, may lengthen the wait. What
// was under way when the breaker opened tells nothing new.
func (b *breaker) failed(now time.Time, probe bool, retryAfter time.Duration) (opens bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures++
	if probe {
		b.probing = false
	}
	if b.opened > 0 && !probe || b.failures < breakAfter {
		return false
	}
	b.opened++
	wait := openMost
	if n := b.opened - 1; n < 16 {
		wait = min(openMost, openFirst<<n)
	}
	b.until = now.Add(max(wait, min(retryAfter, openMost)))
	return b.opened == 1
}

// open tells whether the breaker is open, half open included.
func (b *breaker) open() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.opened > 0
}
