package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/embedded/broker"
	"github.com/posthorn/posthorn/internal/embedded/registry"
	"github.com/posthorn/posthorn/schemas"
)

// cluster starts an embedded Kafka and registry and returns the flags to reach
// them, and a client.
func cluster(t *testing.T) (flags []string, serde *schemas.Serde, cl *kgo.Client) {
	t.Helper()
	b, err := broker.Start(t.Context(), broker.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	r, err := registry.Start(registry.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	flags = []string{"--brokers", b.Addrs()[0], "--registry", r.URL()}
	if code, _, errOut := posthorn(t, append([]string{"topics", "create", "--partitions", "2"}, flags...)...); code != 0 {
		t.Fatal(errOut)
	}
	cfg := config.Default()
	cfg.Registry.URL = r.URL()
	if serde, err = register(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if cl, err = kgo.NewClient(kgo.SeedBrokers(b.Addrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return flags, serde, cl
}

func TestReplayWritesReferences(t *testing.T) {
	t.Chdir(t.TempDir())
	flags, serde, cl := cluster(t)
	hook := &schemas.Webhook{ID: schemas.ID{1}, Tenant: "default", Account: "a", Source: "s", Provider: "mailjet", Body: []byte(`{"broken`)}
	rejection := func(index int32, reason string) *schemas.Rejection {
		return &schemas.Rejection{WebhookID: hook.ID, Tenant: "default", Account: "a", Source: "s", Provider: "mailjet",
			Partition: 1, Index: index, Reason: reason, Detail: "no", ArrivedAt: schemas.FromTime(time.Now())}
	}
	produce := func(topic string, partition int32, value schemas.Record) {
		t.Helper()
		rec := &kgo.Record{Topic: topic, Partition: partition, Value: serde.Append(nil, topic, value)}
		if err := cl.ProduceSync(context.Background(), rec).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	produce(schemas.TopicWebhooks, 1, hook)
	for _, r := range []*schemas.Rejection{rejection(-1, "bad_json"), rejection(3, "bad_field"), rejection(3, "bad_field")} {
		produce(schemas.TopicRejected, 0, r)
	}
	run := func(args ...string) string {
		t.Helper()
		code, out, errOut := posthorn(t, append(args, flags...)...)
		if code != 0 {
			t.Fatalf("%v: code %d: %s", args, code, errOut)
		}
		return out
	}
	if out := run("replay", "--rejected", "--dry-run"); !strings.Contains(out, "1:0:-1\t") || !strings.HasSuffix(out, "2 would be replayed\n") {
		t.Errorf("dry run: %s", out)
	}
	if out := run("replay", "--rejected", "--reason", "bad_field"); out != "1 replayed\n" {
		t.Errorf("by reason: %s", out)
	}
	if out := run("replay", "--rejected", "--source", "other"); out != "0 replayed\n" {
		t.Errorf("by source: %s", out)
	}
	if out := run("replay", "--webhook", "1:0"); out != "1 replayed\n" {
		t.Errorf("one webhook: %s", out)
	}
	if code, _, errOut := posthorn(t, append([]string{"replay", "--webhook", "1:77"}, flags...)...); code != 1 || !strings.Contains(errOut, "webhook 1:77") {
		t.Errorf("a webhook that is not there: code %d: %s", code, errOut)
	}

	var references []schemas.WebhookRef
	for line := range strings.Lines(run("tail", schemas.TopicWebhooks, "--from-start", "--limit", "3")) {
		var got struct {
			Value struct {
				Body     string
				ReplayOf *schemas.WebhookRef `json:"replay_of"`
			}
		}
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if got.Value.ReplayOf == nil {
			if got.Value.Body != string(hook.Body) {
				t.Errorf("body %q", got.Value.Body)
			}
			continue
		}
		if got.Value.Body != "" {
			t.Errorf("a reference with the body %q", got.Value.Body)
		}
		references = append(references, *got.Value.ReplayOf)
	}
	if len(references) != 2 {
		t.Fatalf("references: %v", references)
	}
	for _, r := range references {
		if r.WebhookID != hook.ID || r.Partition != 1 || r.Offset != 0 || (r.Index != 3 && r.Index != -1) {
			t.Errorf("reference %+v", r)
		}
	}
}
