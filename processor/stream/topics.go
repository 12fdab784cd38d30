package stream

import (
	"strconv"
	"time"

	"github.com/posthorn/posthorn/internal/kafka"
)

// KafkaConfig says how to reach the cluster. The alias lets packages that can't
// import the engine's own make one.
type KafkaConfig = kafka.Config

// GroupProtocol is how the members of a consumer group agree on who reads what.
type GroupProtocol = kafka.Protocol

const (
	// ClassicGroup is the protocol of all Kafka versions, the default.
	ClassicGroup = kafka.Classic
	// ConsumerGroup is the protocol of KIP-848: the broker assigns.
	ConsumerGroup = kafka.Consumer
)

// Topic is a topic as a stage needs it.
type Topic struct {
	Name string
	// Partitions is their number, 0 where any will do.
	Partitions int32
	// Config holds the settings that matter to the engine.
	Config map[string]string
}

// Topics lists the topics of a stage whose input has so many partitions: the
// input, where the frontier and dead letters go, and the changelogs. Topics that
// only the stage's tasks know are not among them.
func (s Stage) Topics(partitions int32) []Topic {
	input := Topic{Name: s.Input, Partitions: partitions}
	if s.Root {
		input.Config = map[string]string{"message.timestamp.type": "LogAppendTime"}
	}
	topics := []Topic{input}
	for _, name := range s.FrontierTo {
		topics = append(topics, Topic{Name: name})
	}
	if s.DeadLetter != "" {
		topics = append(topics, Topic{Name: s.DeadLetter})
	}
	if len(s.Stores) == 0 {
		return topics
	}
	for _, store := range append([]string{engineStore}, s.Stores...) {
		topics = append(topics, Topic{Name: ChangelogTopic(s.Name, store), Partitions: partitions, Config: map[string]string{
			"cleanup.policy":      "compact",
			"delete.retention.ms": strconv.FormatInt(defaultChangelogRetention.Milliseconds(), 10),
		}})
	}
	return topics
}

// defaultChangelogRetention is how long a changelog keeps deletions.
const defaultChangelogRetention = 7 * 24 * time.Hour
