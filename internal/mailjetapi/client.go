// Package mailjetapi sets event callbacks, the URLs that Mailjet posts events to,
// through its REST API, reads what Mailjet counts, and knows the requests by which
// mails are sent and contacts of lists managed.
//
// https://dev.mailjet.com/email/reference/webhook/
package mailjetapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// BaseURL is where Mailjet's API is.
const BaseURL = "https://api.mailjet.com"

const (
	requestTimeout = 30 * time.Second
	maxAnswer      = 4 << 20
	maxWait        = time.Minute // of a Retry-After
)

// Config configures a Client. Keys are required.
type Config struct {
	PublicKey, PrivateKey string
	BaseURL               string // default: BaseURL

	// Patience bounds all tries of one request; default 2 minutes.
	Patience time.Duration
	// FirstPause is the pause after the first failure, which then doubles;
	// default 500 ms.
	FirstPause time.Duration
	HTTP       *http.Client
}

// Client asks the API. What the API can't answer now, by a status of 429 or of 500
// and above, is asked again.
type Client struct{ cfg Config }

// New makes a Client.
func New(cfg Config) (*Client, error) {
	if cfg.PublicKey == "" || cfg.PrivateKey == "" {
		return nil, errors.New("asking Mailjet's API: both keys are required")
	}
	if cfg.BaseURL == "" {
		cfg.BaseURL = BaseURL
	}
	if err := CheckBaseURL(cfg.BaseURL); err != nil {
		return nil, fmt.Errorf("asking Mailjet's API: %w", err)
	}
	cfg.BaseURL = strings.TrimSuffix(cfg.BaseURL, "/")
	if cfg.Patience == 0 {
		cfg.Patience = 2 * time.Minute
	}
	if cfg.FirstPause == 0 {
		cfg.FirstPause = 500 * time.Millisecond
	}
	if cfg.HTTP == nil {
		cfg.HTTP = &http.Client{
			Timeout: requestTimeout,
			// The API does not redirect; whoever does is not to get the keys.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	return &Client{cfg}, nil
}

// CheckBaseURL tells whether keys may be sent to an address.
func CheckBaseURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && !loopback(u) {
		return fmt.Errorf("%q is no address with https, without which the keys can be read on the way", text)
	}
	return nil
}

func loopback(u *url.URL) bool {
	return u.Scheme == "http" && (u.Hostname() == "127.0.0.1" || u.Hostname() == "localhost" || u.Hostname() == "::1")
}

// APIError is an answer that is no success.
type APIError struct {
	Status  int
	Message string // the API's own words
	after   time.Duration
}

func (e *APIError) Error() string {
	text := fmt.Sprintf("Mailjet's API answers %d %s", e.Status, http.StatusText(e.Status))
	if e.Message != "" {
		text += ": " + e.Message
	}
	if e.Status == http.StatusUnauthorized {
		text += " (are these the API keys of the account, public and private?)"
	}
	if e.Status == http.StatusForbidden {
		text += " (may the API key do this, and is the account active?)"
	}
	return text
}

// transient tells whether the same request may succeed later.
func transient(err error) bool {
	var answer *APIError
	if errors.As(err, &answer) {
		return answer.Transient()
	}
	var network *url.Error
	return errors.As(err, &network)
}

// retry calls f until it succeeds, fails for good, or patience ends; try counts
// from 0.
func retry[T any](ctx context.Context, c *Client, f func(try int) (T, error)) (T, error) {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = c.cfg.FirstPause, max(20*time.Second, c.cfg.FirstPause)
	try := 0
	var last error
	v, err := backoff.Retry(ctx, func() (T, error) {
		v, err := f(try)
		try++
		last = err
		var answer *APIError
		switch {
		case err == nil:
		case !transient(err) || ctx.Err() != nil:
			err = backoff.Permanent(err)
		case errors.As(err, &answer) && answer.after > 0:
			err = backoff.RetryAfter(int(min(answer.after, maxWait).Seconds()))
		}
		return v, err
	}, backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(c.cfg.Patience))
	if err != nil {
		return v, last
	}
	return v, nil
}

// do makes one request and reads the answer's data.
func (c *Client) do(ctx context.Context, method, path string, body, answer any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return fmt.Errorf("writing request: %w", err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, c.cfg.BaseURL+path, bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("making request: %w", err)
	}
	req.SetBasicAuth(c.cfg.PublicKey, c.cfg.PrivateKey)
	req.Header.Set("User-Agent", "posthorn")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.cfg.HTTP.Do(req)
	if err != nil {
		return fmt.Errorf("asking Mailjet's API: %w", err)
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return &url.Error{Op: method, URL: req.URL.Redacted(), Err: fmt.Errorf("reading the answer: %w", err)}
	}
	if len(text) > maxAnswer {
		return fmt.Errorf("reading the answer of Mailjet's API: it is longer than %d bytes", maxAnswer)
	}
	if resp.StatusCode == http.StatusNotModified {
		return nil // a change that changes nothing
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return apiError(resp, text)
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("reading the answer of Mailjet's API: %w", err)
	}
	return nil
}

func apiError(resp *http.Response, text []byte) error {
	var said struct{ ErrorMessage, ErrorInfo string }
	_ = json.Unmarshal(text, &said) // where it is no JSON the status has to do
	e := &APIError{Status: resp.StatusCode, Message: strings.TrimSpace(strings.TrimSpace(said.ErrorMessage) + " " + strings.TrimSpace(said.ErrorInfo))}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
		e.after = time.Duration(seconds) * time.Second
	}
	return e
}
