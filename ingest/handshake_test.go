package ingest

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/posthorn/posthorn/ingest/provider"
	"github.com/posthorn/posthorn/ingest/provider/snstest"
	"github.com/posthorn/posthorn/internal/publicnet"
)

const confirmPath = snstest.Host + "/?Action=ConfirmSubscription&TopicArn=" + snstest.Topic + "&Token=0123abc"

// confirmations counts how often a subscription was confirmed.
func confirmations(t *testing.T, a *snstest.Amazon) (n int) {
	t.Helper()
	for _, asked := range a.Requests() {
		switch {
		case asked == confirmPath:
			n++
		case !strings.HasSuffix(asked, ".pem"):
			t.Errorf("asked for %s", asked)
		}
	}
	return n
}

// TestHandshake: a subscription is confirmed once per request for it, and only if
// the request is SNS's and of a topic that is listed.
func TestHandshake(t *testing.T) {
	serve := func(h http.HandlerFunc) func(*snstest.Amazon) {
		return func(a *snstest.Amazon) {
			a.Serve = func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, ".pem") {
					_, _ = w.Write(a.Certificate)
					return
				}
				h(w, r)
			}
		}
	}
	status := func(code int) func(*snstest.Amazon) {
		return serve(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
	}
	const kind = "SubscriptionConfirmation"
	for _, c := range []struct {
		name    string
		kind    string
		changes []string
		set     func(*snstest.Amazon)
		forge   bool
		// What follows: the answer, webhooks stored, confirmations, and what is counted.
		status, stored, confirmed int
		counted                   string
		logged                    string
	}{
		{name: "asked for", kind: kind, status: 200, stored: 1, confirmed: 1, counted: "confirmed", logged: "confirmed a subscription"},
		{name: "old signature", kind: kind, changes: []string{"SignatureVersion", "1"}, status: 200, stored: 1, confirmed: 1, counted: "confirmed"},
		{name: "long answer", kind: kind, set: serve(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20)) }), status: 200, stored: 1, confirmed: 1, counted: "confirmed"},
		{name: "topic that is not listed", kind: kind, changes: []string{"TopicArn", snstest.Topic + "2"}, status: 503},
		{name: "forged signature", kind: kind, forge: true, status: 503},
		{name: "another host", kind: kind, changes: []string{"SubscribeURL", "https://evil.example/?Action=ConfirmSubscription&Token=1"}, status: 503},
		{name: "address of this machine", kind: kind, changes: []string{"SubscribeURL", "https://127.0.0.1/?Action=ConfirmSubscription&Token=1"}, status: 503},
		{name: "stale", kind: kind, changes: []string{"Timestamp", "2020-01-01T00:00:00.000Z"}, status: 503},
		{name: "refused by Amazon", kind: kind, set: status(403), status: 503, stored: 1, confirmed: 1, counted: "failed", logged: "403 Forbidden"},
		{name: "redirected", kind: kind, set: serve(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example/", http.StatusFound)
		}), status: 503, stored: 1, confirmed: 1, counted: "failed"},
		{name: "slow", kind: kind, set: func(a *snstest.Amazon) {
			serve(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })(a)
			a.Client.Timeout = time.Second
		}, status: 503, stored: 1, confirmed: 1, counted: "failed"},
		{name: "certificate not to be had", kind: kind, set: func(a *snstest.Amazon) {
			a.Serve = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
		}, status: 503, logged: "could not be verified"},
		{name: "end of a subscription", kind: "UnsubscribeConfirmation", status: 200, stored: 1, logged: "has ended its subscription"},
		{name: "words only", kind: "Notification", changes: []string{"SubscribeURL", "https://" + confirmPath}, status: 503},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := snstest.New(t)
			if c.set != nil {
				c.set(a)
			}
			cl := cluster(t)
			reg, log := prometheus.NewRegistry(), &bytes.Buffer{}
			g := gateway(t, producer(t, cl), func(cfg *Config) {
				cfg.Registerer = reg
				cfg.Logger = slog.New(slog.NewTextHandler(log, nil))
				cfg.Sources = []Source{{Name: "ses", Tenant: "acme", Provider: provider.SES{},
					Credentials: provider.Credentials{Topics: []string{snstest.Topic}, Client: a.Client}}}
			})
			body := a.Message(t, c.kind, "You have chosen to subscribe", c.changes...)
			if c.forge {
				body = strings.Replace(body, "You have", "You had", 1)
			}
			w := answerOf(g, post("/v1/webhooks/ses", body))
			if w.Code != c.status {
				t.Errorf("status %d: %s", w.Code, w.Body)
			}
			if w.Code != http.StatusOK {
				wantProblem(t, w, c.status, "/v1/webhooks/ses")
			}
			if w.Code == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			if n := len(stored(t, cl)); n != c.stored {
				t.Errorf("%d webhooks stored, want %d", n, c.stored)
			}
			if n := confirmations(t, a); n != c.confirmed {
				t.Errorf("confirmed %d times, want %d", n, c.confirmed)
			}
			if got := handshakesCounted(t, reg); got != c.counted {
				t.Errorf("counted %q, want %q", got, c.counted)
			}
			if said := log.String(); !strings.Contains(said, c.logged) || strings.Contains(said, "0123abc") {
				t.Errorf("logged %q, want %q and no token", said, c.logged)
			}
		})
	}
}

// handshakesCounted returns the results that were counted, each as often as it was.
func handshakesCounted(t *testing.T, reg *prometheus.Registry) string {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range families {
		if f.GetName() != "posthorn_gateway_handshakes_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			for range int(m.GetCounter().GetValue()) {
				all = append(all, m.GetLabel()[0].GetValue())
			}
		}
	}
	return strings.Join(all, " ")
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestHandshakeGivesUp: a server that never answers is waited for so long and no
// longer, whatever the client's own timeout is.
func TestHandshakeGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := publicnet.ClientOr(&http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}, handshakeTimeout)
		start := time.Now()
		err := fetch(t.Context(), silent, "https://"+confirmPath)
		if took := time.Since(start); err == nil || took != handshakeTimeout || strings.Contains(err.Error(), "0123abc") {
			t.Errorf("after %s: %v", took, err)
		}
	})
}

// TestHandshakeReachesPublicAddressesOnly: a name that resolves to this machine
// gains nothing.
func TestHandshakeReachesPublicAddressesOnly(t *testing.T) {
	asked := false
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer server.Close()
	address := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	if err := fetch(t.Context(), publicnet.ClientOr(nil, handshakeTimeout), address); !errors.Is(err, publicnet.ErrRefused) || asked {
		t.Errorf("got %v", err)
	}
}
