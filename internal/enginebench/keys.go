package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// cacheBytes bounds the block cache of the state on disk in the measurements of
// large state, and so, with the memtables, the memory.
const cacheBytes = 256 << 20

// benchKeys measures the same stage on a small state and on a large one, then
// how soon it works again: after kill -9 of the same instance on the large
// state, and on another instance.
func benchKeys(ctx context.Context, o options) error {
	b, err := startBroker(ctx)
	if err != nil {
		return err
	}
	defer b.close()
	var rates [2]float64
	for i, keys := range []int{o.fewKeys, o.manyKeys} {
		s := &stateRun{b: b, keys: keys, run: run{
			Brokers: b.addr, Name: fmt.Sprintf("keys%d", keys), Commit: o.commit, Instance: "1", StateOnly: true, CacheBytes: cacheBytes,
		}}
		s.run.Input, s.run.Dir = s.run.Name+"-input", filepath.Join(o.dir, s.run.Name)
		if rates[i], err = s.measure(ctx, o.keyEvents); err != nil {
			return err
		}
		if i == 1 {
			err = s.restart(ctx)
		}
		if err == nil && i == 0 {
			err = s.failover(ctx)
		}
		s.p.stop()
		if err != nil {
			return err
		}
	}
	fmt.Printf("RESULT engine_10m_vs_100k_keys %.2f x\n", rates[1]/rates[0])
	return nil
}

// stateRun is the job's first stage on a state of a number of keys.
type stateRun struct {
	b    *broker
	keys int
	run  run
	p    *process
}

// start starts a worker on the run's state.
func (s *stateRun) start(ctx context.Context, r run) (*process, error) {
	if err := os.MkdirAll(r.Dir, 0o755); err != nil {
		return nil, err
	}
	cmd, err := posthorn().command(ctx, r)
	if err != nil {
		return nil, err
	}
	return launch(cmd, r.Dir)
}

// measure fills the state with all keys, then measures events on keys chosen
// at random.
func (s *stateRun) measure(ctx context.Context, events int) (rate float64, err error) {
	if err := s.b.createTopics(ctx, posthorn(), s.run); err != nil {
		return 0, err
	}
	err = s.b.produce(ctx, s.run.Input, func(emit func(event)) {
		for i := range s.keys {
			emit(event{uint64(i + 1), 1, typeSent, 1_750_000_000_000})
		}
	})
	if err != nil {
		return 0, err
	}
	rest, err := s.b.produceHidden(ctx, s.run.Input, s.random(events))
	if err != nil {
		return 0, err
	}
	defer rest.cl.Close()
	began := time.Now()
	if s.p, err = s.start(ctx, s.run); err != nil {
		return 0, err
	}
	if err := s.passed(ctx, s.p, s.stable); err != nil {
		return 0, err
	}
	filled := time.Since(began)
	cpu, err := s.p.cpuSeconds()
	if err != nil {
		return 0, err
	}
	began = time.Now()
	if err := rest.show(ctx); err != nil {
		return 0, err
	}
	if err := s.passed(ctx, s.p, s.ends); err != nil {
		return 0, err
	}
	took := time.Since(began)
	used, err := s.p.cpuSeconds()
	if err != nil {
		return 0, err
	}
	rate = float64(events) / took.Seconds()
	fmt.Printf("%9d keys: filled in %.1f s; %d events on random keys: %.0f events/s, %.2f us CPU/event; peak RSS %d MiB (block cache %d MiB); load %s\n",
		s.keys, filled.Seconds(), events, rate, (used-cpu)*1e6/float64(events), s.p.peakRSS(), cacheBytes>>20, loadAverage())
	return rate, nil
}

func (s *stateRun) random(events int) func(emit func(event)) {
	return func(emit func(event)) {
		rnd := rand.New(rand.NewPCG(1, 2))
		for range events {
			emit(event{rnd.Uint64N(uint64(s.keys)) + 1, 1, typeOpened, 1_750_000_600_000 + rnd.Int64N(1000)})
		}
	}
}

// stable and ends are the ends of the input: without, and with what is in an
// open transaction.
func (s *stateRun) stable(ctx context.Context) (kadm.ListedOffsets, error) {
	return s.b.adm.ListCommittedOffsets(ctx, s.run.Input)
}

