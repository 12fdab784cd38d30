package delivery

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/posthorn/posthorn/processor/delivery/body"
	"github.com/posthorn/posthorn/schemas"
)

// callback posts a trigger to a URL, signed as of Standard Webhooks.
type callback struct {
	url      string
	secrets  []secret
	header   http.Header // of the configuration
	template *body.Template
}

// reservedHeaders are set by calls themselves or belong to the connection.
var reservedHeaders = []string{
	"Connection", "Content-Length", "Content-Type", "Host", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
	"Webhook-Id", "Webhook-Signature", "Webhook-Timestamp",
}

// callback checks the endpoint of a callback.
func (e *Endpoint) callback(wrong func(field, format string, args ...any)) action {
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
	c := &callback{url: e.URL, header: e.header(wrong), template: e.Template}
	if n := len(e.Secrets); n < 1 || n > 2 {
		wrong("secret", "%d given; give one, or two while you rotate them", n)
	}
	for _, s := range e.Secrets {
		key, err := parseSecret(s)
		if err != nil {
			wrong("secret", "%v", err)
			continue
		}
		c.secrets = append(c.secrets, key)
	}
	if e.Mailjet != nil {
		wrong("mailjet", "is of the actions %s and %s; set action, or remove it", ActionMailjetSend, ActionMailjetList)
	}
	return c
}

// header checks the headers of the configuration. Their values are not told.
func (e *Endpoint) header(wrong func(field, format string, args ...any)) http.Header {
	out := http.Header{}
	for name, value := range e.Headers {
		field := "headers." + name
		canonical := http.CanonicalHeaderKey(name)
		switch {
		case !httpguts.ValidHeaderFieldName(name):
			wrong(field, "is no name of a header; write such as X-Api-Key")
		case slices.Contains(reservedHeaders, canonical):
			wrong(field, "is set by Posthorn or by the connection; remove it")
		case !httpguts.ValidHeaderFieldValue(value):
			wrong(field, "the value has a line break or another character that no header has; remove it")
		case out[canonical] != nil:
			wrong(field, "is there twice; upper and lower case are the same")
		}
		out[canonical] = []string{value}
	}
	return out
}

func (*callback) name() string { return ActionCallback }

func (c *callback) address() string { return c.url }

func (*callback) answerBytes() int64 { return keptResponse }

func (c *callback) request(t *schemas.Trigger, at time.Time) (*request, error) {
	r := &request{method: http.MethodPost, url: c.url, header: http.Header{}, secret: map[string]bool{"Webhook-Signature": true}}
	if c.template == nil {
		r.body = body.Default(t)
	} else {
		var err error
		if r.body, err = c.template.Body(t); err != nil {
			return nil, noBody(err)
		}
	}
	for name, values := range c.header {
		r.header[name], r.secret[name] = values, true
	}
	id := t.TriggerID.String()
	r.header.Set("Content-Type", "application/json")
	r.header.Set("Webhook-Id", id)
	r.header.Set("Webhook-Timestamp", strconv.FormatInt(at.Unix(), 10))
	r.header.Set("Webhook-Signature", sign(c.secrets, id, at, r.body))
	return r, nil
}

func (*callback) judge(resp *http.Response, _ []byte) (verdict, string) {
	switch v := judge(resp.StatusCode); {
	case v == succeeded:
		return v, ""
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		return v, fmt.Sprintf("%s: redirects are not followed; configure the final URL", strings.TrimSpace(resp.Status))
	default:
		return v, resp.Status
	}
}
