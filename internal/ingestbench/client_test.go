package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// stallingServer answers its first request late.
func stallingServer(t *testing.T, stall time.Duration) (addr string) {
	var once sync.Once
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		once.Do(func() { time.Sleep(stall) })
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// TestClientWantsOK has answers with a body, without one, and refusals.
func TestClientWantsOK(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/webhooks/hmac":
			http.Error(w, "no such thing", http.StatusUnauthorized)
		case "/v1/webhooks/ecdsa":
			_, _ = w.Write([]byte(`{"webhook_id":"1"}`))
		}
	}))
	defer s.Close()
	c, err := dial(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.conn.Close()
	for _, test := range []struct {
		scheme scheme
		want   string
	}{{basic, ""}, {ecdsa256, ""}, {hmac256, "401 Unauthorized: no such thing"}, {basic, ""}} {
		r, err := newRequests(load{1, 1, test.scheme})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := c.post(r); err != nil {
			got = err.Error()
		}
		if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: %q, want %q", test.scheme, got, test.want)
		}
	}
}
