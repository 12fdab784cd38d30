package faultproxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Fault is what becomes of an insert.
type Fault func(x *exchange, a *Armed)

// Armed is a fault that waits for inserts.
type Armed struct {
	fault     Fault
	left      int // guarded by the proxy's lock
	met, done atomic.Int64
	series    atomic.Pointer[string] // of the first insert that met it
	released  chan struct{}
	release   sync.Once
}

// Met tells how many inserts have met the fault so far.
func (a *Armed) Met() int { return int(a.met.Load()) }

// Series tells of which series the first of them was.
func (a *Armed) Series() string {
	if s := a.series.Load(); s != nil {
		return *s
	}
	return ""
}

// Over tells for how many of them it is over.
func (a *Armed) Over() int { return int(a.done.Load()) }

// Release lets go what Hold and Late keep back.
func (a *Armed) Release() { a.release.Do(func() { close(a.released) }) }

// Arm lets the next n inserts meet a fault, behind those that are armed already.
func (p *Proxy) Arm(n int, f Fault) *Armed {
	a := &Armed{fault: f, left: n, released: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed, p.ever = append(p.armed, a), append(p.ever, a)
	return a
}

// Disarm lets no further insert meet a fault. What is held back stays so until
// its Release.
func (p *Proxy) Disarm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed = nil
}

// Exception answers as ClickHouse does when it has failed, with a code of its
// src/Common/ErrorCodes.cpp.
func Exception(code int, name, text string) Fault {
	body := fmt.Sprintf("Code: %d. DB::Exception: %s. (%s) (version 25.8.1.1 (official build))\n", code, text, name)
	header := http.Header{"X-Clickhouse-Exception-Code": {strconv.Itoa(code)}, "Content-Type": {"text/plain; charset=UTF-8"}}
	return func(x *exchange, _ *Armed) {
		x.reply(&answer{http.StatusInternalServerError, header, []byte(body)}, nil)
	}
}

// Unavailable answers as a balancer does that has no server left.
func Unavailable() Fault {
	return func(x *exchange, _ *Armed) {
		header := http.Header{"Content-Type": {"text/html"}, "Retry-After": {"1"}}
		x.reply(&answer{http.StatusServiceUnavailable, header, []byte("<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>\n")}, nil)
	}
}

// Slow passes the insert on after d, and its answer after another d.
func Slow(d time.Duration) Fault {
	return func(x *exchange, _ *Armed) {
		if !x.pause(d) {
			return
		}
		a, err := x.forward(x.r.Context())
		if x.pause(d) {
			x.reply(a, err)
		}
	}
}

// Hang never answers; the client's patience ends it.
func Hang() Fault { return func(x *exchange, _ *Armed) { x.gone() } }

// Reset breaks the connection instead of an answer.
func Reset() Fault { return func(x *exchange, _ *Armed) { x.reset() } }

// HalfAnswer breaks the connection in the middle of the answer's head.
func HalfAnswer() Fault {
	return func(x *exchange, _ *Armed) {
		x.breakAfter([]byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=UTF-8\r\nX-ClickHouse-Summ"))
	}
}

// HalfBody breaks the connection to the server in the middle of the data, and
// then the client's.
func HalfBody() Fault {
	return func(x *exchange, _ *Armed) {
		half := x.body[:len(x.body)/2]
		broken := io.MultiReader(bytes.NewReader(half), failingReader{})
		_, err := x.send(x.r.Context(), broken, int64(len(x.body)))
		if err == nil {
			err = errors.New("the server took half of an insert")
		}
		x.reply(nil, err)
	}
}

// Applied has ClickHouse do the insert first; what follows is what the client
// gets to know of it.
func Applied(then Fault) Fault {
	return func(x *exchange, a *Armed) {
		got, err := x.forward(context.WithoutCancel(x.r.Context()))
		if err != nil || got.status != http.StatusOK {
			x.reply(got, err)
			return
		}
		then(x, a)
	}
}

// Twice sends the insert two times, as a balancer does that tries again.
func Twice() Fault {
	return func(x *exchange, _ *Armed) {
		if _, err := x.forward(x.r.Context()); err != nil {
			x.reply(nil, err)
			return
		}
		x.reply(x.forward(x.r.Context()))
	}
}

// Hold keeps the insert back until Release, then sends it, whether the client
// still waits or not.
func Hold() Fault {
	return func(x *exchange, a *Armed) {
		<-a.released
		x.reply(x.forward(context.WithoutCancel(x.r.Context())))
	}
}

// Late keeps the insert back until Release while its client is told that the
// connection broke: the copy that arrives then comes after the client's next
// attempt, and after other inserts.
func Late() Fault {
	return func(x *exchange, a *Armed) {
		x.proxy.late.Add(1)
		a.done.Add(-1) // It is over when the copy has arrived.
		ctx := context.WithoutCancel(x.r.Context())
		go func() {
			defer x.proxy.late.Done()
			<-a.released
			_, _ = x.forward(ctx) // nobody hears of it
			a.done.Add(1)
		}()
		x.reset()
	}
}

// Backwards gives the answers of n inserts, all done, in the contrary order of
// their arrival. The first does not wait longer than patience for the others. Such
// a fault can be armed once.
func Backwards(n int, patience time.Duration) Fault {
	var mu sync.Mutex
	var waiting []chan struct{}
	full := make(chan struct{})
	return func(x *exchange, _ *Armed) {
		mine := make(chan struct{})
		mu.Lock()
		waiting = append(waiting, mine)
		if len(waiting) == n {
			close(full)
		}
		mu.Unlock()
		a, err := x.forward(context.WithoutCancel(x.r.Context()))
		select {
		case <-full:
			<-x.turn(&mu, &waiting, mine)
		case <-time.After(patience):
		}
		x.reply(a, err)
		x.pause(10 * time.Millisecond) // for the client to have read it
		mu.Lock()
		defer mu.Unlock()
		waiting = slices.DeleteFunc(waiting, func(c chan struct{}) bool { return c == mine })
		if len(waiting) > 0 {
			open(waiting[len(waiting)-1])
		}
	}
}

// turn is closed once all that came after are answered.
func (x *exchange) turn(mu *sync.Mutex, waiting *[]chan struct{}, mine chan struct{}) <-chan struct{} {
	mu.Lock()
	defer mu.Unlock()
	if list := *waiting; list[len(list)-1] == mine {
		open(mine)
	}
	return mine
}

func open(c chan struct{}) {
	select {
	case <-c:
	default:
		close(c)
	}
}

// Watched calls f while the insert is on its way to the server.
func Watched(f func()) Fault {
	return func(x *exchange, _ *Armed) {
		ended := make(chan struct{})
		go func() { defer close(ended); f() }()
		a, err := x.forward(x.r.Context())
		<-ended
		x.reply(a, err)
	}
}

// pause waits and tells whether the client is still there.
func (x *exchange) pause(d time.Duration) bool {
	select {
	case <-x.r.Context().Done():
		return false
	case <-time.After(d):
		return true
	}
}

// failingReader is where the data break off.
type failingReader struct{}

func (failingReader) Read([]byte) (int, error) {
	return 0, errors.New("the connection was reset in the middle of the data")
}
