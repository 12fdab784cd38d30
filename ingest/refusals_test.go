package ingest

import (
	"bytes"
	"compress/gzip"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/ingest/provider"
)

// signers make requests as the providers do.
type signers struct{ base string }

func (s signers) mailgun(key string, at time.Time, token string) *http.Request {
	mac := hmac.New(sha256.New, []byte(key))
	fmt.Fprint(mac, at.Unix(), token)
	return s.post("mailgun", fmt.Sprintf(`{"signature":{"timestamp":"%d","token":%q,"signature":%q},"event-data":{"event":"opened"}}`,
		at.Unix(), token, hex.EncodeToString(mac.Sum(nil))))
}

func (s signers) svix(source, key string, at time.Time, id string) *http.Request {
	r := s.post(source, `{"type":"email.opened"}`)
	mac := hmac.New(sha256.New, []byte(key))
	fmt.Fprintf(mac, `%s.%d.{"type":"email.opened"}`, id, at.Unix())
	r.Header.Set("webhook-id", id)
	r.Header.Set("webhook-timestamp", fmt.Sprint(at.Unix()))
	r.Header.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return r
}

func (s signers) post(source, body string) *http.Request {
	r, err := http.NewRequest(http.MethodPost, s.base+"/v1/webhooks/"+source, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Content-Type", "application/json")
	return r
}

// TestEachRefusal asks a real server for every refusal, and for each provider's own
// way of it.
func TestEachRefusal(t *testing.T) {
	const maxBody = 2000
	const key = "a key of thirty-two bytes or so!"
	whsec := "whsec_" + base64.StdEncoding.EncodeToString([]byte(key))
	of := func(name string, p provider.Provider, c provider.Credentials) Source {
		return Source{Name: name, Tenant: "acme", Provider: p, Credentials: c}
	}
	password := provider.Credentials{Username: "u", Passwords: []string{"p"}}
	all := []Source{
		of("mailjet", provider.Mailjet{}, password),
		of("mailgun", provider.Mailgun{}, provider.Credentials{Keys: []string{"key"}}),
		of("postmark", provider.Postmark{}, password),
		of("brevo", provider.Brevo{}, password),
		of("ses", provider.SES{}, provider.Credentials{Topics: []string{"arn:aws:sns:eu-west-1:123456789012:mail"}, Username: "u", Passwords: []string{"p"}}),
		of("resend", provider.Resend{}, provider.Credentials{Keys: []string{whsec}}),
		of("sendgrid", provider.SendGrid{}, password),
		of("sparkpost", provider.SparkPost{}, password),
		of("mandrill", provider.Mandrill{}, provider.Credentials{Keys: []string{"key"}, URL: "https://hooks.example/v1/webhooks/mandrill"}),
		of("standard", provider.StandardWebhooks{}, provider.Credentials{Keys: []string{whsec}}),
		of("open", provider.Mailjet{}, provider.Credentials{}),
		{Name: "gone", Tenant: "acme", Provider: provider.Mailjet{}, Disabled: true},
	}
	c := cluster(t)
	g := gateway(t, producer(t, c), func(cfg *Config) { cfg.MaxBody = maxBody; cfg.Sources = all })
	base, _, _ := serve(t, g)
	s := signers{base}
	now := time.Now()
	as := func(user, pass string, r *http.Request) *http.Request { r.SetBasicAuth(user, pass); return r }
	// lengthless hides how long its body is.
	lengthless := func(r *http.Request) *http.Request {
		r.Body, r.ContentLength = io.NopCloser(r.Body), -1
		return r
	}
	method := func(m string, r *http.Request) *http.Request { r.Method = m; return r }
	large := strings.Repeat("x", maxBody+1)
	huge := strings.Repeat("x", 1<<20)
	const basic = `Basic realm="posthorn", charset="UTF-8"`

	for _, test := range []struct {
		name   string
		r      *http.Request
		status int
		slug   string // "": no problem
		header [2]string
	}{
		{"unknown source", s.post("nobody", "x"), 404, "unknown-source", [2]string{}},
		{"disabled source", s.post("gone", "x"), 410, "disabled", [2]string{}},
		{"wrong method", method("PUT", s.post("open", "x")), 405, "method", [2]string{"Allow", "POST"}},

		{"no password", s.post("mailjet", "x"), 401, "unauthorized", [2]string{"Www-Authenticate", basic}},
		{"wrong password", as("u", "q", s.post("mailjet", "x")), 401, "unauthorized", [2]string{"Www-Authenticate", basic}},
		{"wrong password, SendGrid", as("u", "q", s.post("sendgrid", "x")), 401, "unauthorized", [2]string{"Www-Authenticate", basic}},
		{"wrong password, SparkPost", as("u", "q", s.post("sparkpost", "x")), 401, "unauthorized", [2]string{"Www-Authenticate", basic}},
		{"wrong password, Postmark", as("u", "q", s.post("postmark", "x")), 401, "unauthorized", [2]string{"Www-Authenticate", basic}},
		{"wrong password, Brevo", as("u", "q", s.post("brevo", "x")), 429, "unauthorized", [2]string{}},
		{"no password, Brevo", s.post("brevo", "x"), 429, "unauthorized", [2]string{}},
		{"wrong signature, Mailgun", s.mailgun("kex", now, "t1"), 401, "unauthorized", [2]string{}},
		{"wrong signature, Mandrill", s.post("mandrill", "mandrill_events=[]"), 401, "unauthorized", [2]string{}},
		{"wrong signature, Resend", s.svix("resend", "another", now, "m1"), 401, "unauthorized", [2]string{}},
		{"no password shown yet, SES", s.post("ses", "{}"), 401, "unauthorized", [2]string{"Www-Authenticate", basic}},
		{"wrong password, SES", as("u", "q", s.post("ses", "{}")), 503, "unauthorized", [2]string{"Retry-After", "5"}},
		{"another topic, SES", as("u", "p", s.post("ses", `{"Type":"Notification","TopicArn":"arn:aws:sns:eu-west-1:123456789012:other"}`)), 503, "unauthorized", [2]string{}},

		{"stale, Mailgun", s.mailgun("key", now.Add(-10*time.Hour), "t2"), 401, "unauthorized", [2]string{}},
		{"stale, Standard Webhooks", s.svix("standard", key, now.Add(-time.Hour), "m2"), 401, "unauthorized", [2]string{}},
		{"from the future", s.svix("standard", key, now.Add(time.Hour), "m3"), 401, "unauthorized", [2]string{}},

		{"taken, Mailgun", s.mailgun("key", now, "t3"), 200, "", [2]string{}},
		{"replayed, Mailgun", s.mailgun("key", now, "t3"), 406, "repeated", [2]string{}},
		{"taken, Standard Webhooks", s.svix("standard", key, now, "m4"), 200, "", [2]string{}},
		{"sent again, Standard Webhooks", s.svix("standard", key, now, "m4"), 200, "", [2]string{}},

		{"too large", s.post("open", large), 413, "too-large", [2]string{}},
		{"too large, length unknown", lengthless(s.post("open", large)), 413, "too-large", [2]string{}},
		{"much too large", s.post("open", huge), 413, "too-large", [2]string{}},
		{"much too large, length unknown", lengthless(s.post("open", huge)), 413, "too-large", [2]string{}},
		{"too large, Mailgun", s.post("mailgun", large), 406, "too-large", [2]string{}},
		{"too large, Postmark", as("u", "p", s.post("postmark", large)), 403, "too-large", [2]string{}},
		{"too large, Brevo", as("u", "p", s.post("brevo", large)), 413, "too-large", [2]string{}},
		// What it unpacks to is nothing that a gateway looks at: normalize refuses it.
		{"bomb", s.post("open", string(bomb(t, 1<<20))), 200, "", [2]string{}},
	} {
		t.Run(test.name, func(t *testing.T) { ask(t, test.r, test.status, test.slug, test.header) })
	}

	t.Run("too many", func(t *testing.T) {
		for _, name := range []string{"open", "ses", "brevo"} {
			share := &g.sources[name].share
			used := share.requests.limit
			share.requests.take(used)
			defer share.requests.give(used)
		}
		over := g.overflow.requests.limit
		g.overflow.requests.take(over)
		defer g.overflow.requests.give(over)
		ask(t, s.post("open", "x"), 429, "too-many", [2]string{"Retry-After", "5"})
		ask(t, as("u", "p", s.post("brevo", "x")), 429, "too-many", [2]string{"Retry-After", "5"})
		ask(t, as("u", "p", s.post("ses", "x")), 503, "too-many", [2]string{"Retry-After", "5"})
		ask(t, as("u", "p", s.post("mailjet", "x")), 200, "", [2]string{})
	})
	t.Run("Kafka down", func(t *testing.T) {
		g.cfg.AckTimeout = 50 * time.Millisecond // not until it gives up
		c.Close()
		ask(t, s.post("open", "x"), 503, "not-durable", [2]string{"Retry-After", "5"})
		ask(t, as("u", "p", s.post("brevo", "x")), 429, "not-durable", [2]string{"Retry-After", "5"})
		ask(t, s.mailgun("key", now, "t9"), 503, "not-durable", [2]string{"Retry-After", "5"})
	})
}

func bomb(t *testing.T, size int) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// ask sends a request and checks what comes back.
func ask(t *testing.T, r *http.Request, status int, slug string, header [2]string) {
	t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var p struct {
		Type, Title, Detail, Instance string
		Status                        int
	}
	_ = json.Unmarshal(body, &p)
	if resp.StatusCode != status || p.Type != "" != (slug != "") || slug != "" && (p.Type != "urn:posthorn:problem:"+slug || p.Status != status || p.Title == "" || p.Detail == "" || p.Instance != r.URL.Path) {
		t.Errorf("%s: %s, want %d %s", resp.Status, body, status, slug)
	}
	if slug != "" && resp.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("content type %q", resp.Header.Get("Content-Type"))
	}
	if header[0] != "" && resp.Header.Get(header[0]) != header[1] {
		t.Errorf("%s: %q, want %q", header[0], resp.Header.Get(header[0]), header[1])
	}
}
