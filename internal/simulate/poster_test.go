package simulate

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// gateway takes bodies; refuse may answer a request itself.
type gateway struct {
	*httptest.Server
	mu     sync.Mutex
	taken  map[string]int // by path
	bodies map[[32]byte]int
	calls  int
}

func newGateway(t testing.TB, refuse func(n int, w http.ResponseWriter) bool) *gateway {
	g := &gateway{taken: map[string]int{}, bodies: map[[32]byte]int{}}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "mailjet" || password != "s3cret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		g.mu.Lock()
		g.calls++
		n := g.calls
		g.mu.Unlock()
		if refuse != nil && refuse(n, w) {
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the test has cancelled it
		}
		g.mu.Lock()
		g.taken[r.URL.Path]++
		g.bodies[sha256.Sum256(body)]++
		g.mu.Unlock()
	}))
	t.Cleanup(g.Close)
	return g
}

func (g *gateway) source(path string) string {
	return strings.Replace(g.URL, "http://", "http://mailjet:s3cret@", 1) + path
}

func mustNew(t testing.TB, cfg Config) *Generator {
	t.Helper()
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestPostEverythingInSpiteOfFailures(t *testing.T) {
	server := newGateway(t, func(n int, w http.ResponseWriter) bool {
		switch {
		case n == 7:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		case n%50 == 0:
			panic(http.ErrAbortHandler) // the connection breaks
		case n%31 == 0:
			w.WriteHeader(http.StatusAccepted) // not 200: not taken
		default:
			return false
		}
		return true
	})
	cfg := testConfig(2000)
	cfg.Malformed, cfg.Backup = 0.03, 0.03
	g := mustNew(t, cfg)
	var last Progress
	before := 0
	var mu sync.Mutex
	got, err := Post(t.Context(), PostConfig{
		URL: server.source("/v1/webhooks/mailjet"), BackupURL: server.source("/v1/webhooks/backup"),
		Connections: 8, Progress: func(p Progress) { last = p },
		BeforePost: func(Body, time.Time) { mu.Lock(); before++; mu.Unlock() },
	}, g)
	if err != nil {
		t.Fatal(err)
	}
	truth := g.Truth()
	if got.Bodies != truth.Bodies || got.Events != truth.Events || got.Retries == 0 || got != last || got.Messages != 6000 {
		t.Errorf("progress %+v, truth %+v", got, truth)
	}
	if int64(before) != truth.Bodies {
		t.Errorf("%d before, %d bodies", before, truth.Bodies)
	}
	if b := int64(server.taken["/v1/webhooks/backup"]); b != truth.BackupBodies || b == 0 {
		t.Errorf("%d over the backup URL, want %d", b, truth.BackupBodies)
	}
	want := map[[32]byte]int{}
	generate(t, cfg, func(b Body) { want[sha256.Sum256(b.Data)]++ })
	for digest, n := range want {
		if server.bodies[digest] != n {
			t.Fatalf("a body was taken %d times, want %d", server.bodies[digest], n)
		}
	}
}

func TestPostEndsWithAClearError(t *testing.T) {
	refusing := func(code int) func(int, http.ResponseWriter) bool {
		return func(_ int, w http.ResponseWriter) bool { w.WriteHeader(code); return true }
	}
	for name, c := range map[string]struct {
		refuse func(int, http.ResponseWriter) bool
		change func(*PostConfig)
		want   string
	}{
		"password":  {nil, func(c *PostConfig) { c.URL = strings.Replace(c.URL, "s3cret", "wrong", 1) }, "user and password"},
		"path":      {refusing(404), func(*PostConfig) {}, "name of a source"},
		"too large": {refusing(413), func(*PostConfig) {}, "raise its limit"},
		"give up":   {refusing(503), func(c *PostConfig) { c.GiveUp = 10 * time.Millisecond }, "answered 503"},
		"no URL":    {nil, func(c *PostConfig) { c.URL = "localhost" }, "url:"},
	} {
		server := newGateway(t, c.refuse)
		cfg := PostConfig{URL: server.source("/hook")}
		c.change(&cfg)
		_, err := Post(t.Context(), cfg, mustNew(t, testConfig(1000)))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "wrong") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPostStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server := newGateway(t, func(n int, _ http.ResponseWriter) bool {
		if n == 20 {
			cancel()
		}
		return false
	})
	_, err := Post(ctx, PostConfig{URL: server.source("/hook"), Connections: 4}, mustNew(t, testConfig(20_000)))
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestPostAtARate(t *testing.T) {
	server := newGateway(t, nil)
	cfg := Config{Seed: 1, Campaigns: 1, Recipients: 200, Now: testNow, Batch: 1}
	var mu sync.Mutex
	var first, last time.Time
	got, err := Post(t.Context(), PostConfig{URL: server.source("/hook"), Rate: 2000, BeforePost: func(_ Body, due time.Time) {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); now.Before(due) {
			t.Errorf("%s too early", due.Sub(now))
		}
		if first.IsZero() || due.Before(first) {
			first = due
		}
		if due.After(last) {
			last = due
		}
	}}, mustNew(t, cfg))
	if err != nil {
		t.Fatal(err)
	}
	want := time.Duration(float64(got.Events-1) / 2000 * float64(time.Second))
	if span := last.Sub(first); span < want-time.Millisecond || span > want+time.Millisecond {
		t.Errorf("%d events due over %s, want %s", got.Events, span, want)
	}
}

// BenchmarkPost posts to a server that only reads; it shares the CPU.
func BenchmarkPost(b *testing.B) {
	server := newGateway(b, nil)
	events := int64(0)
	for b.Loop() {
		got, err := Post(b.Context(), PostConfig{URL: server.source("/hook")}, mustNew(b, testConfig(20_000)))
		if err != nil {
			b.Fatal(err)
		}
		events += got.Events
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
}
