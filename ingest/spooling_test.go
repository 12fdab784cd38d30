package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthorn/posthorn/ingest/provider"
	"github.com/posthorn/posthorn/ingest/spool"
	"github.com/posthorn/posthorn/internal/gateways"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

func openSpool(t testing.TB, cfg spool.Config) *spool.Spool {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	s, err := spool.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not within 30 s: " + what)
		}
	}
}

// refuse makes the cluster answer every produce with code until the returned
// function is called.
func refuse(c *kfake.Cluster, code int16) (stop func()) {
	var once sync.Once
	stopped := make(chan struct{})
	c.ControlKey(0, func(req kmsg.Request) (kmsg.Response, error, bool) {
		select {
		case <-stopped:
			c.DropControl()
			return nil, nil, false
		default:
		}
		c.KeepControl()
		produce := req.(*kmsg.ProduceRequest)
		resp := produce.ResponseKind().(*kmsg.ProduceResponse)
		for _, topic := range produce.Topics {
			rt := kmsg.NewProduceResponseTopic()
			rt.Topic, rt.TopicID = topic.Topic, topic.TopicID
			for _, p := range topic.Partitions {
				rp := kmsg.NewProduceResponseTopicPartition()
				rp.Partition, rp.ErrorCode = p.Partition, code
				rt.Partitions = append(rt.Partitions, rp)
			}
			resp.Topics = append(resp.Topics, rt)
		}
		return resp, nil, true
	})
	return func() { once.Do(func() { close(stopped) }) }
}

// post200 posts a body and wants it to be stored.
func post200(t testing.TB, base, body string) {
	t.Helper()
	resp, err := http.Post(base+"/v1/webhooks/open", "application/json", strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("%s: status %d", body, resp.StatusCode)
	}
}

// bodies returns how often each body is stored.
func bodies(t testing.TB, c *kfake.Cluster) map[string]int {
	t.Helper()
	n := map[string]int{}
	for _, h := range stored(t, c) {
		n[string(h.Body)]++
	}
	return n
}

