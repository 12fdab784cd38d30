package delivery

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strings"
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
}

// endpoint is a checked Endpoint.
type endpoint struct {
	name        string
	url         string
	publicURL   string // without userinfo and query
	secrets     []secret
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
	u, err := url.Parse(e.URL)
	switch {
	case e.URL == "":
		wrong("url", "missing; give the https URL to call")
	case err != nil:
		// The error of url.Parse would repeat a password in the URL.
		wrong("url", "is not a URL; give one like https://shop.example.com/hooks/posthorn")
	case u.Scheme != "https" && u.Scheme != "http":
		wrong("url", "scheme %q; give an https URL", u.Scheme)
	case u.Hostname() == "":
		wrong("url", "has no host; give one like https://shop.example.com/hooks/posthorn")
	case u.Scheme == "http" && !e.AllowPrivate:
		wrong("url", "http would send recipients' data in the clear; use https, or set allow_private for an endpoint in your own network")
	case u.Fragment != "":
		wrong("url", "has a fragment (#%s), which is never sent; remove it", u.Fragment)
	}
	prepared := &endpoint{name: e.Name, url: e.URL, concurrency: e.Concurrency, rate: e.Rate}
	if n := len(e.Secrets); n < 1 || n > 2 {
		wrong("secret", "%d given; give one, or two while you rotate them", n)
	}
	for _, s := range e.Secrets {
		key, err := parseSecret(s)
		if err != nil {
			wrong("secret", "%v", err)
			continue
		}
		prepared.secrets = append(prepared.secrets, key)
	}
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
	prepared.publicURL = withoutSecrets(u)
	prepared.client = newClient(e.AllowPrivate, prepared.concurrency+1) // and a probe
	return prepared, nil
}

// withoutSecrets returns the URL as it may be logged and stored.
func withoutSecrets(u *url.URL) string {
	clean := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	return strings.TrimSuffix(clean.String(), "?")
}
