package ingest

import (
	"net"
	"net/http"
	"sync/atomic"

	"golang.org/x/net/netutil"
)

// connections bounds how many a server has open. Those that are kept for a next
// request take three quarters at most: beyond, each ends with its answer. So there
// is always room for requests, whose time is bounded. No connection is closed under
// a caller that is about to use it, which would cost that a webhook's delivery.
type connections struct {
	limit int64
	open  atomic.Int64
}

// bind has the server count, and returns the bounded listener.
func (c *connections) bind(server *http.Server, listener net.Listener) net.Listener {
	server.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			c.open.Add(1)
		case http.StateClosed, http.StateHijacked:
			c.open.Add(-1)
		}
	}
	next := server.Handler
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.open.Load() > c.limit*3/4 {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
	return netutil.LimitListener(listener, int(c.limit))
}
