package ingest

import (
	"sync"
	"time"
)

// confirmation is one wait for the producer. Its timer answers over the channel of
// the producer, since waiting for one channel costs half of what waiting for two
// does; after errNoAnswer the producer's own answer still comes.
type confirmation struct {
	answer chan error // holds both answers, so that nobody blocks
	timer  *time.Timer
}

// confirmationPool reuses them between requests, timers included.
type confirmationPool struct{ pool sync.Pool }

// get returns one that waits for at most d from now.
func (cs *confirmationPool) get(d time.Duration) *confirmation {
	if c, ok := cs.pool.Get().(*confirmation); ok {
		c.timer.Reset(d)
		return c
	}
	c := &confirmation{answer: make(chan error, 2)}
	c.timer = time.AfterFunc(d, func() { c.answer <- errNoAnswer })
	return c
}

// put takes one back whose answer was received. Where the timer has gone off all
// the same it is left alone: its answer is in the channel, or comes.
func (cs *confirmationPool) put(c *confirmation) {
	if c.timer.Stop() {
		cs.pool.Put(c)
	}
}
