package main

import "math"

type kind uint8

const (
	kindDelivered kind = iota
	kindOpen
	kindClick
	kindUnsubscribe
	kindComplaint
	kindBounce
	kindBlocked
	kindDeferred
)

// message is a message to one person, with what its events share.
type message struct {
	c      *mailing
	person person
	n      uint64
	id     uint64 // Mailjet's
	order  uint64
}

// maxReaction is how long after its delivery a message is still opened.
const maxReaction = 7 * day * 1000

// live decides what becomes of a message that is sent now.
func (g *generator) live(c *mailing, p person, at int64) {
	g.messages++
	// The ids of a provider's messages are of many senders and grow with time.
	g.counter += 1 + g.rng.Uint64N(40)
	m := &message{c: c, person: p, n: g.messages, id: 1<<(54+g.messages%7) + g.counter}
	if c.orderDetails {
		g.orders++
		m.order = g.orders
	}
	r := g.rng
	switch x := r.Float64(); {
	case x < .008:
		g.add(m, kindBlocked, at+1000+r.Int64N(5000), 0, uint8(r.IntN(len(blockedFailures))))
	case x < .022:
		g.add(m, kindBounce, at+1000+r.Int64N(60_000), 0, uint8(r.IntN(hardFailures)))
	case x < .031:
		g.add(m, kindBounce, at+2000+r.Int64N(1_200_000), 0, uint8(hardFailures+r.IntN(len(bounceFailures)-hardFailures)))
	case x < .045:
		g.add(m, kindDeferred, at+1000+r.Int64N(10_000), 0, 0)
		g.delivered(m, at+300_000+r.Int64N(1_500_000))
	default:
		g.delivered(m, at+1000+int64(g.logNormal(3000, 1)))
	}
}

func (g *generator) delivered(m *message, at int64) {
	r := g.rng
	g.add(m, kindDelivered, at, 0, 0)
	if r.Float64() < .0015 {
		g.add(m, kindBounce, at+600_000+r.Int64N(6*3600_000), 0, uint8(r.IntN(hardFailures)))
		return
	}
	if r.Float64() < m.person.box.prefetch {
		g.add(m, kindOpen, at+2000+r.Int64N(600_000), g.world.agents.relay, 0)
	}
	if r.Float64() < m.person.box.scan {
		g.scan(m, at+1000+r.Int64N(4000))
	}
	g.read(m, at)
}

// scan lets a scanner of the recipient's company follow the links.
func (g *generator) scan(m *message, at int64) {
	r := g.rng
	agent := g.world.agents.scanners[r.IntN(len(g.world.agents.scanners))]
	if r.IntN(2) == 0 {
		g.add(m, kindOpen, at, agent, 0)
	}
	for i := range min(4, len(m.c.links)) {
		g.add(m, kindClick, at+r.Int64N(2000), agent, uint8(i))
	}
}

// read lets the person open and click, or not.
func (g *generator) read(m *message, at int64) {
	r, a := g.rng, g.world.agents
	if r.Float64() >= .37*m.person.zeal*m.c.appetite {
		return
	}
	// Median 2.2 hours, one in twelve more than a day; single mails are waited for.
	median := 2.2 * 3600_000
	if m.c.stream {
		median = 300_000
	}
	first := at + 20_000 + int64(g.logNormal(median, 1.7))
	if first >= at+maxReaction {
		return
	}
	for next := first; next < at+maxReaction; next += 5000 + int64(g.logNormal(3*3600_000, 1.5)) {
		agent := a.own(&m.person, r.Uint64())
		switch m.person.box.proxy {
		case "gmail":
			if r.IntN(8) > 0 {
				agent = a.gmail
			}
		case "yahoo":
			if r.IntN(2) > 0 {
				agent = a.yahoo
			}
		}
		g.add(m, kindOpen, next, agent, 0)
		if r.Float64() >= .35 {
			break
		}
	}
	if r.Float64() < .14 {
		agent := a.own(&m.person, r.Uint64())
		next := first
		for range 1 + min(r.IntN(4), r.IntN(4)) {
			next += 5000 + r.Int64N(200_000)
			g.add(m, kindClick, next, agent, uint8(min(r.IntN(len(m.c.links)), r.IntN(len(m.c.links)))))
		}
	}
	switch x := r.Float64(); {
	case m.c.stream:
	case x < .006:
		g.add(m, kindUnsubscribe, first+30_000+r.Int64N(300_000), a.own(&m.person, r.Uint64()), 0)
	case x < .008:
		g.add(m, kindComplaint, first+60_000+r.Int64N(7200_000), 0, 0)
	}
}

// add has an event posted when it happens, now and then much later: the provider
// repeats what was not taken.
func (g *generator) add(m *message, k kind, at int64, agent uint16, detail uint8) {
	posted := at + 300
	if g.rng.IntN(250) == 0 {
		posted += int64(g.rng.ExpFloat64() * 3600_000)
	}
	g.pending.push(pending{occurred: at, posted: posted, m: m, kind: k, agent: agent, detail: detail})
}

func (g *generator) logNormal(median, sigma float64) float64 {
	return median * math.Exp(sigma*g.rng.NormFloat64())
}
