package provider

import (
	"net/http"
	"net/textproto"
	"strings"
	"time"
)

// SchemeToken is a secret that stands in a header as it is.
const SchemeToken = "token"

// tokenVerifier checks for a secret in a header.
type tokenVerifier struct {
	header string // canonical
	keys   []string
}

const authorization = "Authorization"

// newTokenVerifier makes the verifier of a provider that signs nothing but sends
// headers of the user's choice. header is where the keys are looked for.
func newTokenVerifier(c Credentials, header string) (Verifier, error) {
	header = textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(header))
	switch {
	case len(c.Keys) == 0 && c.Header != "":
		return nil, &CredentialError{"key", "is missing: it is the value of the header " + header + " that is configured with the provider"}
	case len(c.Keys) == 0:
		return alsoBasic(c, nil)
	case header == "":
		return nil, &CredentialError{"header", "is missing: it is the name of the header that is configured with the provider to hold the key"}
	case header == authorization && c.Username != "":
		return nil, &CredentialError{"username", "can't be sent beside a bearer token, which takes the same header: leave out username and password, or the key"}
	}
	for _, key := range c.Keys {
		if strings.TrimSpace(key) == "" {
			return nil, &CredentialError{"key", "is empty: give the value of the header " + header + " that is configured with the provider"}
		}
	}
	return alsoBasic(c, tokenVerifier{header, c.Keys})
}

func (tokenVerifier) SignsBody() bool { return false }

// Verify makes all comparisons, over digests, as basicVerifier does.
func (v tokenVerifier) Verify(r *http.Request, _ []byte, _ time.Time) (Verified, error) {
	shown := strings.TrimSpace(r.Header.Get(v.header))
	if shown == "" {
		return Verified{}, forged("the header %s is missing, in which this source expects its key: add it to the webhook in the provider's console", v.header)
	}
	ok := 0
	for _, key := range v.keys {
		ok |= equal(v.credential(shown), v.credential(strings.TrimSpace(key)))
	}
	if ok == 0 {
		return Verified{}, forged("the value of the header %s is not the key configured for this source", v.header)
	}
	return Verified{Scheme: SchemeToken}, nil
}

// credential returns what stands behind "Bearer" in Authorization, and the value of
// any other header whole.
func (v tokenVerifier) credential(s string) string {
	const scheme = "Bearer "
	if v.header == authorization && len(s) > len(scheme) && strings.EqualFold(s[:len(scheme)], scheme) {
		return strings.TrimSpace(s[len(scheme):])
	}
	return s
}
