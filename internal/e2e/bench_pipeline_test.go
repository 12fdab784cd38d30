package e2e

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/internal/receiver"
	"github.com/posthorn/posthorn/internal/simulate"
	"github.com/posthorn/posthorn/schemas"
)

const benchRules = `rules:
  - name: discount-24h
    within: {event: opened, of: send, duration: 24h}
    once_per: message
    limit: 100000000
    call: shop
`

// TestBenchPipeline measures the all-in-one as a user starts it: posted by
// HTTP, until the last stage and the sink have passed the last event. Both
// share the machine with what posts and with what takes the callbacks.
func TestBenchPipeline(t *testing.T) {
	events := benchEvents(t, 1_000_000)
	shop := startShop(t, nil)
	up := startBenchUp(t, shop, benchRules)

	gen := simulate.DefaultConfig(time.Now())
	gen.Campaigns, gen.Recipients, gen.Batch = 3, simulate.RecipientsFor(events, 3), 100
	g, err := simulate.New(gen)
	if err != nil {
		t.Fatal(err)
	}
	cpuUp, cpuSelf, start := up.cpuSeconds(t), cpuSeconds(), time.Now()
	posted, err := simulate.Post(t.Context(), simulate.PostConfig{URL: up.source, Connections: 64}, g)
	if err != nil {
		t.Fatal(err)
	}
	taken := time.Since(start)
	fmt.Printf("pipeline: %d events in %d webhooks taken in %.1f s, load average %s\n",
		posted.Events, posted.Bodies, taken.Seconds(), loadAverage())
	for _, step := range pipelineSteps(up.admin) {
		eventually(t, 10*time.Minute, step.name, step.passed(t))
		fmt.Printf("pipeline: %-18s done after %5.1f s\n", step.name, time.Since(start).Seconds())
	}
	took := time.Since(start)
	n := float64(posted.Events)
	cpuUp, cpuSelf = up.cpuSeconds(t)-cpuUp, cpuSeconds()-cpuSelf
	fmt.Printf("pipeline: %.1f CPU-seconds in posthorn, %.1f in the load generator and receiver: %.0f events per CPU-second of posthorn; load average %s\n",
		cpuUp, cpuSelf, n/cpuUp, loadAverage())
	// Callbacks follow at the pace that the endpoint's concurrency allows.
	called, want := shop.Stats().Unique, g.Truth().Triggers()
	eventually(t, 10*time.Minute, "callbacks", func() error {
		if calls := shop.Stats(); calls.Unique < want {
			return fmt.Errorf("%d of %d", calls.Unique, want)
		}
		return nil
	})
	fmt.Printf("pipeline: %d of %d callbacks came meanwhile, the last after %.1f s\n", called, want, time.Since(start).Seconds())
	if calls := shop.Stats(); calls.Unique != want || calls.BadSignatures > 0 {
		t.Errorf("callbacks: %+v, want %d", calls, want)
	}
	fmt.Printf("RESULT pipeline_events_per_s %.0f events/s\n", n/took.Seconds())
}

// benchEvents skips the test unless benchmarks are wanted, and returns how many
// events they are to have.
func benchEvents(t *testing.T, orElse int) int {
	t.Helper()
	if os.Getenv("POSTHORN_BENCH") == "" {
		t.Skip("a benchmark: make bench")
	}
	if n, err := strconv.Atoi(os.Getenv("POSTHORN_BENCH_EVENTS")); err == nil {
		return n
	}
	return orElse
}

var benchSecret = "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("bench"), 6))

func startShop(t *testing.T, onCall func(receiver.Call)) *receiver.Server {
	t.Helper()
	shop, err := receiver.Start("127.0.0.1:0", receiver.Config{Secrets: []string{benchSecret}, OnCall: onCall})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shop.Close() })
	return shop
}

// benchUp is a running all-in-one.
type benchUp struct {
	*process
	source string // URL with password
	api    string // address
	admin  *kadm.Client
}

