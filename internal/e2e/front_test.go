package e2e

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
)

// front stands before the gateway as a load balancer would, and knows which
// requests the gateway has not answered yet.
type front struct {
	server *httptest.Server
	begun  chan struct{} // a request has just begun

	mu   sync.Mutex
	open map[*passage]struct{}
}

// passage is one request on its way through.
type passage struct {
	done   chan struct{}
	broken bool // no answer came; valid once done
}

type passageKey struct{}

func startFront(t *testing.T, gateway string) *front {
	f := &front{begun: make(chan struct{}, 1), open: map[*passage]struct{}{}}
	to := &url.URL{Scheme: "http", Host: gateway}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) },
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, _ error) {
			r.Context().Value(passageKey{}).(*passage).broken = true
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	f.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := &passage{done: make(chan struct{})}
		f.mu.Lock()
		f.open[p] = struct{}{}
		f.mu.Unlock()
		select {
		case f.begun <- struct{}{}:
		default:
		}
		defer func() {
			f.mu.Lock()
			delete(f.open, p)
			f.mu.Unlock()
			close(p.done)
		}()
		proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), passageKey{}, p)))
	}))
	t.Cleanup(f.server.Close)
	return f
}

// unanswered returns the requests under way.
func (f *front) unanswered() []*passage {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []*passage
	for p := range f.open {
		list = append(list, p)
	}
	return list
}

// url is where a provider posts to a source.
func (f *front) url(source string) string {
	return "http://mailjet:secret@" + f.server.Listener.Addr().String() + "/v1/webhooks/" + source
}