func (s *stateRun) ends(ctx context.Context) (kadm.ListedOffsets, error) {
	return s.b.adm.ListEndOffsets(ctx, s.run.Input)
}

// passed waits until the group has committed the end that the input has now.
func (s *stateRun) passed(ctx context.Context, p *process, end func(context.Context) (kadm.ListedOffsets, error)) error {
	ends, err := end(ctx)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return err
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		committed, err := s.b.adm.FetchOffsets(ctx, s.run.messages())
		behind := err != nil
		ends.Each(func(o kadm.ListedOffset) {
			c, ok := committed.Lookup(o.Topic, o.Partition)
			behind = behind || o.Offset > 0 && (!ok || c.At < o.Offset)
		})
		if !behind {
			return nil
		}
		if err := p.ended(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the stage: %w\n%s", ctx.Err(), p.logTail())
		case <-tick.C:
		}
	}
}

// restart kills the worker while it processes, starts it again on the same
// state, and measures until new events, in all partitions, are committed.
func (s *stateRun) restart(ctx context.Context) error {
	if err := s.interrupt(ctx); err != nil {
		return err
	}
	began := time.Now()
	var err error
	if s.p, err = s.start(ctx, s.run); err != nil {
		return err
	}
	if err := s.processing(ctx, s.p); err != nil {
		return err
	}
	took := time.Since(began)
	fmt.Printf("%9d keys: kill -9, started again on its own state: processing in all partitions after %.2f s; load %s\n", s.keys, took.Seconds(), loadAverage())
	fmt.Printf("RESULT engine_restart %.2f s\n", took.Seconds())
	return s.passed(ctx, s.p, s.ends)
}

// failover kills a worker of two while they process, and measures until its
// partitions, too, are processed by the other, which has no state of them on
// its disk and restores it from the changelog.
func (s *stateRun) failover(ctx context.Context) error {
	other := s.run
	other.Instance, other.Dir = "2", s.run.Dir+"-other"
	p, err := s.start(ctx, other)
	if err != nil {
		return err
	}
	// Stopped here: its own end must not leave it to the caller's.
	defer p.stop()
	if err := s.b.owned(ctx, p, s.run.messages(), 2); err != nil {
		return err
	}
	if err := s.interrupt(ctx); err != nil {
		return err
	}
	began := time.Now()
	if err := s.processing(ctx, p); err != nil {
		return err
	}
	took := time.Since(began)
	fmt.Printf("%9d keys: kill -9 of one of two instances, its partitions processed by the other, restored from the changelog, after %.2f s; session timeout 10 s, transaction timeout 10 s; load %s\n",
		s.keys, took.Seconds(), loadAverage())
	fmt.Printf("RESULT engine_failover %.2f s\n", took.Seconds())
	return s.passed(ctx, p, s.ends)
}

// interrupt kills the worker in the middle of work.
func (s *stateRun) interrupt(ctx context.Context) error {
	before, err := s.b.adm.FetchOffsets(ctx, s.run.messages())
	if err != nil {
		return err
	}
	if err := s.b.produce(ctx, s.run.Input, s.random(200_000)); err != nil {
		return err
	}
	for {
		now, err := s.b.adm.FetchOffsets(ctx, s.run.messages())
		if err != nil {
			return err
		}
		moved := false
		now.Each(func(o kadm.OffsetResponse) {
			b, _ := before.Lookup(o.Topic, o.Partition)
			moved = moved || o.At > b.At
		})
		if moved {
			break
		}
	}
	s.p.kill()
	return nil
}

// processing waits until the group commits new positions in every partition:
// an event for each was put in before.
func (s *stateRun) processing(ctx context.Context, p *process) error {
	if err := s.b.produce(ctx, s.run.Input, s.random(10_000)); err != nil {
		return err
	}
	before, err := s.b.adm.FetchOffsets(ctx, s.run.messages())
	if err != nil {
		return err
	}
	for {
		now, err := s.b.adm.FetchOffsets(ctx, s.run.messages())
		if err != nil {
			return err
		}
		all, n := true, 0
		now.Each(func(o kadm.OffsetResponse) {
			b, _ := before.Lookup(o.Topic, o.Partition)
			all = all && o.At > b.At
			n++
		})
		if all && n == partitions {
			return nil
		}
		if err := p.ended(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}
