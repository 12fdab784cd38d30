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
