package delivery

import (
	"sync"

	"github.com/posthorn/posthorn/schemas"
)

// queueSize bounds the calls of one endpoint that wait for their turn. What
// does not fit stays pending in the store and is offered again by a tick.
const queueSize = 1024

// call is one attempt to be made.
type call struct {
	gen      *generation
	attempts int32             // made before in this round
	before   int32             // made in earlier rounds
	asked    schemas.Timestamp // when a person asked for this round; 0: nobody did
	trigger  schemas.Trigger
	value    []byte // the trigger as read from the topic
}

// lane makes the calls of one endpoint: in order, up to its concurrency at a
// time, apart from all others, so that a dead endpoint delays nobody.
type lane struct {
	*endpoint
	d *Delivery

	mu     sync.Mutex
	queue  []*call
	active int
}

func newLane(d *Delivery, e *endpoint) *lane { return &lane{endpoint: e, d: d} }

// offer queues a call and reports whether there was room. It never waits.
func (l *lane) offer(c *call) bool {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	if l.d.draining.Load() {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) >= queueSize {
		return false
	}
	l.queue = append(l.queue, c)
	l.d.metrics.queued.WithLabelValues(l.name).Set(float64(len(l.queue)))
	if l.active < l.concurrency {
		l.active++
		l.d.calls.Add(1)
		go l.run()
	}
	return true
}

// run makes calls until the queue is empty.
func (l *lane) run() {
	defer l.d.calls.Done()
	for c := l.next(); c != nil; c = l.next() {
		r := result{call: c, verdict: notMade}
		switch {
		case c.gen.stale():
		case l.gone.Load():
			r.verdict, r.at, r.err = gone, l.d.cfg.Now(), goneError
		default:
			if r = l.attempt(l.d.ctx, c); l.d.ctx.Err() != nil {
				// Closing broke the call off: that says nothing about the endpoint.
				r.verdict = notMade
			}
			l.d.metrics.observe(l.name, &r)
		}
		c.gen.hand(r)
		l.d.cfg.Wake()
	}
}

func (l *lane) next() *call {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 || l.d.draining.Load() {
		l.active--
		return nil
	}
	c := l.queue[0]
	l.queue[0] = nil
	l.queue = l.queue[1:]
	l.d.metrics.queued.WithLabelValues(l.name).Set(float64(len(l.queue)))
	return c
}
