package schemas_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/schemas"
)

func TestGenerationNames(t *testing.T) {
	for _, tt := range []struct {
		g                   schemas.Generation
		topic, stage, table string
	}{
		{0, "posthorn.events", "engagement", "events"}, // the zero value
		{1, "posthorn.events", "engagement", "events"},
		{2, "posthorn.events.2", "engagement.2", "events_2"},
		{10, "posthorn.events.10", "engagement.10", "events_10"},
	} {
		if got := tt.g.Topic(schemas.TopicEvents); got != tt.topic {
			t.Errorf("generation %d: topic %s, want %s", tt.g, got, tt.topic)
		}
		if got := tt.g.Name("engagement"); got != tt.stage {
			t.Errorf("generation %d: stage %s, want %s", tt.g, got, tt.stage)
		}
		if got := tt.g.Table("events"); got != tt.table {
			t.Errorf("generation %d: table %s, want %s", tt.g, got, tt.table)
		}
	}
	for _, topic := range []string{schemas.TopicWebhooks, schemas.TopicDeliveries, schemas.TopicDeadLetters, schemas.TopicGenerations} {
		if got := schemas.Generation(7).Topic(topic); got != topic {
			t.Errorf("generation 7: %s is called %s", topic, got)
		}
	}
}

// Every generation has the topics of the first, and none of another's.
func TestGenerationTopics(t *testing.T) {
	owner := map[string]string{}
	add := func(whose string, topics []schemas.Topic) {
		for _, topic := range topics {
			if other, twice := owner[topic.Name]; twice {
				t.Errorf("%s belongs to %s and to %s", topic.Name, other, whose)
			}
			owner[topic.Name] = whose
		}
	}
	add("all", schemas.Shared(3, 1))
	first := schemas.FirstGeneration.Topics(3, 1)
	add("1", first)
	second := schemas.Generation(2).Topics(3, 1)
	add("2", second)
	if len(first) != len(second) {
		t.Fatalf("%d and %d topics", len(first), len(second))
	}
	for _, topic := range schemas.Shared(3, 1) {
		if strings.Contains(topic.Name, "changelog") && !strings.Contains(topic.Name, "delivery") {
			t.Errorf("%s is shared", topic.Name)
		}
	}
	// The engine calls the changelogs of a stage the same.
	name := schemas.Generation(2).Name("engagement")
	if changelog := stream.ChangelogTopic(name, "messages"); owner[changelog] != "2" {
		t.Errorf("changelog %s is not a topic of generation 2", changelog)
	}
}

func TestSplitTopic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		topics := schemas.FirstGeneration.Topics(1, 1)
		name := rapid.SampledFrom(topics).Draw(t, "topic").Name
		g := schemas.Generation(rapid.IntRange(1, 70_000).Draw(t, "generation"))
		if got, n := schemas.SplitTopic(g.Topic(name)); got != name || n != g {
			t.Fatalf("%s of generation %d is split into %s and %d", name, g, got, n)
		}
	})
}
