package delivery

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestStandardWebhooksVector is the vector of the Standard Webhooks libraries.
func TestStandardWebhooksVector(t *testing.T) {
	key, err := parseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	got := sign([]secret{key}, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestStandardWebhooksFixture checks a vector kept outside of the repository,
// where POSTHORN_FIXTURES names the folder.
func TestStandardWebhooksFixture(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(os.Getenv("POSTHORN_FIXTURES"), "_signatures", "standard_webhooks.json"))
	if err != nil {
		t.Skip("no fixtures: set POSTHORN_FIXTURES to their folder")
	}
	var v struct {
		Secret, Body string
		Headers      map[string]string
	}
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	key, err := parseSecret(v.Secret)
	if err != nil {
		t.Fatal(err)
	}
	at, _ := strconv.ParseInt(v.Headers["webhook-timestamp"], 10, 64)
	if got := sign([]secret{key}, v.Headers["webhook-id"], time.Unix(at, 0), []byte(v.Body)); got != v.Headers["webhook-signature"] {
		t.Errorf("got %s", got)
	}
}

// TestCallIsSignedWithBothSecrets recomputes the signatures by hand.
func TestCallIsSignedWithBothSecrets(t *testing.T) {
	keys := []string{strings.Repeat("a", 24), strings.Repeat("b", 64)}
	var headers http.Header
	s := newShop(t, func(_ http.ResponseWriter, r *http.Request) { headers = r.Header.Clone() })
	e := s.endpoint("shop")
	e.Secrets = nil
	for _, k := range keys {
		e.Secrets = append(e.Secrets, "whsec_"+base64.StdEncoding.EncodeToString([]byte(k)))
	}
	b := newBench(t, nil, e)
	b.process(trigger(1, "shop"))
	b.commit()
	if got := b.result(1, time.Now()); len(got) != 1 {
		t.Fatal("no delivery")
	}
	at, _ := strconv.ParseInt(headers.Get("webhook-timestamp"), 10, 64)
	if age := time.Since(time.Unix(at, 0)); age < 0 || age > time.Minute {
		t.Errorf("timestamp %s old", age)
	}
	var want []string
	for _, k := range keys {
		mac := hmac.New(sha256.New, []byte(k))
		mac.Write([]byte(headers.Get("webhook-id") + "." + headers.Get("webhook-timestamp") + "." + s.bodies[0]))
		want = append(want, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	if got := headers.Get("webhook-signature"); got != strings.Join(want, " ") {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSecretErrors(t *testing.T) {
	for in, want := range map[string]string{
		"":               "whsec_",
		"abc":            "whsec_",
		"whsec_???":      "base64",
		"whsec_c2hvcnQ=": "5 bytes",
		"whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 65)): "65 bytes",
	} {
		if _, err := parseSecret(in); err == nil || !strings.Contains(err.Error(), want) || in != "" && strings.Contains(err.Error(), in) {
			t.Errorf("%q: %v", in, err)
		}
	}
}
