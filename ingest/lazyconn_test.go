package ingest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// countedConn counts how often its deadlines are set.
type countedConn struct {
	net.Conn
	moves int
}

func (c *countedConn) SetReadDeadline(t time.Time) error {
	c.moves++
	return c.Conn.SetReadDeadline(t)
}

func (c *countedConn) SetWriteDeadline(t time.Time) error {
	c.moves++
	return c.Conn.SetWriteDeadline(t)
}

// lazyPipe returns a connection with lazy deadlines, what it counts, and its peer.
func lazyPipe(t *testing.T) (*lazyConn, *countedConn, net.Conn) {
	t.Helper()
	here, there := net.Pipe()
	t.Cleanup(func() { here.Close(); there.Close() })
	counted := &countedConn{Conn: here}
	return newLazyConn(counted, 5*time.Second), counted, there
}

func in(d time.Duration) time.Time { return time.Now().Add(d) }

// TestLazyReadDeadline: a read ends when the deadline that was set last says,
// whatever came before.
func TestLazyReadDeadline(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  []time.Duration // 0: none
		want time.Duration   // 0: not within the hour
	}{
		{"one within the step", []time.Duration{time.Second}, time.Second},
		{"one beyond the step", []time.Duration{time.Minute}, time.Minute},
		{"later", []time.Duration{time.Second, 20 * time.Second}, 20 * time.Second},
		{"sooner", []time.Duration{time.Minute, time.Second}, time.Second},
		{"none after one", []time.Duration{time.Second, 0}, 0},
		{"one after none", []time.Duration{time.Second, 0, 2 * time.Second}, 2 * time.Second},
		{"past", []time.Duration{time.Minute, -time.Hour}, 0},
		{"later after past", []time.Duration{-time.Hour, 0, time.Minute}, time.Minute},
		{"sooner after past", []time.Duration{time.Second, -time.Hour, 0, 3 * time.Minute, 2 * time.Second}, 2 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, _, there := lazyPipe(t)
				for _, d := range tt.set {
					at := time.Time{}
					if d != 0 {
						at = in(d)
					}
					if err := c.SetReadDeadline(at); err != nil {
						t.Fatal(err)
					}
				}
				defer time.AfterFunc(time.Hour, func() { there.Close() }).Stop()
				start := time.Now()
				_, err := c.Read(make([]byte, 1))
				took := time.Since(start)
				switch {
				case tt.name == "past":
					if !errors.Is(err, os.ErrDeadlineExceeded) || took != 0 {
						t.Errorf("%v after %s, want a timeout at once", err, took)
					}
				case tt.want == 0:
					if !errors.Is(err, io.EOF) || took != time.Hour {
						t.Errorf("%v after %s, want EOF in an hour", err, took)
					}
				case !errors.Is(err, os.ErrDeadlineExceeded) || took != tt.want:
					t.Errorf("%v after %s, want a timeout in %s", err, took, tt.want)
				}
			})
		})
	}
}

// TestLazyDeadlineWhileReading: a read that waits heeds what is set meanwhile.
func TestLazyDeadlineWhileReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, _ := lazyPipe(t)
		start := time.Now()
		move := func(at, deadline time.Duration) {
			time.AfterFunc(at, func() {
				if err := c.SetReadDeadline(start.Add(deadline)); err != nil {
					t.Error(err)
				}
			})
		}
		move(0, 10*time.Second)
		move(4*time.Second, 60*time.Second)
		move(30*time.Second, 120*time.Second)
		move(90*time.Second, 95*time.Second)
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 95*time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
	})
}

// TestLazyWriteDeadline: an early deadline in the middle of a write loses nothing.
func TestLazyWriteDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, there := lazyPipe(t)
		if err := c.SetWriteDeadline(in(time.Minute)); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 3)
		go func() {
			for i := range got { // The second byte is read beyond the step.
				_, _ = io.ReadFull(there, got[i:i+1])
				time.Sleep(20 * time.Second)
			}
		}()
		if n, err := c.Write([]byte("abc")); n != 3 || err != nil {
			t.Errorf("wrote %d, %v", n, err)
		}
		if synctest.Wait(); string(got) != "abc" {
			t.Errorf("%q arrived", got)
		}
		start := time.Now()
		if _, err := c.Write([]byte("d")); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 20*time.Second {
			t.Errorf("%v after %s, want a timeout a minute after it was set", err, time.Since(start))
		}
		time.Sleep(time.Hour)
	})
}

