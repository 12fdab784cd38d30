package receiver

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Errors of a signature check.
var (
	errHeaders   = errors.New("webhook-id, webhook-timestamp or webhook-signature is missing or malformed")
	errTimestamp = errors.New("webhook-timestamp is too far from now")
	errSignature = errors.New("no signature matches")
	errSecret    = errors.New("want whsec_ and base64 of 24 to 64 bytes")
)

func decodeSecret(s string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(s, "whsec_")
	key, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(key) < 24 || len(key) > 64 {
		return nil, errSecret
	}
	return key, nil
}

// verify checks a request as Standard Webhooks 1.0.0 describes: one of its
// signatures must be the HMAC of id, timestamp and body with one of the keys.
// Comparisons take constant time.
func verify(keys [][]byte, h http.Header, body []byte, now time.Time, tolerance time.Duration) error {
	id, stamp := h.Get("webhook-id"), h.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if id == "" || strings.Contains(id, ".") || err != nil || h.Get("webhook-signature") == "" {
		return errHeaders
	}
	// Whole seconds on both sides, so that no timestamp can overflow.
	if d := seconds - now.Unix(); d > int64(tolerance/time.Second) || d < -int64(tolerance/time.Second) {
		return errTimestamp
	}
	good := false
	for _, key := range keys {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + stamp + "."))
		mac.Write(body)
		want := mac.Sum(nil)
		for signature := range strings.FieldsSeq(h.Get("webhook-signature")) {
			encoded, v1 := strings.CutPrefix(signature, "v1,")
			if got, err := base64.StdEncoding.DecodeString(encoded); v1 && err == nil && hmac.Equal(got, want) {
				good = true
			}
		}
	}
	if !good {
		return errSignature
	}
	return nil
}
