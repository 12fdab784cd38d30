package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/posthorn/posthorn/internal/receiver"
	"github.com/posthorn/posthorn/internal/testkafka"
)

// unopenedFor is how long the rule of TestAbsence waits for an open.
const unopenedFor = 8 * time.Second

const absenceRule = `rules:
  - name: unopened
    absence: {event: opened, of: send, duration: 8s}
    call: shop
`

// absence posts messages and knows when each was called for.
type absence struct {
	*services
	to     *url.URL
	client *http.Client

	mu     sync.Mutex
	called map[string]time.Time
}

// post posts an event of a message, which must be taken.
func (a *absence) post(kind string, n int) {
	a.t.Helper()
	if err := postJSON(a.client, a.to, benchEvent(kind, n, time.Now().Unix())); err != nil {
		a.t.Fatal(err)
	}
}

// send posts a delivery and returns when the rule fires without an open.
func (a *absence) send(n int) (due time.Time) {
	a.post("sent", n)
	return time.Now().Truncate(time.Second).Add(unopenedFor)
}

// derived waits until the events of messages, which engagement writes with the
// timers that they set, have come all the way to ClickHouse.
func (a *absence) derived(messages ...int) {
	a.t.Helper()
	for _, n := range messages {
		eventually(a.t, 30*time.Second, "the delivery of message "+messageID(n), func() error {
			var rows uint64
			err := a.conn.QueryRow(a.t.Context(), "SELECT count() FROM events WHERE message_id = ?", messageID(n)).Scan(&rows)
			if err == nil && rows == 0 {
				err = errors.New("not there yet")
			}
			return err
		})
	}
}

func (a *absence) calledAt(n int) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.called[messageID(n)]
}

func (a *absence) await(n int) time.Time {
	a.t.Helper()
	eventually(a.t, time.Minute, fmt.Sprintf("the call for message %d", n), func() error {
		if a.calledAt(n).IsZero() {
			return fmt.Errorf("%d calls so far", a.shop.Stats().Unique)
		}
		return nil
	})
	return a.calledAt(n)
}

// notBefore waits until then, and sees that nobody was called for the messages.
func (a *absence) notBefore(until time.Time, messages ...int) {
	a.t.Helper()
	<-time.After(time.Until(until))
	for _, n := range messages {
		if at := a.calledAt(n); !at.IsZero() {
			a.t.Errorf("called for message %d at %s", n, at)
		}
	}
}

// TestAbsence: "no open in 8 seconds" fires within 2 seconds, though nothing else
// comes. While the first stage is stopped, or webhooks wait in the gateway's spool,
// it does not, and an open that came in time is in time.
func TestAbsence(t *testing.T) {
	gate := new(gate)
	defer gate.close()
	cluster, err := testkafka.StartCluster(t.Context(), testkafka.Options{
		Fronts: []func(int, string) (string, error){func(_ int, address string) (string, error) { return gate.open(address) }},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Setenv("POSTHORN_GATEWAY_SPOOL_ENABLED", "true")
	s := prepareServices(t, cluster.Brokers(), absenceRule)
	first := s.service("processor", "--stages", "normalize", "--instance", "first")
	s.service("analytics")
	s.service("processor", "--stages", "engagement,campaign,delivery", "--instance", "others", "--data", t.TempDir())
	listen := address(t)
	s.service("ingest", "--listen", listen, "--brokers", gate.address())
	s.ready()
	a := &absence{services: s, called: map[string]time.Time{},
		to:     &url.URL{Scheme: "http", User: url.UserPassword("mailjet", "secret"), Host: listen, Path: "/v1/webhooks/main"},
		client: &http.Client{Timeout: 30 * time.Second},
	}
	s.onCall = func(c receiver.Call) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.called[c.Message] = c.At
	}

	t.Run("in time", func(t *testing.T) {
		due := map[int]time.Time{}
		for n := range 5 {
			due[n] = a.send(n)
			<-time.After(700 * time.Millisecond) // the load's clock: at all phases of a second
		}
		var took []time.Duration
		for n, due := range due {
			took = append(took, a.await(n).Sub(due))
		}
		slices.Sort(took)
		t.Logf("fired after %s", took)
		if took[0] < 0 || took[len(took)/2] > 2*time.Second {
			t.Errorf("fired after %s, want within 2 s", took)
		}
	})

	t.Run("stage stopped", func(t *testing.T) {
		due := a.send(11)
		a.send(12)
		a.derived(11, 12)
		if err := first.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		a.post("open", 11)
		a.notBefore(due.Add(5*time.Second), 11, 12)
		if err := first.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		a.await(12)
		a.notBefore(time.Now(), 11)
	})

	t.Run("webhooks in the spool", func(t *testing.T) {
		due := a.send(21)
		a.send(22)
		a.derived(21, 22)
		gate.shut(t)
		a.post("open", 21)
		a.notBefore(due.Add(5*time.Second), 21, 22)
		gate.reopen(t)
		a.await(22)
		a.notBefore(time.Now(), 21)
	})

	if out, err := run(t, 2*time.Minute, "verify", "--config", s.config, "--quiet"); err != nil {
		t.Errorf("posthorn verify: %v\n%s", err, out)
	}
	for _, n := range []int{11, 21} {
		if at := a.calledAt(n); !at.IsZero() {
			t.Errorf("called for message %d, which was opened in time, at %s", n, at)
		}
	}
}

// gate stands between the gateway and its Kafka.
type gate struct {
	server *toxiproxy.ApiServer
	proxy  *toxiproxy.Proxy
}

func (g *gate) open(upstream string) (string, error) {
	g.close()
	g.server = toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	g.proxy = toxiproxy.NewProxy(g.server, upstream, "127.0.0.1:0", upstream)
	if err := g.proxy.Start(); err != nil {
		return "", fmt.Errorf("starting a proxy of %s: %w", upstream, err)
	}
	return g.proxy.Listen, nil
}

func (g *gate) address() string { return g.proxy.Listen }

func (g *gate) shut(t *testing.T) {
	t.Helper()
	g.proxy.Stop()
}

func (g *gate) reopen(t *testing.T) {
	t.Helper()
	if err := g.proxy.Start(); err != nil {
		t.Fatal(err)
	}
}

func (g *gate) close() {
	if g.proxy != nil {
		g.proxy.Stop()
	}
}
