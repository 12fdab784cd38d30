package ingest

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/ingest/provider"
)

// TestSignedInTheBody posts what Mailgun and Mandrill sign, over the gateway.
func TestSignedInTheBody(t *testing.T) {
	const address = "https://hooks.example.com/v1/webhooks/mandrill"
	c := cluster(t)
	g := gateway(t, producer(t, c), func(cfg *Config) {
		cfg.MaxBody = 1000
		cfg.Sources = []Source{
			{Name: "mailgun", Tenant: "acme", Provider: provider.Mailgun{}, Credentials: provider.Credentials{Keys: []string{"secret"}}},
			{Name: "mandrill", Tenant: "acme", Provider: provider.Mandrill{}, Credentials: provider.Credentials{Keys: []string{"secret"}, URL: address}},
		}
	})
	mailgun := func(key string, at time.Time, token string) *http.Request {
		stamp := fmt.Sprint(at.Unix())
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write([]byte(stamp + token))
		body := `{"signature":{"timestamp":"` + stamp + `","token":"` + token + `","signature":"` + hex.EncodeToString(mac.Sum(nil)) + `"},"event-data":{"event":"opened"}}`
		r := httptest.NewRequest("POST", "/v1/webhooks/mailgun", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		return r
	}
	mandrill := func(key, method, body, signed string) *http.Request {
		mac := hmac.New(sha1.New, []byte(key))
		mac.Write([]byte(address + signed))
		r := httptest.NewRequest(method, "/v1/webhooks/mandrill", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("X-Mandrill-Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		return r
	}
	now := time.Now()
	large := mailgun("secret", now, "c")
	large.Body = http.NoBody
	large.ContentLength = 1001
	for _, c := range []struct {
		name string
		r    *http.Request
		want int
	}{
		{"Mailgun", mailgun("secret", now, "a"), 200},
		{"its repetition", mailgun("secret", now, "a"), 406},
		{"a retry of hours later", mailgun("secret", now.Add(-8*time.Hour), "b"), 200},
		{"an old one", mailgun("secret", now.Add(-10*time.Hour), "c"), 401},
		{"a forged one", mailgun("secre", now, "d"), 401},
		{"a large one", large, 406},
		{"Mandrill", mandrill("secret", "POST", "mandrill_events=%5B7%5D", "mandrill_events[7]"), 200},
		{"a probe", httptest.NewRequest("HEAD", "/v1/webhooks/mandrill", nil), 200},
		{"a test", mandrill("test-webhook", "POST", "mandrill_events=%5B%5D", "mandrill_events[]"), 200},
		{"a test with something in it", mandrill("test-webhook", "POST", "mandrill_events=%5B7%5D", "mandrill_events[7]"), 401},
	} {
		if w := answerOf(g, c.r); w.Code != c.want {
			t.Errorf("%s: %d, want %d: %s", c.name, w.Code, c.want, w.Body)
		}
	}
	var schemes []string
	for _, hook := range stored(t, c) {
		schemes = append(schemes, hook.Verified)
	}
	slices.Sort(schemes)
	if want := []string{provider.SchemeMailgun, provider.SchemeMailgun, provider.SchemeMandrill, provider.SchemeMandrillTest}; !slices.Equal(schemes, want) {
		t.Errorf("stored %q, want %q", schemes, want)
	}
}
