// Package console knows what stands beside a provider's webhooks: what a person
// sets in its console so that they come, and what a webhook of its looks like, as a
// sample that can be posted.
package console

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/posthorn/posthorn/ingest/provider"
)

// Way is how the requests of a source show that they are the provider's own.
type Way string

// The ways that there are.
const (
	// Basic is a user and password in the URL.
	Basic Way = "basic"
	// Bearer is a key in the header Authorization.
	Bearer Way = "bearer"
	// Header is a key, or a signature by it, in a header that both sides name.
	Header Way = "header"
	// Signature is the provider's own.
	Signature Way = "signature"
)

// Console is what is known of a provider beside its webhooks.
type Console struct {
	// Ways are those that can be chosen, the usual one first.
	Ways []Way
	// Signs names the provider's signature, where it has one.
	Signs string
	// Key says what the key of the signature is and where it is found; empty
	// where both sides may be given one.
	Key string
	// NewKey makes a key for Signature; nil where the provider makes it.
	NewKey func() string
	// Header is the usual one for Header.
	Header string
	// Path is where senders post to instead of the source's own address.
	Path string
	// Topics: the source must name the Amazon SNS topics.
	Topics bool

	steps  func(s Setup) []string
	sample func(b *builder)
}

// Setup is what the steps in a console depend on.
type Setup struct {
	// Name is the source's.
	Name string
	// URL is the source's public address, without user and password.
	URL string
	// Paste is the address as it is given to the provider.
	Paste string
	Way   Way
	// Username and Password are those in Paste.
	Username, Password string
	Header             string
	// Key is the key where it is to be given to the provider, else empty.
	Key string
	// KeyFile is where the key is kept.
	KeyFile string
	Topics  []string
}

// Of returns the console of a provider.
func Of(name string) (Console, bool) {
	c, ok := consoles[name]
	return c, ok
}

// Steps says what to set in the provider's console, a step each.
func (c Console) Steps(s Setup) []string { return c.steps(s) }

// WayOf returns how a source with these credentials is verified, for a person.
func WayOf(name string, c provider.Credentials) string {
	console := consoles[name]
	var ways []string
	switch {
	case console.Topics:
		ways = append(ways, console.Signs)
	case len(c.Keys) == 0:
	case console.Signs == "" && c.Header == "":
		ways = append(ways, "bearer token")
	case console.Signs == "":
		ways = append(ways, "header "+c.Header)
	case c.Header != "":
		ways = append(ways, console.Signs+" in "+c.Header)
	default:
		ways = append(ways, console.Signs)
	}
	if c.Username != "" {
		ways = append(ways, "Basic authentication")
	}
	if len(ways) == 0 {
		return "nothing: open to everybody"
	}
	return strings.Join(ways, " and ")
}

// Has tells whether a way can be chosen.
func (c Console) Has(w Way) bool { return slices.Contains(c.Ways, w) }

// Lengths of what is generated, in bytes. A password stands in a URL, of which not
// every provider takes long ones.
const (
	passwordBytes = 16
	keyBytes      = 32
)

// NewPassword makes a password that goes into a URL as it is.
func NewPassword() string { return hex.EncodeToString(random(passwordBytes)) }

// NewKey makes a key that goes into a header as it is.
func NewKey() string { return hex.EncodeToString(random(keyBytes)) }

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // it never fails
	return b
}

// newWhsec makes a secret as Standard Webhooks wants it.
func newWhsec() string { return "whsec_" + base64.StdEncoding.EncodeToString(random(keyBytes)) }
