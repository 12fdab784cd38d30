package ingest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

// What TestBenchGateway compares: requests per CPU-second of a server process
// of its own, the gateway or a handler that does nothing but read the body and
// produce it, with the same client options. Broker and callers run in the test
// process and do not count.
const (
	benchConnections = 64
	benchRounds      = 5
	benchRound       = 1500 * time.Millisecond
	benchServer      = "POSTHORN_BENCH_SERVER"  // the role of a server process
	benchBrokers     = "POSTHORN_BENCH_BROKERS" // its broker
)

func TestMain(m *testing.M) {
	if role := os.Getenv(benchServer); role != "" {
		if err := benchServe(role, os.Getenv(benchBrokers)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// benchServe runs a server process until its standard input ends.
func benchServe(role, brokers string) error {
	cl, err := kafka.NewProducer(kafka.Config{Brokers: []string{brokers}})
	if err != nil {
		return err
	}
	defer cl.Close()
	var handler http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := make([]byte, max(0, r.ContentLength)) // the callers always tell
		_, err := io.ReadFull(r.Body, body)
		if err == nil {
			err = cl.ProduceSync(r.Context(), &kgo.Record{Topic: schemas.TopicWebhooks, Value: body}).FirstErr()
		}
		if err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	if role == "gateway" {
		if handler, err = New(Config{Sources: sources, Producer: cl, Serde: serde, Registerer: prometheus.NewRegistry()}); err != nil {
			return err
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/cpu", func(w http.ResponseWriter, _ *http.Request) {
		var u syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
		fmt.Fprint(w, u.Utime.Nano()+u.Stime.Nano())
	})
	mux.Handle("/v1/webhooks/main", handler)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		l.Close()
	}()
	_ = http.Serve(l, mux) // Ends with the listener.
	return nil
}

// benchStart starts a server process and returns its base URL.
func benchStart(t *testing.T, role, brokers string) string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), benchServer+"="+role, benchBrokers+"="+brokers)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return "http://" + strings.TrimSpace(addr)
}

type benchResult struct{ perSecond, perCPUSecond float64 }

// benchRun posts body over all connections for a round.
func benchRun(t *testing.T, client *http.Client, base string, body []byte) benchResult {
	t.Helper()
	cpu := func() float64 {
		resp, err := client.Get(base + "/cpu")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		ns, err := strconv.ParseFloat(string(b), 64)
		if err != nil {
			t.Fatal(err)
		}
		return ns / 1e9
	}
	var requests atomic.Int64
	var wg sync.WaitGroup
	before, start := cpu(), time.Now()
	for range benchConnections {
		wg.Go(func() {
			for time.Since(start) < benchRound {
				req, _ := http.NewRequest(http.MethodPost, base+"/v1/webhooks/main", bytes.NewReader(body))
				req.SetBasicAuth("mj", "new")
				req.Header.Set("Content-Type", "application/json")
				resp, err := client.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					t.Errorf("status %d", resp.StatusCode)
					return
				}
				requests.Add(1)
			}
		})
	}
	wg.Wait()
	wall, used := time.Since(start).Seconds(), cpu()-before
	return benchResult{float64(requests.Load()) / wall, float64(requests.Load()) / used}
}

// benchBody returns a grouped body of n events.
func benchBody(n int) []byte {
	b := []byte{'['}
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"event":"open","time":%d,"MessageID":%d,"Message_GUID":"b29e1a52-8d3c-4a57-9d2e-%012x","email":"recipient-%d@orchard.example","mj_campaign_id":7301,"mj_contact_id":%d,"customcampaign":"spring-sale","CustomID":"order-%d","Payload":"","ip":"192.0.2.17","geo":"FR","agent":"Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15"}`,
			1772366400+i, 104427216766056450+i, i, i, i, i)
	}
	return append(b, ']')
}

// TestBenchGateway prints how near the gateway comes to the floor: the median
// of alternating rounds.
func TestBenchGateway(t *testing.T) {
	if os.Getenv("POSTHORN_BENCH") != "1" {
		t.Skip("set POSTHORN_BENCH=1 to measure")
	}
	broker := cluster(t).ListenAddrs()[0]
	urls := map[string]string{"gateway": benchStart(t, "gateway", broker), "floor": benchStart(t, "floor", broker)}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: benchConnections, DisableCompression: true}}
	for _, c := range []struct {
		events int
		name   string
	}{{1, "gateway_1event_vs_floor"}, {100, "gateway_100events_vs_floor"}} {
		body := benchBody(c.events)
		var ratios, perSecond, perCPU, floor []float64
		for round := range benchRounds + 1 {
			var r [2]benchResult
			order := []string{"floor", "gateway"}
			if round%2 == 1 {
				slices.Reverse(order)
			}
			for _, role := range order {
				r[slices.Index([]string{"floor", "gateway"}, role)] = benchRun(t, client, urls[role], body)
			}
			if round == 0 {
				continue // Warms up.
			}
			ratios = append(ratios, r[1].perCPUSecond/r[0].perCPUSecond)
			floor = append(floor, r[0].perCPUSecond)
			perSecond, perCPU = append(perSecond, r[1].perSecond*float64(c.events)), append(perCPU, r[1].perCPUSecond*float64(c.events))
		}
		fmt.Printf("gateway, %d events a body of %d bytes, %d connections: %.0f events/s, %.0f events/CPU-second (floor %.0f)\n",
			c.events, len(body), benchConnections, middle(perSecond), middle(perCPU), middle(floor)*float64(c.events))
		fmt.Printf("RESULT %s %.2f ratio\n", c.name, middle(ratios))
		if middle(ratios) < 0.7 {
			t.Errorf("%s: %.2f of the floor, want 0.7", c.name, middle(ratios))
		}
	}
}

func middle(v []float64) float64 { return slices.Sorted(slices.Values(v))[len(v)/2] }
