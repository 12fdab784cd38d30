package delivery

import (
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// verifies is an endpoint that verifies as the Standard Webhooks project's own
// library does, and answers 401 where it does not.
func verifies(t *testing.T, codes []int, secrets ...string) *shop {
	t.Helper()
	var verifiers []*standardwebhooks.Webhook
	for _, s := range secrets {
		v, err := standardwebhooks.NewWebhook(s)
		if err != nil {
			t.Fatal(err)
		}
		verifiers = append(verifiers, v)
	}
	var s *shop
	calls := 0
	s = newShop(t, func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		body, code := s.bodies[len(s.bodies)-1], codes[calls%len(codes)]
		calls++
		s.mu.Unlock()
		for i, v := range verifiers {
			if err := v.Verify([]byte(body), r.Header); err != nil {
				t.Errorf("call %s, secret %d: %v", r.Header.Get("webhook-id"), i+1, err)
				code = http.StatusUnauthorized
			}
		}
		w.WriteHeader(code)
	})
	return s
}

// Every call, first or repeated, verifies with the library, while secrets are
// rotated with either of the two, and with no other.
func TestCallsVerifyWithTheStandardLibrary(t *testing.T) {
	old := "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("o", 32)))
	for name, secrets := range map[string][]string{"one secret": {testSecret}, "rotation": {testSecret, old}} {
		t.Run(name, func(t *testing.T) {
			s := verifies(t, []int{200, 503, 200, 429}, secrets...)
			e := s.endpoint("shop")
			e.Secrets, e.Concurrency = secrets, 1
			b := newBench(t, func(c *Config) {
				c.Retry = []time.Duration{time.Millisecond, time.Millisecond}
				c.Now = func() time.Time { return time.Now() }
			}, e)
			const n = 40
			for i := range n {
				b.process(trigger(i, "shop"))
			}
			b.commit()
			for now := time.Now(); b.pending() > 0; now = now.Add(time.Second) {
				b.result(1, now)
			}
			if distinct := slices.Compact(slices.Sorted(slices.Values(s.ids))); len(distinct) != n || s.calls() <= n {
				t.Errorf("%d calls of %d triggers", s.calls(), len(distinct))
			}
		})
	}
	t.Run("another secret", func(t *testing.T) {
		v, err := standardwebhooks.NewWebhook(old)
		if err != nil {
			t.Fatal(err)
		}
		s := newShop(t, nil)
		b := newBench(t, nil, s.endpoint("shop"))
		b.process(trigger(1, "shop"))
		b.commit()
		r := <-s.arrived
		b.result(1, time.Now())
		if err := v.Verify([]byte(s.bodies[0]), r.Header); !errors.Is(err, standardwebhooks.ErrNoMatchingSignature) {
			t.Errorf("%v", err)
		}
	})
}
