package main

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"sync"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/trigger/reload"
)

// processStatus is what a process tells of its stages and its sink at /status.
type processStatus struct {
	Version  string                `json:"version"`
	Instance string                `json:"instance,omitempty"`
	Stages   []stream.Status       `json:"stages"`
	Sink     *analytics.SinkStatus `json:"sink,omitempty"`
	// Rules are those in force, of a process that runs stages.
	Rules *reload.Status `json:"rules,omitempty"`
}

// board gathers what a process runs.
type board struct {
	mu     sync.Mutex
	stages map[string]func() stream.Status
	sink   func() analytics.SinkStatus
	rules  func() reload.Status
}

func newBoard() *board { return &board{stages: map[string]func() stream.Status{}} }

// stage adds a stage, or replaces the one of an earlier generation.
func (b *board) stage(name string, status func() stream.Status) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stages[name] = status
}

func (b *board) sinkStatus(status func() analytics.SinkStatus) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sink = status
}

func (b *board) rulesStatus(status func() reload.Status) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rules = status
}

func (b *board) status(instance string) processStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := processStatus{Version: version(), Instance: instance, Stages: []stream.Status{}}
	for _, status := range b.stages {
		p.Stages = append(p.Stages, status())
	}
	slices.SortFunc(p.Stages, func(a, b stream.Status) int { return cmp.Compare(a.Stage, b.Stage) })
	if b.sink != nil {
		s := b.sink()
		p.Sink = &s
	}
	if b.rules != nil {
		s := b.rules()
		p.Rules = &s
	}
	return p
}

// serveStatus answers GET /status.
func (n *node) serveStatus(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(n.board.status(n.cfg.Processor.Instance))
}
