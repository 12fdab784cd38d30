package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/processor/campaign"
	"github.com/posthorn/posthorn/processor/engagement"
	"github.com/posthorn/posthorn/schemas"
)

const (
	eventsPerWebhook = 10
	quiet            = 5 * time.Second // at the beginning, not counted
	drain            = 30 * time.Second
)

// benchLatency measures the time from when a webhook is due to be written to
// posthorn.webhooks to when a read_committed reader of posthorn.triggers has
// the trigger that its event makes. The loop is open: what is late does not
// slow down what comes after it.
func benchLatency(ctx context.Context, o options) error {
	b, err := startBroker(ctx)
	if err != nil {
		return err
	}
	defer b.close()
	if err := schemas.EnsureTopics(ctx, b.adm, schemas.Catalogue(partitions, 1)); err != nil {
		return err
	}
	p, err := b.startPipeline(ctx, o, "latency", normalizeName, engagement.Name, campaign.Name)
	if err != nil {
		return err
	}
	defer p.stop()
	l := &latencies{due: map[string]time.Time{}, serde: schemas.NewLocalSerde()}
	cl, err := kafka.NewConsumer(b.cfg, kgo.ConsumeTopics(schemas.TopicTriggers))
	if err != nil {
		return err
	}
	defer cl.Close()
	reading, stop := context.WithCancel(ctx)
	defer stop()
	var reader sync.WaitGroup
	reader.Go(func() { l.follow(reading, cl) })
	before, err := p.cpuSeconds()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := b.sendWebhooks(ctx, o, l); err != nil {
		return err
	}
	after, err := p.cpuSeconds()
	if err != nil {
		return err
	}
	took := time.Since(began)
	for end := time.Now().Add(drain); l.missing() > 0 && time.Now().Before(end); {
		if err := p.ended(); err != nil {
			return err
		}
		if err := wait(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	stop()
	reader.Wait()
	if n := l.missing(); n > 0 {
		return fmt.Errorf("%d triggers are missing\n%s", n, p.logTail())
	}
	slices.Sort(l.took)
	n := len(l.took)
	if n == 0 {
		return fmt.Errorf("no trigger came in the time that is counted: -latency must exceed %s", quiet)
	}
	at := func(percent int) float64 { return float64(l.took[min(n-1, n*percent/100)]) / 1e6 }
	fmt.Printf("latency: %d events/s for %s, %d triggers counted: p50 %.0f ms, p99 %.0f ms, max %.0f ms; CPU %.2f cores; load average %s\n",
		o.rate, o.latency, n, at(50), at(99), at(100), (after-before)/took.Seconds(), loadAverage())
	fmt.Printf("RESULT trigger_topic_p50 %.0f ms\n", at(50))
	fmt.Printf("RESULT trigger_topic_p99 %.0f ms\n", at(99))
	return nil
}

// sendWebhooks writes webhooks of ten events at their times: five messages'
// sends, and the opens of five that were sent a second before.
func (b *broker) sendWebhooks(ctx context.Context, o options, l *latencies) error {
	cl, err := kafka.NewProducer(b.cfg)
	if err != nil {
		return err
	}
	defer cl.Close()
	const messages = eventsPerWebhook / 2
	perSecond := o.rate / eventsPerWebhook
	var failed sync.Map
	began := time.Now()
	for i := range int(o.latency.Seconds()) * perSecond {
		due := began.Add(time.Duration(i) * time.Second / time.Duration(perSecond))
		if err := wait(ctx, time.Until(due)); err != nil {
			return err
		}
		var body []map[string]any
		for m := range messages {
			body = append(body, webhookEvent("sent", i*messages+m, due))
			if n := (i-perSecond)*messages + m; n >= 0 {
				body = append(body, webhookEvent("open", n, due))
				if due.Sub(began) >= quiet {
					l.expect(fmt.Sprint(messageID(n)), due)
				}
			}
		}
		data, err := json.Marshal(body)
		if err != nil {
			return err
		}
		w := schemas.Webhook{ID: schemas.ID(uuid.Must(uuid.NewV7())), Tenant: "default", Account: "shop", Source: "mailjet", Provider: "mailjet",
			ReceivedAt: schemas.FromTime(time.Now()), Body: data, CRC32C: schemas.Checksum(data)}
		cl.Produce(ctx, &kgo.Record{Topic: schemas.TopicWebhooks, Value: l.serde.Append(nil, schemas.TopicWebhooks, &w)}, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.Store("", err)
			}
		})
	}
	if err := cl.Flush(ctx); err != nil {
		return err
	}
	if err, ok := failed.Load(""); ok {
		return fmt.Errorf("producing webhooks: %w", err.(error))
	}
	return nil
}

func messageID(n int) int64 { return 576460752303423488 + int64(n) }

func webhookEvent(kind string, n int, at time.Time) map[string]any {
	e := map[string]any{
		"event": kind, "time": at.Unix(), "MessageID": messageID(n), "Message_GUID": fmt.Sprintf("6f2c1d4e-0000-4000-8000-%012d", n),
		"email": fmt.Sprintf("r%d@example.org", n), "mj_campaign_id": 7001, "mj_contact_id": n, "customcampaign": "latency", "CustomID": "", "Payload": "",
	}
	if kind == "open" {
		e["ip"], e["geo"] = "192.0.2.7", "FR"
		e["agent"] = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
	}
	return e
}

// latencies are the times from when a webhook was due to its trigger.
type latencies struct {
	serde *schemas.Serde

	mu   sync.Mutex
	due  map[string]time.Time // of the messages whose trigger is awaited
	took []time.Duration
}

func (l *latencies) expect(message string, due time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.due[message] = due
}

func (l *latencies) missing() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.due)
}

// follow takes the triggers' times until ctx ends.
func (l *latencies) follow(ctx context.Context, cl *kgo.Client) {
	for ctx.Err() == nil {
		fetches := cl.PollFetches(ctx)
		now := time.Now()
		fetches.EachRecord(func(rec *kgo.Record) {
			var t schemas.Trigger
			if err := l.serde.Decode(rec.Value, &t); err != nil {
				return // it stays missing
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			if due, ok := l.due[t.MessageID]; ok {
				l.took = append(l.took, now.Sub(due))
				delete(l.due, t.MessageID)
			}
		})
	}
}
