package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// endless makes events on the fly.
type endless struct {
	total, n int
	rest     []byte
	buf      []byte
	at       int64
	peak     *atomic.Uint64
}

func newEndless(total int, peak *atomic.Uint64) *endless {
	return &endless{total: total, at: time.Now().Add(-time.Hour).Unix(), peak: peak}
}

func (e *endless) Read(b []byte) (int, error) {
	if len(e.rest) == 0 {
		if e.n == e.total {
			return 0, io.EOF
		}
		e.buf = e.buf[:0]
		for i := 0; i < 200 && e.n < e.total; i++ {
			e.buf = fmt.Appendf(e.buf, `{"type":"opened","recipient":"recipient-%d@orchard.example","message_id":"m-%d","campaign_id":"spring","occurred_at":%d,"user_agent":"Mozilla/5.0 (Macintosh)"}`+"\n", e.n, e.n, e.at)
			e.n++
		}
		e.rest = e.buf
		if e.peak != nil && e.n%20_000 == 0 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			e.peak.Store(max(e.peak.Load(), m.HeapInuse))
		}
	}
	n := copy(b, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

// sink is a Producer that takes all and keeps nothing.
type sink struct {
	Producer
	records, bytes atomic.Int64
	// fails, where set, returns the error of a record.
	fails func(value []byte) error
}

func (s *sink) Produce(_ context.Context, rec *kgo.Record, promise func(*kgo.Record, error)) {
	s.records.Add(1)
	s.bytes.Add(int64(len(rec.Value)))
	var err error
	if s.fails != nil {
		err = s.fails(rec.Value)
	}
	go promise(rec, err)
}

func (s *sink) Flush(context.Context) error { return nil }

func (s *sink) Request(context.Context, kmsg.Request) (kmsg.Response, error) {
	return nil, errors.New("this is no broker")
}

// TestUploadMemory: the memory that an upload takes does not grow with it.
// POSTHORN_UPLOAD_EVENTS makes it longer.
func TestUploadMemory(t *testing.T) {
	total := 300_000
	if text := os.Getenv("POSTHORN_UPLOAD_EVENTS"); text != "" {
		var err error
		if total, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	s := &sink{}
	g := uploadGateway(t, s, nil)
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var peak atomic.Uint64
	start := time.Now()
	a, _ := uploadOf(t, g, uploadRequest(newEndless(total, &peak), "Content-Type", "application/x-ndjson"))
	took := time.Since(start)
	if a.Status != 200 || a.Accepted != int64(total) || a.Webhooks != s.records.Load() {
		t.Fatalf("status %d, %d of %d accepted in %d webhooks, of %d: %s", a.Status, a.Accepted, total, a.Webhooks, s.records.Load(), a.Detail)
	}
	grown := int64(peak.Load()) - int64(before.HeapInuse)
	t.Logf("%d events, %d MB in %s: %.0f events/s, heap grew by %.1f MB at most", total, s.bytes.Load()>>20, took, float64(total)/took.Seconds(), float64(grown)/(1<<20))
	if grown > 32<<20 {
		t.Errorf("the heap grew by %d MB", grown>>20)
	}
}

func TestUploadStopsWhereKafkaStops(t *testing.T) {
	const lost = 2600
	s := &sink{fails: func(value []byte) error {
		if bytes.Contains(value, fmt.Appendf(nil, "recipient-%d@", lost)) {
			return errors.New("no broker")
		}
		return nil
	}}
	g := uploadGateway(t, s, nil)
	body := newEndless(1_000_000, nil)
	a, h := uploadOf(t, g, uploadRequest(body, "Content-Type", "application/x-ndjson"))
	if a.Status != 503 || h.Get("Retry-After") == "" || h.Get("Connection") != "close" {
		t.Fatalf("%+v, %v", a, h)
	}
	// Groups wait together and are done in any order: what counts ends where the one
	// that is lost begins.
	if a.Accepted > lost || a.Accepted <= lost-groupEvents || a.StoredThroughLine == nil || *a.StoredThroughLine != a.Accepted {
		t.Errorf("%d accepted, through line %d, and event %d is lost", a.Accepted, *a.StoredThroughLine, lost)
	}
	if body.n > 100_000 {
		t.Errorf("%d events were read after all", body.n)
	}
	if used := g.budget.inUse() + g.pending.inUse(); used != 0 {
		t.Errorf("%v of the budgets are still taken", used)
	}
}

func TestUploadInFlightIsBounded(t *testing.T) {
	p := newHeld()
	g := uploadGateway(t, p, nil)
	done := make(chan uploadAnswer, 1)
	go func() {
		a, _ := uploadOf(t, g, uploadRequest(newEndless(10*groupEvents, nil), "Content-Type", "application/x-ndjson"))
		done <- a
	}()
	for range groupsInFlight {
		<-p.arrived
	}
	select {
	case <-p.arrived:
		t.Error("more is in flight")
	case <-time.After(50 * time.Millisecond):
	}
	p.finish(nil)
	for {
		select {
		case <-p.arrived:
			p.finish(nil)
		case a := <-done:
			if a.Accepted != 10*groupEvents {
				t.Errorf("%+v", a)
			}
			return
		}
	}
}

// TestUploadOutlivesTheReadTimeout: what bounds a webhook does not bound an upload
// that goes on, but what comes to a halt or drips is cut.
func TestUploadOutlivesTheReadTimeout(t *testing.T) {
	if testing.Short() {
		t.Skip("takes longer than the deadlines")
	}
	g := uploadGateway(t, &sink{}, func(cfg *Config) { cfg.ReadTimeout, cfg.AckTimeout = 2*time.Second, 2*time.Second })
	base, _, _ := serve(t, g)
	upload := func(send func(w io.Writer) error) (int, string) {
		r, w := io.Pipe()
		go func() {
			w.CloseWithError(send(w))
		}()
		req, err := http.NewRequest(http.MethodPost, base+"/v1/events", r)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer new-token")
		req.Header.Set("Content-Type", "application/x-ndjson")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, err.Error()
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(text)
	}
	// That for the answer is 9 s after the request's beginning.
	end := time.Now().Add(9500 * time.Millisecond)
	status, text := upload(func(w io.Writer) error {
		for i := 0; time.Now().Before(end); i++ {
			if _, err := io.WriteString(w, strings.Repeat(native(i)+"\n", 20)); err != nil {
				return err
			}
			<-time.After(20 * time.Millisecond)
		}
		return nil
	})
	if status != 200 {
		t.Errorf("an upload that goes on: %d %s", status, text)
	}
	if status, text = upload(func(w io.Writer) error {
		if _, err := io.WriteString(w, native(0)+"\n"); err != nil {
			return err
		}
		<-time.After(8 * time.Second)
		return nil
	}); status != 408 || !strings.Contains(text, `"accepted":1`) {
		t.Errorf("a halt: %d %s", status, text)
	}
}

func TestUploadThatDripsIsCut(t *testing.T) {
	g := uploadGateway(t, &sink{}, func(cfg *Config) { cfg.ReadTimeout = 300 * time.Millisecond })
	base, _, _ := serve(t, g)
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer new-token\r\nContent-Type: application/x-ndjson\r\nContent-Length: 1000000\r\n\r\n")
	start := time.Now()
	go func() {
		for {
			if _, err := conn.Write([]byte(" ")); err != nil {
				return
			}
			<-time.After(50 * time.Millisecond)
		}
	}()
	head := make([]byte, 12)
	if _, err := io.ReadFull(conn, head); err != nil || string(head) != "HTTP/1.1 408" {
		t.Errorf("%q, %v", head, err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("cut only after %s", took)
	}
}
