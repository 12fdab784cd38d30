package provider

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"net/http"
	"strings"
	"time"

	"github.com/posthorn/posthorn/ingest/provider/jsonscan"
	"github.com/posthorn/posthorn/schemas"
)

// SchemeMailgun is the signature in Mailgun's bodies.
const SchemeMailgun = "mailgun_signature"

// mailgunRetries is how old a signature may be. Mailgun sends again for eight hours
// what was not taken, and it is not known that it signs anew each time: a shorter
// time would refuse what is honest just when the gateway was down for long.
// Until a signature is too old, its token is remembered.
const mailgunRetries = 9 * time.Hour

// Mailgun posts one event a request: as JSON beside a signature, or with its legacy
// webhooks as a form that holds both. Time and token are signed, and nothing else.
//
// https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhooks
type Mailgun struct{}

// Name returns "mailgun".
func (Mailgun) Name() string { return "mailgun" }

// Version returns the version of this decoder.
func (Mailgun) Version() int32 { return 1 }

// Answer stops Mailgun, which 406 alone does, where sending again can't help. What
// seems forged is refused as usual, to be sent again for eight hours: when it is the
// key that is configured wrongly, or this machine's clock, there is that time to
// correct it and nothing is lost.
func (Mailgun) Answer(why Refusal) int {
	switch why {
	case RefusedRepeated, RefusedTooLarge:
		return http.StatusNotAcceptable
	}
	return 0
}

// Verifier checks the signature in the body.
func (Mailgun) Verifier(c Credentials) (Verifier, error) {
	if len(c.Keys) == 0 {
		return alsoBasic(c, nil)
	}
	var v mailgunVerifier
	for _, key := range c.Keys {
		if key = strings.TrimSpace(key); key == "" {
			return nil, &CredentialError{"key", "is empty: copy the HTTP webhook signing key from Mailgun's settings"}
		}
		v.keys = append(v.keys, []byte(key))
	}
	return alsoBasic(c, v)
}

type mailgunVerifier struct{ keys [][]byte }

func (mailgunVerifier) SignsBody() bool { return true }

// Verify checks time and token. They are signed as one text without anything between
// them, so it is that text which comes once.
func (v mailgunVerifier) Verify(r *http.Request, body []byte, now time.Time) (Verified, error) {
	s, err := readMailgunSignature(r.Header.Get("Content-Type"), body)
	if err != nil {
		return Verified{}, err
	}
	signed := s.timestamp + s.token
	ok := false
	for _, signature := range s.signatures {
		for _, key := range v.keys {
			ok = validMAC(sha256.New, key, []byte(signed), signature) || ok
		}
	}
	if !ok {
		return Verified{}, forged("the signature is made by none of this source's keys: compare them with the HTTP webhook signing key in Mailgun's settings, which is not the API key")
	}
	at, err := freshSince(s.timestamp, now, mailgunRetries)
	if err != nil {
		return Verified{}, err
	}
	return Verified{Scheme: SchemeMailgun, Token: signed, Until: at.Add(mailgunRetries)}, nil
}

// validMAC compares in constant time.
func validMAC(digest func() hash.Hash, key, text, signature []byte) bool {
	mac := hmac.New(digest, key)
	mac.Write(text)
	return hmac.Equal(mac.Sum(nil), signature)
}

type mailgunSignature struct {
	timestamp, token string
	signatures       [][]byte
}

// maxMailgunToken bounds what is remembered of a request.
const maxMailgunToken = 256

// readMailgunSignature finds the signature: an object in JSON, or beside the fields of
// the event. Events of a subaccount are signed with the account's key too.
func readMailgunSignature(contentType string, body []byte) (s mailgunSignature, _ error) {
	var shown []string
	if isJSON(contentType, body) {
		root, err := jsonscan.Parse(bytes.TrimPrefix(body, byteOrderMark))
		if err != nil {
			return s, forged("the body is not JSON, so there is no signature in it")
		}
		from := root
		if o := lookup(root, "signature"); o.Kind == jsonscan.Object {
			from = o
		}
		s.timestamp, s.token = textAt(from, "timestamp"), textAt(from, "token")
		shown = []string{textAt(from, "signature"), textAt(from, "parent-signature")}
	} else {
		f, err := parseForm(contentType, body)
		if err != nil {
			return s, forged("the body is neither JSON nor a form, so there is no signature in it")
		}
		// Data of the sender's that has the same names stands before these.
		s.timestamp, s.token = f.last("timestamp"), f.last("token")
		shown = []string{f.last("signature")}
	}
	for _, text := range shown {
		if sum, err := hex.DecodeString(strings.TrimSpace(text)); err == nil && len(sum) == sha256.Size {
			s.signatures = append(s.signatures, sum)
		}
	}
	switch {
	case strings.Join(shown, "") == "" || s.timestamp == "" || s.token == "":
		return s, forged("the body lacks timestamp, token or signature: this source takes what Mailgun signs only")
	case len(s.signatures) == 0 || len(s.token) > maxMailgunToken:
		return s, forged("the body's token or signature is none of Mailgun's: 32 bytes in hex are expected as the signature")
	}
	return s, nil
}

// Decode reads an event, of either form, or an array of them.
func (p Mailgun) Decode(w *schemas.Webhook, yield func(index int, ev *schemas.Event, err error)) {
	d := newDecoder(p, w, yield)
	if !isJSON(w.ContentType, w.Body) {
		f, err := parseForm(w.ContentType, w.Body)
		if err != nil {
			d.refuse(-1, &Error{Reason: ReasonBadForm, Detail: "the body is neither JSON nor a form: " + err.Error()})
			return
		}
		ev := d.event(0)
		d.mailgun(ev, readMailgunForm(ev, f))
		return
	}
	if root, ok := d.parse(w.Body); ok {
		d.elements(root, func(i int, o jsonscan.Value) {
			ev := d.event(i)
			d.mailgun(ev, readMailgunObject(ev, o))
		})
	}
}
