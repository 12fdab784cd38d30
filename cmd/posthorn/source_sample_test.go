package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/posthorn/posthorn/ingest/provider/console"
	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/schemas"
)

// startGateway runs the gateway of a configuration, and the stages up to
// posthorn.events, on a cluster that is told by flags.
func startGateway(t *testing.T, path string, flags []string) (url string) {
	t.Helper()
	cfg, err := config.Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Kafka.Brokers, cfg.Registry.URL = []string{flags[1]}, flags[3]
	cfg.RecipientSecret = config.Secret{Inline: "0123456789abcdef"}
	cfg.Processor.StateDir, cfg.Processor.Stages = "memory", []string{config.StageNormalize, config.StageEngagement}
	log := slog.New(slog.DiscardHandler)
	n, err := newNode(t.Context(), cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	to := newActors(ctx, log)
	for _, add := range []func() error{
		func() error { return n.gateway(to, listener, false) },
		func() error { return n.processor(to) },
		func() error { return n.followGenerations(ctx, to) },
	} {
		if err := add(); err != nil {
			t.Fatal(err)
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- to.run() }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	return "http://" + listener.Addr().String()
}

// TestSourceTestEveryProvider adds a source of each provider in each way, runs the
// gateway with that configuration, and posts a sample to each.
func TestSourceTestEveryProvider(t *testing.T) {
	t.Chdir(t.TempDir())
	flags, _, _ := cluster(t)
	path := filepath.Join(t.TempDir(), "posthorn.yaml")
	names := addAll(t, path)
	url := startGateway(t, path, flags)
	for _, name := range names {
		code, out, errOut := posthorn(t, append([]string{"source", "test", name, "-c", path, "--url", url, "--timeout", "60s"}, flags...)...)
		if code != 0 {
			t.Errorf("%s: code %d\n%s%s", name, code, out, errOut)
			continue
		}
		if refusal := map[string]string{"sendgrid.signature": "401", "ses.signature": "503"}[name]; refusal != "" {
			if !strings.Contains(out, ": "+refusal+" ") || !strings.Contains(out, "It was refused, as it must be") || !strings.Contains(out, "It does not show that what the provider signs is taken") {
				t.Errorf("%s:\n%s", name, out)
			}
			continue
		}
		at := strings.Index(out, "{\n")
		if at < 0 {
			t.Errorf("%s: no event:\n%s", name, out)
			continue
		}
		var ev schemas.Event
		if err := json.Unmarshal([]byte(out[at:]), &ev); err != nil {
			t.Errorf("%s: %v:\n%s", name, err, out)
			continue
		}
		if ev.Source != name || ev.Type != schemas.EventTypeDelivered || ev.Recipient != console.SampleRecipient || ev.RecipientDomain != "posthorn.invalid" || !strings.Contains(out, "webhook "+ev.RawRef.WebhookID.String()) {
			t.Errorf("%s: %+v", name, ev)
		}
	}
}

// TestSourceTestFails looks at what is said where a source does not work.
func TestSourceTestFails(t *testing.T) {
	t.Chdir(t.TempDir())
	flags, _, _ := cluster(t)
	const running = `sources:
  - {name: shop, provider: mailjet, username: u, password: right}
  - {name: brevo, provider: brevo, username: u, password: right}
  - {name: off, provider: mailjet, disabled: true}
  - {name: open, provider: mailjet}
  - {name: ses, provider: mailjet}
  - {name: wrong, provider: postmark}
`
	url := startGateway(t, file(t, "running.yaml", running), flags)
	path := file(t, "posthorn.yaml", `sources:
  - {name: shop, provider: mailjet, username: u, password: topsecret}
  - {name: brevo, provider: brevo, username: u, password: topsecret}
  - {name: off, provider: mailjet}
  - {name: open, provider: mailjet}
  - {name: ses, provider: ses, topics: ["arn:aws:sns:eu-west-1:1:a"]}
  - {name: wrong, provider: mailjet}
  - {name: new, provider: mailjet}
  - {name: unset, provider: mailjet, username: u, password: {env: POSTHORN_TEST_NOT_SET}}
`)
	elsewhere := httptest.NewServer(http.RedirectHandler("/login", http.StatusFound))
	defer elsewhere.Close()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"shop --url " + url, 1, "the gateway does not take the source's secret"},
		{"brevo --url " + url, 1, "the gateway does not take the source's secret"}, // by a 429
		{"off --url " + url, 1, "the source is disabled"},
		{"new --url " + url, 1, "does not know the source new: it reads its configuration when it starts, so restart it"},
		{"ses --url " + url, 1, "has stored it all the same"},
		{"open --url " + url, 0, "No Kafka is configured here"},
		{"open --url " + url + webhooksPath + "open", 0, "open to everybody"},
		{"shop --url " + closed.URL, 1, "nothing listens at " + closed.URL},
		{"shop --url " + elsewhere.URL, 1, "no answer of Posthorn's gateway"},
		{"shop --url 127.0.0.1", 1, "--url: is no address"},
		{"unset", 1, "environment variable POSTHORN_TEST_NOT_SET is not set"},
		{"shpo", 1, `source "shpo" is not configured: there are shop, brevo, `},
		// A delivery of Mailjet's is nothing to a decoder of Postmark's.
		{"wrong --url " + url + " " + strings.Join(flags, " "), 1, "it was rejected: missing_field: RecordType"},
		{"open --url " + url + " --brokers 127.0.0.1:1 --registry " + closed.URL, 0, "Kafka can't be asked"},
	} {
		code, out, errOut := posthorn(t, append([]string{"source", "test", "-c", path}, strings.Fields(c.args)...)...)
		if code != c.code || !strings.Contains(out+errOut, c.says) || strings.Contains(out+errOut, "topsecret") {
			t.Errorf("%s: code %d, want %q:\n%s%s", c.args, code, c.says, out, errOut)
		}
	}
}

