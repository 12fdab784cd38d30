package generation_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/generation"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

const partitions = 3

// installation is a Kafka with the topics of a new installation.
func installation(t *testing.T) (kafka.Config, *kadm.Client) {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	cfg := kafka.Config{Brokers: c.ListenAddrs()}
	adm, closeAdmin, err := kafka.NewAdmin(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(closeAdmin)
	if err := schemas.EnsureTopics(t.Context(), adm, schemas.Catalogue(partitions, 1)); err != nil {
		t.Fatal(err)
	}
	return cfg, adm
}

func write(t *testing.T, cfg kafka.Config, g, last schemas.Generation) {
	t.Helper()
	if err := generation.Write(t.Context(), cfg, generation.Live{Generation: g, Last: last, Since: time.Now(), By: "test"}); err != nil {
		t.Fatal(err)
	}
}

func TestLive(t *testing.T) {
	cfg, _ := installation(t)
	live, err := generation.Read(t.Context(), cfg)
	if err != nil || live.Generation != 1 || live.Last != 1 {
		t.Fatalf("a new installation: %+v, %v", live, err)
	}
	f, err := generation.Follow(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	_, changed := f.Live()

	write(t, cfg, 1, 3) // a rebuild begins: nothing changes
	write(t, cfg, 3, 3)
	select {
	case <-changed:
	case <-time.After(30 * time.Second):
		t.Fatal("the switch was not seen")
	}
	if live, _ := f.Live(); live.Generation != 3 {
		t.Errorf("generation %d is live for a follower, want 3", live.Generation)
	}
	live, err = generation.Read(t.Context(), cfg)
	if err != nil || live.Generation != 3 || live.Last != 3 {
		t.Fatalf("after the switch: %+v, %v", live, err)
	}
	if live.Topics[schemas.TopicEvents] != "posthorn.events.3" || live.Topics[schemas.TopicEventsByRecipient] != "" {
		t.Errorf("topics %v", live.Topics)
	}
	if err := generation.Confirm(t.Context(), cfg, 3); err != nil {
		t.Error(err)
	}
	if err := generation.Confirm(t.Context(), cfg, 1); err == nil {
		t.Error("a generation that is not live is confirmed")
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestCreateAndDrop(t *testing.T) {
	_, adm := installation(t)
	ctx := t.Context()
	week := "604800000"
	if _, err := adm.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &week}}, schemas.TopicEvents); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing to do
		if err := generation.Create(ctx, adm, 2, 1); err != nil {
			t.Fatal(err)
		}
	}
	existing, err := generation.Existing(ctx, adm)
	if err != nil || !slices.Equal(existing, []schemas.Generation{1, 2}) {
		t.Fatalf("generations %v, %v", existing, err)
	}
	details, err := adm.ListTopics(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range schemas.Generation(2).Topics(partitions, 1) {
		if n := len(details[topic.Name].Partitions); n != partitions {
			t.Errorf("%s has %d partitions, want %d", topic.Name, n, partitions)
		}
	}
	configs, err := adm.DescribeTopicConfigs(ctx, "posthorn.events.2")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range configs[0].Configs {
		if c.Key == "retention.ms" && c.MaybeValue() != week {
			t.Errorf("retention.ms is %s, the operator has chosen %s", c.MaybeValue(), week)
		}
	}

	offsets := kadm.Offsets{}
	offsets.AddOffset(schemas.TopicWebhooks, 0, 1, -1)
	mine := []string{"engagement.2", "posthorn-sink.posthorn.events.2.0"}
	others := []string{"engagement", "delivery", "posthorn-sink.posthorn.events.0", "posthorn-sink.posthorn.events.20.0"}
	for _, group := range append(mine, others...) {
		if err := adm.CommitAllOffsets(ctx, group, offsets); err != nil {
			t.Fatal(err)
		}
	}
	if err := generation.Drop(ctx, adm, 2); err != nil {
		t.Fatal(err)
	}
	groups, err := adm.ListGroups(ctx)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(others)
	if got := groups.Groups(); !slices.Equal(got, others) {
		t.Errorf("groups %v are left, want %v", got, others)
	}
	left, err := adm.ListTopics(kadm.WithAuthorizedOps(ctx)) // past the cache
	if err != nil {
		t.Fatal(err)
	}
	if want := schemas.Catalogue(partitions, 1); len(left) != len(want) {
		t.Errorf("%d topics are left, want %d: %v", len(left), len(want), left.Names())
	}
}

// join joins a group to read a topic.
func join(t *testing.T, cfg kafka.Config, group, topic, instance string, extra ...kgo.Opt) (leave func()) {
	t.Helper()
	assigned := make(chan struct{}, 10)
	opts := []kgo.Opt{kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.OnPartitionsAssigned(func(context.Context, *kgo.Client, map[string][]int32) { assigned <- struct{}{} })}
	if instance != "" {
		opts = append(opts, kgo.InstanceID(instance))
	}
	cl, err := kafka.NewConsumer(cfg, append(opts, extra...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	select {
	case <-assigned:
	case <-time.After(30 * time.Second):
		t.Fatal("no partitions were assigned")
	}
	return cl.Close
}

func TestDropInUse(t *testing.T) {
	cfg, adm := installation(t)
	if err := generation.Create(t.Context(), adm, 2, 1); err != nil {
		t.Fatal(err)
	}
	leave := join(t, cfg, "campaign.2", "posthorn.campaign-deltas.2", "")
	if n, err := generation.Members(t.Context(), adm, 2); n != 1 || err != nil {
		t.Errorf("%d members, %v", n, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if err := generation.Drop(ctx, adm, 2); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("dropped while a worker derives it: %v", err)
	}
	leave()
	if err := generation.Drop(t.Context(), adm, 2); err != nil {
		t.Error(err)
	}
}

// Delivery waits for those who deliver for another generation, not for those of
// its own, and takes out what it was itself.
func TestAwaitVacant(t *testing.T) {
	cfg, adm := installation(t)
	if err := generation.Create(t.Context(), adm, 2, 1); err != nil {
		t.Fatal(err)
	}
	const group, next = "delivery", "posthorn.triggers.2"
	vacant := func(instance string) error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		return generation.AwaitVacant(ctx, adm, group, next, instance)
	}
	if err := vacant(""); err != nil {
		t.Errorf("nobody is there: %v", err)
	}
	leave := join(t, cfg, group, schemas.TopicTriggers, "")
	if vacant("me") == nil {
		t.Error("somebody delivers for the generation before")
	}
	leave()
	join(t, cfg, group, schemas.TopicTriggers, "me")() // stopped, and still a static member
	if vacant("another") == nil {
		t.Error("another's static member was taken for gone")
	}
	if err := vacant("me"); err != nil {
		t.Errorf("my own static member: %v", err)
	}
	leave = join(t, cfg, group, next, "")
	if err := vacant(""); err != nil {
		t.Errorf("another worker of the same generation: %v", err)
	}
	leave()

	// Of the protocol in which the broker assigns.
	leave = join(t, cfg, group, schemas.TopicTriggers, "", kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()))
	if vacant("") == nil {
		t.Error("a member of the other protocol was overlooked")
	}
	leave()
	if err := vacant(""); err != nil {
		t.Errorf("after it has left: %v", err)
	}
}
