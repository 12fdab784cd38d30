package ingest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// lazyListener accepts connections that spare the server work, for about a tenth
// of all CPU time: see lazyConn.
type lazyListener struct {
	net.Listener
	step time.Duration // of lazyDeadline
}

// lazily has the server use connections of that kind, and returns their listener.
func lazily(server *http.Server, listener net.Listener) net.Listener {
	server.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, lazyConnKey{}, c)
	}
	next := server.Handler
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(lazyConnKey{}).(*lazyConn); ok {
			c.serving.Store(true)
			defer c.serving.Store(false)
		}
		next.ServeHTTP(w, r)
	})
	return lazyListener{listener, server.ReadHeaderTimeout}
}

type lazyConnKey struct{}

func (l lazyListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return newLazyConn(c, l.step), nil
}

// lazyConn is a connection whose deadlines cost little. A server moves them on with
// every request, and each move takes the poller's lock and changes a timer. Nearly
// all are moves to later, which can wait until the earlier time comes.
//
// It does not tell while a request is served whether its caller is gone: the server
// wants to know that for the request's context, starts a read of one byte for it and
// ends it with a deadline in the past. What was accepted is stored all the same.
type lazyConn struct {
	net.Conn
	serving     atomic.Bool
	read, write lazyDeadline
}

func newLazyConn(c net.Conn, step time.Duration) *lazyConn {
	return &lazyConn{
		Conn: c,
		read: lazyDeadline{apply: c.SetReadDeadline, step: step}, write: lazyDeadline{apply: c.SetWriteDeadline, step: step},
	}
}

func (c *lazyConn) Read(p []byte) (int, error) {
	if len(p) == 1 && c.serving.Load() {
		return 0, nil // of all reads only that for the caller is of one byte
	}
	for {
		n, err := c.Conn.Read(p)
		if n > 0 || err == nil || !c.read.early(err) {
			return n, err
		}
	}
}

func (c *lazyConn) Write(p []byte) (n int, err error) {
	for {
		m, err := c.Conn.Write(p[n:])
		n += m
		if err == nil || !c.write.early(err) {
			return n, err
		}
	}
}

func (c *lazyConn) SetReadDeadline(t time.Time) error { return c.read.set(t) }

func (c *lazyConn) SetWriteDeadline(t time.Time) error { return c.write.set(t) }

func (c *lazyConn) SetDeadline(t time.Time) error {
	if err := c.read.set(t); err != nil {
		return err
	}
	return c.write.set(t)
}

// lazyDeadline is one that the connection has no later than it should: the time is
// applied when it comes closer, and looked at again when it has come. It is safe
// for concurrent use.
type lazyDeadline struct {
	apply func(time.Time) error
	// step is how far ahead a time is applied at first: those that follow are
	// seldom closer.
	step time.Duration

	mu      sync.Mutex
	wanted  time.Time
	applied time.Time // zero: none
	passed  bool      // applied was in the past
}

func (d *lazyDeadline) set(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wanted = t
	if t.IsZero() || !d.applied.IsZero() && !d.passed && !t.Before(d.applied) {
		return nil
	}
	now := time.Now()
	d.passed = !t.After(now)
	if ahead := now.Add(d.step); t.After(ahead) {
		t = ahead
	}
	return d.to(t)
}

func (d *lazyDeadline) to(t time.Time) error {
	d.applied = t
	return d.apply(t)
}

// early tells whether err is of a deadline that came before the one that is wanted,
// which is applied then.
func (d *lazyDeadline) early(err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.wanted.IsZero() && !d.wanted.After(time.Now()) {
		return false
	}
	d.passed = false
	return d.to(d.wanted) == nil
}