// startBenchUp starts the all-in-one with default settings and free ports.
func startBenchUp(t *testing.T, shop *receiver.Server, rules string) *benchUp {
	t.Helper()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	gateway, api, broker := address(t), address(t), address(t)
	config := file("posthorn.yaml", fmt.Sprintf(`data: %s
gateway: {listen: %s}
api: {listen: %s}
metrics: {listen: %s, pprof: true}
clickhouse: {listen: %s, sql_listen: %s}
kafka: {listen: %s}
registry: {listen: %s}
sources: [{name: mailjet, provider: mailjet, account: shop, username: bench, password: bench-password}]
rules: [%s]
endpoints: [{name: shop, url: %q, secret: %s, allow_private: true}]
`, filepath.Join(dir, "data"), gateway, api, address(t), address(t), address(t), broker, address(t), file("rules.yaml", rules), shop.URL(), benchSecret))
	fmt.Printf("profiles while it runs: http://%s/debug/pprof/\n", api)
	up := &benchUp{process: start(t, "up", "up", "--config", config), api: api}
	eventually(t, 3*time.Minute, "starting", func() error { return httpOK("http://" + api + "/readyz") })
	source := url.URL{Scheme: "http", User: url.UserPassword("bench", "bench-password"), Host: gateway, Path: "/v1/webhooks/mailjet"}
	up.source = source.String()
	admin, stop, err := kafka.NewAdmin(kafka.Config{Brokers: []string{broker}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	up.admin = admin
	return up
}

// cpuSeconds is what the process has used so far, in all threads.
func (u *benchUp) cpuSeconds(t *testing.T) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", u.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	// After the name, which may hold anything: user and system time are fields
	// 14 and 15, in hundredths of a second.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	if err1 != nil || err2 != nil {
		t.Fatalf("reading /proc stat: %s", text)
	}
	return float64(user+system) / 100
}

func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(text))[:2], " ")
}

// pipelineStep is a reader of a topic that must come to its end.
type pipelineStep struct {
	name, topic string
	admin       *kadm.Client
	at          func(t *testing.T) (map[int32]int64, error)
}

// pipelineSteps are the stages in the order of the data's way, then the sink.
func pipelineSteps(admin *kadm.Client) (steps []pipelineStep) {
	for _, s := range [][2]string{
		{"normalize", schemas.TopicWebhooks}, {"engagement", schemas.TopicEventsByRecipient},
		{"campaign", schemas.TopicCampaignDeltas}, {"delivery", schemas.TopicTriggers},
	} {
		steps = append(steps, pipelineStep{"stage " + s[0], s[1], admin, func(t *testing.T) (map[int32]int64, error) {
			committed, err := admin.FetchOffsets(t.Context(), s[0])
			at := map[int32]int64{}
			for p, o := range committed[s[1]] {
				at[p] = o.At
			}
			return at, err
		}})
	}
	for _, topic := range analytics.SinkTopics() {
		steps = append(steps, pipelineStep{"sink " + strings.TrimPrefix(topic, "posthorn."), topic, admin, func(t *testing.T) (map[int32]int64, error) {
			return analytics.Done(t.Context(), admin, topic, 1)
		}})
	}
	return steps
}

// passed checks that the reader has passed the end that the topic has now.
func (s pipelineStep) passed(t *testing.T) func() error {
	t.Helper()
	ends, err := s.admin.ListEndOffsets(t.Context(), s.topic)
	if err != nil {
		t.Fatal(err)
	}
	return func() error {
		at, err := s.at(t)
		if err != nil {
			return err
		}
		var behind int64
		ends.Each(func(o kadm.ListedOffset) { behind += max(0, o.Offset-max(0, at[o.Partition])) })
		if behind > 0 {
			return fmt.Errorf("%d offsets of %s behind", behind, s.topic)
		}
		return nil
	}
}
