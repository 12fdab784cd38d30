package stream

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// phase is what a session's loop is doing.
type phase uint32

const (
	phasePolling phase = iota
	phaseProcessing
	phaseTicking
	phaseTimers
	phaseFlushing
	phaseProducing
	phaseEnding
	phaseApplying
	phasePausing
)

func (p phase) String() string {
	return [...]string{
		"waiting for records", "processing", "ticking", "firing timers", "flushing",
		"writing changelogs", "ending the transaction", "writing state", "waiting to try again",
	}[p]
}

// activity is what the loop is doing at the moment. The loop writes it at the
// cost of an atomic store a record; whoever reads it learns that the loop stands
// still from its not changing.
type activity struct {
	phase     atomic.Uint32
	partition atomic.Int32 // -1: no task in particular
	offset    atomic.Int64 // of the record in work, -1: none
	turns     atomic.Int64 // grows with every phase
}

func (a *activity) enter(p phase, partition int32) {
	a.phase.Store(uint32(p))
	a.partition.Store(partition)
	a.offset.Store(-1)
	a.turns.Add(1)
}

// glimpse is an activity at one moment.
type glimpse struct {
	phase     phase
	partition int32
	offset    int64
	turns     int64
}

func (a *activity) look() glimpse {
	return glimpse{phase(a.phase.Load()), a.partition.Load(), a.offset.Load(), a.turns.Load()}
}

func (g glimpse) describe(input string) string {
	text := g.phase.String()
	if g.partition >= 0 {
		text += fmt.Sprintf(" %s partition %d", input, g.partition)
	}
	if g.offset >= 0 {
		text += fmt.Sprintf(" offset %d", g.offset)
	}
	return text
}

// watchInterval is how often the watchdog looks.
const watchInterval = time.Second

// watch makes the worker unready while its loop stands still: in a task's code
// that does not return, on a disk that does not answer, on brokers that do not
// take records. It says where.
func (s *session) watch(ctx context.Context) {
	defer s.bg.Done()
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	last, since := s.doing.look(), time.Now()
	stuck := false
	for {
		select {
		case <-ctx.Done():
			s.w.setStuck("")
			return
		case <-tick.C:
		}
		now := s.doing.look()
		switch {
		case now != last:
			last, since = now, time.Now()
			if stuck {
				stuck = false
				s.w.setStuck("")
				s.w.log.Warn("the stage moves again", "now", now.describe(s.w.stage.Input))
			}
		case time.Since(since) >= s.w.cfg.StuckAfter && now.phase != phasePausing:
			text := fmt.Sprintf("stuck for %s %s", time.Since(since).Round(time.Second), now.describe(s.w.stage.Input))
			if !stuck {
				stuck = true
				s.w.log.Error("the stage is stuck", "what", text)
			}
			s.w.setStuck(text)
		}
	}
}
