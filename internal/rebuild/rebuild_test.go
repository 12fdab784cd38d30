package rebuild_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/generation"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/internal/rebuild"
	"github.com/posthorn/posthorn/internal/verify"
	"github.com/posthorn/posthorn/schemas"
)

const partitions = 2

// installation is a Kafka with webhooks of one event each, and nothing derived.
type installation struct {
	t     *testing.T
	kafka kafka.Config
	adm   *kadm.Client
	serde *schemas.Serde
	times []time.Time // of the webhooks in partition 0
}

func install(t *testing.T, webhooks int) *installation {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	i := &installation{t: t, kafka: kafka.Config{Brokers: c.ListenAddrs()}, serde: schemas.NewLocalSerde()}
	adm, closeAdmin, err := kafka.NewAdmin(i.kafka)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(closeAdmin)
	i.adm = adm
	if err := schemas.EnsureTopics(t.Context(), adm, schemas.Catalogue(partitions, 1)); err != nil {
		t.Fatal(err)
	}
	// Not the gateway's: its records must not be old.
	p, err := kgo.NewClient(kgo.SeedBrokers(i.kafka.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	began := time.Now().Add(-time.Hour).Truncate(time.Second)
	for n := range webhooks {
		hook := &schemas.Webhook{ID: schemas.ID{byte(n)}, Tenant: "default", Account: "a", Source: "s", Provider: "mailjet",
			ReceivedAt: schemas.FromTime(began), Body: []byte(`{"event":"sent","time":1,"MessageID":1,"email":"a@example.org"}`)}
		rec := &kgo.Record{Topic: schemas.TopicWebhooks, Timestamp: began.Add(time.Duration(n) * time.Second), Value: i.serde.Append(nil, schemas.TopicWebhooks, hook)}
		if err := p.ProduceSync(t.Context(), rec).FirstErr(); err != nil {
			t.Fatal(err)
		}
		i.times = append(i.times, rec.Timestamp)
	}
	return i
}

func (i *installation) config(derive func(context.Context, schemas.Generation) error) rebuild.Config {
	return rebuild.Config{
		Verify: verify.Config{Kafka: i.kafka, Serde: i.serde, Secret: []byte("secret"), Dir: i.t.TempDir(), Timeout: time.Second},
		Derive: derive, By: "test",
	}
}

// live checks that the first generation is still live.
func (i *installation) live() generation.Live {
	i.t.Helper()
	live, err := generation.Read(i.t.Context(), i.kafka)
	if err != nil {
		i.t.Fatal(err)
	}
	if live.Generation != schemas.FirstGeneration {
		i.t.Errorf("generation %d is live", live.Generation)
	}
	return live
}

// careless claims to have read everything and writes nothing.
func (i *installation) careless(ctx context.Context, g schemas.Generation) error {
	for _, step := range verify.Steps(g) {
		ends, err := i.adm.ListEndOffsets(ctx, step.Topic)
		if err != nil {
			return err
		}
		if err := i.adm.CommitAllOffsets(ctx, step.Group, ends.Offsets()); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return nil
}

func TestNoSwitchWithDifferences(t *testing.T) {
	i := install(t, 3)
	res, err := rebuild.Run(t.Context(), i.config(i.careless))
	if err != nil {
		t.Fatal(err)
	}
	if res.Switched || res.NewReport.Differences() == 0 {
		t.Errorf("switched: %v, with %d differences", res.Switched, res.NewReport.Differences())
	}
	if res.LiveError == nil {
		t.Error("the live generation, which nobody derives, was verified")
	}
	if live := i.live(); live.Last != 2 {
		t.Errorf("the last number is %d, want 2", live.Last)
	}

	// The next one takes another number and drops what is left of this one.
	if res, err = rebuild.Run(t.Context(), i.config(i.careless)); err != nil || res.New != 3 {
		t.Fatalf("%+v, %v", res, err)
	}
	existing, err := generation.Existing(t.Context(), i.adm)
	if err != nil || len(existing) != 2 || existing[1] != 3 {
		t.Errorf("generations %v, %v", existing, err)
	}
	dropped, err := rebuild.Drop(t.Context(), i.kafka, nil)
	if err != nil || len(dropped) != 1 || dropped[0] != 3 {
		t.Errorf("dropped %v, %v", dropped, err)
	}
	i.live()
}

func TestDeriveFails(t *testing.T) {
	i := install(t, 3)
	broken := errors.New("disk on fire")
	for _, derive := range []func(context.Context, schemas.Generation) error{
		func(context.Context, schemas.Generation) error { return broken },
		func(context.Context, schemas.Generation) error { return nil },
	} {
		_, err := rebuild.Run(t.Context(), i.config(derive))
		if err == nil || !errors.Is(err, broken) && !strings.Contains(err.Error(), "ended by itself") {
			t.Errorf("got %v", err)
		}
		i.live()
	}
	ctx, interrupt := context.WithCancel(t.Context())
	_, err := rebuild.Run(ctx, i.config(func(ctx context.Context, _ schemas.Generation) error {
		interrupt()
		<-ctx.Done()
		return nil
	}))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	i.live()
}

func TestHistory(t *testing.T) {
	i := install(t, 5)
	oldest := kadm.Offsets{}
	oldest.AddOffset(schemas.TopicWebhooks, 0, 2, -1)
	if _, err := i.adm.DeleteRecords(t.Context(), oldest); err != nil {
		t.Fatal(err)
	}
	_, err := rebuild.Run(t.Context(), i.config(i.careless))
	var lost *rebuild.HistoryError
	if !errors.As(err, &lost) || !lost.Boundary.Equal(i.times[2]) {
		t.Fatalf("got %v, want the boundary %s", err, i.times[2])
	}
	existing, err := generation.Existing(t.Context(), i.adm)
	if err != nil || len(existing) != 1 {
		t.Errorf("generations %v were made all the same: %v", existing, err)
	}
	cfg := i.config(i.careless)
	cfg.LoseHistory = true
	res, err := rebuild.Run(t.Context(), cfg)
	if err != nil || !res.Boundary.Equal(i.times[2]) {
		t.Errorf("%+v, %v", res, err)
	}
}
