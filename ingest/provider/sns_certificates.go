package provider

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/posthorn/posthorn/internal/publicnet"
)

const (
	certTimeout = 5 * time.Second
	maxCertSize = 64 << 10
	// maxCerts kept; Amazon has one a region, and a new one about every year.
	maxCerts = 32
	// maxFetches at once: a forged request may name any certificate.
	maxFetches = 4
)

// certificates fetches the certificates that SNS signs with, once each.
//
// What makes one trusted is that it comes by HTTPS from a host of SNS: TLS has
// checked that host's name and chain. The file has no intermediate certificates
// to build a chain of its own from.
type certificates struct {
	client  *http.Client
	fetches singleflight.Group
	slots   chan struct{}

	mu    sync.Mutex
	known map[string]*x509.Certificate
}

// newCertificates fetches by client, or by default from public addresses only.
func newCertificates(client *http.Client) *certificates {
	return &certificates{client: publicnet.ClientOr(client, certTimeout), slots: make(chan struct{}, maxFetches), known: map[string]*x509.Certificate{}}
}

// key returns the public key of the certificate at an address.
func (c *certificates) key(ctx context.Context, address string, now time.Time) (*rsa.PublicKey, error) {
	if !snsCertURL.MatchString(address) {
		return nil, forged("SigningCertURL is no certificate of Amazon SNS: https://sns.REGION.amazonaws.com/SimpleNotificationService-....pem")
	}
	c.mu.Lock()
	cert := c.known[address]
	c.mu.Unlock()
	if cert == nil {
		var err error
		if cert, err = c.fetch(ctx, address); err != nil {
			return nil, err
		}
	}
	if now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
		return nil, forged("the certificate that Amazon SNS signs with is valid from %s to %s: is this machine's clock wrong?", cert.NotBefore.Format(time.DateOnly), cert.NotAfter.Format(time.DateOnly))
	}
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok {
		return nil, forged("the certificate that Amazon SNS signs with has no RSA key")
	}
	return key, nil
}

// fetch fetches a certificate, for all who wait for the same at once. One that
// stops waiting does not stop it for the others.
func (c *certificates) fetch(ctx context.Context, address string) (*x509.Certificate, error) {
	done := c.fetches.DoChan(address, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), certTimeout)
		defer cancel()
		select {
		case c.slots <- struct{}{}:
			defer func() { <-c.slots }()
		case <-ctx.Done():
			return nil, fmt.Errorf("fetching the certificate of Amazon SNS: too many at once")
		}
		cert, err := c.get(ctx, address)
		if err == nil {
			c.keep(address, cert)
		}
		return cert, err
	})
	select {
	case r := <-done:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*x509.Certificate), nil
	case <-ctx.Done():
		return nil, fmt.Errorf("fetching the certificate of Amazon SNS: %w", ctx.Err())
	}
}

func (c *certificates) keep(address string, cert *x509.Certificate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for other := range c.known {
		if len(c.known) < maxCerts {
			break
		}
		delete(c.known, other)
	}
	c.known[address] = cert
}

func (c *certificates) get(ctx context.Context, address string) (*x509.Certificate, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, forged("SigningCertURL is no URL")
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("fetching the certificate of Amazon SNS: %w", err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode >= 400 && resp.StatusCode < 500 && resp.StatusCode != http.StatusTooManyRequests:
		return nil, forged("Amazon SNS has no such certificate: %s", resp.Status)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("fetching the certificate of Amazon SNS: %s", resp.Status)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxCertSize+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the certificate of Amazon SNS: %w", err)
	case len(text) > maxCertSize:
		return nil, forged("the certificate of Amazon SNS has more than %d bytes", maxCertSize)
	}
	return parseSNSCertificate(text)
}

// snsSigner are the names in SNS's certificates.
var snsSigner = regexp.MustCompile(`^sns(?:[.-][a-z0-9.-]+)?\.amazonaws\.com(?:\.cn)?$`)

func parseSNSCertificate(text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, forged("what Amazon SNS names as its certificate is none")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, forged("the certificate of Amazon SNS can't be read: %v", err)
	}
	named := false
	for _, name := range append(cert.DNSNames, cert.Subject.CommonName) {
		named = named || snsSigner.MatchString(name)
	}
	if !named {
		return nil, forged("the certificate is for %.100q, not for Amazon SNS", cert.Subject.CommonName)
	}
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok || key.N.BitLen() < 2048 || key.N.BitLen() > 8192 {
		return nil, forged("the certificate that Amazon SNS signs with has no RSA key of 2048 to 8192 bits")
	}
	return cert, nil
}
