package publicnet

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// Client returns a client for short answers of public hosts: one that follows no
// redirects, uses no proxy, which would dial for it, and takes no longer than the
// timeout, body included.
func Client(timeout time.Duration) *http.Client {
	dialer := &net.Dialer{Timeout: timeout, Control: Control(false)}
	return &http.Client{
		Timeout:       timeout,
		CheckRedirect: NoRedirects,
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			ForceAttemptHTTP2:      true,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    timeout,
			MaxConnsPerHost:        4,
			IdleConnTimeout:        10 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
		},
	}
}

// ClientOr returns own without redirects, or where there is none Client.
func ClientOr(own *http.Client, timeout time.Duration) *http.Client {
	if own == nil {
		return Client(timeout)
	}
	c := *own
	c.CheckRedirect = NoRedirects
	return &c
}

// NoRedirects is an http.Client's CheckRedirect that takes a redirect as the
// answer.
func NoRedirects(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
