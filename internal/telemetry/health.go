package telemetry

import (
	"encoding/json"
	"net/http"
	"sync"
)

// Check tells whether a component can do its work now, and a detail for a
// person: what it waits for, or its last error. It must not block.
type Check func() (ok bool, detail string)

// Health gathers the components of a process, which is ready when all of them
// are.
type Health struct {
	mu       sync.Mutex
	names    []string
	checks   map[string]Check
	draining bool
}

// NewHealth makes an aggregator without components.
func NewHealth() *Health { return &Health{checks: map[string]Check{}} }

// Register adds a component, or replaces the one of that name.
func (h *Health) Register(name string, check Check) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.checks[name]; !ok {
		h.names = append(h.names, name)
	}
	h.checks[name] = check
}

// Drain makes the process unready for good: the first step of a shutdown.
func (h *Health) Drain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.draining = true
}

// Component is the state of one component.
type Component struct {
	Name   string `json:"name"`
	Ready  bool   `json:"ready"`
	Detail string `json:"detail,omitempty"`
}

// Ready asks all components. Without any it is not ready: nothing has started.
func (h *Health) Ready() (bool, []Component) {
	h.mu.Lock()
	draining := h.draining
	names := append([]string(nil), h.names...)
	checks := make([]Check, len(names))
	for i, n := range names {
		checks[i] = h.checks[n]
	}
	h.mu.Unlock()

	ready := len(names) > 0 && !draining
	components := make([]Component, 0, len(names)+1)
	for i, n := range names {
		ok, detail := checks[i]()
		ready = ready && ok
		components = append(components, Component{n, ok, detail})
	}
	if draining {
		components = append(components, Component{"process", false, "shutting down"})
	}
	return ready, components
}

// Live answers 200 while the process can answer at all.
func (h *Health) Live(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n"))
}

// ServeReady answers each component as JSON: 200 when all are ready, else 503.
func (h *Health) ServeReady(w http.ResponseWriter, _ *http.Request) {
	ready, components := h.Ready()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(struct {
		Ready      bool        `json:"ready"`
		Components []Component `json:"components"`
	}{ready, components})
}
