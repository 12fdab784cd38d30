package e2e

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/internal/simulate"
	"github.com/posthorn/posthorn/processor/campaign"
	"github.com/posthorn/posthorn/processor/engagement"
	"github.com/posthorn/posthorn/processor/normalize"
	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// TestBenchStages measures the processors alone: webhooks are in the topic,
// the stages run one by one, so that each one's cost is seen.
func TestBenchStages(t *testing.T) {
	events := benchEvents(t, 300_000)
	cfg := kafka.Config{Brokers: benchBroker(t)}
	adm, stop, err := kafka.NewAdmin(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if err := schemas.EnsureTopics(t.Context(), adm, schemas.Catalogue(12, 1)); err != nil {
		t.Fatal(err)
	}
	serde := schemas.NewLocalSerde()
	rules, err := trigger.Load("testdata/golden-rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	n := fillWebhooks(t, cfg, serde, events)
	for _, stage := range []stream.Stage{
		normalize.Stage(normalize.Config{Serde: serde, Secret: normalize.OneSecret([]byte(benchSecret))}),
		engagement.Stage(engagement.Config{Serde: serde, Rules: trigger.NewLive(rules)}),
		campaign.Stage(campaign.Config{Serde: serde, Rules: trigger.NewLive(rules)}),
	} {
		run := runToEnd(t, cfg, adm, stage)
		fmt.Printf("stage %-10s %8.0f events/s  %5.1f us CPU/event  %d commits\n", stage.Name, float64(n)/run.took.Seconds(), run.cpu*1e6/float64(n), run.commits)
	}
}

// benchBroker starts a broker that keeps its data on disk.
func benchBroker(t *testing.T) []string {
	t.Helper()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DataDir(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	return broker.ListenAddrs()
}

// stageRun is what a stage took to read all of its input; cpu in seconds.
type stageRun struct {
	took    time.Duration
	cpu     float64
	commits int64
}

func runToEnd(t *testing.T, cfg kafka.Config, adm *kadm.Client, stage stream.Stage) stageRun {
	t.Helper()
	w, err := stream.NewWorker(stream.WorkerConfig{Stage: stage, Kafka: cfg, StateDir: t.TempDir(), TransactionalID: stage.Name})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	cpu, start := cpuSeconds(), time.Now()
	go func() { done <- w.Run(ctx) }()
	for !readToEnd(t, adm, stage) {
		time.Sleep(20 * time.Millisecond) // the benchmark's clock, no synchronisation
	}
	run := stageRun{time.Since(start), cpuSeconds() - cpu, w.Status().Commits}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return run
}

// readToEnd tells whether a stage has committed all of its input.
func readToEnd(t *testing.T, adm *kadm.Client, stage stream.Stage) bool {
	t.Helper()
	ends, err := adm.ListEndOffsets(t.Context(), stage.Input)
	if err != nil {
		t.Fatal(err)
	}
	committed, err := adm.FetchOffsets(t.Context(), stage.Name)
	if err != nil {
		return false
	}
	done := true
	ends.Each(func(o kadm.ListedOffset) {
		c, ok := committed.Lookup(o.Topic, o.Partition)
		done = done && (o.Offset == 0 || ok && c.At == o.Offset)
	})
	return done
}

func fillWebhooks(t *testing.T, cfg kafka.Config, serde *schemas.Serde, events int) int {
	t.Helper()
	p, err := kafka.NewProducer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	gen := simulate.DefaultConfig(time.Now())
	gen.Campaigns, gen.Recipients, gen.Batch = 3, simulate.RecipientsFor(events, 3), 100
	g, err := simulate.New(gen)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for {
		body, ok := g.Next(nil)
		if !ok {
			break
		}
		n += body.Events
		w := schemas.Webhook{ID: schemas.ID(uuid.Must(uuid.NewV7())), Tenant: "default", Account: "shop", Source: "mailjet", Provider: "mailjet",
			ReceivedAt: schemas.FromTime(time.Now()), Body: body.Data, CRC32C: schemas.Checksum(body.Data)}
		p.Produce(t.Context(), &kgo.Record{Topic: schemas.TopicWebhooks, Value: serde.Append(nil, schemas.TopicWebhooks, &w)}, nil)
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return n
}

func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}
