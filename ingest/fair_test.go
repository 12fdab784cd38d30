package ingest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthorn/posthorn/ingest/provider"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

// loudAndQuiet are two sources that take from anybody.
func loudAndQuiet(loud Limits) []Source {
	return []Source{
		{Name: "loud", Tenant: "acme", Provider: provider.Mailjet{}, Limits: loud},
		{Name: "quiet", Tenant: "acme", Provider: provider.Mailjet{}},
	}
}

// slowly makes a cluster of twelve partitions answer every produce late.
func slowly(t *testing.T, by time.Duration) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(12, schemas.TopicWebhooks), kfake.SleepOutOfOrder())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		c.SleepControl(func() { time.Sleep(by) })
		return nil, nil, false
	})
	return c
}

// TestQuietSourceKeepsItsLatency floods one source while another sends 20 webhooks a
// second to the same gateway, whose Kafka is slow. Without shares the flood takes all
// places, and the quiet source is refused: POSTHORN_UNFAIR=1 shows that.
func TestQuietSourceKeepsItsLatency(t *testing.T) {
	const floods, quiets = 300, 80
	c := slowly(t, 50*time.Millisecond)
	g := gateway(t, producer(t, c), func(cfg *Config) {
		cfg.Sources = loudAndQuiet(Limits{})
		cfg.MaxPending = 200
	})
	if os.Getenv("POSTHORN_UNFAIR") == "1" {
		all := share{newBudget(g.cfg.MaxPending), newBudget(g.cfg.ByteBudget)}
		g.sources["loud"].share, g.overflow = all, all
	}
	base, _, _ := serve(t, g)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: floods}}
	send := func(source, body string) int {
		resp, err := client.Post(base+"/v1/webhooks/"+source, "application/json", strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return 0
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		return resp.StatusCode
	}
	quiet := func() time.Duration {
		took := make([]time.Duration, quiets)
		var wg sync.WaitGroup
		rate := time.NewTicker(time.Second / 20)
		defer rate.Stop()
		for i := range took {
			<-rate.C
			wg.Go(func() {
				start := time.Now()
				if code := send("quiet", fmt.Sprint(i)); code != http.StatusOK {
					t.Errorf("the quiet source got %d", code)
				}
				took[i] = time.Since(start)
			})
		}
		wg.Wait()
		slices.Sort(took)
		return took[(quiets-1)*99/100]
	}
	alone := quiet()

	var flooding atomic.Bool
	flooding.Store(true)
	var taken, refused atomic.Int64
	var wg sync.WaitGroup
	for range floods {
		wg.Go(func() {
			for flooding.Load() {
				switch code := send("loud", `[{"event":"open"}]`); code {
				case http.StatusOK:
					taken.Add(1)
				case http.StatusTooManyRequests, http.StatusServiceUnavailable:
					refused.Add(1)
					time.Sleep(200 * time.Millisecond) // less than any provider waits
				default:
					t.Errorf("the flood got %d", code)
				}
			}
		})
	}
	until(t, "the flood fills its share", func() bool { return refused.Load() >= floods })
	beside := quiet()
	flooding.Store(false)
	wg.Wait()
	t.Logf("quiet source, 99th percentile: alone %s, beside %d connections %s; the flood had %d webhooks taken and %d refused", alone, floods, beside, taken.Load(), refused.Load())
	// The machine serves the flood's clients too.
	if limit := 3*alone + 300*time.Millisecond; beside > limit {
		t.Errorf("beside a flood the quiet source takes %s, alone %s", beside, alone)
	}
	if used := g.budget.inUse() + g.pending.inUse() + g.overflow.requests.inUse() + g.overflow.bytes.inUse(); used != 0 {
		t.Errorf("%v of the budgets are still taken", used)
	}
}

// TestFloodHasPartitionsOfItsOwn reads back where webhooks went: what is over a
// source's rate stands in none of the partitions of the others.
func TestFloodHasPartitionsOfItsOwn(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(12, schemas.TopicWebhooks))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	g := gateway(t, producer(t, c), func(cfg *Config) { cfg.Sources = loudAndQuiet(Limits{Rate: 0.001, Burst: 5}) })
	const loud, quiet = 60, 20
	body := strings.Repeat("x", 8<<10) // Eight fill what one partition gets at a time.
	for i := range loud {
		if w := answerOf(g, post("/v1/webhooks/loud", body)); w.Code != http.StatusOK {
			t.Fatalf("status %d: what is over the rate is taken too", w.Code)
		}
		if i < quiet && answerOf(g, post("/v1/webhooks/quiet", body)).Code != http.StatusOK {
			t.Fatal("the quiet source is refused")
		}
	}
	cl, err := kafka.NewConsumer(kafka.Config{Brokers: c.ListenAddrs()}, kgo.ConsumeTopics(schemas.TopicWebhooks))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	type lane struct {
		source   string
		overflow bool
	}
	got := map[lane]int{}
	for n := 0; n < loud+quiet && ctx.Err() == nil; {
		cl.PollFetches(ctx).EachRecord(func(rec *kgo.Record) {
			var h schemas.Webhook
			if err := serde.Decode(rec.Value, &h); err != nil {
				t.Error(err)
			}
			got[lane{h.Source, int(rec.Partition) >= 12-kafka.OverflowPartitions(12)}]++
			n++
		})
	}
	want := map[lane]int{{"loud", false}: 5, {"loud", true}: loud - 5, {"quiet", false}: quiet}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("stored %v, want %v", got, want)
	}
}

