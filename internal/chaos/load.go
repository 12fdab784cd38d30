//go:build linux

package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/internal/simulate"
	"github.com/posthorn/posthorn/schemas"
)

const (
	eventsPerRound = 20_000
	// inFlight bounds the bodies that wait for the brokers.
	inFlight = 200
	// giveUp is sooner than the gateway gives up, for more duplicates.
	giveUp = 2 * time.Second
)

// load writes simulated webhooks at a steady rate, as the gateway does: a body
// whose write failed may have been written all the same and is written again.
type load struct {
	cluster kafka.Config
	serde   *schemas.Serde
	seed    uint64
	rate    float64 // events per second

	bodies, events, retries atomic.Int64
	// open holds a slot for each body in flight.
	open chan struct{}
	// gate is held while the load pauses.
	gate sync.Mutex
}

func newLoad(cluster kafka.Config, serde *schemas.Serde, seed uint64, rate int) *load {
	return &load{cluster: cluster, serde: serde, seed: seed, rate: float64(rate), open: make(chan struct{}, inFlight)}
}

// run writes until ctx ends, then waits for what is in flight: every body it
// has begun is in the topic at the end.
func (l *load) run(ctx context.Context) error {
	p, err := kafka.NewProducer(l.cluster, kgo.RecordDeliveryTimeout(giveUp))
	if err != nil {
		return err
	}
	defer p.Close()
	next := time.Now()
	for round := uint64(0); ctx.Err() == nil; round++ {
		cfg := simulate.DefaultConfig(time.Now())
		cfg.Seed, cfg.Campaigns = l.seed*1000+round, 2
		cfg.Recipients = simulate.RecipientsFor(eventsPerRound, cfg.Campaigns)
		cfg.Malformed, cfg.Disorder = 0.01, 0.05
		g, err := simulate.New(cfg)
		if err != nil {
			return err
		}
		for {
			body, ok := g.Next(nil)
			if !ok || ctx.Err() != nil {
				break
			}
			if late := time.Since(next); late > time.Second {
				next = time.Now() // no burst after a pause
			} else if late < 0 && wait(ctx, -late) != nil {
				break
			}
			next = next.Add(time.Duration(float64(max(1, body.Events)) / l.rate * float64(time.Second)))
			l.gate.Lock()
			l.open <- struct{}{}
			l.write(p, body)
			l.gate.Unlock()
		}
	}
	l.drain()
	return nil
}

// write writes a body until it is acknowledged.
func (l *load) write(p *kgo.Client, body simulate.Body) {
	w := schemas.Webhook{
		ID: schemas.ID(uuid.Must(uuid.NewV7())), Tenant: "default", Account: "shop", Source: "mailjet", Provider: "mailjet",
		ReceivedAt: schemas.FromTime(time.Now()), Body: body.Data, CRC32C: schemas.Checksum(body.Data),
	}
	rec := &kgo.Record{Topic: schemas.TopicWebhooks, Value: l.serde.Append(nil, schemas.TopicWebhooks, &w)}
	p.Produce(context.Background(), rec, func(_ *kgo.Record, err error) {
		if err != nil {
			l.retries.Add(1)
			time.AfterFunc(200*time.Millisecond, func() { l.write(p, body) })
			return
		}
		l.bodies.Add(1)
		l.events.Add(int64(body.Events))
		<-l.open
	})
}

// drain waits for the bodies in flight.
func (l *load) drain() {
	for range inFlight {
		l.open <- struct{}{}
	}
	for range inFlight {
		<-l.open
	}
}

// pause returns once nothing is in flight any more; resume ends it.
func (l *load) pause() {
	l.gate.Lock()
	l.drain()
}

func (l *load) resume() { l.gate.Unlock() }

func (l *load) String() string {
	return fmt.Sprintf("%d events in %d bodies, %d written again", l.events.Load(), l.bodies.Load(), l.retries.Load())
}

// wait waits for d.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
