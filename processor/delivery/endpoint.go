package delivery

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strings"

	"github.com/posthorn/posthorn/processor/delivery/body"
)

// DefaultConcurrency is the number of calls to one endpoint at a time.
const DefaultConcurrency = 8

// Endpoint is where triggers are sent.
type Endpoint struct {
	// Name is what rules refer to.
	Name string
	URL  string
	// Secrets are one, or during a rotation two, of the form whsec_ and base64
	// of 24 to 64 bytes. Every call is signed with each.
	Secrets []string
	// AllowPrivate allows addresses that are not public, and http without TLS.
	AllowPrivate bool
	// Concurrency bounds the calls at a time; 0: DefaultConcurrency.
	Concurrency int
	// Rate bounds the calls a second of one worker; 0: no bound.
	Rate float64

	// Action is what calls do: one of Actions, empty: ActionCallback, which alone
	// has URL, Secrets, Headers and Template.
	Action string
	// Headers are sent with callbacks. Their values are never told.
	Headers map[string]string
	// Template makes the body of callbacks; nil: body.Default.
	Template *body.Template
	// Mailjet is of the other actions.
	Mailjet *Mailjet
}

// endpoint is a checked Endpoint.
type endpoint struct {
	name        string
	action      action
	publicURL   string // without userinfo and query
	concurrency int
	rate        float64
	client      *http.Client
}

// Validate tells what is wrong with the endpoint and how to mend it.
func (e Endpoint) Validate() error {
	_, err := e.prepare()
	return err
}

func (e Endpoint) prepare() (*endpoint, error) {
	var errs []error
	wrong := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("endpoint %q: %s: %s", e.Name, field, fmt.Sprintf(format, args...)))
	}
	if e.Name == "" {
		wrong("name", "missing; rules refer to an endpoint by its name")
	}
	prepared := &endpoint{name: e.Name, action: e.action(wrong), concurrency: e.Concurrency, rate: e.Rate}
	if prepared.concurrency == 0 {
		prepared.concurrency = DefaultConcurrency
	}
	if prepared.concurrency < 1 || prepared.concurrency > 1000 {
		wrong("concurrency", "%d; give 1 to 1000, or leave it out for %d", e.Concurrency, DefaultConcurrency)
	}
	if e.Rate < 0 || math.IsNaN(e.Rate) || math.IsInf(e.Rate, 0) {
		wrong("rate", "%v; give the calls a second that it takes, or leave it out for no bound", e.Rate)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	prepared.publicURL = withoutSecrets(prepared.action.address())
	prepared.client = newClient(e.AllowPrivate, prepared.concurrency+1) // and a probe
	return prepared, nil
}

// withoutSecrets returns a URL as it may be logged and stored.
func withoutSecrets(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "" // checked before
	}
	clean := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	return strings.TrimSuffix(clean.String(), "?")
}

// PublicURL is what is called, without what is secret in it; empty where the
// endpoint is not valid.
func (e Endpoint) PublicURL() string {
	a := e.action(func(string, string, ...any) {})
	if a == nil {
		return ""
	}
	return withoutSecrets(a.address())
}
