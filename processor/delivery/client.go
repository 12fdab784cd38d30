package delivery

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	keptResponse = 1 << 10  // bytes of the response body that are kept
	readResponse = 64 << 10 // bytes read so that the connection can be used again
)

// newClient makes the HTTP client of one endpoint. A client of its own keeps
// one endpoint's connections from counting against another's.
func newClient(allowPrivate bool, concurrency int) *http.Client {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second, Control: guard(allowPrivate)}
	return &http.Client{
		// 3xx is a failure: a redirect could lead anywhere, signed.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                  nil, // a proxy would dial for us, unguarded
			DialContext:            dialer.DialContext,
			ForceAttemptHTTP2:      true,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    10 * time.Second,
			MaxIdleConnsPerHost:    concurrency,
			MaxConnsPerHost:        concurrency,
			IdleConnTimeout:        90 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
			DisableCompression:     true, // the body is capped as it is sent
		},
	}
}

// verdict is what follows from an attempt.
type verdict int

const (
	succeeded verdict = iota
	retry             // worth another attempt
	refused           // the endpoint will never take it
	gone              // the endpoint takes nothing any more
	notMade           // no attempt was made
)

// result is the outcome of an attempt.
type result struct {
	call       *call
	verdict    verdict
	at         time.Time
	took       time.Duration
	request    *request // nil: there was none
	status     int
	header     http.Header // of the response
	err        string
	response   string
	retryAfter time.Duration
}

// attempt makes one call.
func (l *lane) attempt(ctx context.Context, c *call) (r result) {
	ctx, cancel := context.WithTimeout(ctx, l.d.cfg.Timeout)
	defer cancel()
	r = result{call: c, at: l.d.cfg.Now()}
	began := time.Now()
	defer func() { r.took = time.Since(began) }()

	out, err := l.action.request(&c.trigger, r.at)
	if err != nil {
		r.verdict, r.err = refused, clean(err.Error())
		return r
	}
	if out.header.Get("User-Agent") == "" {
		out.header.Set("User-Agent", "posthorn/"+l.d.cfg.Version)
	}
	r.request = out
	req, err := http.NewRequestWithContext(ctx, out.method, out.url, bytes.NewReader(out.body))
	if err != nil {
		r.verdict, r.err = refused, "making the request failed"
		return r
	}
	req.Header = out.header
	resp, err := l.client.Do(req)
	if err != nil {
		r.verdict, r.err = retry, describe(err)
		return r
	}
	defer resp.Body.Close()
	l.answered(&r, resp)
	return r
}

// answered notes an answer. A body that breaks off changes nothing, unless the
// action wants to know what is in it.
func (l *lane) answered(r *result, resp *http.Response) {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, l.action.answerBytes()))
	_, _ = io.CopyN(io.Discard, resp.Body, readResponse)
	r.status, r.header = resp.StatusCode, resp.Header
	r.response = strings.ToValidUTF8(string(body[:min(len(body), keptResponse)]), "\uFFFD")
	r.verdict, r.err = l.action.judge(resp, body)
	r.err = clean(r.err)
	if r.verdict == retry {
		r.retryAfter = parseRetryAfter(resp.Header.Get("Retry-After"), r.at)
	}
}

// judge tells what a status means: 2xx is success, 410 the end of the endpoint,
// other 4xx a refusal, except those that speak of time or load. All else is
// worth another attempt.
func judge(status int) verdict {
	switch {
	case status >= 200 && status < 300:
		return succeeded
	case status == http.StatusGone:
		return gone
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status == http.StatusTooManyRequests:
		return retry
	case status >= 400 && status < 500:
		return refused
	}
	return retry
}

// describe returns an error without the URL, which may hold a password.
func describe(err error) string {
	var timeout interface{ Timeout() bool }
	var op interface{ Unwrap() error }
	if errors.As(err, &timeout) && timeout.Timeout() {
		return "timed out"
	}
	if errors.As(err, &op) && op.Unwrap() != nil {
		err = op.Unwrap() // *url.Error names method and URL
	}
	return clean(err.Error())
}

// clean makes an error fit for a record.
func clean(s string) string { return cut(s, 500) }

// cut cuts a text to n bytes, at a rune.
func cut(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
