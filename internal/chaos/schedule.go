//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// fault is one planned fault. All of it follows from the seed.
type fault struct {
	Number int
	Kind   string
	// Worker and Broker are what is hit, counted from 1; 0 is none, or all
	// brokers as seen by the worker. In a run of the gateway Worker is a gateway.
	Worker, Broker int
	// who is the letter before the number of a worker.
	who string
	// After is the pause before it, from the beginning of its round.
	After time.Duration
	// Hold is how long it lasts.
	Hold time.Duration
	// Choice decides between its variants.
	Choice uint64
}

func (f fault) target() string {
	switch {
	case f.Worker > 0 && f.Broker > 0:
		return fmt.Sprintf("%s%d to broker %d", f.who, f.Worker, f.Broker)
	case f.Worker > 0:
		return fmt.Sprintf("%s%d", f.who, f.Worker)
	case f.Broker > 0:
		return fmt.Sprintf("broker %d", f.Broker)
	}
	if f.who == "g" {
		return "all gateways"
	}
	return "all workers"
}

func (f fault) String() string {
	return fmt.Sprintf("%3d %-16s %-14s %5d ms", f.Number, f.Kind, f.target(), f.Hold.Milliseconds())
}

// round is the faults that overlap. The next begins when all has recovered.
type round []fault

// schedule makes rounds without end, the same ones for the same seed.
type schedule struct {
	rng     *rand.Rand
	kinds   []kind
	who     string // as in fault
	workers int
	deck    []string
	number  int
}

const workers, brokers = 3, 3

// newSchedule plans for the workers.
func newSchedule(seed uint64) *schedule {
	return &schedule{rng: rand.New(rand.NewPCG(seed, 0x6368616f73)), kinds: kinds, who: "w", workers: workers}
}

// newGatewaySchedule plans for the gateways.
func newGatewaySchedule(seed uint64) *schedule {
	return &schedule{rng: rand.New(rand.NewPCG(seed, 0x696e67657374)), kinds: gatewayKinds, who: "g", workers: gateways}
}

// draw takes the next kind of a shuffled deck, so that each has its turn.
func (s *schedule) draw() string {
	if len(s.deck) == 0 {
		for _, k := range s.kinds {
			for range k.share {
				s.deck = append(s.deck, k.name)
			}
		}
		s.rng.Shuffle(len(s.deck), func(i, j int) { s.deck[i], s.deck[j] = s.deck[j], s.deck[i] })
	}
	k := s.deck[len(s.deck)-1]
	s.deck = s.deck[:len(s.deck)-1]
	return k
}

// next plans a round: one fault that concerns all workers, or two to four on
// different workers and at most one broker.
func (s *schedule) next() round {
	size := 2 + s.rng.IntN(3)
	free := s.rng.Perm(s.workers)
	broker := false
	var r round
	var later []string // kinds that do not fit here
	for tries := 0; len(r) < size && tries < 3*size; tries++ {
		name := s.draw()
		k := kindOf(name)
		if k.on == onAll && len(r) > 0 || k.on == onBroker && broker || k.on == onWorker && len(free) == 0 {
			later = append(later, name)
			continue
		}
		s.number++
		f := fault{Number: s.number, who: s.who, Kind: name, Choice: s.rng.Uint64(), After: s.between(0, 1500*time.Millisecond), Hold: s.between(k.least, k.most)}
		switch k.on {
		case onWorker:
			f.Worker, free = free[0]+1, free[1:]
			if k.connections {
				f.Broker = s.rng.IntN(brokers + 1)
			}
		case onBroker:
			f.Broker = s.rng.IntN(brokers) + 1
			broker = true
		}
		r = append(r, f)
		if k.on == onAll {
			break
		}
	}
	s.deck = append(s.deck, later...)
	return r
}

func (s *schedule) between(least, most time.Duration) time.Duration {
	return least + time.Duration(s.rng.Int64N(int64(most-least)+1))
}
