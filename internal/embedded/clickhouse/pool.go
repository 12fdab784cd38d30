package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
)

// pool lends sessions. Whoever waits is bounded in number and by its context.
type pool struct {
	open    func() (*session, error)
	free    chan *session // nil stands for one that must be opened
	queue   int64
	waiting atomic.Int64
}

// newPool opens size sessions; at most queue requests may wait for one. With
// fresh, every request gets a session of its own instead of a used one.
func newPool(open func() (*session, error), size, queue int, fresh bool) (*pool, error) {
	p := &pool{open: open, free: make(chan *session, size), queue: int64(queue)}
	for range size {
		if fresh {
			p.free <- nil
			continue
		}
		s, err := open()
		if err != nil {
			p.drain()
			return nil, err
		}
		p.free <- s
	}
	return p, nil
}

// lend waits for a session. It must be given back.
func (p *pool) lend(ctx context.Context) (*session, error) {
	s, err := p.wait(ctx)
	if err != nil || s != nil {
		return s, err
	}
	s, err = p.open()
	if err != nil {
		p.free <- nil
		return nil, fmt.Errorf("opening a session: %w", err)
	}
	return s, nil
}

func (p *pool) wait(ctx context.Context) (*session, error) {
	select {
	case s := <-p.free:
		return s, nil
	default:
	}
	defer p.waiting.Add(-1)
	if p.waiting.Add(1) > p.queue {
		return nil, exceptionf(codeTooManyQueries, "TOO_MANY_SIMULTANEOUS_QUERIES",
			"Too many simultaneous queries: %d run and %d wait for them", cap(p.free), p.queue)
	}
	select {
	case s := <-p.free:
		return s, nil
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil, exceptionf(codeTimeoutExceeded, "TIMEOUT_EXCEEDED", "Timeout exceeded while waiting for a free connection")
		}
		return nil, exceptionf(codeQueryCancelled, "QUERY_WAS_CANCELLED", "The client went away while waiting for a free connection")
	}
}

// giveBack returns a session; a spoilt one is closed, and opened again when it
// is needed.
func (p *pool) giveBack(s *session) {
	if s.spoilt {
		s.close()
		s = nil
	}
	p.free <- s
}

// drain closes the sessions that are not lent, and returns how many are.
func (p *pool) drain() int {
	lent := cap(p.free)
	for {
		select {
		case s := <-p.free:
			lent--
			if s != nil {
				s.close()
			}
		default:
			return lent
		}
	}
}
