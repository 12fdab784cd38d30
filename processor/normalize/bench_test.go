package normalize

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/posthorn/posthorn/ingest/provider"
	"github.com/posthorn/posthorn/processor/normalize/client"
	"github.com/posthorn/posthorn/schemas"
)

// batchOf returns a webhook with n events in the proportions of a campaign.
func batchOf(n int) *schemas.Webhook {
	const agent = `Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148`
	var events []string
	for i := range n {
		common := fmt.Sprintf(`"time":%d,"MessageID":%d,"Message_GUID":"b29e1a52-8d3c-4a57-9d2e-%012x","email":"recipient-%d@orchard.example","mj_campaign_id":7301,"mj_contact_id":%d,"customcampaign":"spring-sale","CustomID":"order-%d","Payload":"{\"order\":%d,\"shop\":\"orchard\"}"`,
			1772366400+i%20, 104427216766056450+i, i, i, 41+i, i, i)
		switch {
		case i%10 < 5:
			events = append(events, `{"event":"sent",`+common+`,"smtp_reply":"sent (250 2.0.0 OK 1772366395 d9si77112wrx.12 - gsmtp)"}`)
		case i%10 < 8:
			events = append(events, `{"event":"open",`+common+`,"ip":"192.0.2.17","geo":"FR","agent":"`+agent+`"}`)
		case i%10 == 8:
			events = append(events, `{"event":"open",`+common+`,"ip":"192.0.2.17","geo":"FR","agent":"Mozilla/5.0"}`)
		default:
			events = append(events, `{"event":"click",`+common+`,"url":"https://orchard.example/sale?utm_campaign=spring","ip":"192.0.2.17","geo":"FR","agent":"`+agent+`"}`)
		}
	}
	return webhook("[" + strings.Join(events, ",") + "]")
}

// codec is the stage's own way without records and transactions: decode,
// complete, encode.
type codec struct {
	ids       *recipients
	describer describer
	bytes     int
}

func newCodec() *codec {
	return &codec{ids: newRecipients(secret), describer: describer{clients: client.NewCache()}}
}

func (c *codec) normalize(hook *schemas.Webhook) (err error) {
	at := place{partition: 5, offset: 40, arrivedAt: schemas.FromTime(arrived), only: -1}
	buf := make([]byte, 0, min(chunk, len(hook.Body)+1<<10))
	provider.Mailjet{}.Decode(hook, func(_ int, ev *schemas.Event, refused error) {
		if refused != nil {
			err = refused
			return
		}
		complete(ev, at, c.ids)
		c.describer.describe(ev, 1)
		buf = serde.Append(buf, schemas.TopicEventsByRecipient, ev)
	})
	c.bytes += len(buf)
	return err
}

func benchmarkCodec(b *testing.B, events int) {
	hook, c := batchOf(events), newCodec()
	b.ReportAllocs()
	for b.Loop() {
		if err := c.normalize(hook); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*events), "ns/event")
}

func benchmarkNaive(b *testing.B, events int) {
	hook := batchOf(events)
	n := newNaive()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := n.normalize(hook, arrived); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*events), "ns/event")
}

// BenchmarkCodecVsNaive measures parsing, normalising and encoding next to the
// naive way of doing the same.
func BenchmarkCodecVsNaive(b *testing.B) {
	for _, events := range []int{1, 20, 100} {
		b.Run(fmt.Sprintf("codec/%d", events), func(b *testing.B) { benchmarkCodec(b, events) })
		b.Run(fmt.Sprintf("naive/%d", events), func(b *testing.B) { benchmarkNaive(b, events) })
	}
}

// TestNaiveAgrees shows that the measure does the same work.
func TestNaiveAgrees(t *testing.T) {
	hook := batchOf(20)
	values, err := newNaive().normalize(hook, arrived)
	if err != nil {
		t.Fatal(err)
	}
	events, _ := run(t, driver(t, nil), hook)
	if len(values) != len(events) {
		t.Fatalf("%d and %d events", len(values), len(events))
	}
	for i, value := range values {
		var ev schemas.Event
		if err := ev.DecodeAvro(value); err != nil {
			t.Fatal(err)
		}
		if got, want := asJSON(ev), asJSON(events[i]); got != want {
			t.Fatalf("naive %s\nours %s", got, want)
		}
	}
}

// TestBenchCodec prints what the codec wins over the naive way: the median of
// alternating rounds.
func TestBenchCodec(t *testing.T) {
	if os.Getenv("POSTHORN_BENCH") != "1" {
		t.Skip("set POSTHORN_BENCH=1 to measure")
	}
	const events, rounds = 20, 7
	hook := batchOf(events)
	ours, n := newCodec(), newNaive()
	perEvent := func(f func() error) float64 {
		start, count := cpuTime(t), 0
		for ; count%64 != 0 || cpuTime(t)-start < 300*time.Millisecond; count++ {
			if err := f(); err != nil {
				t.Fatal(err)
			}
		}
		return float64((cpuTime(t) - start).Nanoseconds()) / float64(count*events)
	}
	var codecs, naives, ratios []float64
	for range rounds {
		c := perEvent(func() error { return ours.normalize(hook) })
		v := perEvent(func() error { _, err := n.normalize(hook, arrived); return err })
		codecs, naives, ratios = append(codecs, c), append(naives, v), append(ratios, v/c)
	}
	fmt.Printf("codec %.0f ns/event of CPU, naive %.0f, body %d bytes/event, %d events a body\n",
		median(codecs), median(naives), len(hook.Body)/events, events)
	fmt.Printf("RESULT codec_vs_naive %.1f x\n", median(ratios))
	if median(ratios) < 10 {
		t.Errorf("the codec is %.1f times as fast as the naive way, want 10", median(ratios))
	}
}

// cpuTime is what the process has used, garbage collection included: other
// processes of a busy machine do not count.
func cpuTime(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}
