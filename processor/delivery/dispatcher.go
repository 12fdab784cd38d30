package delivery

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/posthorn/posthorn/schemas"
)

// queueSize bounds the calls of one endpoint that wait for their turn. What
// does not fit stays pending in the store and is offered again by a tick.
const queueSize = 512

// call is one attempt to be made.
type call struct {
	gen      *generation
	attempts int32             // made before in this round
	before   int32             // made in earlier rounds
	asked    schemas.Timestamp // when a person asked for this round; 0: nobody did
	due      time.Time
	since    time.Time // when it became pending
	probe    bool      // it tells whether the endpoint is back
	trigger  schemas.Trigger
	value    []byte // the trigger as read from the topic
}

// lane makes the calls of one endpoint: in order, up to its concurrency at a
// time and its rate, apart from all others, so that a dead endpoint delays
// nobody.
type lane struct {
	*endpoint
	d       *Delivery
	limiter *rate.Limiter // nil: no bound
	breaker breaker
	health  health

	mu     sync.Mutex
	queue  []*call
	active int
}

func newLane(d *Delivery, e *endpoint) *lane {
	l := &lane{endpoint: e, d: d, health: newHealth()}
	if e.rate > 0 {
		// A twentieth of a second's calls may go at once, so that timers that
		// are late cost nothing.
		l.limiter = rate.NewLimiter(rate.Limit(e.rate), max(1, int(e.rate/20)))
	}
	return l
}

// offer queues a call and reports whether there was room. It never waits.
func (l *lane) offer(c *call, now time.Time) bool {
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
	switch l.breaker.lets(now) {
	case none:
		return false
	case one:
		if c.probe = l.breaker.reserve(now); !c.probe {
			return false
		}
	}
	if c.probe {
		l.queue = append([]*call{c}, l.queue...)
	} else {
		l.queue = append(l.queue, c)
	}
	if l.active < l.concurrency || c.probe {
		// A probe waits for no calls that hang.
		l.active++
		l.d.calls.Add(1)
		go l.run()
	}
	return true
}

// full tells whether no call would be taken now, at less cost than by offering
// one.
func (l *lane) full(now time.Time) bool {
	if l.breaker.lets(now) == none || l.d.draining.Load() {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue) >= queueSize
}

// run makes calls until the queue is empty.
func (l *lane) run() {
	defer l.d.calls.Done()
	for c := l.next(); c != nil; c = l.next() {
		r := l.one(c)
		if c.probe && r.verdict == notMade {
			l.breaker.release()
		}
		l.d.metrics.observe(l.name, &r)
		c.gen.hand(r)
		l.d.cfg.Wake()
	}
}

// one makes a call, unless something speaks against it by now.
func (l *lane) one(c *call) result {
	unmade := result{call: c, verdict: notMade}
	if !l.mayCall(c) {
		return unmade
	}
	if l.limiter != nil && (l.limiter.Wait(l.d.going) != nil || !l.mayCall(c)) {
		return unmade
	}
	c.gen.fly(c)
	r := l.attempt(l.d.ctx, c)
	if l.d.ctx.Err() != nil {
		// Closing broke the call off: that says nothing about the endpoint.
		return unmade
	}
	l.note(c, &r)
	return r
}

// mayCall tells whether a call that had its turn is still to be made. What is
// not made stays pending and has used up no attempt.
func (l *lane) mayCall(c *call) bool {
	return !c.gen.stale() && !l.disabled() && !l.d.paused(c.trigger.Rule) &&
		(c.probe || l.breaker.lets(l.d.cfg.Now()) == all)
}

// note tells the breaker what became of a call.
func (l *lane) note(c *call, r *result) {
	now := l.d.cfg.Now()
	switch {
	case r.unsent():
		if c.probe {
			l.breaker.release()
		}
		return
	case r.verdict != retry:
		l.breaker.succeeded()
		return
	}
	if l.breaker.failed(now, c.probe, r.retryAfter) {
		l.d.cfg.Logger.Warn("endpoint fails: its calls wait until a probe succeeds", "endpoint", l.name, "url", l.publicURL, "error", r.err)
	}
}

// unsent tells whether nothing was sent, since no request can be made of the
// trigger: that says nothing about the endpoint.
func (r *result) unsent() bool { return r.verdict == refused && r.status == 0 }

func (l *lane) next() *call {
	l.mu.Lock()
	defer l.mu.Unlock()
	// Where one was started for a probe it is one too many.
	if len(l.queue) == 0 || l.active > l.concurrency && !l.queue[0].probe || l.d.draining.Load() {
		l.active--
		return nil
	}
	c := l.queue[0]
	l.queue[0] = nil
	l.queue = l.queue[1:]
	return c
}

// queued returns the calls that wait for their turn.
func (l *lane) queued() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue)
}
