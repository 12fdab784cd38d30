package provider

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"strings"
	"time"
)

// SchemeECDSA is a signature by ECDSA on the curve P-256 over a timestamp and the
// body.
const SchemeECDSA = "ecdsa_p256_sha256"

const (
	sendgridSignature = "X-Twilio-Email-Event-Webhook-Signature"
	sendgridTimestamp = "X-Twilio-Email-Event-Webhook-Timestamp"
)

// sendgridVerifier checks SendGrid's signatures. It holds public keys only.
type sendgridVerifier struct{ keys []*ecdsa.PublicKey }

func newSendGridVerifier(c Credentials) (Verifier, error) {
	if len(c.Keys) == 0 {
		return alsoBasic(c, nil)
	}
	v := sendgridVerifier{}
	for _, text := range c.Keys {
		key, err := sendgridKey(text)
		if err != nil {
			return nil, err
		}
		v.keys = append(v.keys, key)
	}
	return alsoBasic(c, v)
}

// sendgridKey reads a public key, as SendGrid shows it or as PEM.
func sendgridKey(text string) (*ecdsa.PublicKey, error) {
	const remedy = ": copy the verification key that SendGrid shows under Mail Settings, Event Webhooks, Signature Verification"
	for _, frame := range [...]string{"-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----"} {
		text = strings.ReplaceAll(text, frame, "")
	}
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil, &CredentialError{"key", "is not base64" + remedy}
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, &CredentialError{"key", "is no public key" + remedy}
	}
	ec, ok := key.(*ecdsa.PublicKey)
	if !ok || ec.Curve != elliptic.P256() {
		return nil, &CredentialError{"key", "is a public key, but not for ECDSA on the curve P-256" + remedy}
	}
	return ec, nil
}

func (sendgridVerifier) SignsBody() bool { return true }

// Verify checks the signature over the timestamp's text and the body as it came,
// white space at its end included. All that it compares with is public.
func (v sendgridVerifier) Verify(r *http.Request, body []byte, now time.Time) (Verified, error) {
	timestamp, encoded := r.Header.Get(sendgridTimestamp), r.Header.Get(sendgridSignature)
	for _, h := range [...]struct{ name, value string }{{sendgridSignature, encoded}, {sendgridTimestamp, timestamp}} {
		if h.value == "" {
			return Verified{}, forged("the header %s is missing: enable Signed Event Webhook in SendGrid, and let proxies pass it on", h.name)
		}
	}
	signature, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return Verified{}, forged("the header %s is not base64", sendgridSignature)
	}
	if _, err := fresh(timestamp, now); err != nil {
		return Verified{}, err
	}
	h := sha256.New()
	h.Write([]byte(timestamp))
	h.Write(body)
	digest := h.Sum(nil)
	for _, key := range v.keys {
		if ecdsa.VerifyASN1(key, digest, signature) {
			return Verified{Scheme: SchemeECDSA}, nil
		}
	}
	return Verified{}, forged("the signature does not match: is this source's key the one that SendGrid shows for this webhook, and does nothing change the body on its way?")
}
