package provider

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

const benchAgent = `Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148`

// campaign returns n events in the proportions of a campaign: of ten, five are
// delivered, three are opened by people, one by a machine, and one is clicked.
func campaign(n int, delivered, opened, machine, clicked func(i int) string) string {
	var all []string
	for i := range n {
		switch {
		case i%10 < 5:
			all = append(all, delivered(i))
		case i%10 < 8:
			all = append(all, opened(i))
		case i%10 == 8:
			all = append(all, machine(i))
		default:
			all = append(all, clicked(i))
		}
	}
	return "[" + strings.Join(all, ",") + "]"
}

// mailjetBatch returns events as Mailjet sends them, with two members of the
// sender's own.
func mailjetBatch(n int) *schemas.Webhook {
	event := func(name, more string) func(int) string {
		return func(i int) string {
			return fmt.Sprintf(`{"event":"%s","time":%d,"MessageID":%d,"Message_GUID":"b29e1a52-8d3c-4a57-9d2e-%012x","email":"recipient-%d@orchard.example","mj_campaign_id":7301,"mj_contact_id":%d,"customcampaign":"spring-sale","CustomID":"order-%d","Payload":"{\"order\":%d,\"shop\":\"orchard\"}"%s}`,
				name, 1772366400+i%20, 104427216766056450+i, i, i, 41+i, i, i, more)
		}
	}
	return hook(Mailjet{}, "", campaign(n, event("sent", `,"smtp_reply":"sent (250 2.0.0 OK 1772366395 d9si77112wrx.12 - gsmtp)"`),
		event("open", `,"ip":"192.0.2.17","geo":"FR","agent":"`+benchAgent+`"`), event("open", `,"ip":"192.0.2.17","geo":"FR","agent":"Mozilla/5.0"`),
		event("click", `,"url":"https://orchard.example/sale?utm_campaign=spring","ip":"192.0.2.17","geo":"FR","agent":"`+benchAgent+`"`)))
}

// sendgridBatch returns events as SendGrid sends them, with a category and two
// arguments of the sender's own.
func sendgridBatch(n int) *schemas.Webhook {
	event := func(name, more string) func(int) string {
		return func(i int) string {
			return fmt.Sprintf(`{"email":"recipient-%d@orchard.example","event":"%s","category":["spring-sale"],"order":"%d","shop":"orchard","sg_event_id":"ZGVsaXZlcmVkLTAtMTA5OTQ5MTktTFJ6WGxfTkhTdE9H%08d","sg_message_id":"TFJ6WGxfTkhTdE9HaFE%06d.recvd-69dbf6f86c-zlhdl-1-65E1A2B3-1F.0","smtp-id":"<TFJ6WGxfTkhTdE9HaFE%06d@geopod-ismtpd-5>","timestamp":%d%s}`,
				i, name, i, i, i, i, 1772366400+i%20, more)
		}
	}
	return hook(SendGrid{}, "", campaign(n, event("delivered", `,"ip":"198.51.100.4","response":"250 2.0.0 OK 1772366395 d9si77112wrx.12 - gsmtp","tls":1`),
		event("open", `,"ip":"192.0.2.17","useragent":"`+benchAgent+`","sg_content_type":"html","sg_machine_open":false`), event("open", `,"ip":"192.0.2.17","useragent":"Mozilla/5.0","sg_content_type":"html","sg_machine_open":true`),
		event("click", `,"ip":"192.0.2.17","useragent":"`+benchAgent+`","url":"https://orchard.example/sale?utm_campaign=spring","url_offset":{"index":3,"type":"html"}`))+"\r\n")
}

func benchmarkDecode(b *testing.B, p Provider, w *schemas.Webhook, events int) {
	n := 0
	b.ReportAllocs()
	b.SetBytes(int64(len(w.Body)))
	for b.Loop() {
		p.Decode(w, func(_ int, _ *schemas.Event, err error) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		})
	}
	if n != b.N*events {
		b.Fatalf("%d events, want %d", n, b.N*events)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/event")
}

func BenchmarkMailjet(b *testing.B)  { benchmarkDecode(b, Mailjet{}, mailjetBatch(100), 100) }
func BenchmarkSendGrid(b *testing.B) { benchmarkDecode(b, SendGrid{}, sendgridBatch(100), 100) }

// TestBenchDecode prints how many events a core decodes in a second, by the CPU
// time of the process, garbage collection included: the median of alternating
// rounds.
func TestBenchDecode(t *testing.T) {
	if os.Getenv("POSTHORN_BENCH") != "1" {
		t.Skip("set POSTHORN_BENCH=1 to measure")
	}
	const events, rounds, aim = 100, 9, 400_000
	all := []struct {
		p    Provider
		w    *schemas.Webhook
		rate []float64
	}{{p: Mailjet{}, w: mailjetBatch(events)}, {p: SendGrid{}, w: sendgridBatch(events)}}
	for range rounds {
		for i := range all {
			start, n := cpuTime(t), 0
			for n%6400 != 0 || n == 0 || cpuTime(t)-start < 300*time.Millisecond {
				all[i].p.Decode(all[i].w, func(_ int, _ *schemas.Event, err error) {
					if err != nil {
						t.Fatal(err)
					}
					n++
				})
			}
			all[i].rate = append(all[i].rate, float64(n)/(cpuTime(t)-start).Seconds())
		}
	}
	for _, m := range all {
		slices.Sort(m.rate)
		median := m.rate[rounds/2]
		fmt.Printf("%s: %d bytes an event, %.0f to %.0f events a second\n", m.p.Name(), len(m.w.Body)/events, m.rate[0], m.rate[rounds-1])
		fmt.Printf("RESULT decode_%s %.0f events/s\n", m.p.Name(), median)
		if median < aim {
			t.Errorf("%s: %.0f events a second, want %d", m.p.Name(), median, aim)
		}
	}
}

func cpuTime(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
