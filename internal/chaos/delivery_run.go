//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/internal/testkafka"
	"github.com/posthorn/posthorn/processor/delivery"
	"github.com/posthorn/posthorn/schemas"
)

// A run of the delivery:
//
//  1. 200 triggers for each endpoint that is dead and 400 for each that lives,
//     which answers every other call with 503: that leaves some 10,000 pending.
//  2. A steady stream of triggers while the dead ones hang: how soon the others
//     are called.
//  3. The same, while the workers are killed, again and again, and what is
//     pending becomes due.
//  4. All that is for endpoints that live must end well.
const (
	deliveryWorkers    = 2
	deliveryPartitions = 12
	triggersPerDead    = 200
	triggersPerLive    = 400
	triggersPerSecond  = 100
	endLimit           = 4 * time.Minute
)

// deliveryRun is one such run.
type deliveryRun struct {
	options
	out     io.Writer
	began   time.Time
	rng     *rand.Rand
	cluster *testkafka.Cluster
	kafka   kafka.Config
	serde   *schemas.Serde
	shops   *shops
	workers []*deliverer
	records records

	producer *kgo.Client
	failures atomic.Pointer[error] // of the producer
	sent     map[string]sentTrigger
	mu       sync.Mutex // guards sent
	number   int
}

func (r *deliveryRun) logf(format string, args ...any) {
	fmt.Fprintf(r.out, "%6.1f s  %s\n", time.Since(r.began).Seconds(), fmt.Sprintf(format, args...))
}

// runDelivery runs everything and prints what it has shown.
func runDelivery(ctx context.Context, o options) (ok bool, err error) {
	r := &deliveryRun{
		options: o, out: os.Stdout, began: time.Now(), rng: rand.New(rand.NewPCG(o.seed, 3)), serde: schemas.NewLocalSerde(),
		sent: map[string]sentTrigger{}, records: records{succeeded: map[string]time.Time{}},
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if err := r.start(ctx); err != nil {
		return false, err
	}
	res, err := r.all(ctx)
	if res == nil {
		return false, err
	}
	const most = 20
	printEnd(append(res.crashes, res.findings[:min(len(res.findings), most)]...), res.err)
	res.printResults(os.Stdout)
	return !res.failed(o), err
}

func (r *deliveryRun) start(ctx context.Context) (err error) {
	if r.cluster, err = testkafka.StartCluster(ctx, testkafka.Options{}); err != nil {
		return fmt.Errorf("starting Apache Kafka: %w", err)
	}
	r.kafka = kafka.Config{Brokers: r.cluster.Brokers(), ClientID: "chaos"}
	adm, closeAdmin, err := kafka.NewAdmin(r.kafka)
	if err != nil {
		return err
	}
	defer closeAdmin()
	if err := schemas.EnsureTopics(ctx, adm, schemas.Catalogue(deliveryPartitions, 1)); err != nil {
		return err
	}
	if r.producer, err = kafka.NewProducer(r.kafka); err != nil {
		return err
	}
	if r.shops, err = newShops(); err != nil {
		return err
	}
	// What is pending is due while the workers are killed.
	retry := []time.Duration{r.quiet + 8*time.Second}
	for range 100 {
		retry = append(retry, 4*time.Second)
	}
	for i := range deliveryWorkers {
		w, err := newDeliverer(r.dir, deliveryOrder{Name: fmt.Sprintf("d%d", i+1), Brokers: r.cluster.Brokers(), Endpoints: r.shops.urls(), Retry: retry})
		if err != nil {
			return err
		}
		r.workers = append(r.workers, w)
		if err := w.launch(); err != nil {
			return err
		}
	}
	return nil
}

func (r *deliveryRun) close() error {
	var errs []error
	for _, w := range r.workers {
		errs = append(errs, w.kill(), w.log.Close())
	}
	if r.shops != nil {
		errs = append(errs, r.shops.close())
	}
	if r.producer != nil {
		r.producer.Close()
	}
	if r.cluster != nil {
		errs = append(errs, r.cluster.Close())
	}
	return errors.Join(errs...)
}

func (r *deliveryRun) all(ctx context.Context) (*deliveryResult, error) {
	reading, endReading := context.WithCancel(ctx)
	read := make(chan error, 1)
	go func() { read <- r.records.follow(reading, r.kafka, r.serde) }()
	kills, pending, err := r.phases(ctx)
	endReading()
	if err := errors.Join(<-read, r.producing()); err != nil {
		return nil, err
	}
	res := checkDeliveries(r.sent, r.shops.calls, &r.records)
	res.kills, res.pending, res.err = kills, pending, err
	res.findings = append(res.findings, r.shops.wrong...)
	res.calls = map[string]int{}
	for _, kind := range []string{shopLive, shopHangs, shopFails} {
		res.calls[kind] = r.shops.callsOf(kind)
	}
	for _, w := range r.workers {
		res.crashes = append(res.crashes, w.unexpected()...)
	}
	return res, ctx.Err()
}

func (r *deliveryRun) producing() error {
	if p := r.failures.Load(); p != nil {
		return fmt.Errorf("writing triggers: %w", *p)
	}
	return nil
}

func (r *deliveryRun) phases(ctx context.Context) (kills, pending int, err error) {
	r.shops.failing.Store(true)
	r.logf("%d endpoints, half of them dead; %d workers; logs in %s", shopCount, deliveryWorkers, r.dir)
	r.backlog()
	if err := r.producer.Flush(ctx); err != nil {
		return 0, 0, err
	}
	half := shopCount / 2 * triggersPerLive / 2
	if err := until(ctx, time.Minute, "the first calls", func(context.Context) bool { return r.records.successes() >= half*9/10 && r.caughtUp(ctx) }); err != nil {
		return 0, 0, err
	}
	r.shops.failing.Store(false)
	pending = len(r.sent) - r.records.successes()
	r.logf("%d calls are pending; dead endpoints were called %d times", pending, r.shops.callsOf(shopHangs)+r.shops.callsOf(shopFails))
	if err := r.stream(ctx, r.quiet, true); err != nil {
		return 0, pending, err
	}
	r.logf("killing the workers")
	streaming, endStream := context.WithCancel(ctx)
	streamed := make(chan error, 1)
	go func() { streamed <- r.stream(streaming, time.Hour, false) }()
	kills, err = r.kill(ctx)
	endStream()
	if err := errors.Join(err, <-streamed, r.producer.Flush(ctx)); err != nil {
		return kills, pending, err
	}
	live := 0
	for _, t := range r.sent {
		if kindOfShop(t.endpoint) == shopLive {
			live++
		}
	}
	err = until(ctx, endLimit, "all that is for live endpoints", func(context.Context) bool { return r.records.successes() >= live })
	r.logf("%d of %d are recorded as succeeded", r.records.successes(), live)
	// A call too many would come with the next retries.
	return kills, pending, errors.Join(err, wait(ctx, 6*time.Second))
}

// backlog writes the triggers of the beginning, those of all endpoints mixed.
func (r *deliveryRun) backlog() {
	for n := range triggersPerLive {
		for i := range shopCount {
			if shopKind(i) == shopLive || n < triggersPerDead {
				r.send(i, false)
			}
		}
	}
}

// stream writes triggers for endpoints of all kinds at a steady rate.
func (r *deliveryRun) stream(ctx context.Context, d time.Duration, timed bool) error {
	tick := time.NewTicker(time.Second / triggersPerSecond)
	defer tick.Stop()
	end := time.After(d)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-end:
			return r.producer.Flush(ctx)
		case <-tick.C:
			r.send(r.number%shopCount, timed)
		}
	}
}

