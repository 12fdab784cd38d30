package ingest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	handshakeTimeout = 5 * time.Second
	handshakeBody    = 64 << 10
)

// confirm fetches the address by which a provider asks whether its events are
// wanted. The address comes from a verified webhook, and the webhook is stored by
// now: a source that can't store would only lose what comes next. After a failure
// the caller is told to send the webhook again, and to ask again by that.
func (g *Gateway) confirm(ctx context.Context, src *source, address string) *problem {
	log := g.cfg.Logger.With("source", src.Name, "provider", src.Provider.Name(), "host", hostOf(address))
	if err := fetch(ctx, src.handshakes, address); err != nil {
		g.metrics.handshakes.WithLabelValues(src.Name, "failed").Inc()
		log.Warn("a subscription could not be confirmed", "error", err)
		return unavailable("not-confirmed", "the subscription could not be confirmed")
	}
	g.metrics.handshakes.WithLabelValues(src.Name, "confirmed").Inc()
	log.Info("confirmed a subscription")
	return nil
}

// fetch gets an address and wants 200. Its errors do not name the address, which
// holds a token.
func fetch(ctx context.Context, client *http.Client, address string) error {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fmt.Errorf("the address is no URL")
	}
	resp, err := client.Do(req)
	if err != nil {
		if u, ok := err.(*url.Error); ok {
			err = u.Err
		}
		return fmt.Errorf("fetching the confirmation: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("fetching the confirmation: %s", resp.Status)
	}
	// The answer counts once it is there in full, and says nothing that is needed.
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, handshakeBody)); err != nil {
		return fmt.Errorf("reading the confirmation: %w", err)
	}
	return nil
}

// hostOf is what of an address may be logged.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}
