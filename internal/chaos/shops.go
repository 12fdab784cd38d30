//go:build linux

package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Kinds of endpoints. Half of them are dead, in one of three ways.
const (
	shopLive    = "live"
	shopHangs   = "hangs"
	shopRefuses = "refuses"
	shopFails   = "fails"
)

// shopCount is the number of endpoints.
const shopCount = 50

// shopKind tells what the endpoint of a number is.
func shopKind(i int) string {
	if i%2 == 0 {
		return shopLive
	}
	return []string{shopHangs, shopRefuses, shopFails}[i/2%3]
}

func shopName(i int) string { return fmt.Sprintf("%s-%02d", shopKind(i), i) }

// shopCall is a call that came to a live endpoint.
type shopCall struct {
	at       time.Time
	accepted bool // answered 2xx
}

// shops are the endpoints, on this machine.
type shops struct {
	server   *http.Server
	listener net.Listener
	closed   string // an address where nobody listens
	verifier *standardwebhooks.Webhook
	leaving  chan struct{}
	// failing has the live ones answer 503 to every other call, otherwise to
	// every twentieth.
	failing atomic.Bool

	mu     sync.Mutex
	calls  map[string][]shopCall // by webhook-id
	bodies map[string][sha256.Size]byte
	count  map[string]int // by endpoint
	wrong  []string       // calls that are not as they must be
}

func newShops() (*shops, error) {
	v, err := standardwebhooks.NewWebhook(callSecret)
	if err != nil {
		return nil, err
	}
	s := &shops{verifier: v, leaving: make(chan struct{}), calls: map[string][]shopCall{}, bodies: map[string][sha256.Size]byte{}, count: map[string]int{}}
	unused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.closed = unused.Addr().String()
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, errors.Join(err, unused.Close())
	}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.server.Serve(s.listener) }() // ends with close
	return s, unused.Close()
}

func (s *shops) close() error {
	close(s.leaving)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return s.server.Shutdown(ctx)
}

// urls are the endpoints by name.
func (s *shops) urls() map[string]string {
	urls := map[string]string{}
	for i := range shopCount {
		address := s.listener.Addr().String()
		if shopKind(i) == shopRefuses {
			address = s.closed
		}
		urls[shopName(i)] = "http://" + address + "/" + shopName(i)
	}
	return urls
}

// ServeHTTP takes a call as its endpoint does.
func (s *shops) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := time.Now()
	name := strings.TrimPrefix(r.URL.Path, "/")
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil {
		return // the caller was killed while it wrote
	}
	kind, _, _ := strings.Cut(name, "-")
	switch kind {
	case shopHangs:
		s.note(name, "", body, shopCall{}, nil)
		select {
		case <-r.Context().Done():
		case <-s.leaving:
		}
		return
	case shopFails:
		s.note(name, "", body, shopCall{}, nil)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	bad := s.verifier.Verify(body, r.Header)
	if !s.note(name, r.Header.Get("webhook-id"), body, shopCall{at: at}, bad) {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// note keeps a call, and tells whether it is accepted.
func (s *shops) note(name, id string, body []byte, c shopCall, bad error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count[name]++
	if id == "" {
		return false
	}
	sum := sha256.Sum256(body)
	before, known := s.bodies[id]
	switch {
	case bad != nil:
		s.wrong = append(s.wrong, fmt.Sprintf("call %s of %s: %v", id, name, bad))
	case known && before != sum:
		s.wrong = append(s.wrong, fmt.Sprintf("call %s of %s: another body than before", id, name))
	}
	s.bodies[id] = sum
	every := 20
	if s.failing.Load() {
		every = 2
	}
	c.accepted = bad == nil && s.count[name]%every != 0
	s.calls[id] = append(s.calls[id], c)
	return c.accepted
}

// callsOf counts the calls to endpoints of a kind.
func (s *shops) callsOf(kind string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, c := range s.count {
		if strings.HasPrefix(name, kind) {
			n += c
		}
	}
	return n
}
