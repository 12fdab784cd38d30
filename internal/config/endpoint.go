package config

import (
	"encoding/base64"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// Endpoint is where calls go, and what they do there.
type Endpoint struct {
	Name string `yaml:"name"`
	// Action is callback, which is the default, mailjet_send or mailjet_list.
	Action string `yaml:"action,omitempty"`
	// URL is called by callbacks.
	URL string `yaml:"url,omitempty"`
	// Secret signs callbacks as of Standard Webhooks: whsec_ and base64.
	Secret Secret `yaml:"secret,omitempty"`
	// PreviousSecret signs them too, while Secret is new to the receiver.
	PreviousSecret Secret `yaml:"previous_secret,omitempty"`
	// AllowPrivate permits loopback and private addresses.
	AllowPrivate bool `yaml:"allow_private,omitempty"`
	// Concurrency is how many calls are made at a time; 0: 8.
	Concurrency int `yaml:"concurrency,omitempty"`
	// Rate is how many calls a second are made by each worker; 0: no bound.
	Rate float64 `yaml:"rate,omitempty"`
	// Headers are sent with callbacks. Their values are secrets.
	Headers map[string]Secret `yaml:"headers,omitempty"`
	// Template makes the body of callbacks; none: the default body.
	Template Document `yaml:"template,omitempty"`
	// Mailjet is of the actions mailjet_send and mailjet_list.
	Mailjet *Mailjet `yaml:"mailjet,omitempty"`
}

// Mailjet says what a call does at Mailjet.
type Mailjet struct {
	PublicKey  Secret `yaml:"public_key"`
	PrivateKey Secret `yaml:"private_key"`
	// BaseURL is Mailjet's API; empty: the real one.
	BaseURL string `yaml:"base_url,omitempty"`

	// TemplateID is the template of mailjet_send.
	TemplateID int64 `yaml:"template_id,omitempty"`
	// From is the sender; none: the template's.
	From *Sender `yaml:"from,omitempty"`
	// To is who gets it; empty: the trigger's recipient.
	To string `yaml:"to,omitempty"`
	// Subject replaces the template's.
	Subject string `yaml:"subject,omitempty"`
	// Variables are the template's.
	Variables Document `yaml:"variables,omitempty"`
	// Sandbox has Mailjet check the mail and send nothing.
	Sandbox bool `yaml:"sandbox,omitempty"`

	// ListID is the contact list of mailjet_list.
	ListID int64 `yaml:"list_id,omitempty"`
	// ListAction is addnoforce, which is the default, addforce, remove or unsub.
	ListAction string `yaml:"list_action,omitempty"`
	// Properties are the contact's.
	Properties Document `yaml:"properties,omitempty"`
}

// Sender is whom a mail is from.
type Sender struct {
	Email string `yaml:"email"`
	Name  string `yaml:"name,omitempty"`
}

// What calls do.
const (
	actionCallback    = "callback"
	actionMailjetSend = "mailjet_send"
	actionMailjetList = "mailjet_list"
)

// Secrets are those that sign callbacks, the current one first.
func (e *Endpoint) Secrets() ([]string, error) {
	return values([]namedSecret{{"secret", &e.Secret}, {"previous_secret", &e.PreviousSecret}})
}

// secrets calls f with all that an endpoint has, and where they stand in it; f may
// change them.
func (e *Endpoint) secrets(f func(field string, s *Secret)) {
	f("secret", &e.Secret)
	f("previous_secret", &e.PreviousSecret)
	for _, name := range slices.Sorted(maps.Keys(e.Headers)) {
		s := e.Headers[name]
		f("headers."+name, &s)
		e.Headers[name] = s
	}
	if e.Mailjet != nil {
		f("mailjet.public_key", &e.Mailjet.PublicKey)
		f("mailjet.private_key", &e.Mailjet.PrivateKey)
	}
}

// documents are the templates that an endpoint has.
func (e *Endpoint) documents(f func(field string, d *Document)) {
	f("template", &e.Template)
	if e.Mailjet != nil {
		f("mailjet.variables", &e.Mailjet.Variables)
		f("mailjet.properties", &e.Mailjet.Properties)
	}
}

// relativeTo makes paths relative to the configuration file's folder.
func (e *Endpoint) relativeTo(dir string) {
	e.secrets(func(_ string, s *Secret) { s.relativeTo(dir) })
	e.documents(func(_ string, d *Document) { d.relativeTo(dir) })
}

func (v *validation) endpoints(endpoints []Endpoint) {
	seen := map[string]bool{}
	for i := range endpoints {
		e, at := &endpoints[i], fmt.Sprintf("endpoints[%d]", i)
		v.name(at+".name", e.Name)
		if seen[e.Name] {
			v.add(at+".name", fmt.Sprintf("%q is there twice", e.Name), "names must differ")
		}
		seen[e.Name] = true
		if e.Concurrency < 0 || e.Concurrency > 1000 {
			v.add(at+".concurrency", fmt.Sprintf("%d is out of range", e.Concurrency), "1 to 1000, or leave it out for 8")
		}
		if e.Rate < 0 || math.IsNaN(e.Rate) || math.IsInf(e.Rate, 0) {
			v.add(at+".rate", fmt.Sprintf("%v is no number of calls a second", e.Rate), "leave it out for no bound")
		}
		if e.Action == "" || e.Action == actionCallback {
			v.callback(at, e)
		} else {
			v.mailjet(at, e)
		}
		e.secrets(func(field string, s *Secret) {
			check := (func(string) string)(nil)
			if field == "secret" || field == "previous_secret" {
				check = signingSecret
			}
			if strings.HasPrefix(field, "headers.") && s.IsZero() {
				v.add(at+"."+field, "is empty", "write {env: NAME}, {file: path} or the text itself")
			}
			v.secret(at+"."+field, *s, check)
		})
		e.documents(func(field string, d *Document) { v.document(at+"."+field, d) })
	}
}

func (v *validation) callback(at string, e *Endpoint) {
	if e.URL == "" {
		v.add(at+".url", "is missing", "set where callbacks go")
	}
	v.link(at+".url", e.URL, "http", "https")
	if e.Secret.IsZero() {
		v.add(at+".secret", "is missing", "make one with: echo whsec_$(openssl rand -base64 32)")
	}
	if e.Mailjet != nil {
		v.add(at+".mailjet", "is not of callbacks", "set action: mailjet_send or mailjet_list, or remove it")
	}
}

func (v *validation) mailjet(at string, e *Endpoint) {
	v.oneOf(at+".action", e.Action, actionCallback, actionMailjetSend, actionMailjetList)
	if e.Action != actionMailjetSend && e.Action != actionMailjetList {
		return
	}
	if e.URL != "" || !e.Secret.IsZero() || len(e.Headers) > 0 || !e.Template.IsZero() {
		v.add(at, "url, secret, headers and template are of callbacks", "remove them; mailjet says it all")
	}
	m := e.Mailjet
	if m == nil {
		v.add(at+".mailjet", "is missing", "set public_key and private_key, and template_id or list_id")
		return
	}
	for field, s := range map[string]Secret{"public_key": m.PublicKey, "private_key": m.PrivateKey} {
		if s.IsZero() {
			v.add(at+".mailjet."+field, "is missing", "an API key of the account: {env: NAME} or {file: path}")
		}
	}
	if e.Action == actionMailjetSend && m.TemplateID <= 0 {
		v.add(at+".mailjet.template_id", "is missing", "the number of a template in Mailjet")
	}
	if e.Action == actionMailjetList && m.ListID <= 0 {
		v.add(at+".mailjet.list_id", "is missing", "the number of a contact list in Mailjet")
	}
}

// signingSecret checks the form that Standard Webhooks prescribes.
func signingSecret(text string) string {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "whsec_"))
	if !strings.HasPrefix(text, "whsec_") || err != nil || len(key) < 24 || len(key) > 64 {
		return "is not whsec_ and base64 of 24 to 64 bytes: make one with: echo whsec_$(openssl rand -base64 32)"
	}
	return ""
}
