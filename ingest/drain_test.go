package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestDrainLosesNothing stops a gateway under load: everything it answered 200
// is stored, once.
func TestDrainLosesNothing(t *testing.T) {
	c := cluster(t)
	g := gateway(t, producer(t, c), nil)
	base, stop, done := serve(t, g)
	var mu sync.Mutex
	acked := map[string]bool{}
	enough := make(chan struct{})
	var once sync.Once
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				body := fmt.Sprintf("%d/%d", worker, i)
				resp, err := http.Post(base+"/v1/webhooks/open", "application/json", strings.NewReader(body))
				if err != nil {
					return // Not accepted any more.
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					t.Errorf("status %d", resp.StatusCode)
					return
				}
				mu.Lock()
				acked[body] = true
				if len(acked) > 300 {
					once.Do(func() { close(enough) })
				}
				mu.Unlock()
			}
		})
	}
	<-enough
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if code, _ := readyz(t, g); code != 503 {
		t.Errorf("ready after the drain: %d", code)
	}
	seen := map[string]int{}
	for _, h := range stored(t, c) {
		seen[string(h.Body)]++
	}
	for body := range acked {
		if seen[body] != 1 {
			t.Errorf("%s was answered 200 and is stored %d times", body, seen[body])
		}
	}
}

func TestDrainFinishesRequestsInFlight(t *testing.T) {
	p := newHeld()
	g := gateway(t, struct{ Producer }{drainable{p}}, nil)
	base, stop, done := serve(t, g)
	code := make(chan int, 1)
	go func() {
		resp, err := http.Post(base+"/v1/webhooks/open", "", bytes.NewReader([]byte("x")))
		if err != nil {
			t.Error(err)
			code <- 0
			return
		}
		resp.Body.Close()
		code <- resp.StatusCode
	}()
	<-p.arrived
	stop()
	select {
	case err := <-done:
		t.Fatalf("drained with a request in flight: %v", err)
	default:
	}
	p.finish(nil)
	if got := <-code; got != 200 {
		t.Errorf("the request in flight got %d", got)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// drainable adds what Serve needs to a held producer.
type drainable struct{ *held }

func (drainable) Flush(context.Context) error { return nil }
func (drainable) Request(context.Context, kmsg.Request) (kmsg.Response, error) {
	return nil, errors.New("not asked")
}

func TestSlowClientIsCutOff(t *testing.T) {
	c := cluster(t)
	g := gateway(t, producer(t, c), func(cfg *Config) { cfg.ReadTimeout = 100 * time.Millisecond })
	base, _, _ := serve(t, g)
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "POST /v1/webhooks/open HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nslow"); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(answer, []byte("HTTP/1.1 400 ")) {
		t.Errorf("got %q", answer)
	}
	if used := g.budget.inUse(); used != 0 {
		t.Errorf("%v bytes are still taken", used)
	}
}

// TestDrainSaysSoFirst stops a gateway that has a delay: it is unready, and takes
// webhooks until load balancers have seen that. A connection that is kept ends then.
func TestDrainSaysSoFirst(t *testing.T) {
	c := cluster(t)
	g := gateway(t, producer(t, c), func(cfg *Config) { cfg.DrainDelay = 500 * time.Millisecond })
	base, stop, done := serve(t, g)
	send := func() (int, bool) {
		resp, err := http.Post(base+"/v1/webhooks/open", "", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		return resp.StatusCode, resp.Close
	}
	if code, closing := send(); code != 200 || closing {
		t.Fatalf("before: %d, closing %v", code, closing)
	}
	kept := dial(t, base)
	if _, err := io.WriteString(kept, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	stop()
	until(t, "it says that it is not ready", func() bool { code, _ := readyz(t, g); return code == 503 && g.kafka.draining.Load() })
	if code, _ := send(); code != 200 {
		t.Errorf("while it waits to be noticed: %d", code)
	}
	if _, err := io.ReadAll(kept); err != nil {
		t.Errorf("a connection that is kept does not end: %v", err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := len(stored(t, c)); n != 2 {
		t.Errorf("%d webhooks are stored, want 2", n)
	}
}

// TestDrainIsBounded stops a gateway while a request waits for a broker that never
// answers, and another drips: both are cut off.
func TestDrainIsBounded(t *testing.T) {
	p := newHeld()
	g := gateway(t, struct{ Producer }{drainable{p}}, func(cfg *Config) { cfg.DrainTimeout = 300 * time.Millisecond })
	base, stop, done := serve(t, g)
	waiting := make(chan error, 1)
	go func() {
		resp, err := http.Post(base+"/v1/webhooks/open", "", strings.NewReader("x"))
		if err == nil {
			resp.Body.Close()
			err = fmt.Errorf("answered %s", resp.Status)
		}
		waiting <- err
	}()
	<-p.arrived
	if _, err := io.WriteString(dial(t, base), "POST /v1/webhooks/open HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nslow"); err != nil {
		t.Fatal(err)
	}
	until(t, "both are served", func() bool { return g.pending.inUse() == 2 })
	start := time.Now()
	stop()
	if err := <-done; err == nil {
		t.Error("what was cut off is no error")
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("the drain took %s", d)
	}
	if err := <-waiting; strings.Contains(err.Error(), "answered 200") {
		t.Error("a webhook that is not stored was answered 200")
	}
	p.finish(nil)
}
