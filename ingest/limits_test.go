package ingest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// dial opens a connection that is given up after ten seconds.
func dial(t *testing.T, base string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// drip sends head at once and then a byte again and again, until it is answered or
// cut off. It returns what was answered.
func drip(t *testing.T, base, head, byByte string) []byte {
	t.Helper()
	conn := dial(t, base)
	if _, err := io.WriteString(conn, head); err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			if _, err := io.WriteString(conn, byByte); err != nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	answer, err := io.ReadAll(conn)
	if e, ok := err.(net.Error); ok && e.Timeout() {
		t.Fatal("a caller that drips is not cut off")
	}
	return answer
}

func TestDrippingCallersAreCutOff(t *testing.T) {
	c := cluster(t)
	g := gateway(t, producer(t, c), func(cfg *Config) { cfg.ReadTimeout = 300 * time.Millisecond })
	base, _, _ := serve(t, g)
	const post = "POST /v1/webhooks/open HTTP/1.1\r\nHost: x\r\n"
	drip(t, base, post+"X-Slow: ", "a")
	if answer := drip(t, base, post+"Content-Length: 100000\r\n\r\n", "a"); len(answer) > 0 && !bytes.HasPrefix(answer, []byte("HTTP/1.1 400 ")) {
		t.Errorf("a dripping body: %q", answer)
	}
	if answer := drip(t, base, post+"Transfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n"); len(answer) > 0 && !bytes.HasPrefix(answer, []byte("HTTP/1.1 400 ")) {
		t.Errorf("dripping chunks: %q", answer)
	}
	until(t, "places are given back", func() bool { return g.budget.inUse()+g.pending.inUse() == 0 })
	if n := len(stored(t, c)); n != 0 {
		t.Errorf("%d webhooks are stored", n)
	}
}

func TestHeadersAreBounded(t *testing.T) {
	base, _, _ := serve(t, gateway(t, producer(t, cluster(t)), nil))
	for name, headers := range map[string]string{
		"one large": "X-Large: " + strings.Repeat("x", 2*maxHeaderBytes) + "\r\n",
		"many":      strings.Repeat("X-Small: x\r\n", 2*maxHeaderBytes/10),
	} {
		conn := dial(t, base)
		// The server may hang up before it has read all.
		_, _ = io.WriteString(conn, "POST /v1/webhooks/open HTTP/1.1\r\nHost: x\r\n"+headers+"Content-Length: 0\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("%s: %s", name, resp.Status)
		}
	}
}

// TestAnnouncedBodyHoldsLittle announces large bodies and sends a byte of each.
func TestAnnouncedBodyHoldsLittle(t *testing.T) {
	g := gateway(t, producer(t, cluster(t)), nil)
	base, _, _ := serve(t, g)
	const callers = 3
	for range callers {
		if _, err := fmt.Fprintf(dial(t, base), "POST /v1/webhooks/open HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\nx", g.cfg.MaxBody); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "all are being read", func() bool { return g.budget.inUse() >= callers*firstRead })
	if used := g.budget.inUse(); used != callers*(firstRead+envelope) {
		t.Errorf("%d callers that sent a byte each hold %v bytes", callers, used)
	}
}

// TestCallersThatStayKeepNobodyOut fills a gateway's connections with callers that
// are done, and with callers that never begin.
func TestCallersThatStayKeepNobodyOut(t *testing.T) {
	const most = 16
	g := gateway(t, producer(t, cluster(t)), func(cfg *Config) { cfg.MaxConnections = most; cfg.ReadTimeout = time.Second })
	base, _, _ := serve(t, g)
	ask := func(conn net.Conn) string {
		if _, err := io.WriteString(conn, "POST /v1/webhooks/open HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"); err != nil {
			return err.Error()
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			return err.Error()
		}
		resp.Body.Close()
		return resp.Status
	}
	for i := range 3 * most {
		if got := ask(dial(t, base)); got != "200 OK" {
			t.Fatalf("caller %d, beside others that stay: %s", i, got)
		}
	}
	for range 2 * most {
		dial(t, base)
	}
	if got := ask(dial(t, base)); got != "200 OK" {
		t.Errorf("beside callers that never begin: %s", got)
	}
}
