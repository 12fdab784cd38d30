package receiver

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	secretA = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	secretB = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)

func signed(t *testing.T, secret, id string, at time.Time, body string) *http.Request {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, stamp, body)
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	r.Header.Set("webhook-id", id)
	r.Header.Set("webhook-timestamp", stamp)
	r.Header.Set("webhook-signature", "v1a,nonsense v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return r
}

func serve(r *Receiver, req *http.Request) int {
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	return w.Code
}

// TestStandardWebhooksVector is the vector of the Standard Webhooks libraries.
func TestStandardWebhooksVector(t *testing.T) {
	key, err := decodeSecret(secretA)
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	h.Set("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek")
	h.Set("webhook-timestamp", "1614265330")
	h.Set("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
	body, now := []byte(`{"test": 2432232314}`), time.Unix(1614265330, 0)
	if err := verify([][]byte{key}, h, body, now, time.Minute); err != nil {
		t.Error(err)
	}
	if err := verify([][]byte{key}, h, append(body, ' '), now, time.Minute); err != errSignature {
		t.Errorf("changed body: %v", err)
	}
}

func TestSignatures(t *testing.T) {
	r, err := New(Config{Secrets: []string{secretA, secretB}})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	without := func(header string) *http.Request {
		req := signed(t, secretA, "x", now, "{}")
		req.Header.Del(header)
		return req
	}
	with := func(header, value string) *http.Request {
		req := signed(t, secretA, "x", now, "{}")
		req.Header.Set(header, value)
		return req
	}
	for name, c := range map[string]struct {
		req  *http.Request
		want int
	}{
		"first secret":     {signed(t, secretA, "a", now, "{}"), 204},
		"second secret":    {signed(t, secretB, "b", now, "{}"), 204},
		"other secret":     {signed(t, "whsec_BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB", "c", now, "{}"), 401},
		"four minutes old": {signed(t, secretA, "d", now.Add(-4*time.Minute), "{}"), 204},
		"six minutes old":  {signed(t, secretA, "e", now.Add(-6*time.Minute), "{}"), 401},
		"in the future":    {signed(t, secretA, "f", now.Add(6*time.Minute), "{}"), 401},
		"absurd time":      {with("webhook-timestamp", "-9223372036854775808"), 401},
		"other id":         {with("webhook-id", "y"), 401},
		"no id":            {without("webhook-id"), 401},
		"no timestamp":     {without("webhook-timestamp"), 401},
		"no signature":     {without("webhook-signature"), 401},
		"not JSON":         {signed(t, secretA, "g", now, "<html>"), 400},
		"GET":              {httptest.NewRequest("GET", "/", nil), 400},
	} {
		if got := serve(r, c.req); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	if s := r.Stats(); s.Unique != 3 || s.BadSignatures != 8 || s.BadRequests != 2 {
		t.Errorf("%+v", s)
	}
	if ids := r.IDs(); !slices.Equal(ids, []string{"a", "b", "d"}) {
		t.Errorf("ids %v", ids)
	}
	for _, secrets := range [][]string{nil, {"whsec_short"}} {
		if _, err := New(Config{Secrets: secrets}); err == nil {
			t.Errorf("secrets %q accepted", secrets)
		}
	}
}

func TestCountsAndFailures(t *testing.T) {
	var seen []Call
	r, err := New(Config{Secrets: []string{secretA}, FailEvery: 3, OnCall: func(c Call) { seen = append(seen, c) }})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	body := fmt.Sprintf(`{"data":{"message":"7","rule":"discount","arrived_at":%q}}`, now.Add(-time.Second).Format(time.RFC3339Nano))
	var codes []int
	for _, id := range []string{"a", "b", "c", "c", "a", "d"} {
		codes = append(codes, serve(r, signed(t, secretA, id, now, body)))
	}
	if !slices.Equal(codes, []int{204, 204, 503, 204, 204, 503}) {
		t.Errorf("answers %v", codes)
	}
	s := r.Stats()
	if s.Calls != 6 || s.Unique != 3 || s.Duplicates != 1 || s.Failed != 2 {
		t.Errorf("%+v", s)
	}
	if s.LatencyP50 < time.Second || s.LatencyP99 > time.Minute || s.LatencyMax < s.LatencyP99 {
		t.Errorf("latencies %s %s %s", s.LatencyP50, s.LatencyP99, s.LatencyMax)
	}
	if len(seen) != 6 || seen[4].Message != "7" || !seen[4].Duplicate || !seen[5].Failed || seen[0].Rule != "discount" {
		t.Errorf("%+v", seen)
	}
}

func TestStart(t *testing.T) {
	s, err := Start("127.0.0.1:0", Config{Secrets: []string{secretA}})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(s.URL(), "application/json", strings.NewReader("{}"))
	if err != nil || resp.StatusCode != 401 {
		t.Errorf("%v, %v", resp, err)
	}
	resp.Body.Close()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
