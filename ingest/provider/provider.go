// Package provider knows e-mail providers: how each one proves that a webhook
// is its own, and what its bodies say. A provider is one file (and what it
// needs beside it); nothing outside this package knows a provider's fields.
package provider

import (
	"fmt"
	"maps"
	"slices"

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

	// Verifier prepares the check of a source's requests. An error is a
	// *[CredentialError].
	Verifier(c Credentials) (Verifier, error)

	// Decode reads the body of w and calls yield for every element of it, in
	// order, with an event or an *[Error]: once, or where an element tells of
	// several recipients once for each; or once with index -1 and an *Error when
	// the body as a whole can't be read. A body that holds no events, a test or
	// a handshake, yields nothing.
	//
	// It fills in what follows from the webhook and the body alone. OccurredAt
	// is the provider's time, or zero where there is none that can be read;
	// RecipientID, ArrivedAt and the place of RawRef are left to the caller.
	//
	// The event is valid during the call of yield; a copy of it may be kept.
	// Its strings share memory with w.Body, which must not be changed after.
	Decode(w *schemas.Webhook, yield func(index int, ev *schemas.Event, err error))
}

// providers are all that there are, by name.
var providers = byName(Brevo{}, JSON{}, Mailgun{}, Mailjet{}, Mandrill{}, Native{}, Postmark{}, Resend{}, SES{}, SendGrid{}, SparkPost{}, StandardWebhooks{})

func byName(list ...Provider) map[string]Provider {
	m := map[string]Provider{}
	for _, p := range list {
		m[p.Name()] = p
	}
	return m
}

// ByName returns the provider of that name.
func ByName(name string) (Provider, bool) {
	p, ok := providers[name]
	return p, ok
}

// Names lists the providers in alphabetical order.
func Names() []string { return slices.Sorted(maps.Keys(providers)) }

// Placeable returns an *Error if the event names neither a recipient nor a message:
// a decoder gives all that a body says, but such an event belongs nowhere.
func Placeable(ev *schemas.Event) error {
	if ev.Recipient == "" && ev.MessageID == "" {
		return &Error{Reason: ReasonMissingField, Field: "recipient", Detail: "neither recipient nor message is known"}
	}
	return nil
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
	ReasonBadForm      = "bad_form"
	ReasonBadEncoding  = "bad_encoding"
	ReasonNotAnEvent   = "not_an_event"
	ReasonMissingField = "missing_field"
	ReasonBadField     = "bad_field"
)
