// Package provider knows e-mail providers: how each one proves that a webhook
// is its own, and what its bodies say. A provider is one file (and what it
// needs beside it); nothing outside this package knows a provider's fields.
package provider

import (
	"fmt"
	"net/http"

	"github.com/posthorn/posthorn/schemas"
)

// Provider verifies and decodes the webhooks of one e-mail provider. It has no
// state and is safe for concurrent use.
type Provider interface {
	// Name is the name in configuration and records.
	Name() string

	// Version is the version of Decode, stored with what it made or refused. It
	// grows when an event is read differently than before.
	Version() int32

	// SignsBody tells whether Verify looks at the body. Where it does not, a
	// request is verified before its body is read.
	SignsBody() bool

	// Verify checks that a request comes from the provider, in constant time,
	// and names the scheme that showed it; [SchemeNone] where none is
	// configured. The error is an *[AuthError].
	Verify(r *http.Request, body []byte, c Credentials) (scheme string, err error)

	// Decode reads the body of w and calls yield once for every element of it,
	// in order, with an event or an *[Error]; or once with index -1 and an
	// *Error when the body as a whole can't be read.
	//
	// It fills in what follows from the webhook and the body alone. OccurredAt
	// is the provider's time, or zero where there is none that can be read;
	// RecipientID, ArrivedAt and the place of RawRef are left to the caller.
	//
	// The event is valid during the call of yield; a copy of it may be kept.
	// Its strings share memory with w.Body, which must not be changed after.
	Decode(w *schemas.Webhook, yield func(index int, ev *schemas.Event, err error))
}

// ByName returns the provider of that name.
func ByName(name string) (Provider, bool) {
	switch name {
	case mailjetName:
		return Mailjet{}, true
	}
	return nil, false
}

// Error says why a body, or one element of it, was refused.
type Error struct {
	Reason string // short code, as in Rejection
	Field  string // field concerned, where there is one
	Detail string // for a person
}

func (e *Error) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("%s: %s", e.Reason, e.Detail)
	}
	return fmt.Sprintf("%s: %s: %s", e.Reason, e.Field, e.Detail)
}

// Reasons of an Error.
const (
	ReasonBadJSON      = "bad_json"
	ReasonNotAnEvent   = "not_an_event"
	ReasonMissingField = "missing_field"
	ReasonBadField     = "bad_field"
)
