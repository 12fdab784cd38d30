package campaign

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/processor/engagement"
	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// arrivals is a first stage without webhooks: its input holds events, which
// arrive when their record was appended.
type arrivals struct{}

// pace makes the input last for a while, in which frontiers move and tasks too.
const pace = time.Millisecond

func (arrivals) Process(ctx stream.Context, rec *kgo.Record) error {
	var e schemas.Event
	if err := serde.Decode(rec.Value, &e); err != nil {
		return err
	}
	e.ArrivedAt = schemas.FromTime(rec.Timestamp)
	time.Sleep(pace)
	ctx.Produce(&kgo.Record{Topic: schemas.TopicEventsByRecipient, Key: e.RecipientID[:],
		Value: serde.Append(nil, schemas.TopicEventsByRecipient, &e)})
	return nil
}
func (arrivals) Timer(stream.Context, []byte, time.Time) error { return nil }
func (arrivals) Flush(stream.Context) error                    { return nil }

// The stages on the engine, with a broker in memory: that every delta stands
// before the markers of the frontier that decides it, in every partition, holds
// with workers that come and go as well. A task of campaign that hears markers
// of all tasks of engagement goes by the least, whoever runs them.
func TestRulesOnTheEngine(t *testing.T) {
	live := trigger.NewLive(mustRules(t, chainRules))
	events := bursts(6000)
	end := at(8 * time.Hour)
	want := expectedOf(events, end)
	cfg := broker(t)
	fill(t, cfg, events)

	stages := []stream.Stage{
		{Name: "normalize", Input: schemas.TopicWebhooks, Root: true, FrontierTo: []string{schemas.TopicEventsByRecipient},
			NewTask: func(int32) (stream.Task, error) { return arrivals{}, nil }},
		engagement.Stage(engagement.Config{Serde: serde, Rules: live}),
		Stage(Config{Serde: serde, Rules: live}),
	}
	var first, second []func()
	workers := func(name string) (stop []func()) {
		for _, s := range stages {
			stop = append(stop, runStage(t, cfg, s, name))
		}
		return stop
	}
	first = workers("a")
	said := follow(t, cfg)
	before := len(said(len(want) / 10))
	second = workers("b") // tasks move
	between := len(said(len(want) / 2))
	for _, stop := range first {
		stop()
	}
	after := len(said(len(want) / 2))
	got := said(len(want))
	t.Logf("workers joined after %d triggers of %d, others left after %d to %d", before, len(want), between, after)
	for _, stop := range second {
		stop()
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got  %d %q\nwant %d %q", len(got), got, len(want), want)
	}
}

// bursts are events of two campaigns in the order of their arrival, three
// seconds apart and with now more, now fewer bounces.
func bursts(n int) []schemas.Event {
	random := rand.New(rand.NewPCG(1, 2))
	events := make([]schemas.Event, n)
	for i := range events {
		e := &events[i]
		*e = schemas.Event{Tenant: "default", Account: "main", EventID: schemas.ID{byte(i), byte(i >> 8), byte(i >> 16)},
			Type: schemas.EventTypeDelivered, RecipientID: schemas.ID{byte(random.IntN(200))}, MessageID: fmt.Sprint(random.IntN(50)),
			Recipient: "a@example.org", CampaignID: []string{"a", "b"}[random.IntN(2)], Metadata: map[string]string{"kind": "news"},
			ArrivedAt: at(time.Duration(i) * 3 * time.Second)}
		switch minute := i / 20; {
		case random.IntN(100) < 40 && minute%25 < 9:
			e.Type = schemas.EventTypeBounced
		case random.IntN(100) < 4 && minute > 30:
			e.Type = schemas.EventTypeClicked
		}
		e.OccurredAt = e.ArrivedAt
	}
	return events
}

// partitionsOfTopics is how many tasks each stage has.
const partitionsOfTopics = 3

func broker(t *testing.T) kafka.Config {
	t.Helper()
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	cfg := kafka.Config{Brokers: fake.ListenAddrs()}
	adm, closeAdmin, err := kafka.NewAdmin(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAdmin()
	if err := schemas.EnsureTopics(t.Context(), adm, schemas.Catalogue(partitionsOfTopics, 1)); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// fill writes the input. This broker keeps the records' own times.
func fill(t *testing.T, cfg kafka.Config, events []schemas.Event) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(cfg.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	var records []*kgo.Record
	for i := range events {
		records = append(records, &kgo.Record{Topic: schemas.TopicWebhooks, Partition: int32(i % partitionsOfTopics),
			Timestamp: events[i].ArrivedAt.Time(), Value: serde.Append(nil, schemas.TopicEventsByRecipient, &events[i])})
	}
	if err := cl.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func runStage(t *testing.T, cfg kafka.Config, stage stream.Stage, worker string) (stop func()) {
	t.Helper()
	w, err := stream.NewWorker(stream.WorkerConfig{Stage: stage, Kafka: cfg, StateDir: t.TempDir(),
		TransactionalID: stage.Name + "-" + worker, CommitInterval: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("worker %s of %s: %v", worker, stage.Name, err)
		}
		if late := w.Status().Late; late != 0 {
			t.Errorf("worker %s of %s found %d late", worker, stage.Name, late)
		}
	})
	t.Cleanup(stop)
	return stop
}

// follow reads triggers, until there are so many; it returns all so far.
func follow(t *testing.T, cfg kafka.Config) func(n int) []string {
	t.Helper()
	cl, err := kafka.NewConsumer(cfg, kgo.ConsumeTopics(schemas.TopicTriggers))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	var said []string
	return func(n int) []string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for len(said) < n {
			fetches := cl.PollFetches(ctx)
			if err := fetches.Err(); err != nil {
				t.Fatalf("waiting for %d triggers, have %d: %v", n, len(said), err)
			}
			fetches.EachRecord(func(rec *kgo.Record) {
				var tr schemas.Trigger
				if err := serde.Decode(rec.Value, &tr); err != nil {
					t.Fatal(err)
				}
				if want := kafka.PartitionFor(rec.Key, partitionsOfTopics); rec.Partition != want {
					t.Errorf("trigger of %s in partition %d, want %d", rec.Key, rec.Partition, want)
				}
				said = append(said, short(&tr))
			})
		}
		return said
	}
}