func (r *deliveryRun) send(shop int, timed bool) {
	now := time.Now()
	r.number++
	tr := schemas.Trigger{Tenant: "default", Rule: "chaos", Status: schemas.TriggerStatusFired, Endpoint: shopName(shop), ArrivedAt: schemas.FromTime(now), OccurredAt: schemas.FromTime(now)}
	binary.BigEndian.PutUint64(tr.TriggerID[:], uint64(r.number))
	binary.BigEndian.PutUint64(tr.RecipientID[:], uint64(r.number)*0x9E3779B97F4A7C15)
	r.mu.Lock()
	r.sent[tr.TriggerID.String()] = sentTrigger{endpoint: tr.Endpoint, at: now, timed: timed && shopKind(shop) == shopLive}
	r.mu.Unlock()
	rec := &kgo.Record{Topic: schemas.TopicTriggers, Key: tr.RecipientID[:], Value: r.serde.Append(nil, schemas.TopicTriggers, &tr)}
	r.producer.Produce(context.Background(), rec, func(_ *kgo.Record, err error) {
		if err != nil {
			r.failures.CompareAndSwap(nil, &err)
		}
	})
}

// kill kills one worker after the other while they work.
func (r *deliveryRun) kill(ctx context.Context) (kills int, err error) {
	for kills < r.kills {
		if err := wait(ctx, r.pause/2+time.Duration(r.rng.Int64N(int64(r.pause)))); err != nil {
			return kills, err
		}
		w := r.workers[r.rng.IntN(len(r.workers))]
		before := r.records.successes()
		if err := w.kill(); err != nil {
			return kills, err
		}
		kills++
		r.logf("kill %d: %s, after %d successes", kills, w.name, before)
		if err := w.launch(); err != nil {
			return kills, err
		}
	}
	return kills, nil
}

// caughtUp tells whether the stage has taken all triggers that were written.
func (r *deliveryRun) caughtUp(ctx context.Context) bool {
	adm, closeAdmin, err := kafka.NewAdmin(r.kafka)
	if err != nil {
		return false
	}
	defer closeAdmin()
	lag, err := adm.Lag(ctx, delivery.StageName)
	if err != nil {
		return false
	}
	l, ok := lag[delivery.StageName]
	return ok && l.Error() == nil && l.Lag.Total() == 0
}

// kindOfShop is the kind of the endpoint of a name.
func kindOfShop(endpoint string) string {
	kind, _, _ := strings.Cut(endpoint, "-")
	return kind
}
