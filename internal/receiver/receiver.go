// Package receiver takes the callbacks that Posthorn sends, as a customer's
// shop would: it checks every signature with code of its own and counts. The
// demo, the benchmarks and the end-to-end tests use it.
package receiver

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Config configures a Receiver.
type Config struct {
	// Secrets are those a call may be signed with (whsec_...).
	Secrets []string
	// Tolerance is how far webhook-timestamp may be from now; 0: 5 minutes.
	Tolerance time.Duration
	// FailEvery lets every so many-th call be answered 503; 0: none.
	FailEvery int
	// Start tells when what a call reports began, for the latency; zero: not
	// known. nil: the payload's arrived_at.
	Start func(Call) time.Time
	// OnCall is called for every call with a good signature, also those that
	// are then failed on purpose.
	OnCall func(Call)
}

// Call is one callback.
type Call struct {
	ID        string // webhook-id
	Message   string // data.message
	Rule      string // data.rule
	Recipient string // data.recipient
	ArrivedAt time.Time
	At        time.Time // when it came
	Duplicate bool      // accepted before
	Failed    bool      // answered 503 on purpose
	Body      []byte    // valid during OnCall and Start
}

// Stats are the counts so far.
type Stats struct {
	Calls         int64 // with a good signature
	Unique        int64 // ids accepted
	Duplicates    int64 // calls whose id had been accepted before
	Failed        int64 // answered 503 on purpose
	BadSignatures int64 // signature, secret or timestamp wrong
	BadRequests   int64 // no Standard Webhook at all
	// From Start to the accepted call; zero while there is none.
	LatencyP50, LatencyP99, LatencyMax time.Duration
}

// maxBody bounds what is read: payloads are below 20 KB.
const maxBody = 64 << 10

// Receiver is an http.Handler. It is safe for concurrent use.
type Receiver struct {
	cfg  Config
	keys [][]byte

	mu        sync.Mutex
	stats     Stats
	accepted  map[string]struct{}
	latencies []time.Duration
}

// New makes a receiver.
func New(cfg Config) (*Receiver, error) {
	if cfg.Tolerance == 0 {
		cfg.Tolerance = 5 * time.Minute
	}
	if cfg.Start == nil {
		cfg.Start = func(c Call) time.Time { return c.ArrivedAt }
	}
	r := &Receiver{cfg: cfg, accepted: map[string]struct{}{}}
	for i, s := range cfg.Secrets {
		key, err := decodeSecret(s)
		if err != nil {
			return nil, fmt.Errorf("secret %d: %w", i+1, err)
		}
		r.keys = append(r.keys, key)
	}
	if len(r.keys) == 0 {
		return nil, fmt.Errorf("no secret: nothing could be verified")
	}
	return r, nil
}

// ServeHTTP takes one callback.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	now := time.Now()
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	if req.Method != http.MethodPost || err != nil {
		r.count(func(s *Stats) { s.BadRequests++ })
		http.Error(w, "want a POST of a Standard Webhook", http.StatusBadRequest)
		return
	}
	if err := verify(r.keys, req.Header, body, now, r.cfg.Tolerance); err != nil {
		r.count(func(s *Stats) { s.BadSignatures++ })
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	var payload struct {
		Data struct {
			Message, Rule, Recipient string
			ArrivedAt                time.Time `json:"arrived_at"`
		}
	}
	if err := json.Unmarshal(body, &payload); err != nil {
		r.count(func(s *Stats) { s.BadRequests++ })
		http.Error(w, "the body is not JSON", http.StatusBadRequest)
		return
	}
	c := Call{
		ID: req.Header.Get("webhook-id"), Message: payload.Data.Message, Rule: payload.Data.Rule,
		Recipient: payload.Data.Recipient, ArrivedAt: payload.Data.ArrivedAt, At: now, Body: body,
	}
	r.take(&c)
	if r.cfg.OnCall != nil {
		r.cfg.OnCall(c)
	}
	if c.Failed {
		http.Error(w, "failed on purpose", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (r *Receiver) count(f func(*Stats)) {
	r.mu.Lock()
	f(&r.stats)
	r.mu.Unlock()
}

func (r *Receiver) take(c *Call) {
	start := r.cfg.Start(*c)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stats.Calls++
	_, c.Duplicate = r.accepted[c.ID]
	if n := int64(r.cfg.FailEvery); n > 0 && r.stats.Calls%n == 0 {
		c.Failed = true
		r.stats.Failed++
		return
	}
	if c.Duplicate {
		r.stats.Duplicates++
		return
	}
	r.accepted[c.ID] = struct{}{}
	r.stats.Unique++
	if !start.IsZero() {
		r.latencies = append(r.latencies, c.At.Sub(start))
	}
}

// Stats returns the counts so far.
func (r *Receiver) Stats() Stats {
	r.mu.Lock()
	s, l := r.stats, slices.Clone(r.latencies)
	r.mu.Unlock()
	if len(l) > 0 {
		slices.Sort(l)
		s.LatencyP50, s.LatencyP99, s.LatencyMax = l[(len(l)-1)/2], l[(len(l)*99+99)/100-1], l[len(l)-1]
	}
	return s
}

// IDs returns the ids accepted so far, sorted.
func (r *Receiver) IDs() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := make([]string, 0, len(r.accepted))
	for id := range r.accepted {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// Server is a Receiver that listens.
type Server struct {
	*Receiver
	server *http.Server
	addr   string
	done   chan struct{}
}

// Start makes a receiver that listens on the address, such as 127.0.0.1:0.
func Start(address string, cfg Config) (*Server, error) {
	r, err := New(cfg)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening for callbacks: %w", err)
	}
	s := &Server{
		Receiver: r, addr: l.Addr().String(), done: make(chan struct{}),
		server: &http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second},
	}
	go func() {
		defer close(s.done)
		_ = s.server.Serve(l) // ends with Close
	}()
	return s, nil
}

// URL is where callbacks are to be sent.
func (s *Server) URL() string { return "http://" + s.addr + "/" }

// Close finishes the calls under way and stops.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := s.server.Shutdown(ctx)
	<-s.done
	return err
}
