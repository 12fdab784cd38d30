package ingest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthorn/posthorn/ingest/provider"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

var serde = schemas.NewLocalSerde()

func cluster(t testing.TB) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, schemas.TopicWebhooks), kfake.SeedTopics(1, schemas.TopicGateways))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func producer(t testing.TB, c *kfake.Cluster, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kafka.NewProducer(kafka.Config{Brokers: c.ListenAddrs()}, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// stored reads all webhooks that a cluster holds.
func stored(t testing.TB, c *kfake.Cluster) (hooks []schemas.Webhook) {
	t.Helper()
	for _, rec := range webhookRecords(t, c) {
		var h schemas.Webhook
		if err := serde.Decode(rec.Value, &h); err != nil {
			t.Error(err)
		}
		hooks = append(hooks, h)
	}
	return hooks
}

func webhookRecords(t testing.TB, c *kfake.Cluster) (records []*kgo.Record) {
	t.Helper()
	cl, err := kafka.NewConsumer(kafka.Config{Brokers: c.ListenAddrs()}, kgo.ConsumeTopics(schemas.TopicWebhooks))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req := kmsg.NewPtrListOffsetsRequest()
	topic := kmsg.NewListOffsetsRequestTopic()
	topic.Topic = schemas.TopicWebhooks
	for p := range int32(3) {
		part := kmsg.NewListOffsetsRequestTopicPartition()
		part.Partition, part.Timestamp = p, -1
		topic.Partitions = append(topic.Partitions, part)
	}
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		t.Fatal(err)
	}
	want := int64(0)
	for _, p := range resp.Topics[0].Partitions {
		want += p.Offset
	}
	for int64(len(records)) < want && ctx.Err() == nil {
		records = append(records, cl.PollFetches(ctx).Records()...)
	}
	if err := ctx.Err(); err != nil {
		t.Fatalf("%d of %d webhooks: %v", len(records), want, err)
	}
	return records
}

var sources = []Source{
	{Name: "main", Tenant: "acme", Account: "shop", Provider: provider.Mailjet{}, Credentials: provider.Credentials{Username: "mj", Passwords: []string{"new", "old"}}},
	{Name: "open", Tenant: "acme", Provider: provider.Mailjet{}},
}

func gateway(t testing.TB, p Producer, change func(*Config)) *Gateway {
	t.Helper()
	cfg := Config{Sources: sources, Producer: p, Serde: serde}
	if change != nil {
		change(&cfg)
	}
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func post(path, body string) *http.Request {
	return httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
}

func answerOf(g *Gateway, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w
}

// wantProblem checks an answer's form.
func wantProblem(t *testing.T, w *httptest.ResponseRecorder, status int, instance string) {
	t.Helper()
	var p struct {
		Type, Title, Detail, Instance string
		Status                        int
	}
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("status %d, body %q: %v", w.Code, w.Body, err)
	}
	if w.Code != status || p.Status != status || p.Instance != instance || p.Title == "" || p.Detail == "" || !strings.HasPrefix(p.Type, "urn:posthorn:problem:") {
		t.Errorf("status %d, %+v; want %d for %s", w.Code, p, status, instance)
	}
	if ct := w.Header().Get("Content-Type"); ct != "application/problem+json" {
		t.Errorf("content type %q", ct)
	}
}

func TestStoresTheRequestAsReceived(t *testing.T) {
	c := cluster(t)
	g := gateway(t, producer(t, c), nil)
	body := "not even JSON \x00\xff"
	r := post("/v1/webhooks/main?a=1&b=%20", body)
	r.SetBasicAuth("mj", "old")
	r.Header.Set("Content-Type", "text/odd")
	r.Header.Set("Prefer", "respond-async, Return=representation")
	r.Header.Set("User-Agent", "mailjet/1")
	r.Header.Set("Cookie", "session=1")
	r.Header.Set("X-Forwarded-For", "203.0.113.9")
	r.RemoteAddr = "192.0.2.1:4711"
	before := time.Now().Add(-time.Second)
	w := answerOf(g, r)
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	var answer struct {
		WebhookID schemas.ID `json:"webhook_id"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	hooks := stored(t, c)
	if len(hooks) != 1 {
		t.Fatalf("%d webhooks", len(hooks))
	}
	h := hooks[0]
	if h.ID != answer.WebhookID || h.ID[6]>>4 != 7 {
		t.Errorf("id %s, answered %s, want a UUIDv7", h.ID, answer.WebhookID)
	}
	if string(h.Body) != body || !h.Intact() || h.CRC32C < 0 {
		t.Errorf("body %q, sum %d", h.Body, h.CRC32C)
	}
	if got := h.ReceivedAt.Time(); got.Before(before) || got.After(time.Now().Add(time.Second)) {
		t.Errorf("received at %s", got)
	}
	got := fmt.Sprint(h.Tenant, h.Account, h.Source, h.Provider, h.RemoteIP, h.ContentType, h.Query, h.Verified, h.Headers, h.ReplayOf)
	want := fmt.Sprint("acme", "shop", "main", "mailjet", "192.0.2.1", "text/odd", "a=1&b=%20", "basic", map[string]string{"user-agent": "mailjet/1"}, (*schemas.WebhookRef)(nil))
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestRefusals(t *testing.T) {
	c := cluster(t)
	reg := prometheus.NewRegistry()
	g := gateway(t, producer(t, c), func(cfg *Config) { cfg.MaxBody = 10; cfg.Registerer = reg })
	unsized := func(path, body string) *http.Request {
		return httptest.NewRequest(http.MethodPost, path, io.MultiReader(strings.NewReader(body)))
	}
	for _, test := range []struct {
		name   string
		r      *http.Request
		status int
		header [2]string
	}{
		{"unknown source", post("/v1/webhooks/other", "x"), 404, [2]string{}},
		{"no source", post("/v1/webhooks/", "x"), 404, [2]string{}},
		{"deeper", post("/v1/webhooks/open/x", "x"), 404, [2]string{}},
		{"another path", post("/", "x"), 404, [2]string{}},
		{"GET", httptest.NewRequest(http.MethodGet, "/v1/webhooks/open", nil), 405, [2]string{"Allow", "POST"}},
		{"PUT", httptest.NewRequest(http.MethodPut, "/v1/webhooks/open", nil), 405, [2]string{"Allow", "POST"}},
		{"no credentials", post("/v1/webhooks/main", "x"), 401, [2]string{"WWW-Authenticate", `Basic realm="posthorn", charset="UTF-8"`}},
		{"too large, said so", post("/v1/webhooks/open", "12345678901"), 413, [2]string{"Connection", "close"}},
		{"too large, not said", unsized("/v1/webhooks/open", strings.Repeat("x", 9000)), 413, [2]string{"Connection", "close"}},
		{"cut off", httptest.NewRequest(http.MethodPost, "/v1/webhooks/open", broken{}), 400, [2]string{"Connection", "close"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := answerOf(g, test.r)
			wantProblem(t, w, test.status, test.r.URL.Path)
			if test.header[0] != "" && w.Header().Get(test.header[0]) != test.header[1] {
				t.Errorf("%s: %q, want %q", test.header[0], w.Header().Get(test.header[0]), test.header[1])
			}
		})
	}
	for _, body := range []string{"", "1234567890"} {
		if w := answerOf(g, post("/v1/webhooks/open", body)); w.Code != http.StatusOK {
			t.Errorf("body %q: %d", body, w.Code)
		}
		if w := answerOf(g, unsized("/v1/webhooks/open", body)); w.Code != http.StatusOK {
			t.Errorf("body %q of unknown length: %d", body, w.Code)
		}
	}
	if n := len(stored(t, c)); n != 4 {
		t.Errorf("%d webhooks stored, want 4", n)
	}
	if used := g.budget.inUse() + g.pending.inUse(); used != 0 {
		t.Errorf("%v of the budgets are still taken", used)
	}
	got := map[string]float64{}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if v := m.GetCounter().GetValue(); f.GetName() == "posthorn_gateway_requests_total" && v != 0 {
				got[m.GetLabel()[1].GetValue()+" "+m.GetLabel()[0].GetValue()] = v
			}
		}
	}
	want := map[string]float64{"open 200": 4, "open 400": 1, "main 401": 1, "unknown 404": 4, "open 405": 2, "open 413": 2}
	if !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestRemoteIP(t *testing.T) {
	g := gateway(t, newHeld(), func(cfg *Config) {
		cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/64")}
	})
	for _, c := range []struct{ peer, forwarded, want string }{
		{"192.0.2.1:1", "203.0.113.9", "192.0.2.1"},
		{"10.0.0.1:1", "", "10.0.0.1"},
		{"10.0.0.1:1", "203.0.113.9", "203.0.113.9"},
		{"10.0.0.1:1", "198.51.100.1, 203.0.113.9, 10.1.1.1", "203.0.113.9"},
		{"10.0.0.1:1", "made up, 203.0.113.9", "203.0.113.9"},
		{"10.0.0.1:1", "203.0.113.9, made up", "10.0.0.1"},
		{"[::ffff:10.0.0.1]:1", "203.0.113.9", "203.0.113.9"},
		{"[2001:db8::5]:1", "2001:db8:1::9", "2001:db8:1::9"},
		{"nonsense", "203.0.113.9", ""},
	} {
		r := post("/", "")
		r.RemoteAddr = c.peer
		r.Header.Set("X-Forwarded-For", c.forwarded)
		if got := g.remoteIP(r); got != c.want {
			t.Errorf("%s for %q: got %s, want %s", c.peer, c.forwarded, got, c.want)
		}
	}
}

func TestConfiguration(t *testing.T) {
	p := newHeld()
	for name, cfg := range map[string]Config{
		"no producer":  {Serde: serde},
		"bad name":     {Serde: serde, Producer: p, Sources: []Source{{Name: "a/b", Provider: provider.Mailjet{}}}},
		"no provider":  {Serde: serde, Producer: p, Sources: []Source{{Name: "a"}}},
		"twice":        {Serde: serde, Producer: p, Sources: []Source{sources[0], sources[0]}},
		"small budget": {Serde: serde, Producer: p, ByteBudget: 1 << 20},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// serve runs a gateway on loopback. stop begins the drain; done gets its end.
func serve(t *testing.T, g *Gateway) (base string, stop func(), done chan error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	done = make(chan error, 1)
	go func() { done <- g.Serve(ctx, l) }()
	return "http://" + l.Addr().String(), cancel, done
}

func TestCredentialsInTheURL(t *testing.T) {
	c := cluster(t)
	base, _, _ := serve(t, gateway(t, producer(t, c), nil))
	u, err := url.Parse(base + "/v1/webhooks/main")
	if err != nil {
		t.Fatal(err)
	}
	for password, want := range map[string]int{"new": 200, "old": 200, "else": 401} {
		u.User = url.UserPassword("mj", password)
		resp, err := http.Post(u.String(), "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("password %q: %d, want %d", password, resp.StatusCode, want)
		}
	}
}

func readyz(t *testing.T, g *Gateway) (int, string) {
	t.Helper()
	w := answerOf(g, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	return w.Code, w.Body.String()
}

func TestReadiness(t *testing.T) {
	c := cluster(t)
	g := gateway(t, producer(t, c, kgo.RecordDeliveryTimeout(time.Second)), nil)
	if code, body := readyz(t, g); code != 503 {
		t.Errorf("before anything was asked: %d %s", code, body)
	}
	if err := g.kafka.probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w := answerOf(g, post("/v1/webhooks/open", "x")); w.Code != 200 {
		t.Fatalf("status %d", w.Code)
	}
	if code, body := readyz(t, g); code != 200 || !strings.Contains(body, `"gateway"`) {
		t.Errorf("after a webhook was stored: %d %s", code, body)
	}
	if w := answerOf(g, httptest.NewRequest(http.MethodGet, "/healthz", nil)); w.Code != 200 {
		t.Errorf("healthz: %d", w.Code)
	}

	c.Close()
	start := time.Now()
	w := answerOf(g, post("/v1/webhooks/open", "x"))
	wantProblem(t, w, 503, "/v1/webhooks/open")
	if d := time.Since(start); d > 8*time.Second {
		t.Errorf("503 took %s", d)
	}
	if code, body := readyz(t, g); code != 503 {
		t.Errorf("with the broker away: %d %s", code, body)
	}
	if err := g.kafka.probe(t.Context()); err == nil {
		t.Error("a probe of a broker that is away succeeds")
	}
	if used := g.budget.inUse(); used != 0 {
		t.Errorf("%v bytes are still taken", used)
	}
}
