// Package mailjettest stands in for the part of Mailjet's API that sets event
// callbacks, sends mails by templates, manages contacts of lists and counts. It
// takes the documented requests and nothing else.
package mailjettest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// The keys that it takes.
const (
	PublicKey  = "the-public-key"
	PrivateKey = "the-private-key"
)

// Callback is one as the API gives it.
type Callback struct {
	APIKeyID  int64
	EventType string
	ID        int64
	IsBackup  bool
	Status    string
	URL       string `json:"Url"`
	Version   int
}

// Server is an account.
type Server struct {
	URL string

	mu        sync.Mutex
	callbacks []Callback
	requests  []string
	sending   sending
	// statistics are what the account counts, retryAfter the header of refusals.
	statistics Statistics
	retryAfter string
	// fail, where set, is asked before a request is carried out, and after it with
	// its own status: by another one it answers that instead.
	fail func(n int, r *http.Request, after int) (status int)
}

// Start starts an account that has these callbacks, until the test ends.
func Start(t testing.TB, callbacks ...Callback) *Server {
	t.Helper()
	s := &Server{callbacks: callbacks}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// Fail makes requests fail: f is given their number from 0, and after is 0 before a
// request is carried out, else its status. 0 means that it does not fail.
func (s *Server) Fail(f func(n int, r *http.Request, after int) (status int)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = f
}

// RetryAfter has refusals by Fail say when to come again.
func (s *Server) RetryAfter(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retryAfter = text
}

// Callbacks are those that there are now.
func (s *Server) Callbacks() []Callback {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Callback(nil), s.callbacks...)
}

// Requests are those that came: method, path with query, and body.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.requests...)
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	n := len(s.requests)
	s.requests = append(s.requests, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+string(body)))
	if s.fail != nil {
		if status := s.fail(n, r, 0); status != 0 {
			if s.retryAfter != "" {
				w.Header().Set("Retry-After", s.retryAfter)
			}
			refuse(w, status, "try again later")
			return
		}
	}
	status, answer := s.serve(r, body)
	if s.fail != nil {
		if other := s.fail(n, r, status); other != 0 {
			refuse(w, other, "the answer is lost")
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	switch answer := answer.(type) {
	case []Callback:
		reply(w, status, map[string]any{"Count": len(answer), "Data": answer, "Total": len(answer)})
	case []any:
		reply(w, status, map[string]any{"Count": len(answer), "Data": answer, "Total": len(answer)})
	case map[string]any: // of the Send API, which has its own form
		reply(w, status, answer)
	default:
		refuse(w, status, fmt.Sprint(answer))
	}
}

func reply(w http.ResponseWriter, status int, v any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if status != http.StatusNotModified {
		_ = json.NewEncoder(w).Encode(map[string]any{"ErrorInfo": "", "ErrorMessage": message, "StatusCode": status})
	}
}

const path = "/v3/REST/eventcallbackurl"

func (s *Server) serve(r *http.Request, body []byte) (int, any) {
	if user, password, ok := r.BasicAuth(); !ok || user != PublicKey || password != PrivateKey {
		return http.StatusUnauthorized, "API key authentication/authorization failure"
	}
	id, hasID := strings.CutPrefix(r.URL.Path, path+"/")
	switch {
	case r.Method == http.MethodGet && r.URL.Path == path:
		return s.list(r)
	case r.Method == http.MethodGet && r.URL.Path == countersPath:
		return s.counters(r)
	case r.Method == http.MethodGet && r.URL.Path == campaignsPath:
		return s.campaigns(r)
	case r.Method == http.MethodPost && r.URL.Path == path:
		return s.create(r, body)
	case r.Method == http.MethodPut && hasID:
		return s.change(r, id, body)
	case r.Method == http.MethodPost && r.URL.Path == sendPath:
		return s.send(r, body)
	case r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, listPrefix) && strings.HasSuffix(r.URL.Path, listSuffix):
		return s.manage(r, body)
	}
	return http.StatusNotFound, "no such resource"
}

// list gives 10 unless asked for more, up to 1000.
func (s *Server) list(r *http.Request) (int, any) {
	limit, offset := 10, 0
	for name, to := range map[string]*int{"Limit": &limit, "Offset": &offset} {
		if text := r.URL.Query().Get(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 0 || n > 1000 {
				return http.StatusBadRequest, name + " is out of range"
			}
			*to = n
		}
	}
	from := min(offset, len(s.callbacks))
	return http.StatusOK, s.callbacks[from:min(from+limit, len(s.callbacks))]
}

func known(eventType string) bool {
	return strings.Contains(" open click bounce spam blocked unsub sent ", " "+eventType+" ")
}

func read(r *http.Request, body []byte, to any) error {
	if r.Header.Get("Content-Type") != "application/json" {
		return fmt.Errorf("Content-Type is %q", r.Header.Get("Content-Type"))
	}
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.DisallowUnknownFields()
	return dec.Decode(to)
}

func (s *Server) create(r *http.Request, body []byte) (int, any) {
	c := Callback{Status: "alive", Version: 1, APIKeyID: 1, ID: int64(1000 + len(s.requests))}
	if err := read(r, body, &c); err != nil || !known(c.EventType) || c.URL == "" {
		return http.StatusBadRequest, fmt.Sprintf("%s is no callback: %v", body, err)
	}
	for _, other := range s.callbacks {
		if other.EventType == c.EventType && other.IsBackup == c.IsBackup {
			return http.StatusBadRequest, "MJ18 A resource with value " + c.URL + " already exists"
		}
	}
	s.callbacks = append(s.callbacks, c)
	return http.StatusCreated, []Callback{c}
}

func (s *Server) change(r *http.Request, id string, body []byte) (int, any) {
	for i := range s.callbacks {
		c := &s.callbacks[i]
		if strconv.FormatInt(c.ID, 10) != id {
			continue
		}
		changed := *c
		if err := read(r, body, &changed); err != nil {
			return http.StatusBadRequest, fmt.Sprintf("%s is no change: %v", body, err)
		}
		if changed == *c {
			return http.StatusNotModified, ""
		}
		if changed.URL != c.URL {
			changed.Status = "alive" // a new URL only revives it
		}
		*c = changed
		return http.StatusOK, []Callback{changed}
	}
	return http.StatusNotFound, "no callback has this id"
}
