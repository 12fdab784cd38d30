package e2e

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/internal/embedded/clickhouse/clickhousetest"
	"github.com/posthorn/posthorn/internal/embedded/registry"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/internal/receiver"
)

// services are gateway, processor and analytics, each in a process of its own,
// with all that they need around them.
type services struct {
	t      *testing.T
	config string
	api    string
	admin  *kadm.Client
	conn   driver.Conn
	shop   *receiver.Server
	front  *front

	mu       sync.Mutex
	repeated map[string]bool // ids of callbacks that were made again

	gateway, processor, sink *process
	readyURLs                []string
	// onCall is told of every callback; it is set before anything is posted.
	onCall func(receiver.Call)
}

const (
	instance = "e2e-0"
	shopKey  = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
)

// One discount for each message that somebody opens within a day.
const discountRule = `rules:
  - name: discount-24h
    within: {event: opened, of: send, duration: 24h}
    once_per: message
    limit: 1000000
    call: shop
`

// startServices sets a cluster up as its operator would, starts the services on
// it and waits until they are ready.
func startServices(t *testing.T, brokers []string) *services {
	t.Helper()
	s := prepareServices(t, brokers, discountRule)
	s.sink = s.service("analytics")
	s.processor = s.service("processor")
	s.gateway = s.service("ingest")
	s.ready()
	return s
}

// service starts a service. extra are further flags.
func (s *services) service(name string, extra ...string) *process {
	s.t.Helper()
	metrics := address(s.t)
	s.readyURLs = append(s.readyURLs, "http://"+metrics+"/readyz")
	return start(s.t, name, append([]string{name, "--config", s.config, "--metrics", metrics}, extra...)...)
}

// ready waits until all services that were started are.
func (s *services) ready() {
	s.t.Helper()
	for _, url := range s.readyURLs {
		eventually(s.t, time.Minute, "waiting until the services are ready", func() error { return httpOK(url) })
	}
}

// prepareServices sets a cluster up as its operator would.
func prepareServices(t *testing.T, brokers []string, rules string) *services {
	t.Helper()
	dir := t.TempDir()
	dsn := clickhousetest.Database(t)
	schemas, err := registry.Start(registry.Config{Dir: filepath.Join(dir, "registry"), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { schemas.Close() })
	s := &services{t: t, config: filepath.Join(dir, "posthorn.yaml"), api: "http://" + address(t)}
	if s.shop, err = receiver.Start("127.0.0.1:0", receiver.Config{Secrets: []string{shopKey}, OnCall: s.called}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.shop.Close() })
	listen := address(t)
	s.front = startFront(t, listen)

	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(dir, "rules.yaml"), rules)
	write(s.config, fmt.Sprintf(`
recipient_secret: 0123456789abcdef0123456789abcdef
data: %s
kafka: {brokers: [%s], partitions: 6}
registry: {url: %q}
clickhouse: {dsn: %q}
gateway: {listen: %q}
api: {listen: %q}
processor: {instance: %s}
sources:
  - {name: main, provider: mailjet, account: shop, username: mailjet, password: secret}
  - {name: backup, provider: mailjet, account: shop, username: mailjet, password: secret}
rules: [rules.yaml]
endpoints:
  - {name: shop, url: %q, secret: %q, allow_private: true}
`, filepath.Join(dir, "data"), strings.Join(brokers, ", "), schemas.URL(), dsn, listen, s.api[len("http://"):], instance, s.shop.URL(), shopKey))

	admin, closeAdmin, err := kafka.NewAdmin(kafka.Config{Brokers: brokers})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(closeAdmin)
	s.admin = admin
	if s.conn, err = analytics.Open(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.conn.Close() })
	for _, args := range [][]string{{"topics", "create"}, {"migrate"}} {
		if out, err := run(t, time.Minute, append(args, "--config", s.config)...); err != nil {
			t.Fatalf("posthorn %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	return s
}

// called notes which callbacks are made again.
func (s *services) called(c receiver.Call) {
	if s.onCall != nil {
		s.onCall(c)
	}
	if !c.Duplicate {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.repeated == nil {
		s.repeated = map[string]bool{}
	}
	s.repeated[c.ID] = true
}

// repeatedSoFar are the ids of callbacks that were made again.
func (s *services) repeatedSoFar() map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.repeated)
}

// transactions returns the stages that have a transaction open.
func (s *services) transactions(ctx context.Context) []string {
	s.t.Helper()
	var ids, open []string
	for _, stage := range stages {
		ids = append(ids, "posthorn-"+stage.group+"-"+instance)
	}
	described, err := s.admin.DescribeTransactions(ctx, ids...)
	if err != nil {
		s.t.Fatal(err)
	}
	for i, stage := range stages {
		if described[ids[i]].State == "Ongoing" {
			open = append(open, stage.group)
		}
	}
	return open
}
