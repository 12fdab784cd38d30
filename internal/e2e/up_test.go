package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/internal/receiver"
	"github.com/posthorn/posthorn/internal/simulate"
)

// allInOne is posthorn up with a shop to call.
type allInOne struct {
	crash
	data    string
	gateway string
	brokers []string
	up      *process
}

// startUp starts everything in one process and waits until it is ready.
func startUp(t *testing.T) *allInOne {
	t.Helper()
	dir := t.TempDir()
	api, broker := address(t), address(t)
	a := &allInOne{data: filepath.Join(dir, "data"), gateway: address(t), brokers: []string{broker}}
	a.services = &services{t: t, config: filepath.Join(dir, "posthorn.yaml"), api: "http://" + api}
	var err error
	if a.shop, err = receiver.Start("127.0.0.1:0", receiver.Config{Secrets: []string{shopKey}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.shop.Close() })
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(dir, "rules.yaml"), discountRule)
	write(a.config, fmt.Sprintf(`
data: %s
kafka: {listen: %q, partitions: 4}
registry: {listen: %q}
clickhouse: {listen: %q, sql_listen: %q}
gateway: {listen: %q}
api: {listen: %q}
sources:
  - {name: main, provider: mailjet, account: shop, username: mailjet, password: secret}
  - {name: backup, provider: mailjet, account: shop, username: mailjet, password: secret}
  - {name: own, provider: native, key: own-sender}
rules: [rules.yaml]
endpoints:
  - {name: shop, url: %q, secret: %q, allow_private: true}
`, a.data, broker, address(t), address(t), address(t), a.gateway, api, a.shop.URL(), shopKey))
	a.up = start(t, "up", "up", "--config", a.config)
	a.ready(3 * time.Minute)
	t.Cleanup(func() { a.conn.Close() })
	admin, closeAdmin, err := kafka.NewAdmin(kafka.Config{Brokers: a.brokers})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(closeAdmin)
	a.admin = admin
	return a
}

// ready waits until everything is, and connects to the database, which has
// another password after every start.
func (a *allInOne) ready(limit time.Duration) {
	a.t.Helper()
	eventually(a.t, limit, "waiting until everything is ready", func() error { return httpOK(a.api + "/readyz") })
	session, err := config.Load(filepath.Join(a.data, "running.yaml"), nil)
	if err != nil {
		a.t.Fatal(err)
	}
	if a.conn != nil {
		a.conn.Close()
	}
	if a.conn, err = analytics.Open(a.t.Context(), session.ClickHouse.DSN); err != nil {
		a.t.Fatal(err)
	}
}

// campaign posts a simulated campaign of its own for each seed and returns what
// is true of it. rate 0 posts as fast as it goes.
func (a *allInOne) campaign(ctx context.Context, seed uint64, events int, rate float64) (*simulate.Truth, error) {
	cfg := simulate.DefaultConfig(time.Now())
	cfg.Seed, cfg.Campaigns = seed, 1
	cfg.Recipients = simulate.RecipientsFor(events, cfg.Campaigns)
	cfg.Malformed = 0.01
	g, err := simulate.New(cfg)
	if err != nil {
		return nil, err
	}
	url := func(source string) string { return "http://mailjet:secret@" + a.gateway + "/v1/webhooks/" + source }
	if _, err := simulate.Post(ctx, simulate.PostConfig{URL: url("main"), BackupURL: url("backup"), Rate: rate}, g); err != nil {
		return nil, err
	}
	return g.Truth(), nil
}

// called waits until all triggers have called.
func (a *allInOne) allCalled(truths ...*simulate.Truth) {
	a.t.Helper()
	var want int64
	for _, truth := range truths {
		want += truth.Triggers()
	}
	eventually(a.t, 3*time.Minute, "waiting for callbacks", func() error {
		if got := a.shop.Stats().Unique; got < want {
			return fmt.Errorf("%d callbacks came, want %d", got, want)
		}
		return nil
	})
}

// exact checks every number that can be seen from outside.
func (a *allInOne) exact(truths ...*simulate.Truth) {
	a.t.Helper()
	a.allCalled(truths...)
	if out, err := run(a.t, 3*time.Minute, "verify", "--config", a.config, "--quiet"); err != nil {
		a.t.Errorf("posthorn verify: %v\n%s", err, out)
	}
	var triggers int64
	for _, truth := range truths {
		triggers += truth.Triggers()
		for _, campaign := range truth.Campaigns {
			a.checkCampaign(campaign)
		}
	}
	a.checkTriggers(triggers)
}
