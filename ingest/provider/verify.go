package provider

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Schemes that a Verifier names.
const (
	SchemeNone  = "none"
	SchemeBasic = "basic"
)

// Credentials are what a source is configured with. Which of them a provider
// takes, its Verifier says.
type Credentials struct {
	Username string
	// Passwords are the accepted ones: two while one is being replaced.
	Passwords []string
	// Keys check signatures: the provider's public key, or a secret that both
	// sides know. Two while one is being replaced.
	Keys []string
	// URL is the source's address as it was given to the provider, which some
	// sign.
	URL string
	// Header names the header that holds the signature, where senders differ.
	Header string
	// Topics are the Amazon SNS topics that are listened to, by ARN.
	Topics []string
	// Client fetches what a signature names: Amazon's certificates. nil: one
	// that reaches public addresses only.
	Client *http.Client
}

// CredentialError says which field of a source's credentials is wrong, and what
// to do.
type CredentialError struct {
	Field   string // username, password, key, url, header, topics
	Problem string
}

func (e *CredentialError) Error() string { return e.Field + ": " + e.Problem }

// Verifier checks that requests of one source come from the provider. It is safe
// for concurrent use.
type Verifier interface {
	// SignsBody tells whether Verify looks at the body. Where it does not, a
	// request is verified before its body is read.
	SignsBody() bool
	// Verify checks a request in constant time; now is the time to compare its
	// own with. The error is an *[AuthError], or another where that can't be told
	// now and the request is to be sent again.
	Verify(r *http.Request, body []byte, now time.Time) (Verified, error)
}

// Verified is what a request has shown.
type Verified struct {
	// Scheme is how it was shown; [SchemeNone] where nothing is configured.
	Scheme string
	// Token, where set, comes with one webhook only, until Until: whoever shows it
	// again repeats that webhook.
	Token string
	Until time.Time
	// Confirm, where set, is an address to fetch once the webhook is stored: the
	// provider asks by that whether its events are wanted.
	Confirm string
	// Notice, where set, is something that a person should know.
	Notice string
}

// Refusal is why a request is not accepted.
type Refusal int

// The refusals that providers answer to in ways of their own.
const (
	// RefusedForged: it does not come from the provider.
	RefusedForged Refusal = iota
	// RefusedRepeated: its token was shown before, and its webhook is stored.
	RefusedRepeated
	// RefusedTooLarge: it never will be accepted.
	RefusedTooLarge
	// RefusedBusy: it is to be sent again.
	RefusedBusy
	// RefusedUnasked: it shows no user and password, and is told that they are
	// wanted; some show them only then.
	RefusedUnasked
)

// Answerer is a provider that takes other answers than is usual: 401 to what is
// forged, 409 to what is repeated, 413 to what is too large and 503 or 429 to what is
// to be sent again.
//
// What is real may seem forged while a key is configured wrongly. It must be sent
// again then, for as long as the provider does that: it is there once the key is
// mended. A status that stops a provider is for what no configuration mends.
type Answerer interface {
	// Answer returns the status for a refusal, or 0 for the usual one.
	Answer(Refusal) int
}

// Prober is a provider that asks with other methods than POST whether an address
// is there, and wants 200.
type Prober interface {
	Probes(method string) bool
}

// AuthError refuses a request.
type AuthError struct {
	// Challenge is the value for WWW-Authenticate, where there is one.
	Challenge string
	Detail    string
}

func (e *AuthError) Error() string { return e.Detail }

func forged(format string, args ...any) error {
	return &AuthError{Detail: fmt.Sprintf(format, args...)}
}

const basicChallenge = `Basic realm="posthorn", charset="UTF-8"`

// basicVerifier checks Basic authentication, which is how a provider sends the
// user and password of a URL. Without credentials it takes everything.
type basicVerifier struct {
	open      bool
	username  digest
	passwords []digest
	headers   []digest // what the usual way to write each makes
}

