package schemas_test

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/schemas"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func startKafka(t *testing.T) (*kfake.Cluster, *kadm.Client) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return cluster, kadm.NewClient(client)
}

// partitionsOf is n for every topic but those that need a single order.
func partitionsOf(topic string, n int32) int32 {
	switch topic {
	case schemas.TopicGenerations, schemas.TopicControls, schemas.TopicGateways:
		return 1
	}
	return n
}

func TestCatalogue(t *testing.T) {
	topics := map[string]schemas.Topic{}
	for _, topic := range schemas.Catalogue(12, 1) {
		if _, twice := topics[topic.Name]; twice {
			t.Errorf("%s is there twice", topic.Name)
		}
		topics[topic.Name] = topic
		if topic.Key == "" || topic.Value == "" || topic.Doc == "" {
			t.Errorf("%s is not described: %+v", topic.Name, topic)
		}
		if want := partitionsOf(topic.Name, 12); topic.Partitions != want || topic.Replication != 1 {
			t.Errorf("%s has %d partitions, replication %d", topic.Name, topic.Partitions, topic.Replication)
		}
		if topic.Compacted == (topic.Retention > 0) && topic.Name != schemas.TopicGateways {
			t.Errorf("%s: compacted %v, retention %v", topic.Name, topic.Compacted, topic.Retention)
		}
		if changelog := strings.HasSuffix(topic.Name, "-changelog"); changelog && (!topic.Internal || !topic.Compacted) {
			t.Errorf("%s: internal %v, compacted %v", topic.Name, topic.Internal, topic.Compacted)
		}
	}
	for _, tt := range []struct{ topic, key, want string }{
		{schemas.TopicWebhooks, "message.timestamp.type", "LogAppendTime"},
		{schemas.TopicWebhooks, "cleanup.policy", "delete"},
		{schemas.TopicWebhooks, "retention.ms", "2592000000"},
		{schemas.TopicWebhooks, "retention.bytes", "-1"},
		{schemas.TopicEvents, "message.timestamp.type", "CreateTime"},
		{schemas.TopicMessages, "cleanup.policy", "compact"},
		{"posthorn.engagement-messages-changelog", "cleanup.policy", "compact"},
		{"posthorn.delivery-engine-changelog", "delete.retention.ms", "604800000"},
		{schemas.TopicDeadLetters, "retention.ms", "2592000000"},
		{schemas.TopicGateways, "cleanup.policy", "compact,delete"},
		{schemas.TopicGateways, "retention.ms", "604800000"},
		{schemas.TopicDeadLetters, "min.insync.replicas", ""},
	} {
		if got := topics[tt.topic].Config[tt.key]; got != tt.want {
			t.Errorf("%s: %s=%s, want %s", tt.topic, tt.key, got, tt.want)
		}
	}
	if got := schemas.Catalogue(48, 3)[0].Config["min.insync.replicas"]; got != "2" {
		t.Errorf("three replicas: min.insync.replicas=%s, want 2", got)
	}
}

// What the catalogue says of a topic's values is what a Serde takes for it.
func TestCatalogueValues(t *testing.T) {
	byName := map[string]schemas.Record{}
	for _, fresh := range records {
		rec := fresh().(schemas.Record)
		byName[reflect.TypeOf(rec).Elem().Name()] = rec
	}
	serde, n := schemas.NewLocalSerde(), 0
	for _, topic := range schemas.Catalogue(1, 1) {
		if rec, ok := byName[topic.Value]; ok {
			serde.Append(nil, topic.Name, rec) // panics on another type
			n++
		}
	}
	if n != 11 {
		t.Errorf("%d topics hold records, want 11", n)
	}
}

func TestEnsureTopics(t *testing.T) {
	_, client := startKafka(t)
	ctx := context.Background()
	want := schemas.Catalogue(3, 1)
	for range 2 { // the second time there is nothing to do
		if err := schemas.EnsureTopics(ctx, client, want); err != nil {
			t.Fatal(err)
		}
	}
	details, err := client.ListTopics(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range want {
		if n, want := len(details[topic.Name].Partitions), partitionsOf(topic.Name, 3); n != int(want) {
			t.Errorf("%s has %d partitions, want %d", topic.Name, n, want)
		}
	}
	configs, err := client.DescribeTopicConfigs(ctx, schemas.TopicWebhooks)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, c := range configs[0].Configs {
		got[c.Key] = c.MaybeValue()
	}
	for _, key := range []string{"message.timestamp.type", "retention.ms", "max.message.bytes"} {
		if got[key] != want[0].Config[key] {
			t.Errorf("%s=%s, want %s", key, got[key], want[0].Config[key])
		}
	}
}

func TestEnsureTopicsReportsDifferences(t *testing.T) {
	_, client := startKafka(t)
	ctx := context.Background()
	compact, retention := "compact", "1000"
	for _, create := range []struct {
		topic      string
		partitions int32
		config     map[string]*string
	}{
		{schemas.TopicWebhooks, 3, nil}, // CreateTime
		{schemas.TopicEvents, 2, map[string]*string{"cleanup.policy": &compact}},
		{schemas.TopicTriggers, 3, map[string]*string{"retention.ms": &retention}}, // the operator's choice
	} {
		if _, err := client.CreateTopic(ctx, create.partitions, 1, create.config, create.topic); err != nil {
			t.Fatal(err)
		}
	}
	err := schemas.EnsureTopics(ctx, client, schemas.Catalogue(3, 1))
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"posthorn.webhooks has message.timestamp.type=CreateTime, want LogAppendTime",
		"posthorn.events has 2 partitions, want 3",
		"posthorn.events has cleanup.policy=compact, want delete",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error\n%v\ndoes not say %q", err, want)
		}
	}
	if n := strings.Count(err.Error(), "\n") + 1; n != 3 {
		t.Errorf("%d differences, want 3:\n%v", n, err)
	}
}

// Two processes start at once: one of them finds the topic created.
func TestEnsureTopicsCreatedByAnother(t *testing.T) {
	cluster, client := startKafka(t)
	ctx := context.Background()
	want := schemas.Catalogue(3, 1)
	cluster.ControlKey(int16(kmsg.CreateTopics), func(req kmsg.Request) (kmsg.Response, error, bool) {
		topic := req.(*kmsg.CreateTopicsRequest).Topics[0].Topic
		resp := req.ResponseKind().(*kmsg.CreateTopicsResponse)
		resp.Topics = append(resp.Topics, kmsg.CreateTopicsResponseTopic{Topic: topic, ErrorCode: kerr.TopicAlreadyExists.Code})
		return resp, nil, true
	})
	ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	err := schemas.EnsureTopics(ctx, client, want)
	if err == nil || !strings.Contains(err.Error(), want[0].Name) {
		t.Fatalf("error %v, want one that names the topic that never appeared", err)
	}
	if err := schemas.EnsureTopics(context.Background(), client, want); err != nil {
		t.Fatal(err)
	}
}