// TestLazyDeadlinesAreLazy counts what is left of a server's moves of a busy
// connection.
func TestLazyDeadlinesAreLazy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, counted, _ := lazyPipe(t)
		const requests = 1000
		for range requests {
			for _, err := range []error{
				c.SetReadDeadline(in(2 * time.Minute)), c.SetReadDeadline(time.Time{}), // until the next request
				c.SetReadDeadline(in(5 * time.Second)), c.SetReadDeadline(in(30 * time.Second)), // headers, body
				c.SetWriteDeadline(in(47 * time.Second)),
				c.SetReadDeadline(time.Unix(1, 0)), c.SetReadDeadline(time.Time{}), // no more to read in the background
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Millisecond)
		}
		if counted.moves > 2*requests+10 {
			t.Errorf("%d moves for %d requests", counted.moves, requests)
		}
	})
}

// pipes is a listener of pipes.
type pipes struct {
	accepted chan net.Conn
	closed   chan struct{}
	looks    atomic.Int64 // reads of one byte
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accepted:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	close(p.closed)
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial() net.Conn {
	here, there := net.Pipe()
	p.accepted <- lookedAt{here, &p.looks}
	return there
}

type lookedAt struct {
	net.Conn
	looks *atomic.Int64
}

func (c lookedAt) Read(b []byte) (int, error) {
	if len(b) == 1 {
		c.looks.Add(1)
	}
	return c.Conn.Read(b)
}

// TestServingLazily: requests that follow each other, whether their answers were
// waited for or not, and timeouts are as with any connection; nobody looks for a
// caller meanwhile.
func TestServingLazily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &http.Server{
			ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 47 * time.Second, IdleTimeout: 2 * time.Minute,
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				time.Sleep(time.Millisecond) // of the bubble: all else has come to rest by then, a look for the caller too
				_, _ = fmt.Fprintf(w, "got %s", body)
			}),
		}
		l := &pipes{accepted: make(chan net.Conn), closed: make(chan struct{})}
		served := make(chan error, 1)
		go func() { served <- server.Serve(lazily(server, l)) }()
		defer func() {
			server.Close()
			<-served
		}()
		dial := func() (net.Conn, *bufio.Reader) {
			c := l.dial()
			return c, bufio.NewReader(c)
		}
		send := func(c net.Conn, text string) {
			if _, err := io.WriteString(c, text); err != nil {
				t.Fatal(err)
			}
		}
		request := func(body string) string {
			return fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		}
		answered := func(r *bufio.Reader, want string) {
			t.Helper()
			resp, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "got "+want {
				t.Fatalf("%q, %v; want %q", body, err, want)
			}
		}
		closed := func(r *bufio.Reader, after time.Duration) {
			t.Helper()
			start := time.Now()
			if _, err := io.ReadAll(r); err != nil || time.Since(start) != after {
				t.Errorf("ended after %s with %v, want %s", time.Since(start), err, after)
			}
		}

		c, r := dial()
		send(c, request("1")+request("2")+request("3")) // pipelined
		answered(r, "1")
		answered(r, "2")
		answered(r, "3")
		for i := range 5 { // one after the other, beyond every deadline but that of the idle
			time.Sleep(time.Minute)
			send(c, request(fmt.Sprint(i)))
			answered(r, fmt.Sprint(i))
		}
		closed(r, server.IdleTimeout)

		c, r = dial()
		send(c, request("x"))
		answered(r, "x")
		send(c, "POST / HTT")
		closed(r, server.ReadHeaderTimeout)

		c, _ = dial() // gone before its answer
		send(c, request("y"))
		c.Close()
		c, r = dial()
		send(c, request("z"))
		answered(r, "z")
		c.Close()
		if n := l.looks.Load(); n > 0 {
			t.Errorf("%d looks for a caller", n)
		}
	})
}
