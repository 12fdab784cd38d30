package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/receiver"
)

const (
	latencyRate  = 1000 // events a second
	latencyTime  = 30 * time.Second
	latencyQuiet = 2 * time.Second // at the beginning, not counted
)

// TestBenchLatency measures the time from the POST of the event that makes a
// rule fire to the arrival of its callback, in an open loop: what is late does
// not slow down what comes after it. Every message is two events, its delivery
// and its first open, which the rule waits for; every second open comes alone,
// the others together with the next deliveries.
func TestBenchLatency(t *testing.T) {
	benchEvents(t, 0)
	l := &latencies{due: map[string]time.Time{}}
	shop := startShop(t, l.called)
	up := startBenchUp(t, shop, benchRules)
	source, err := url.Parse(up.source)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
	defer client.CloseIdleConnections()

	cpuUp, cpuSelf, began := up.cpuSeconds(t), cpuSeconds(), time.Now()
	var posting sync.WaitGroup
	const perRound = 20 // events, in 6 bodies
	rounds := int(latencyTime.Seconds()) * latencyRate / perRound
	last := 0
	for round := range rounds {
		due := began.Add(time.Duration(round) * perRound * time.Second / latencyRate)
		time.Sleep(time.Until(due)) // the load's clock
		now := time.Now().Unix()
		// The deliveries of this round's messages in one body; then the opens of
		// the round before, five alone and five in a body.
		var sent, opens []any
		for i := range perRound / 2 {
			sent = append(sent, benchEvent("sent", round*perRound/2+i, now))
			if round > 0 {
				n := last + i
				opens = append(opens, benchEvent("open", n, now))
				if due.Sub(began) >= latencyQuiet {
					l.expect(messageID(n), due)
				}
			}
		}
		last = round * perRound / 2
		bodies := []any{sent}
		for i, open := range opens {
			if i < len(opens)/2 {
				bodies = append(bodies, open)
			}
		}
		if len(opens) > 0 {
			bodies = append(bodies, opens[len(opens)/2:])
		}
		for _, body := range bodies {
			posting.Go(func() {
				if err := postJSON(client, source, body); err != nil {
					t.Error(err)
				}
			})
		}
	}
	posting.Wait()
	took, interval := time.Since(began), config.Default().Processor.CommitInterval
	eventually(t, time.Minute, "callbacks", l.all)
	p50, p99, most := l.percentiles()
	n := rounds * perRound
	fmt.Printf("latency: %d events in %.1f s, %d callbacks, POST to callback p50 %s, p99 %s, max %s; CPU %.2f cores in posthorn, %.2f in the load; load average %s\n",
		n, took.Seconds(), len(l.took), p50.Round(time.Millisecond), p99.Round(time.Millisecond), most.Round(time.Millisecond),
		(up.cpuSeconds(t)-cpuUp)/took.Seconds(), (cpuSeconds()-cpuSelf)/took.Seconds(), loadAverage())
	fmt.Printf("commit interval of the stages %s (a call waits for a commit of normalize, of engagement and of delivery)\n", interval)
	fmt.Printf("RESULT callback_p50 %.0f ms\n", float64(p50)/1e6)
	fmt.Printf("RESULT callback_p99 %.0f ms\n", float64(p99)/1e6)
}

func messageID(n int) string { return fmt.Sprint(goldenMessageID(1000 + n)) }

func benchEvent(kind string, n int, at int64) map[string]any {
	e := map[string]any{
		"event": kind, "time": at, "MessageID": goldenMessageID(1000 + n), "Message_GUID": fmt.Sprintf("6f2c1d4e-0000-4000-8000-%012d", n),
		"email": fmt.Sprintf("r%d@example.org", n), "mj_campaign_id": 7001, "mj_contact_id": n, "customcampaign": "latency", "CustomID": "", "Payload": "",
	}
	if kind == "open" {
		e["ip"], e["geo"], e["agent"] = "192.0.2.7", "FR", goldenAgents["@person"]
	}
	return e
}

func postJSON(client *http.Client, source *url.URL, body any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	resp, err := client.Post(source.String(), "application/json", bytes.NewReader(data))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("posting: %s", resp.Status)
	}
	return nil
}

// latencies are the times from when an event was to be posted to its callback.
type latencies struct {
	mu   sync.Mutex
	due  map[string]time.Time // of the messages whose callback is awaited
	took []time.Duration
}

func (l *latencies) expect(message string, due time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.due[message] = due
}

func (l *latencies) called(c receiver.Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if due, ok := l.due[c.Message]; ok {
		l.took = append(l.took, c.At.Sub(due))
		delete(l.due, c.Message)
	}
}

func (l *latencies) all() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.due) > 0 {
		return fmt.Errorf("%d are missing", len(l.due))
	}
	return nil
}

func (l *latencies) percentiles() (p50, p99, most time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.Sort(l.took)
	n := len(l.took)
	return l.took[n/2], l.took[n*99/100], l.took[n-1]
}
