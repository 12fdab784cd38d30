package main

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// generator makes events in the order of their arrival, as normalize hands them
// on: seeded, a message at a time, with nothing in memory but what is still to
// happen. Times are in milliseconds of the world, which begins at origin.
type generator struct {
	world    *world
	rng      *rand.Rand
	origin   time.Time
	sending  sends
	pending  pendings
	webhooks []webhook // the open one of each sender
	messages uint64
	made     int64
	counter  uint64 // of Mailjet's message ids
	orders   uint64
	meta     map[string]string
}

// newGenerator makes the events of days that begin at origin.
func newGenerator(seed uint64, events int64, days float64, origin time.Time) *generator {
	g := &generator{
		world: newWorld(seed, events, days), rng: rand.New(rand.NewPCG(seed, 0x616e616c)), origin: origin,
		webhooks: make([]webhook, len(senders)), counter: 4_210_242_037, meta: map[string]string{},
	}
	for _, c := range g.world.campaigns {
		at := c.start
		if c.stream {
			at = g.rng.ExpFloat64() / c.rate
		}
		g.sending = append(g.sending, send{int64(at * 1000), c})
	}
	heap.Init(&g.sending)
	return g
}

// next fills e with the next event, or returns false at the end of the timeline.
// What e refers to is valid until the next call.
func (g *generator) next(e *schemas.Event) bool {
	for len(g.pending) == 0 || len(g.sending) > 0 && g.sending[0].at <= g.pending[0].posted {
		if len(g.sending) == 0 {
			return false
		}
		g.send()
	}
	p := g.pending[0]
	g.pending.pop()
	g.fill(e, &p)
	g.made++
	return true
}

// send sends the next message of all campaigns, and decides what becomes of it.
func (g *generator) send() {
	s := &g.sending[0]
	c, at := s.c, s.at
	n := c.first + uint64(c.sent)*c.step
	c.sent++
	switch {
	case c.stream:
		n = g.rng.Uint64() // anybody
		hour := math.Mod(float64(at)/3_600_000, 24)
		s.at += int64(1000 * g.rng.ExpFloat64() / (c.rate * (1 + .8*math.Sin((hour-8)/24*2*math.Pi))))
	case c.sent >= c.size:
		s.at = math.MaxInt64
	default:
		s.at = int64(1000 * (c.start + c.span*float64(c.sent)/float64(c.size)))
	}
	if float64(s.at) > 1000*g.world.seconds {
		heap.Pop(&g.sending)
	} else {
		heap.Fix(&g.sending, 0)
	}
	g.live(c, g.world.person(n%g.world.people), at)
}

// send is when a campaign sends its next message.
type send struct {
	at int64
	c  *mailing
}

type sends []send

func (s sends) Len() int           { return len(s) }
func (s sends) Less(i, j int) bool { return s[i].at < s[j].at }
func (s sends) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s *sends) Push(x any)        { *s = append(*s, x.(send)) }
func (s *sends) Pop() any {
	last := (*s)[len(*s)-1]
	*s = (*s)[:len(*s)-1]
	return last
}

// pending is an event that is still to be posted.
type pending struct {
	occurred, posted int64
	m                *message
	kind             kind
	agent            uint16
	detail           uint8 // link of a click, failure
}

// pendings is a heap by time of posting. It is not container/heap's: there are
// millions, and each would be boxed twice.
type pendings []pending

func (h *pendings) push(p pending) {
	*h = append(*h, p)
	s := *h
	i := len(s) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if s[parent].posted <= p.posted {
			break
		}
		s[i] = s[parent]
		i = parent
	}
	s[i] = p
}

func (h *pendings) pop() {
	s := *h
	last := s[len(s)-1]
	s[len(s)-1] = pending{}
	s = s[:len(s)-1]
	*h = s
	if len(s) == 0 {
		return
	}
	i := 0
	for {
		child := 2*i + 1
		if child >= len(s) {
			break
		}
		if child+1 < len(s) && s[child+1].posted < s[child].posted {
			child++
		}
		if last.posted <= s[child].posted {
			break
		}
		s[i] = s[child]
		i = child
	}
	s[i] = last
}
