package provider

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/textproto"
	"strings"
	"time"

	"github.com/posthorn/posthorn/ingest/provider/jsonscan"
	"github.com/posthorn/posthorn/schemas"
)

// StandardWebhooks is any sender of Standard Webhooks whose events are native ones,
// as its data or beside its type; see nativeField.
type StandardWebhooks struct{}

// Name returns "standard-webhooks".
func (StandardWebhooks) Name() string { return "standard-webhooks" }

// Version returns the version of this decoder.
func (StandardWebhooks) Version() int32 { return 1 }

// Verifier takes secrets and public keys.
func (StandardWebhooks) Verifier(c Credentials) (Verifier, error) { return newStandardVerifier(c) }

// Answer accepts what is repeated.
func (StandardWebhooks) Answer(why Refusal) int { return standardAnswer(why) }

// Decode reads {"type", "timestamp", "data"}, or native events without such a wrap.
func (p StandardWebhooks) Decode(w *schemas.Webhook, yield func(index int, ev *schemas.Event, err error)) {
	newDecoder(p, w, yield).natives(webhookID(w))
}

// JSON is any sender that signs native events, one or an array of them, by HMAC-SHA256
// of the body in a header; see nativeField.
type JSON struct{}

// Name returns "json".
func (JSON) Name() string { return "json" }

// Version returns the version of this decoder.
func (JSON) Version() int32 { return 1 }

// Decode reads an event, an array of them, or {"events": [...]}.
func (p JSON) Decode(w *schemas.Webhook, yield func(index int, ev *schemas.Event, err error)) {
	newDecoder(p, w, yield).natives("")
}

// natives reads a body of native events.
func (d *decoder) natives(webhookID string) {
	root, ok := d.parse(d.w.Body)
	if !ok {
		return
	}
	if list := lookup(root, "events"); list.Kind == jsonscan.Array && lookup(root, "type").Kind == jsonscan.Missing {
		root = list
	}
	d.elements(root, func(i int, o jsonscan.Value) { d.decodeNative(i, o, webhookID) })
}

// SchemeHMAC is an HMAC-SHA256 of the body in a header.
const SchemeHMAC = "hmac_sha256"

// hmacVerifier checks an HMAC-SHA256 of the body, as hex or base64.
type hmacVerifier struct {
	header string // canonical
	keys   []string
}

// Verifier takes keys, used as they are, and the name of the header with the
// signature.
func (JSON) Verifier(c Credentials) (Verifier, error) {
	header := textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(c.Header))
	switch {
	case len(c.Keys) == 0 && header != "":
		return nil, &CredentialError{"key", "is missing: it is the secret that the sender makes the header " + header + " with"}
	case len(c.Keys) == 0:
		return alsoBasic(c, nil)
	case header == "":
		return nil, &CredentialError{"header", "is missing: name the header that holds the signature, as X-Signature"}
	}
	for _, key := range c.Keys {
		if key == "" {
			return nil, &CredentialError{"key", "is empty: give the secret that the sender makes the header " + header + " with"}
		}
	}
	return alsoBasic(c, hmacVerifier{header, c.Keys})
}

func (hmacVerifier) SignsBody() bool { return true }

func (v hmacVerifier) Verify(r *http.Request, body []byte, _ time.Time) (Verified, error) {
	value := strings.TrimSpace(r.Header.Get(v.header))
	if value == "" {
		return Verified{}, forged("the header %s is missing, in which this source expects the signature", v.header)
	}
	signatures := hmacSignatures(value)
	if len(signatures) == 0 {
		return Verified{}, forged("the header %s holds no HMAC-SHA256: 32 bytes in hex or base64 are expected, as they are or behind \"sha256=\"", v.header)
	}
	ok := false
	for _, key := range v.keys {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write(body)
		sum := mac.Sum(nil)
		for _, s := range signatures {
			ok = hmac.Equal(s, sum) || ok
		}
	}
	if !ok {
		return Verified{}, forged("the signature in the header %s does not fit the body and this source's key: does nothing between change the body?", v.header)
	}
	return Verified{Scheme: SchemeHMAC}, nil
}

// hmacSignatures reads the 32 bytes of a signature, with or without a prefix that
// names the method ("sha256=", "v1,", "HMAC-SHA256 "); of a list, one for each key,
// all up to maxSignatures.
func hmacSignatures(value string) (all [][]byte) {
	for _, s := range strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ';' || r == ' ' }) {
		if len(all) == maxSignatures {
			break
		}
		for _, encoded := range [...]string{s, s[strings.IndexAny(s, "=:")+1:]} {
			if b, ok := hmacBytes(encoded); ok {
				all = append(all, b)
				break
			}
		}
	}
	return all
}

func hmacBytes(s string) ([]byte, bool) {
	if len(s) == hex.EncodedLen(sha256.Size) {
		b, err := hex.DecodeString(s)
		return b, err == nil
	}
	b, err := base64Any(s)
	return b, err == nil && len(b) == sha256.Size && len(s) <= base64.StdEncoding.EncodedLen(sha256.Size)
}
