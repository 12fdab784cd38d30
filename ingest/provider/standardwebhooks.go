package provider

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// SchemeStandardWebhooks is the signature of Standard Webhooks, which Svix and
// its users send under header names of their own.
//
// https://www.standardwebhooks.com
const SchemeStandardWebhooks = "standard_webhooks"

const (
	secretPrefix    = "whsec_"
	publicKeyPrefix = "whpk_"
)

// standardHeaders are the two sets of header names: id, timestamp, signature.
var standardHeaders = [...][3]string{
	{"Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"},
	{"Svix-Id", "Svix-Timestamp", "Svix-Signature"},
}

// maxWebhookID bounds what is remembered of a request.
const maxWebhookID = 256

// standardVerifier checks signatures of "id.timestamp.body": v1, HMAC-SHA256 by a
// shared secret, and v1a, Ed25519 by a public key.
type standardVerifier struct {
	secrets [][]byte
	public  []ed25519.PublicKey
}

// newStandardVerifier takes secrets ("whsec_" and base64), public keys ("whpk_" and
// base64), and secrets without a prefix. Of those some senders use the text itself
// and others what it says in base64: both are tried. Basic authentication is
// checked too where it is configured.
func newStandardVerifier(c Credentials) (Verifier, error) {
	var v standardVerifier
	for _, key := range c.Keys {
		key = strings.TrimSpace(key)
		text, isSecret := strings.CutPrefix(key, secretPrefix)
		text, isPublic := strings.CutPrefix(text, publicKeyPrefix)
		decoded, err := base64Any(text)
		switch {
		case text == "":
			return nil, &CredentialError{"key", "is empty: copy the signing secret of the webhook from the sender's console"}
		case isPublic && (err != nil || len(decoded) != ed25519.PublicKeySize):
			return nil, &CredentialError{"key", "is no public key: behind " + publicKeyPrefix + " 32 bytes in base64 are expected; copy it again as a whole"}
		case isPublic:
			v.public = append(v.public, decoded)
		case isSecret && (err != nil || len(decoded) == 0):
			return nil, &CredentialError{"key", "is no signing secret: behind " + secretPrefix + " base64 is expected; copy it again as a whole"}
		case isSecret:
			v.secrets = append(v.secrets, decoded)
		default:
			v.secrets = append(v.secrets, []byte(text))
			if err == nil && len(decoded) > 0 {
				v.secrets = append(v.secrets, decoded)
			}
		}
	}
	if len(c.Keys) == 0 {
		return alsoBasic(c, nil)
	}
	return alsoBasic(c, v)
}

// base64Any decodes base64 of either alphabet, padded or not.
func base64Any(s string) ([]byte, error) {
	s = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(s, "="))
	return base64.RawStdEncoding.DecodeString(s)
}

func (standardVerifier) SignsBody() bool { return true }

func (v standardVerifier) Verify(r *http.Request, body []byte, now time.Time) (Verified, error) {
	id, timestamp, signatures, err := standardSignature(r.Header)
	if err != nil {
		return Verified{}, err
	}
	at, err := fresh(timestamp, now)
	if err != nil {
		return Verified{}, err
	}
	signed := make([]byte, 0, len(id)+len(timestamp)+len(body)+2)
	signed = append(append(append(signed, id...), '.'), timestamp...)
	signed = append(append(signed, '.'), body...)
	if !v.signedBy(signed, signatures) {
		return Verified{}, forged("the signature does not fit the body and this source's key: is it the secret of this very webhook, and does nothing between change the body?")
	}
	return Verified{Scheme: SchemeStandardWebhooks, Token: id, Until: at.Add(tolerance)}, nil
}

// signedBy tells whether one signature of the list is one of the keys'.
func (v standardVerifier) signedBy(signed []byte, signatures []string) bool {
	sums := make([][]byte, len(v.secrets))
	for i, secret := range v.secrets {
		mac := hmac.New(sha256.New, secret)
		mac.Write(signed)
		sums[i] = mac.Sum(nil)
	}
	ok := false
	for _, s := range signatures {
		version, encoded, _ := strings.Cut(s, ",")
		signature, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			continue
		}
		switch version {
		case "v1":
			for _, sum := range sums {
				ok = hmac.Equal(signature, sum) || ok
			}
		case "v1a":
			for _, key := range v.public {
				ok = ed25519.Verify(key, signed, signature) || ok
			}
		}
	}
	return ok
}

// maxSignatures bounds the work of a request: senders sign with two keys at most,
// and in two versions.
const maxSignatures = 16

// standardSignature returns the headers of the set that is complete.
func standardSignature(h http.Header) (id, timestamp string, signatures []string, _ error) {
	var missing []string
	for _, names := range standardHeaders {
		id, timestamp, signatures = h.Get(names[0]), h.Get(names[1]), strings.Fields(h.Get(names[2]))
		if id != "" && timestamp != "" && len(signatures) > 0 {
			switch {
			case len(id) > maxWebhookID:
				return "", "", nil, forged("the header %s is longer than %d bytes", names[0], maxWebhookID)
			case len(signatures) > maxSignatures:
				return "", "", nil, forged("the header %s has more than %d signatures", names[2], maxSignatures)
			}
			return id, timestamp, signatures, nil
		}
		if id != "" || timestamp != "" || len(signatures) > 0 {
			for i, s := range [...]string{id, timestamp, strings.Join(signatures, "")} {
				if s == "" {
					missing = append(missing, names[i])
				}
			}
		}
	}
	if len(missing) > 0 {
		return "", "", nil, forged("the header %s is missing", strings.Join(missing, " and "))
	}
	return "", "", nil, forged("the request is not signed: the headers webhook-id, webhook-timestamp and webhook-signature, or svix-id, svix-timestamp and svix-signature, are expected")
}

// webhookID returns the sender's id of the webhook, which is the same when it is
// sent again.
func webhookID(w *schemas.Webhook) string {
	for _, names := range standardHeaders {
		if id := w.Headers[strings.ToLower(names[0])]; id != "" {
			return id
		}
	}
	return ""
}

// standardAnswer is what senders of Standard Webhooks need: they count anything but
// 2xx as not arrived, and what is repeated is stored already.
func standardAnswer(why Refusal) int {
	if why == RefusedRepeated {
		return http.StatusOK
	}
	return 0
}
