package provider

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
)

// Schemes that Verify names.
const (
	SchemeNone  = "none"
	SchemeBasic = "basic"
)

// Credentials are what a source is configured with.
type Credentials struct {
	Username string
	// Passwords are the accepted ones: two while one is being replaced.
	Passwords []string
}

// IsZero tells whether nothing is configured: the source is open to all.
func (c Credentials) IsZero() bool { return c.Username == "" && len(c.Passwords) == 0 }

// AuthError refuses a request.
type AuthError struct {
	// Challenge is the value for WWW-Authenticate.
	Challenge string
	Detail    string
}

func (e *AuthError) Error() string { return e.Detail }

const basicChallenge = `Basic realm="posthorn", charset="UTF-8"`

// verifyBasic checks Basic authentication, which is how a provider sends the
// user and password of a URL. All comparisons are made, over digests, so that
// time tells neither which part differs nor the lengths.
func verifyBasic(r *http.Request, c Credentials) (scheme string, err error) {
	if c.IsZero() {
		return SchemeNone, nil
	}
	user, password, given := r.BasicAuth()
	ok := 0
	for _, p := range c.Passwords {
		ok |= equal(password, p)
	}
	if ok&equal(user, c.Username) == 1 && given {
		return SchemeBasic, nil
	}
	detail := "the user or password is not the one configured for this source"
	if !given {
		detail = "this source requires Basic authentication: put user and password into the webhook's URL"
	}
	return "", &AuthError{Challenge: basicChallenge, Detail: detail}
}

func equal(a, b string) int {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:])
}
