package provider

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/posthorn/posthorn/ingest/provider/jsonscan"
	"github.com/posthorn/posthorn/schemas"
)

// Schemes of Mandrill.
const (
	SchemeMandrill = "mandrill_signature"
	// SchemeMandrillTest is a test with no events in it, signed with a key that
	// everybody knows.
	SchemeMandrillTest = "mandrill_test"
)

const (
	mandrillEvents  = "mandrill_events"
	mandrillHeader  = "X-Mandrill-Signature"
	mandrillTestKey = "test-webhook"
)

// Mandrill (Mailchimp Transactional) posts a form with one field, a JSON array of up
// to 1000 events. It signs the address as it was entered there and the form, but
// no time: what was recorded can be posted again, and is then removed as events.
//
// https://mailchimp.com/developer/transactional/guides/track-respond-activity-webhooks/
type Mandrill struct{}

// Name returns "mandrill".
func (Mandrill) Name() string { return "mandrill" }

// Version returns the version of this decoder.
func (Mandrill) Version() int32 { return 1 }

// Probes: Mandrill looks whether an address is there before it takes it.
func (Mandrill) Probes(method string) bool {
	return method == http.MethodHead || method == http.MethodGet
}

// Verifier checks X-Mandrill-Signature.
func (Mandrill) Verifier(c Credentials) (Verifier, error) {
	if len(c.Keys) == 0 {
		return alsoBasic(c, nil)
	}
	v := mandrillVerifier{url: strings.TrimSpace(c.URL)}
	for _, key := range c.Keys {
		key = strings.TrimSpace(key)
		switch key {
		case "":
			return nil, &CredentialError{"key", "is empty: copy the key of the webhook from Mandrill's settings"}
		case mandrillTestKey:
			return nil, &CredentialError{"key", "is the one of Mandrill's tests, which everybody knows: copy the key of the webhook from Mandrill's settings"}
		}
		v.keys = append(v.keys, []byte(key))
	}
	if v.url == "" {
		return nil, &CredentialError{"url", "is missing: Mandrill signs the address of the webhook, so give it exactly as it was entered there, with user and password, query and trailing slash"}
	}
	if u, err := url.Parse(v.url); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, &CredentialError{"url", "is no address of a webhook: give it exactly as it was entered with Mandrill, as https://..."}
	}
	return alsoBasic(c, v)
}

type mandrillVerifier struct {
	url  string
	keys [][]byte
}

func (mandrillVerifier) SignsBody() bool { return true }

// Verify checks the signature over the address, and names and decoded values of the
// fields in the order of their names.
//
// When a webhook is created there is no key for it yet, and Mandrill creates none
// unless a test is answered with 200. So that is taken, signed with a key that is no
// secret, but only if it is the empty list and nothing else: nobody gets an event
// in by it.
func (v mandrillVerifier) Verify(r *http.Request, body []byte, _ time.Time) (Verified, error) {
	shown := strings.TrimSpace(r.Header.Get(mandrillHeader))
	if shown == "" {
		return Verified{}, forged("the header %s is missing: this source takes what Mandrill signs only", mandrillHeader)
	}
	signature, err := base64.StdEncoding.DecodeString(shown)
	if err != nil || len(signature) != sha1.Size {
		return Verified{}, forged("the header %s is no signature: 20 bytes in base64 are expected", mandrillHeader)
	}
	f, err := parseForm(r.Header.Get("Content-Type"), body)
	if err != nil || len(f.all(mandrillEvents)) != 1 {
		return Verified{}, forged("the body is no form with one field %s, which is what Mandrill signs", mandrillEvents)
	}
	signed := mandrillSigned(v.url, f)
	ok := false
	for _, key := range v.keys {
		ok = validMAC(sha1.New, key, signed, signature) || ok
	}
	switch {
	case ok:
		return Verified{Scheme: SchemeMandrill}, nil
	case len(f) == 1 && f[0].value == "[]" && validMAC(sha1.New, []byte(mandrillTestKey), signed, signature):
		return Verified{Scheme: SchemeMandrillTest}, nil
	}
	return Verified{}, forged("the signature is made by none of this source's keys, or for another address: compare the key, and url with the address that was entered with Mandrill")
}

// mandrillSigned is the text that is signed.
func mandrillSigned(address string, f form) []byte {
	sorted := slices.Clone(f)
	slices.SortStableFunc(sorted, func(a, b formField) int { return strings.Compare(a.name, b.name) })
	text := bytes.NewBufferString(address)
	for _, field := range sorted {
		text.WriteString(field.name)
		text.WriteString(field.value)
	}
	return text.Bytes()
}

// Decode reads the events of the form's field, or of a body that is its value.
func (p Mandrill) Decode(w *schemas.Webhook, yield func(index int, ev *schemas.Event, err error)) {
	d := newDecoder(p, w, yield)
	text := w.Body
	if !isJSON(w.ContentType, text) {
		f, err := parseForm(w.ContentType, text)
		if err != nil {
			d.refuse(-1, &Error{Reason: ReasonBadForm, Detail: "the body is not a form: " + err.Error()})
			return
		}
		if len(f.all(mandrillEvents)) == 0 {
			d.refuse(-1, &Error{Reason: ReasonMissingField, Field: mandrillEvents, Detail: "the form has no such field"})
			return
		}
		text = []byte(f.first(mandrillEvents))
	}
	if root, ok := d.parse(text); ok {
		d.elements(mandrillList(root), func(i int, o jsonscan.Value) {
			if list := mandrillList(o); list.Kind == jsonscan.Array {
				for all := list.Elements(); all.Next(); {
					d.mandrill(i, all.Value())
				}
				return
			}
			d.mandrill(i, o)
		})
	}
}

// mandrillList returns the events of an object that something on the way has made
// of the form, or that logs it; anything else as it is.
func mandrillList(v jsonscan.Value) jsonscan.Value {
	for _, path := range [...][]string{{mandrillEvents}, {"params", mandrillEvents}} {
		list := lookup(v, path...)
		if list.Kind == jsonscan.String {
			list, _ = jsonscan.Parse(list.Bytes())
		}
		if list.Kind == jsonscan.Array {
			return list
		}
	}
	return v
}