// flood sends requests that wait for the producer; each gets its own answer.
func flood(t *testing.T, g *Gateway, p *held, n int, r func() *http.Request) (codes chan int) {
	t.Helper()
	codes = make(chan int, n)
	for range n {
		go func() { codes <- answerOf(g, r()).Code }()
		<-p.arrived
	}
	return codes
}

func TestShareOfASource(t *testing.T) {
	loud := func() *http.Request { return post("/v1/webhooks/loud", "x") }
	for _, c := range []struct {
		name   string
		change func(*Config)
		first  int // taken before the source is refused
	}{
		{"requests", func(cfg *Config) { cfg.MaxPending = 8 }, 2 + 2},
		{"concurrency of its own", func(cfg *Config) { cfg.MaxPending = 8; cfg.Sources[0].Limits.Concurrency = 3 }, 3 + 2},
		{"rate", func(cfg *Config) { cfg.MaxPending = 40; cfg.Sources[0].Limits = Limits{Rate: 0.001, Burst: 1} }, 1 + 10},
		{"bytes", func(cfg *Config) { cfg.MaxBody = 100; cfg.ByteBudget = 8 * (envelope + 100) }, 2 + 2},
		{"alone", func(cfg *Config) { cfg.MaxPending = 4; cfg.Sources = cfg.Sources[:1] }, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newHeld()
			g := gateway(t, p, func(cfg *Config) { cfg.Sources = loudAndQuiet(Limits{}); c.change(cfg) })
			codes := flood(t, g, p, c.first, loud)
			w := answerOf(g, loud())
			status := http.StatusTooManyRequests
			if len(g.sources) == 1 {
				status = http.StatusServiceUnavailable
			}
			wantProblem(t, w, status, "/v1/webhooks/loud")
			if w.Header().Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			if len(g.sources) > 1 {
				quiet := flood(t, g, p, 1, func() *http.Request { return post("/v1/webhooks/quiet", "x") })
				defer func() {
					if code := <-quiet; code != http.StatusOK {
						t.Errorf("the quiet source got %d", code)
					}
				}()
			}
			p.finish(nil)
			for range c.first {
				if code := <-codes; code != http.StatusOK {
					t.Errorf("the flood got %d", code)
				}
			}
			src := g.sources["loud"]
			for _, b := range []*budget{g.pending, g.budget, src.share.requests, src.share.bytes, g.overflow.requests, g.overflow.bytes} {
				if used := b.inUse(); used > 1+envelope { // the quiet one may not have returned
					t.Errorf("%v of a budget are still taken", used)
				}
			}
		})
	}
}

// TestForgedWebhooksUseUpNoRate sends forgeries to a source with a rate: what is
// real still goes the usual way.
func TestForgedWebhooksUseUpNoRate(t *testing.T) {
	c := cluster(t)
	g := gateway(t, producer(t, c), func(cfg *Config) {
		cfg.Sources = []Source{sources[0], sources[1]}
		cfg.Sources[0].Limits = Limits{Rate: 0.001, Burst: 1}
	})
	for range 5 {
		if w := answerOf(g, post("/v1/webhooks/main", "x")); w.Code != http.StatusUnauthorized {
			t.Fatalf("status %d", w.Code)
		}
	}
	r := post("/v1/webhooks/main", "x")
	r.SetBasicAuth("mj", "new")
	if w := answerOf(g, r); w.Code != http.StatusOK {
		t.Fatalf("status %d", w.Code)
	}
	if got := g.sources["main"].rate.Tokens(); got >= 1 {
		t.Errorf("%v webhooks are left of the rate: the real one did not count", got)
	}
	if got := g.overflow.requests.inUse(); got != 0 {
		t.Errorf("%v requests are in the overflow", got)
	}
}

// TestLargeBodyOfUnknownLengthFits posts the largest body in two ways to a gateway
// whose budget holds just one.
func TestLargeBodyOfUnknownLengthFits(t *testing.T) {
	c := cluster(t)
	const size = 1 << 20
	g := gateway(t, producer(t, c), func(cfg *Config) { cfg.MaxBody = size; cfg.ByteBudget = size + envelope })
	body := bytes.Repeat([]byte("x"), size)
	unsized := httptest.NewRequest(http.MethodPost, "/v1/webhooks/open", io.MultiReader(bytes.NewReader(body)))
	for _, r := range []*http.Request{unsized, httptest.NewRequest(http.MethodPost, "/v1/webhooks/open", bytes.NewReader(body))} {
		if w := answerOf(g, r); w.Code != http.StatusOK {
			t.Errorf("length %d: status %d: %s", r.ContentLength, w.Code, w.Body)
		}
		if used := g.budget.inUse(); used != 0 {
			t.Errorf("%v bytes are still taken", used)
		}
	}
}
