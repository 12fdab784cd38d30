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

// proxies stand between one process and the brokers, one for each broker.
type proxies struct {
	server *toxiproxy.ApiServer
	list   []*toxiproxy.Proxy // by broker
}

func newProxies(brokers []string) (*proxies, error) {
	p := &proxies{}
	for i, broker := range brokers {
		if _, err := p.front(i+1, broker); err != nil {
			p.close()
			return nil, err
		}
	}
	return p, nil
}

// front puts a proxy in front of a broker, counted from 1, and returns its
// address.
func (p *proxies) front(broker int, address string) (string, error) {
	if p.server == nil {
		p.server = toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	}
	proxy := toxiproxy.NewProxy(p.server, address, "127.0.0.1:0", address)
	if err := proxy.Start(); err != nil {
		return "", fmt.Errorf("starting proxy of %s: %w", address, err)
	}
	if broker <= len(p.list) {
		p.list[broker-1].Stop() // of an attempt that failed
		p.list[broker-1] = proxy
	} else {
		p.list = append(p.list, proxy)
	}
	return proxy.Listen, nil
}

// addresses maps each broker to the proxy in front of it.
func (p *proxies) addresses() map[string]string {
	m := map[string]string{}
	for _, proxy := range p.list {
		m[proxy.Upstream] = proxy.Listen
	}
	return m
}

// listens are the proxies' addresses.
func (p *proxies) listens() (all []string) {
	for _, proxy := range p.list {
		all = append(all, proxy.Listen)
	}
	return all
}

// chosen are the proxies of broker n, counted from 1, or all for 0.
func (p *proxies) chosen(n int) []*toxiproxy.Proxy {
	if n == 0 {
		return p.list
	}
	return p.list[n-1 : n]
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
	for _, proxy := range p.list {
		proxy.Stop()
	}
}
