package stream

import (
	"sync"
	"time"
)

// brokerClock tells the brokers' time, which is the arrival time of the root
// stage's records. This machine's clock may be wrong, and may jump: a frontier
// that ran ahead of the records would fire timers too early, and nothing takes
// that back. So it goes by the time at which brokers wrote records, and between
// those by the monotonic clock.
type brokerClock struct {
	mu   sync.Mutex
	at   time.Time // the latest time that a broker told, zero while none has
	mono time.Time // when that was, read with the monotonic clock
}

// observe takes note that it is broker or later by a broker's clock.
func (c *brokerClock) observe(broker time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); c.at.IsZero() || broker.After(c.at.Add(now.Sub(c.mono))) {
		c.at, c.mono = broker.Round(0), now
	}
}

// now returns the brokers' time, or one somewhat before it; zero while it is
// unknown.
func (c *brokerClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at.IsZero() {
		return time.Time{}
	}
	return c.at.Add(time.Since(c.mono))
}
