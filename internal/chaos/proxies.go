//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// proxies stand between one worker and the brokers, one for each broker.
type proxies struct {
	byBroker map[string]*toxiproxy.Proxy
	order    []string
}

func newProxies(brokers []string) (*proxies, error) {
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := &proxies{byBroker: map[string]*toxiproxy.Proxy{}, order: brokers}
	for _, broker := range brokers {
		proxy := toxiproxy.NewProxy(server, broker, "127.0.0.1:0", broker)
		if err := proxy.Start(); err != nil {
			p.close()
			return nil, fmt.Errorf("starting proxy of %s: %w", broker, err)
		}
		p.byBroker[broker] = proxy
	}
	return p, nil
}

// addresses maps each broker to the proxy in front of it.
func (p *proxies) addresses() map[string]string {
	m := map[string]string{}
	for broker, proxy := range p.byBroker {
		m[broker] = proxy.Listen
	}
	return m
}

// chosen are the proxies of broker n, counted from 1, or all for 0.
func (p *proxies) chosen(n int) (some []*toxiproxy.Proxy) {
	for i, broker := range p.order {
		if n == 0 || n == i+1 {
			some = append(some, p.byBroker[broker])
		}
	}
	return some
}

// toxic is what is done to the connections. Stream is "upstream" for what the
// worker sends, "downstream" for what it is answered.
type toxic struct {
	Name       string         `json:"name"`
	Type       string         `json:"type"`
	Stream     string         `json:"stream"`
	Attributes map[string]any `json:"attributes"`
}

func (p *proxies) add(n int, t toxic) error {
	text, err := json.Marshal(t)
	if err != nil {
		return err
	}
	for _, proxy := range p.chosen(n) {
		if _, err := proxy.Toxics.AddToxicJson(bytes.NewReader(text)); err != nil {
			return fmt.Errorf("adding toxic %s: %w", t.Type, err)
		}
	}
	return nil
}

func (p *proxies) remove(ctx context.Context, n int, name string) error {
	for _, proxy := range p.chosen(n) {
		if err := proxy.Toxics.RemoveToxic(ctx, name); err != nil {
			return fmt.Errorf("removing toxic %s: %w", name, err)
		}
	}
	return nil
}

// cut closes the connections and refuses new ones until restore.
func (p *proxies) cut(n int) {
	for _, proxy := range p.chosen(n) {
		proxy.Stop()
	}
}

func (p *proxies) restore(n int) error {
	for _, proxy := range p.chosen(n) {
		if err := proxy.Start(); err != nil {
			return fmt.Errorf("starting proxy of %s again: %w", proxy.Upstream, err)
		}
	}
	return nil
}

func (p *proxies) close() {
	for _, proxy := range p.byBroker {
		proxy.Stop()
	}
}
