package ingest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// held is a Producer that keeps every record until it is told.
type held struct {
	Producer
	mu      sync.Mutex
	waiting []func(error)
	arrived chan struct{}
}

func newHeld() *held { return &held{arrived: make(chan struct{}, 100)} }

func (h *held) Produce(_ context.Context, rec *kgo.Record, promise func(*kgo.Record, error)) {
	h.mu.Lock()
	h.waiting = append(h.waiting, func(err error) { promise(rec, err) })
	h.mu.Unlock()
	h.arrived <- struct{}{}
}

func (h *held) finish(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range h.waiting {
		f(err)
	}
	h.waiting = nil
}

func TestFullBudgetIs503(t *testing.T) {
	p := newHeld()
	g := gateway(t, p, func(cfg *Config) { cfg.MaxBody = 1000; cfg.ByteBudget = envelope + 1000 })
	first := make(chan int, 1)
	go func() { first <- answerOf(g, post("/v1/webhooks/open", "x")).Code }()
	<-p.arrived
	w := answerOf(g, post("/v1/webhooks/open", "y"))
	wantProblem(t, w, 503, "/v1/webhooks/open")
	if w.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	p.finish(nil)
	if code := <-first; code != 200 {
		t.Errorf("the first request: %d", code)
	}
	go func() { <-p.arrived; p.finish(nil) }()
	if w := answerOf(g, post("/v1/webhooks/open", "y")); w.Code != 200 {
		t.Errorf("after room was made: %d", w.Code)
	}
}

func TestTooManyRequestsIs503(t *testing.T) {
	p := newHeld()
	g := gateway(t, p, func(cfg *Config) { cfg.MaxPending = 1 })
	first := make(chan int, 1)
	go func() { first <- answerOf(g, post("/v1/webhooks/open", "x")).Code }()
	<-p.arrived
	wantProblem(t, answerOf(g, post("/v1/webhooks/open", "y")), 503, "/v1/webhooks/open")
	p.finish(nil)
	<-first
}

func TestProducerThatNeverAnswers(t *testing.T) {
	p := newHeld()
	g := gateway(t, p, func(cfg *Config) { cfg.AckTimeout = 20 * time.Millisecond })
	wantProblem(t, answerOf(g, post("/v1/webhooks/open", "x")), 503, "/v1/webhooks/open")
	if g.budget.inUse() == 0 {
		t.Error("the record still waits, but its bytes were given back")
	}
	p.finish(errors.New("too late"))
	if used := g.budget.inUse(); used != 0 {
		t.Errorf("%v bytes are still taken", used)
	}
}