func values(t testing.TB, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	v := map[string]float64{}
	for _, f := range families {
		if name, ok := strings.CutPrefix(f.GetName(), "posthorn_gateway_spool_"); ok {
			for _, m := range f.GetMetric() {
				v[name] += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return v
}

// TestSpoolBridgesAnOutage: while Kafka refuses, webhooks are answered 200 all
// the same; once it takes them again they are there, each at least once.
func TestSpoolBridgesAnOutage(t *testing.T) {
	c := cluster(t)
	reg := prometheus.NewRegistry()
	s := openSpool(t, spool.Config{SegmentBytes: 10_000})
	g := gateway(t, producer(t, c), func(cfg *Config) {
		cfg.Spool, cfg.SpoolAfter, cfg.Registerer = s, 200*time.Millisecond, reg
	})
	base, stop, done := serve(t, g)
	want := map[string]bool{}
	send := func(phase string, n int) {
		var wg sync.WaitGroup
		for i := range n {
			body := fmt.Sprintf("%s/%d", phase, i)
			want[body] = true
			wg.Go(func() { post200(t, base, body) })
		}
		wg.Wait()
	}
	send("before", 20)
	if st := s.Stats(); st.Appended != 0 {
		t.Errorf("with Kafka healthy: %+v", st)
	}
	takes := refuse(c, kerr.NotEnoughReplicas.Code)
	send("first", 50)
	until(t, "Kafka is known to fail", g.kafka.failing)
	start := time.Now()
	for range 3 {
		post200(t, base, "at once")
	}
	want["at once"] = true
	if d := time.Since(start); d > 3*200*time.Millisecond {
		t.Errorf("3 webhooks that need not wait for Kafka took %s", d)
	}
	send("during", 200)
	code, detail := readyz(t, g)
	if code != 200 || !strings.Contains(detail, "webhooks in the spool, until Kafka takes them") {
		t.Errorf("readiness during the outage: %d %s", code, detail)
	}
	if v := values(t, reg); v["records"] < 200 || v["appended_total"] != v["records"] || v["bytes"] < 10_000 || v["drained_total"] != 0 {
		t.Errorf("metrics: %v", v)
	}
	takes()
	until(t, "the spool is empty", s.Empty)
	until(t, "Kafka is known to be well", func() bool { return !g.kafka.failing() })
	send("after", 20)
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	got := bodies(t, c)
	for body := range want {
		if got[body] == 0 {
			t.Errorf("%s was answered 200 and is not stored", body)
		}
	}
	if v := values(t, reg); v["records"] != 0 || v["bytes"] != 0 || v["oldest_seconds"] != 0 || v["drained_total"] != v["appended_total"] || v["failed_total"] != 0 {
		t.Errorf("metrics: %v", v)
	}
	if used := g.budget.inUse(); used != 0 {
		t.Errorf("%v bytes are still taken", used)
	}
}

// TestSpoolOutlivesTheGateway: what was answered 200 with Kafka away is sent by
// the gateway that comes next.
func TestSpoolOutlivesTheGateway(t *testing.T) {
	c := cluster(t)
	takes := refuse(c, kerr.NotEnoughReplicas.Code)
	dir := t.TempDir()
	s := openSpool(t, spool.Config{Dir: dir})
	g := gateway(t, producer(t, c), func(cfg *Config) { cfg.Spool, cfg.SpoolAfter = s, 50*time.Millisecond })
	base, stop, done := serve(t, g)
	for i := range 20 {
		post200(t, base, fmt.Sprint(i))
	}
	start := time.Now()
	stop()
	if err := <-done; err != nil {
		t.Errorf("a shutdown that leaves webhooks on disk: %v", err)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("the shutdown took %s though Kafka was known to fail", d)
	}
	s.Close()
	takes()

	s = openSpool(t, spool.Config{Dir: dir})
	if n := s.Stats().Records; n != 20 {
		t.Errorf("%d webhooks in the spool", n)
	}
	g = gateway(t, producer(t, c), func(cfg *Config) { cfg.Spool = s })
	_, stop, done = serve(t, g)
	stop() // A shutdown drains what it can.
	if err := <-done; err != nil {
		t.Error(err)
	}
	if !s.Empty() {
		t.Errorf("left: %+v", s.Stats())
	}
	if got := slices.Collect(maps.Keys(bodies(t, c))); len(got) != 20 {
		t.Errorf("stored: %q", got)
	}
}

// TestKafkaAndSpoolFail: with both away the answer is 503 and the gateway unready.
func TestKafkaAndSpoolFail(t *testing.T) {
	p := newHeld()
	s := openSpool(t, spool.Config{MaxBytes: 2000})
	reg := prometheus.NewRegistry()
	g := gateway(t, p, func(cfg *Config) {
		cfg.Spool, cfg.SpoolAfter, cfg.AckTimeout, cfg.Registerer = s, 20*time.Millisecond, 40*time.Millisecond, reg
	})
	codes := map[int]int{}
	for range 20 {
		w := answerOf(g, post("/v1/webhooks/open", strings.Repeat("x", 200)))
		if codes[w.Code]++; w.Code == 503 {
			wantProblem(t, w, 503, "/v1/webhooks/open")
			if w.Header().Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		}
	}
	if codes[200] == 0 || codes[503] == 0 || codes[200]+codes[503] != 20 {
		t.Errorf("answers: %v", codes)
	}
	if code, detail := readyz(t, g); code != 503 || !strings.Contains(detail, "the spool is full") {
		t.Errorf("readiness: %d %s", code, detail)
	}
	if v := values(t, reg); v["failed_total"] == 0 {
		t.Errorf("metrics: %v", v)
	}
	p.finish(errors.New("too late"))
	if used := g.budget.inUse(); used != 0 {
		t.Errorf("%v bytes are still taken", used)
	}
	if used := g.pending.inUse(); used != 0 {
		t.Errorf("%v requests are still pending", used)
	}
}

// TestLateKafkaWins: with the spool full a webhook waits on, and Kafka's late
// answer counts.
func TestLateKafkaWins(t *testing.T) {
	p := newHeld()
	g := gateway(t, p, func(cfg *Config) {
		cfg.Spool, cfg.SpoolAfter = openSpool(t, spool.Config{MaxBytes: 50}), time.Millisecond
	})
	first := make(chan int, 1)
	go func() { first <- answerOf(g, post("/v1/webhooks/open", "x")).Code }()
	<-p.arrived
	until(t, "the spool was asked", g.kafka.failing)
	p.finish(nil)
	if code := <-first; code != 200 {
		t.Errorf("status %d", code)
	}
}

// TestTimedOutRecordKeepsItsBytes: a webhook that went to the spool is answered,
// but the producer still holds it: so does the budget.
func TestTimedOutRecordKeepsItsBytes(t *testing.T) {
	p := newHeld()
	s := openSpool(t, spool.Config{})
	g := gateway(t, p, func(cfg *Config) { cfg.Spool, cfg.SpoolAfter = s, time.Millisecond })
	if w := answerOf(g, post("/v1/webhooks/open", "x")); w.Code != 200 {
		t.Fatalf("status %d", w.Code)
	}
	if g.budget.inUse() == 0 {
		t.Error("the record is still with the producer, but its bytes were given back")
	}
	if w := answerOf(g, post("/v1/webhooks/open", "y")); w.Code != 200 || len(p.arrived) != 1 {
		t.Errorf("status %d; %d produced though Kafka is known to fail", w.Code, len(p.arrived))
	}
	p.finish(nil)
	if used := g.budget.inUse(); used != 0 {
		t.Errorf("%v bytes are still taken", used)
	}
	if n := s.Stats().Records; n != 2 {
		t.Errorf("%d webhooks in the spool", n)
	}
}

// TestTokenOfASpooledWebhook: what came with a token is stored once, wherever.
func TestTokenOfASpooledWebhook(t *testing.T) {
	p := newHeld()
	g := gateway(t, p, func(cfg *Config) {
		cfg.Spool, cfg.SpoolAfter = openSpool(t, spool.Config{}), time.Millisecond
		cfg.Sources = []Source{{Name: "open", Provider: once{}}}
	})
	for i, want := range []int{200, 409, 200, 409} {
		token := []string{"a", "a", "b", "b"}[i] // a waited for Kafka, b did not
		if w := answerOf(g, post("/v1/webhooks/open?token="+token, "x")); w.Code != want {
			t.Errorf("token %s, time %d: status %d, want %d", token, i, w.Code, want)
		}
	}
}

// once is a provider whose webhooks carry a token in their address.
type once struct{ provider.Mailjet }

func (once) Verifier(provider.Credentials) (provider.Verifier, error) { return onceVerifier{}, nil }

type onceVerifier struct{ provider.Verifier }

func (onceVerifier) SignsBody() bool { return false }
func (onceVerifier) Verify(r *http.Request, _ []byte, now time.Time) (provider.Verified, error) {
	return provider.Verified{Token: r.URL.Query().Get("token"), Until: now.Add(time.Hour)}, nil
}

// TestTooLargeForKafka: what Kafka will never take holds up nothing behind it.
func TestTooLargeForKafka(t *testing.T) {
	c := cluster(t)
	takes := refuse(c, kerr.NotEnoughReplicas.Code)
	s := openSpool(t, spool.Config{})
	p := producer(t, c, kgo.ProducerBatchMaxBytes(2000), kgo.ProducerBatchCompression(kgo.NoCompression()))
	g := gateway(t, p, func(cfg *Config) { cfg.Spool, cfg.SpoolAfter = s, time.Millisecond })
	for _, body := range []string{"one", strings.Repeat("x", 5000), "three"} {
		g.kafka.set(errors.New("away"))
		if w := answerOf(g, post("/v1/webhooks/open", body)); w.Code != 200 {
			t.Errorf("status %d", w.Code)
		}
	}
	takes()
	_, stop, done := serve(t, g)
	until(t, "the spool is empty", s.Empty)
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if st := s.Stats(); st.Refused != 1 || st.Drained != 2 {
		t.Errorf("%+v", st)
	}
	if got := bodies(t, c); got["one"] != 1 || got["three"] != 1 || len(got) != 2 {
		t.Errorf("stored: %v", got)
	}
	// Where Kafka is well, the caller is told.
	wantProblem(t, answerOf(g, post("/v1/webhooks/open", strings.Repeat("x", 5000))), 413, "/v1/webhooks/open")
}

// TestProbeIsNotEnough: while something waits in the spool, a broker that only
// answers questions does not count as well.
func TestProbeIsNotEnough(t *testing.T) {
	c := cluster(t)
	s := openSpool(t, spool.Config{})
	g := gateway(t, producer(t, c), func(cfg *Config) { cfg.Spool = s })
	g.kafka.set(errors.New("refused"))
	if w := answerOf(g, post("/v1/webhooks/open", "x")); w.Code != 200 {
		t.Fatal(w.Code)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	asked := make(chan struct{}, 100)
	c.ControlKey(3, func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		asked <- struct{}{}
		return nil, nil, false
	})
	go g.kafka.watch(ctx)
	<-asked
	<-asked
	if !g.kafka.failing() {
		t.Error("well by a question that was answered")
	}
	go s.Drain(ctx, g.resend)
	until(t, "well by a webhook", func() bool { return !g.kafka.failing() })
}

// instant is a Producer that has every record at once.
type instant struct{ Producer }

func (instant) Produce(_ context.Context, rec *kgo.Record, promise func(*kgo.Record, error)) {
	promise(rec, nil)
}

// TestLiveBesideDraining: live webhooks do not wait for what is drained.
func TestLiveBesideDraining(t *testing.T) {
	const waiting = 20_000
	c := cluster(t)
	s := openSpool(t, spool.Config{})
	g := gateway(t, producer(t, c), func(cfg *Config) { cfg.Spool, cfg.SpoolAfter = s, time.Minute })
	g.kafka.set(errors.New("away"))
	var wg sync.WaitGroup
	body := strings.Repeat("x", 2000)
	for range 64 {
		wg.Go(func() {
			for range waiting / 64 {
				if w := answerOf(g, post("/v1/webhooks/open", body)); w.Code != 200 {
					t.Errorf("status %d", w.Code)
				}
			}
		})
	}
	wg.Wait()
	g.kafka.set(nil)
	appended := s.Stats().Appended
	base, _, _ := serve(t, g)
	start := time.Now()
	var took []time.Duration
	for !s.Empty() {
		began := time.Now()
		post200(t, base, "live")
		took = append(took, time.Since(began))
	}
	drained := time.Since(start)
	slices.Sort(took)
	t.Logf("%d drained in %s; beside it %d live ones, p50 %s, p99 %s", appended, drained, len(took), took[len(took)/2], took[len(took)*99/100])
	if st := s.Stats(); st.Appended != appended || st.Drained != appended {
		t.Errorf("%+v", st)
	}
	if median := took[len(took)/2]; median > drained/5 {
		t.Errorf("a live webhook waits %s, all the draining took %s", median, drained)
	}
}

// TestSpoolCostsNothing: with Kafka well, a webhook allocates no more for there
// being a spool.
func TestSpoolCostsNothing(t *testing.T) {
	allocations := func(s *spool.Spool) float64 {
		g := gateway(t, instant{}, func(cfg *Config) { cfg.Spool = s })
		r := post("/v1/webhooks/open", "x")
		w := discard{http.Header{}}
		return testing.AllocsPerRun(2000, func() { g.ServeHTTP(w, r) })
	}
	without, with := allocations(nil), allocations(openSpool(t, spool.Config{}))
	if with > without {
		t.Errorf("%v allocations, without a spool %v", with, without)
	}
	t.Logf("%v allocations a request", with)
}

type discard struct{ h http.Header }

func (d discard) Header() http.Header       { return d.h }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

// TestSpooledWebhooksHoldTheFrontier: while webhooks wait in the spool the gateway
// says nothing new, and what it had said before is earlier than all of them; so
// they may count as arrived when they were received. A gateway that nobody has
// heard of yet may not say so.
func TestSpooledWebhooksHoldTheFrontier(t *testing.T) {
	for name, said := range map[string]schemas.Timestamp{"known before": schemas.FromTime(time.Now().Add(-time.Minute)), "new": 0} {
		t.Run(name, func(t *testing.T) {
			c := cluster(t)
			s := openSpool(t, spool.Config{})
			id, err := s.ID()
			if err != nil {
				t.Fatal(err)
			}
			hold := gateways.NewAnnouncer(id, "", func(context.Context) ([]gateways.Gateway, error) {
				if said == 0 {
					return nil, nil
				}
				return []gateways.Gateway{{ID: id, Until: said}}, nil
			}, slog.New(slog.DiscardHandler))
			takes := refuse(c, kerr.NotEnoughReplicas.Code)
			g := gateway(t, producer(t, c), func(cfg *Config) {
				cfg.Spool, cfg.SpoolAfter, cfg.Hold = s, 100*time.Millisecond, hold
			})
			base, stop, done := serve(t, g)
			began := schemas.FromTime(time.Now())
			for i := range 5 {
				post200(t, base, fmt.Sprint(i))
			}
			if until, ok := g.clear(); ok {
				t.Errorf("clear until %s with %d webhooks in the spool", until.Time(), s.Stats().Records)
			}
			takes()
			until(t, "the spool is empty", s.Empty)
			if until, ok := g.clear(); !ok || until < began {
				t.Errorf("clear until %s, %t with nothing in the spool", until.Time(), ok)
			}
			marked := 0
			for _, rec := range webhookRecords(t, c) {
				var hook schemas.Webhook
				if err := serde.Decode(rec.Value, &hook); err != nil {
					t.Fatal(err)
				}
				if schemas.ArrivedAt(rec) == hook.ReceivedAt {
					marked++
				}
			}
			if want := 5; said != 0 && marked < want || said == 0 && marked != 0 {
				t.Errorf("%d records say when they were received", marked)
			}
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
			list, err := gateways.Read(t.Context(), kafka.Config{Brokers: c.ListenAddrs()}, slog.New(slog.DiscardHandler))
			if err != nil || len(list) != 1 || list[0].ID != id || !list[0].Left {
				t.Errorf("after a clean stop: %+v, %v", list, err)
			}
		})
	}
}
