package delivery

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// secretPrefix marks a symmetric secret of Standard Webhooks.
const secretPrefix = "whsec_"

type secret []byte

// parseSecret reads whsec_ and base64 of 24 to 64 bytes. Its errors never hold
// the secret.
func parseSecret(s string) (secret, error) {
	encoded, ok := strings.CutPrefix(s, secretPrefix)
	if !ok {
		return nil, errors.New("does not begin with whsec_; make one with: echo whsec_$(openssl rand -base64 32)")
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, errors.New("is not base64 after whsec_; make one with: echo whsec_$(openssl rand -base64 32)")
	}
	if len(key) < 24 || len(key) > 64 {
		return nil, fmt.Errorf("holds %d bytes; Standard Webhooks asks for 24 to 64: echo whsec_$(openssl rand -base64 32)", len(key))
	}
	return key, nil
}

// sign returns webhook-signature: "v1," and the base64 HMAC-SHA256 of
// "id.timestamp.body", once for each secret, separated by spaces.
func sign(secrets []secret, id string, at time.Time, body []byte) string {
	var out []byte
	for _, key := range secrets {
		if len(out) > 0 {
			out = append(out, ' ')
		}
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
		mac.Write(body)
		out = append(out, "v1,"...)
		out = base64.StdEncoding.AppendEncode(out, mac.Sum(nil))
	}
	return string(out)
}
