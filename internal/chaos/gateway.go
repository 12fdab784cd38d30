//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	// gateways that the client posts to.
	gateways = 2
	// spoolDiskBytes is the size of a gateway's disk, and spoolBytes what its spool
	// may take of it: an outage does not fill it.
	spoolDiskBytes = 96 << 20
	spoolBytes     = 64 << 20
	// signingKey is shared with the signed source.
	signingKey = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	// uploadToken is that of the source of uploads.
	uploadToken = "0123456789abcdef"
)

// gateway is a `posthorn ingest` process and those before it: the binary, with a
// configuration file, a spool on a disk of its own, and proxies between it and
// the brokers. The brokers tell it to connect to those.
type gateway struct {
	*process
	dir     string
	binary  string
	spool   bool
	listen  string // address of the webhooks
	metrics string
	proxies *proxies
	disk    *disk
	client  *client
	number  int // in the client, from 0
}

func newGateway(o options, number int) (*gateway, error) {
	name := fmt.Sprintf("g%d", number)
	p, err := newProcess(o.dir, name)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(o.dir, name)
	g := &gateway{process: p, dir: dir, binary: o.posthorn, spool: o.spool, proxies: &proxies{}, disk: newDisk(dir, spoolDiskBytes)}
	g.command = func() (*exec.Cmd, error) {
		return exec.Command(g.binary, "ingest", "--config", filepath.Join(dir, "posthorn.yaml")), nil
	}
	if g.listen, err = freeAddress(); err != nil {
		return g, err
	}
	if g.metrics, err = freeAddress(); err != nil {
		return g, err
	}
	return g, g.disk.mount()
}

func (g *gateway) front() *proxies { return g.proxies }

// configure writes the configuration file.
func (g *gateway) configure(registry string) error {
	var spool string
	if g.spool {
		spool = fmt.Sprintf("\n  spool: {enabled: true, dir: %q, max_size: %d, min_free_disk: 0}", g.disk.dir, spoolBytes)
	}
	text := fmt.Sprintf(`recipient_secret: %s
data: %q
kafka: {brokers: [%s]}
registry: {url: %q}
metrics: {listen: %q}
gateway:
  listen: %q%s
sources:
  - {name: mailjet, provider: mailjet, account: shop, username: mailjet, password: secret}
  - {name: mailjet-backup, provider: mailjet, account: shop, username: mailjet, password: secret}
  - {name: signed, provider: standard-webhooks, key: %q}
  - {name: %s, provider: native, key: %q}
`, secret, filepath.Join(g.dir, "data"), strings.Join(g.proxies.listens(), ", "), registry, g.metrics, g.listen, spool, signingKey, uploadSource, uploadToken)
	return os.WriteFile(filepath.Join(g.dir, "posthorn.yaml"), []byte(text), 0o600)
}

// ready tells whether webhooks can be stored.
func (g *gateway) ready(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+g.listen+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode == http.StatusOK
}

// segments are the files of the spool that hold what is not in Kafka yet.
func (g *gateway) segments() (paths []string, bytes int64) {
	paths, _ = filepath.Glob(filepath.Join(g.disk.dir, "*.spool")) // the pattern is good
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil {
			bytes += info.Size()
		}
	}
	return paths, bytes
}

// drained waits until the gateway can store webhooks and its spool is empty.
func (g *gateway) drained(ctx context.Context, limit time.Duration) error {
	err := until(ctx, limit, g.name+" to be ready", g.ready)
	if err != nil {
		return err
	}
	return until(ctx, limit, g.name+"'s spool to be empty", func(context.Context) bool {
		paths, _ := g.segments()
		return len(paths) == 0
	})
}

// setAside are the files of the spool that nobody sends any more.
func (g *gateway) setAside() (paths []string) {
	for _, pattern := range []string{"*.damaged", "*.refused"} {
		found, _ := filepath.Glob(filepath.Join(g.disk.dir, pattern))
		paths = append(paths, found...)
	}
	return paths
}

// atWork waits until requests are in flight or records in the spool.
func (g *gateway) atWork(ctx context.Context, _ *run) (hit, error) {
	deadline := time.Now().Add(10 * time.Second)
	for {
		flying := g.client.flying(g)
		paths, bytes := g.segments()
		why := fmt.Sprintf("%d requests in flight, %d bytes in %d segments of the spool", flying, bytes, len(paths))
		if flying > 0 || bytes > 0 || time.Now().After(deadline) {
			return hit{flying > 0 || bytes > 0, why}, nil
		}
		if err := wait(ctx, time.Millisecond); err != nil {
			return hit{}, err
		}
	}
}

func (g *gateway) close() error {
	g.proxies.close()
	return errors.Join(g.terminate(), g.log.Close(), g.disk.unmount())
}

// freeAddress is one that nobody listens on at the moment.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("finding a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}