// newBasicVerifier makes the verifier of a provider that signs nothing.
func newBasicVerifier(c Credentials) (Verifier, error) {
	switch {
	case len(c.Keys) > 0:
		return nil, &CredentialError{"key", "this provider signs nothing: leave it out and use username and password"}
	case c.Username == "" && len(c.Passwords) > 0:
		return nil, &CredentialError{"username", "is missing: it belongs to the password"}
	}
	v := basicVerifier{open: c.Username == "" && len(c.Passwords) == 0, username: digestOf(c.Username)}
	for _, p := range c.Passwords {
		v.passwords = append(v.passwords, digestOf(p))
		v.headers = append(v.headers, digestOf("Basic "+base64.StdEncoding.EncodeToString([]byte(c.Username+":"+p))))
	}
	return v, nil
}

func (basicVerifier) SignsBody() bool { return false }

// Verify makes all comparisons, over digests, so that time tells neither which
// part differs nor the lengths.
func (v basicVerifier) Verify(r *http.Request, _ []byte, _ time.Time) (Verified, error) {
	if v.open {
		return Verified{Scheme: SchemeNone}, nil
	}
	if digestOf(r.Header.Get("Authorization")).isOneOf(v.headers) == 1 {
		return Verified{Scheme: SchemeBasic}, nil
	}
	user, password, given := r.BasicAuth()
	if digestOf(password).isOneOf(v.passwords)&digestOf(user).equal(v.username) == 1 && given {
		return Verified{Scheme: SchemeBasic}, nil
	}
	detail := "the user or password is not the one configured for this source"
	if !given {
		detail = "this source requires Basic authentication: put user and password into the webhook's URL"
	}
	return Verified{}, &AuthError{Challenge: basicChallenge, Detail: detail}
}

// withBasic checks Basic authentication too, where it is configured beside a
// signature.
type withBasic struct {
	Verifier
	basic basicVerifier
}

// alsoBasic adds Basic authentication to v where c has it. Without keys there is
// nothing but that.
func alsoBasic(c Credentials, v Verifier) (Verifier, error) {
	basic := c
	basic.Keys = nil
	b, err := newBasicVerifier(basic)
	if err != nil || v == nil {
		return b, err
	}
	if c.Username == "" {
		return v, nil
	}
	return withBasic{v, b.(basicVerifier)}, nil
}

func (v withBasic) Verify(r *http.Request, body []byte, now time.Time) (Verified, error) {
	if _, err := v.basic.Verify(r, body, now); err != nil {
		return Verified{}, err
	}
	return v.Verifier.Verify(r, body, now)
}

// digest stands for a text in comparisons.
type digest [sha256.Size]byte

func digestOf(s string) digest { return sha256.Sum256([]byte(s)) }

// equal returns 1 or 0.
func (d digest) equal(o digest) int { return subtle.ConstantTimeCompare(d[:], o[:]) }

// isOneOf returns 1 or 0, and makes all comparisons.
func (d digest) isOneOf(all []digest) (ok int) {
	for _, o := range all {
		ok |= d.equal(o)
	}
	return ok
}

func equal(a, b string) int { return digestOf(a).equal(digestOf(b)) }

// tolerance is how far a signed time may be from now, either way.
const tolerance = 5 * time.Minute

// fresh reads the time of a signature, in seconds since 1970, and refuses one that
// is too far from now: whoever recorded a request can't repeat it later.
func fresh(seconds string, now time.Time) (time.Time, error) {
	return freshSince(seconds, now, tolerance)
}

// freshSince is like fresh where the provider sends again what it signed once: the
// time may lie further back.
func freshSince(seconds string, now time.Time, back time.Duration) (time.Time, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(seconds), 10, 64)
	if err != nil || n < 0 || n > 1<<40 {
		return time.Time{}, forged("the signature's timestamp %.20q is no time in seconds", seconds)
	}
	at := time.Unix(n, 0)
	if d := now.Sub(at); d > back || d < -tolerance {
		allowed := back
		if d < 0 {
			allowed = tolerance
		}
		return time.Time{}, forged("the signature's timestamp is %s away from this machine's clock, more than %s: is this an old request, or a clock wrong?", d.Round(time.Second).Abs(), allowed)
	}
	return at, nil
}
