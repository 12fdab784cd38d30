package faultproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// server remembers the inserts that it was sent whole, in their order.
type server struct {
	mu   sync.Mutex
	took []string
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if user, password, _ := r.BasicAuth(); user != "u" || password != "p" {
		http.Error(w, "no such user", http.StatusForbidden)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || len(body) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.took = append(s.took, string(body))
}

func (s *server) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.took)
}

func start(t *testing.T) (*server, *Proxy) {
	t.Helper()
	s := &server{}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	p, err := New(strings.Replace(h.URL, "http://", "http://u:p@", 1) + "/db")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return s, p
}

// insert sends one and gives what a client gets to know of it.
func insert(p *Proxy, data string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	q := url.Values{"query": {"INSERT INTO t (a) FORMAT Native"}, "insert_deduplication_token": {"t-0-" + data}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(p.DSN(), "/db")+"/?"+q.Encode(), strings.NewReader(data))
	if err != nil {
		return err.Error()
	}
	resp, err := http.DefaultClient.Do(req)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case err != nil:
		return "broken"
	}
	defer func() { _ = resp.Body.Close() }()
	return fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("X-ClickHouse-Exception-Code"))
}

func TestFaults(t *testing.T) {
	for name, tt := range map[string]struct {
		fault Fault
		hears string
		takes int // copies that reach the server
	}{
		"exception":              {Exception(252, "TOO_MANY_PARTS", "Too many parts"), "500 252", 0},
		"exception once applied": {Applied(Exception(241, "MEMORY_LIMIT_EXCEEDED", "memory")), "500 241", 1},
		"unavailable":            {Unavailable(), "503 ", 0},
		"slow":                   {Slow(20 * time.Millisecond), "200 ", 1},
		"hang":                   {Hang(), "timeout", 0},
		"hang once applied":      {Applied(Hang()), "timeout", 1},
		"reset once applied":     {Applied(Reset()), "broken", 1},
		"half an answer":         {Applied(HalfAnswer()), "broken", 1},
		"half of the data":       {HalfBody(), "broken", 0},
		"twice":                  {Twice(), "200 ", 2},
	} {
		t.Run(name, func(t *testing.T) {
			s, p := start(t)
			armed := p.Arm(1, tt.fault)
			if got := insert(p, "abcdef"); got != tt.hears {
				t.Errorf("the client hears %q, want %q", got, tt.hears)
			}
			if n := len(s.all()); n != tt.takes || armed.Met() != 1 || armed.Series() != "t-0" {
				t.Errorf("%d copies arrived, %d inserts of %q met the fault; want %d", n, armed.Met(), armed.Series(), tt.takes)
			}
			if got := insert(p, "next"); got != "200 " || p.Inserts("t-0") != tt.takes+1 {
				t.Errorf("the next hears %q, %d are counted", got, p.Inserts("t-0"))
			}
		})
	}
}

func TestLateCopyArrivesBehindTheNext(t *testing.T) {
	s, p := start(t)
	armed := p.Arm(1, Late())
	if got := insert(p, "first"); got != "broken" {
		t.Errorf("the client hears %q", got)
	}
	insert(p, "second")
	armed.Release()
	for deadline := time.Now().Add(10 * time.Second); armed.Over() < 1 && time.Now().Before(deadline); {
		<-time.After(time.Millisecond)
	}
	if got := s.all(); !slices.Equal(got, []string{"second", "first"}) {
		t.Errorf("the server took %v", got)
	}
}

func TestBackwards(t *testing.T) {
	_, p := start(t)
	armed := p.Arm(3, Backwards(3, 10*time.Second))
	heard := make(chan string, 3)
	for i := range 3 {
		go func() {
			if got := insert(p, fmt.Sprint(i)); got != "200 " {
				heard <- got
				return
			}
			heard <- fmt.Sprint(i)
		}()
		for deadline := time.Now().Add(10 * time.Second); armed.Met() <= i && time.Now().Before(deadline); {
			<-time.After(time.Millisecond)
		}
	}
	if got := []string{<-heard, <-heard, <-heard}; !slices.Equal(got, []string{"2", "1", "0"}) {
		t.Errorf("the answers came as %v", got)
	}
}

func TestCutRefuses(t *testing.T) {
	_, p := start(t)
	p.Cut()
	if got := insert(p, "x"); got != "broken" {
		t.Errorf("the client hears %q", got)
	}
	if err := p.Restore(); err != nil {
		t.Fatal(err)
	}
	if got := insert(p, "x"); got != "200 " {
		t.Errorf("the client hears %q", got)
	}
}

func TestOnlyHTTP(t *testing.T) {
	if _, err := New("clickhouse://u:p@host:9000/db"); err == nil || !strings.Contains(err.Error(), "http://") || strings.Contains(err.Error(), "u:p@host:9000") {
		t.Errorf("got %v", err)
	}
}