// Without stages no event comes; and what can't be stored is told from what is
// refused.
func TestSourceTestWithoutStages(t *testing.T) {
	t.Chdir(t.TempDir())
	flags, _, _ := cluster(t)
	answer := func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/full") {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(`{"type":"urn:posthorn:problem:not-durable","title":"Not stored, send it again","detail":"Kafka did not confirm"}`))
			return
		}
		_, _ = w.Write([]byte(`{"webhook_id":"01890a5d-ac96-774b-bcce-b302099a8057"}`))
	}
	gateway := httptest.NewServer(http.HandlerFunc(answer))
	defer gateway.Close()
	path := file(t, "posthorn.yaml", "sources:\n  - {name: shop, provider: mailjet}\n  - {name: full, provider: mailjet}\n")
	code, _, errOut := posthorn(t, append([]string{"source", "test", "shop", "-c", path, "--url", gateway.URL, "--timeout", "300ms"}, flags...)...)
	if code != 1 || !strings.Contains(errOut, "no event of it is in posthorn.events after 300ms") {
		t.Errorf("code %d: %s", code, errOut)
	}
	code, _, errOut = posthorn(t, "source", "test", "full", "-c", path, "--url", gateway.URL)
	if code != 1 || !strings.Contains(errOut, "could not store it") || !strings.Contains(errOut, "Kafka did not confirm") {
		t.Errorf("code %d: %s", code, errOut)
	}
}

// Beside a running "up" its addresses count, and the sources of the file: one that
// was just added is not known to what runs.
func TestSourcesBesideUp(t *testing.T) {
	dir := t.TempDir()
	path := file(t, "posthorn.yaml", "data: "+dir+"\nsources: [{name: new, provider: mailjet, username: u, password: p}]\n")
	session := "kafka: {brokers: [\"127.0.0.1:1\"]}\nregistry: {url: \"http://127.0.0.1:2\"}\ngateway: {listen: \"127.0.0.1:3\"}\nsources: [{name: mailjet, provider: mailjet}]\n"
	if err := os.WriteFile(filepath.Join(dir, sessionFile), []byte(session), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errOut := posthorn(t, "source", "list", "-c", path)
	if code != 0 || !strings.Contains(out, "http://127.0.0.1:3/v1/webhooks/new") || strings.Contains(out, "mailjet-backup") {
		t.Errorf("code %d: %s%s", code, out, errOut)
	}
	code, out, errOut = posthorn(t, "source", "list", "--data", dir)
	if code != 0 || !strings.Contains(out, "http://127.0.0.1:3/v1/webhooks/mailjet") {
		t.Errorf("code %d: %s%s", code, out, errOut)
	}
}
