// Package registry is a schema registry in the process: the Confluent REST
// interface on a port of its own, as the franz-go project's srfake speaks it,
// with ids that survive restarts. Every stored record carries the id of its
// schema, so that an id that changes its meaning makes records unreadable:
// what was registered is written to a journal before it is answered, nothing
// can be deleted, and a journal that does not give the same ids again stops the
// start.
package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
)

// Registry is a running registry.
type Registry struct {
	fake    *srfake.Registry
	journal *journal
	server  *http.Server
	url     string
	served  chan error

	mu    sync.Mutex // one change at a time: the journal's order is the ids' order
	known map[known]bool
}

// known is a registration that is in the journal.
type known struct {
	subject string
	id      int
}

// Config configures a registry.
type Config struct {
	// Dir holds the journal.
	Dir string
	// Listen is the address to serve on, host:port.
	Listen string
	// Logger takes the server's errors; the default is slog's.
	Logger *slog.Logger
}

// Start opens the journal and returns once the registry listens.
func Start(cfg Config) (*Registry, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	r := &Registry{fake: srfake.NewRegistry(), known: map[known]bool{}, served: make(chan error, 1)}
	var err error
	if r.journal, err = openJournal(filepath.Join(cfg.Dir, "schemas.journal"), r.replay); err != nil {
		return nil, fmt.Errorf("starting the schema registry: %w", err)
	}
	l, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting the schema registry: %w", err), r.journal.close())
	}
	r.url = "http://" + l.Addr().String()
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelWarn)}
	go func() { r.served <- r.server.Serve(l) }()
	return r, nil
}

// URL is where the registry answers.
func (r *Registry) URL() string { return r.url }

// Close stops the registry. Requests under way have a second to end.
func (r *Registry) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := r.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = r.server.Close()
	}
	if served := <-r.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return errors.Join(err, r.journal.close())
}

// ServeHTTP lets reads pass and journals the changes that it allows:
// registrations and compatibility levels.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	path := strings.Split(strings.Trim(req.URL.Path, "/"), "/")
	post, put := req.Method == http.MethodPost, req.Method == http.MethodPut
	switch {
	case req.Method == http.MethodGet, req.Method == http.MethodHead,
		post && len(path) == 2 && path[0] == "subjects", // look a schema up
		post && path[0] == "compatibility":
		r.fake.Handler().ServeHTTP(w, req)
	case post && len(path) == 3 && path[0] == "subjects" && path[2] == "versions":
		r.change(w, req, func(body, answer []byte) (entry, error) { return r.registration(path[1], body, answer) })
	case put && len(path) == 2 && path[0] == "config":
		r.change(w, req, func(body, _ []byte) (entry, error) { return levelEntry(path[1], body) })
	default:
		fail(w, http.StatusMethodNotAllowed, "the embedded registry allows registrations and the compatibility of subjects, nothing else")
	}
}

// change makes a change in memory and answers it once it is in the journal.
func (r *Registry) change(w http.ResponseWriter, req *http.Request, describe func(body, answer []byte) (entry, error)) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, 1<<20))
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	r.mu.Lock()
	defer r.mu.Unlock()
	answer := httptest.NewRecorder()
	r.fake.Handler().ServeHTTP(answer, req)
	if answer.Code == http.StatusOK {
		if err := r.keep(body, answer.Body.Bytes(), describe); err != nil {
			// It may be retried: what is in memory only is journaled then.
			fail(w, http.StatusInternalServerError, err.Error())
			return
		}
	}
	for k, v := range answer.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(answer.Code)
	w.Write(answer.Body.Bytes())
}

func (r *Registry) keep(body, answer []byte, describe func(body, answer []byte) (entry, error)) error {
	e, err := describe(body, answer)
	if err != nil {
		return err
	}
	k := known{e.Subject, e.ID}
	if e.Schema != nil && r.known[k] {
		return nil
	}
	if err := r.journal.append(e); err != nil {
		return fmt.Errorf("keeping the change: %w", err)
	}
	r.known[k] = true
	return nil
}

func (r *Registry) registration(subject string, body, answer []byte) (entry, error) {
	e := entry{Subject: subject}
	if err := json.Unmarshal(body, &e.Schema); err != nil {
		return e, err
	}
	var got struct{ ID int }
	if err := json.Unmarshal(answer, &got); err != nil {
		return e, err
	}
	e.ID = got.ID
	for e.Version = 1; ; e.Version++ {
		s, ok := r.fake.GetSchema(subject, e.Version)
		if !ok {
			return e, fmt.Errorf("no version of %s has id %d", subject, e.ID)
		}
		if s.ID == e.ID {
			return e, nil
		}
	}
}

func levelEntry(subject string, body []byte) (entry, error) {
	var level struct{ Compatibility sr.CompatibilityLevel }
	err := json.Unmarshal(body, &level)
	return entry{Subject: subject, Level: level.Compatibility.String()}, err
}

// replay makes a change again and insists on the same id and version.
func (r *Registry) replay(e entry) error {
	if e.Schema == nil {
		var level sr.CompatibilityLevel
		if err := level.UnmarshalText([]byte(e.Level)); err != nil {
			return err
		}
		return r.fake.SetCompat(e.Subject, level)
	}
	if err := r.seed(e); err != nil {
		return err
	}
	got, ok := r.fake.GetSchema(e.Subject, e.Version)
	if !ok || got.ID != e.ID || got.Schema.Schema != e.Schema.Schema {
		return fmt.Errorf("version %d of %s had id %d and is now found with id %d: "+
			"stored records would be read with the wrong schema; restore the journal from a backup", e.Version, e.Subject, e.ID, got.ID)
	}
	r.known[known{e.Subject, e.ID}] = true
	return nil
}

// seed puts a schema under its id. A schema that another subject has already
// shares that one's id, which only a registration can do.
func (r *Registry) seed(e entry) (err error) {
	for k := range r.known {
		if k.id == e.ID {
			_, _, err := r.fake.RegisterSchema(e.Subject, *e.Schema)
			return err
		}
	}
	defer func() {
		if p := recover(); p != nil { // srfake's way to refuse
			err = fmt.Errorf("schema %d of %s: %v", e.ID, e.Subject, p)
		}
	}()
	r.fake.SeedSchema(e.Subject, e.Version, e.ID, *e.Schema)
	return nil
}

// fail answers in the form that registry clients understand.
func fail(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"error_code": status, "message": message})
}
