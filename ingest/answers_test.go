package ingest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/ingest/provider"
)

// picky is a provider with a token in a header and answers of its own.
type picky struct{ provider.Mailjet }

func (picky) Verifier(provider.Credentials) (provider.Verifier, error) { return tokenVerifier{}, nil }

func (picky) Probes(method string) bool { return method == http.MethodHead }

func (picky) Answer(r provider.Refusal) int {
	switch r {
	case provider.RefusedForged, provider.RefusedRepeated, provider.RefusedTooLarge:
		return http.StatusNotAcceptable
	case provider.RefusedBusy:
		return http.StatusTooManyRequests
	}
	return 0
}

type tokenVerifier struct{}

func (tokenVerifier) SignsBody() bool { return true }

func (tokenVerifier) Verify(r *http.Request, _ []byte, now time.Time) (provider.Verified, error) {
	token := r.Header.Get("Token")
	if token == "" {
		return provider.Verified{}, &provider.AuthError{Detail: "no token"}
	}
	return provider.Verified{Scheme: "token", Token: token, Until: now.Add(time.Hour)}, nil
}

func TestAnswersInTheProvidersWay(t *testing.T) {
	c := cluster(t)
	g := gateway(t, producer(t, c), func(cfg *Config) {
		cfg.MaxBody = 10
		cfg.Sources = []Source{
			{Name: "picky", Tenant: "acme", Provider: picky{}},
			{Name: "usual", Tenant: "acme", Provider: provider.Mailjet{}, Credentials: provider.Credentials{Username: "a", Passwords: []string{"b"}}},
			{Name: "gone", Tenant: "acme", Provider: picky{}, Disabled: true},
		}
	})
	request := func(method, source, token, body string) *http.Request {
		r := httptest.NewRequest(method, "/v1/webhooks/"+source, strings.NewReader(body))
		if token != "" {
			r.Header.Set("Token", token)
		}
		return r
	}
	for _, c := range []struct {
		name string
		r    *http.Request
		want int
	}{
		{"first of a token", request("POST", "picky", "1", "x"), 200},
		{"its repetition", request("POST", "picky", "1", "y"), 406},
		{"another token", request("POST", "picky", "2", "x"), 200},
		{"no token", request("POST", "picky", "", "x"), 406},
		{"no password", request("POST", "usual", "", "x"), 401},
		{"too large", request("POST", "picky", "3", "xxxxxxxxxxxx"), 406},
		{"what was refused is not repeated", request("POST", "picky", "3", "x"), 200},
		{"probe", request("HEAD", "picky", "", ""), 200},
		{"no probe", request("GET", "picky", "", ""), 405},
		{"probe of a provider that has none", request("HEAD", "usual", "", ""), 405},
		{"disabled", request("POST", "gone", "4", "x"), 410},
	} {
		if w := answerOf(g, c.r); w.Code != c.want {
			t.Errorf("%s: %d, want %d: %s", c.name, w.Code, c.want, w.Body)
		}
	}
	if n := len(stored(t, c)); n != 3 {
		t.Errorf("%d webhooks are stored, want 3", n)
	}
	g.pending.take(g.cfg.MaxPending)
	if w := answerOf(g, request("POST", "picky", "5", "x")); w.Code != http.StatusTooManyRequests {
		t.Errorf("busy: %d, want 429", w.Code)
	}
}

// A sender of Standard Webhooks whose 200 was lost sends the same again: it is told
// that all is well, and nothing is stored twice.
func TestRepeatedStandardWebhookIsNotStoredTwice(t *testing.T) {
	const secret = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	c := cluster(t)
	g := gateway(t, producer(t, c), func(cfg *Config) {
		cfg.Sources = []Source{{Name: "resend", Tenant: "acme", Provider: provider.Resend{}, Credentials: provider.Credentials{Keys: []string{"whsec_" + secret}}}}
	})
	const body = `{"type":"email.opened"}`
	at := strconv.FormatInt(time.Now().Unix(), 10)
	key, err := base64.StdEncoding.DecodeString(secret)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("msg_1." + at + "." + body))
	for range 2 {
		r := post("/v1/webhooks/resend", body)
		r.Header.Set("svix-id", "msg_1")
		r.Header.Set("svix-timestamp", at)
		r.Header.Set("svix-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		w := answerOf(g, r)
		if w.Code != http.StatusOK || strings.Contains(w.Body.String(), "problem") {
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
	}
	if n := len(stored(t, c)); n != 1 {
		t.Errorf("%d webhooks are stored, want 1", n)
	}
}
