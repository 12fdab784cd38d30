package gateways_test

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/gateways"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

var quiet = slog.New(slog.DiscardHandler)

func installation(t *testing.T) (kafka.Config, *kgo.Client) {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, schemas.TopicGateways))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	cfg := kafka.Config{Brokers: c.ListenAddrs()}
	p, err := kafka.NewProducer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return cfg, p
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not within 30 s: " + what)
		}
	}
}

// gateway is one with a spool, as far as its announcer sees.
type gateway struct {
	*gateways.Announcer
	empty atomic.Bool
	stop  func()
}

func start(t *testing.T, cfg kafka.Config, p *kgo.Client, id string) *gateway {
	t.Helper()
	g := &gateway{Announcer: gateways.NewAnnouncer(id, "host", func(ctx context.Context) ([]gateways.Gateway, error) {
		return gateways.Read(ctx, cfg, quiet)
	}, quiet)}
	g.empty.Store(true)
	g.Bind(p, func() (schemas.Timestamp, bool) { return schemas.FromTime(time.Now()), g.empty.Load() })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); g.Run(ctx) }()
	g.stop = func() { cancel(); <-done }
	t.Cleanup(g.stop)
	return g
}

func follow(t *testing.T, cfg kafka.Config) *gateways.Follower {
	t.Helper()
	f := gateways.NewFollower(cfg, quiet)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return f
}

// advances waits until what holds the frontier has moved on, twice.
func advances(t *testing.T, f *gateways.Follower) {
	t.Helper()
	for range 2 {
		before, _ := f.Clear()
		await(t, "the frontier may move on", func() bool {
			now, known := f.Clear()
			return known && now != math.MaxInt64 && now > before
		})
	}
}

func TestTheLeastOfAllHolds(t *testing.T) {
	cfg, p := installation(t)
	f := gateways.NewFollower(cfg, quiet)
	if _, known := f.Clear(); known {
		t.Error("something is known before the topic was read")
	}
	f = follow(t, cfg)
	await(t, "that there is no gateway is known", func() bool { until, known := f.Clear(); return known && until == math.MaxInt64 })

	a, b := start(t, cfg, p, "a"), start(t, cfg, p, "b")
	await(t, "both are known", func() bool { return len(f.Gateways()) == 2 })
	before, _ := f.Clear()
	await(t, "the frontier may move on", func() bool { now, _ := f.Clear(); return now > before })

	b.empty.Store(false)
	var stands int64
	await(t, "one that has something in its spool stands", func() bool {
		stands, _ = f.Clear()
		list := f.Gateways()
		return list[0].ID == "b" && int64(list[1].Until) > stands+3*gateways.Interval.Microseconds()
	})
	if now, _ := f.Clear(); now != stands {
		t.Errorf("it went on by %d µs", now-stands)
	}
	b.empty.Store(true)
	advances(t, f)

	// One that leaves is not waited for, nor one that is forgotten.
	a.stop()
	if err := a.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.stop()
	b.empty.Store(false)
	if err := b.Leave(t.Context()); err != nil { // it must not: something is in its spool
		t.Fatal(err)
	}
	await(t, "a has left", func() bool { list := f.Gateways(); return list[0].Left != list[1].Left })
	if until, _ := f.Clear(); until == math.MaxInt64 {
		t.Error("one that was stopped with something in its spool is not waited for")
	}
	list, err := gateways.Read(t.Context(), cfg, quiet)
	if err != nil || len(list) != 2 {
		t.Fatalf("%v, %v", list, err)
	}
	for _, g := range list {
		if !g.Left {
			if err := gateways.Forget(t.Context(), p, g); err != nil {
				t.Fatal(err)
			}
		}
	}
	await(t, "nothing holds", func() bool { until, _ := f.Clear(); return until == math.MaxInt64 })
}

// What a webhook that waits in a spool may say of its arrival.
func TestHolds(t *testing.T) {
	cfg, p := installation(t)
	now := func() schemas.Timestamp { return schemas.FromTime(time.Now()) }
	g := start(t, cfg, p, "a")
	<-g.Resumed()
	if g.Holds(now()) {
		t.Error("a gateway that was never heard of holds")
	}
	f := follow(t, cfg)
	await(t, "it is heard", func() bool { return len(f.Gateways()) == 1 })
	g.empty.Store(false)
	if g.Holds(now()) {
		t.Error("it holds before others can have heard of it")
	}
	if hour := schemas.Timestamp(time.Hour.Microseconds()); !g.Holds(now() + hour) {
		t.Error("what is received later is not held")
	}
	g.stop()

	// Its next life takes over what it had said: only what came later is held.
	said := f.Gateways()[0].Until
	again := start(t, cfg, p, "a")
	again.empty.Store(false)
	<-again.Resumed()
	if again.Holds(said) || !again.Holds(said+1) {
		t.Errorf("after a restart: %v %v", again.Holds(said), again.Holds(said+1))
	}
	// Once it speaks again, what came before is not held any more.
	again.empty.Store(true)
	await(t, "it has spoken", func() bool { return f.Gateways()[0].Until > said })
	if again.Holds(said + 1) {
		t.Error("it holds what it said was in Kafka")
	}
}

// failing is a Kafka that is out of reach.
type failing struct{}

func (failing) Produce(_ context.Context, rec *kgo.Record, promise func(*kgo.Record, error)) {
	promise(rec, errors.New("no broker"))
}

func TestNothingHoldsWhileKafkaIsOutOfReach(t *testing.T) {
	var asked atomic.Int64
	a := gateways.NewAnnouncer("a", "", func(context.Context) ([]gateways.Gateway, error) {
		if asked.Add(1) == 1 {
			return nil, errors.New("no broker")
		}
		return nil, nil
	}, quiet)
	a.Bind(failing{}, func() (schemas.Timestamp, bool) { return schemas.FromTime(time.Now()), true })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); a.Run(ctx) }()
	<-a.Resumed()
	await(t, "it has asked again", func() bool { return asked.Load() == 2 })
	if a.Holds(schemas.FromTime(time.Now().Add(time.Hour))) {
		t.Error("it holds, though nothing it said was stored")
	}
	cancel()
	<-done
	if err := gateways.Forget(t.Context(), failing{}, gateways.Gateway{ID: "a"}); err == nil {
		t.Error("forgotten without a Kafka")
	}
}
