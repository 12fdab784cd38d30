package schemas

import (
	"strconv"
	"time"
)

// Topic is a topic of the catalogue: what it is for, and how it is created.
type Topic struct {
	Name        string
	Partitions  int32
	Replication int16
	Config      map[string]string // topic configuration, complete

	Key       string        // what the record key is, for people
	Value     string        // the record type it holds, or what else
	Doc       string        // what it is for
	Internal  bool          // for Posthorn alone: may change with any version
	Compacted bool          // keeps the last record of each key
	Retention time.Duration // 0: for ever, of a compacted topic

	stage, store string // of a changelog
	shared       bool   // its stage is the same in all generations
}

const (
	day = 24 * time.Hour

	// maxMessageBytes fits a webhook with a body of the gateway's default
	// limit, 10 MiB, its headers, and what is derived from it. Kafka's own
	// default is 1 MiB.
	maxMessageBytes = 12 << 20

	// tombstoneRetention is how long a compacted topic keeps deletions: state
	// that was away for longer than half of it is restored in full.
	tombstoneRetention = 7 * day
)

// Catalogue lists all topics of an installation whose live generation is the
// first.
func Catalogue(partitions int32, replication int16) []Topic {
	return append(Shared(partitions, replication), FirstGeneration.Topics(partitions, replication)...)
}

// Shared lists the topics that all generations share.
func Shared(partitions int32, replication int16) []Topic {
	return topics(partitions, replication, func(t *Topic) bool { return notDerived[t.Name] || t.shared })
}

// Topics lists the topics of the generation. They have the same number of
// partitions, since a task writes its messages and statistics to the partition of
// its own number.
func (g Generation) Topics(partitions int32, replication int16) []Topic {
	list := topics(partitions, replication, func(t *Topic) bool { return !notDerived[t.Name] && !t.shared })
	for i := range list {
		list[i].Name = g.topicOf(&list[i])
	}
	return list
}

func (g Generation) topicOf(t *Topic) string {
	if t.stage != "" {
		return changelogName(g.Name(t.stage), t.store)
	}
	return g.Topic(t.Name)
}

func changelogName(stage, store string) string {
	return "posthorn." + stage + "-" + store + "-changelog"
}

func topics(partitions int32, replication int16, wanted func(*Topic) bool) []Topic {
	var topics []Topic
	add := func(t Topic) {
		if !wanted(&t) {
			return
		}
		t.Partitions, t.Replication = partitions, replication
		switch t.Name {
		case TopicGenerations, TopicControls, TopicGateways:
			t.Partitions = 1 // one order for all of it
		}
		t.Config = t.config()
		topics = append(topics, t)
	}
	for _, t := range publicTopics() {
		add(t)
	}
	for _, c := range changelogs {
		add(Topic{Name: changelogName(c.stage, c.store), Key: "store key",
			Value: c.value, Doc: c.doc, Internal: true, Compacted: true,
			stage: c.stage, store: c.store, shared: c.stage == "delivery"})
	}
	return topics
}

func publicTopics() []Topic {
	return []Topic{
		{Name: TopicWebhooks, Key: "none", Value: "Webhook", Retention: 30 * day,
			Doc: "every request as received: the source of truth"},
		{Name: TopicRejected, Key: "webhook id", Value: "Rejection", Retention: 30 * day,
			Doc: "what could not be read, with the reason and the way back"},
		{Name: TopicEventsByRecipient, Key: "recipient_id", Value: "Event", Retention: 7 * day, Internal: true,
			Doc: "events as decoded, repeats included; carries frontier markers"},
		{Name: TopicEvents, Key: "recipient_id", Value: "Event", Retention: 30 * day,
			Doc: "facts: each event exactly once, never revised"},
		{Name: TopicMessages, Key: "tenant/account/message/recipient", Value: "Message", Compacted: true,
			Doc: "one record per message, revised as facts arrive"},
		{Name: TopicCampaignDeltas, Key: "tenant/campaign", Value: "CampaignDelta", Retention: 7 * day, Internal: true,
			Doc: "signed changes to campaigns; carries frontier markers"},
		{Name: TopicBreakdownDeltas, Key: "tenant/campaign", Value: "BreakdownDelta", Retention: 30 * day, Internal: true,
			Doc: "signed changes to breakdowns by link, domain, country, client and more, and to recipients; ClickHouse sums them up"},
		{Name: TopicStatistics, Key: "tenant/campaign/basis/window", Value: "CampaignStatistics", Compacted: true,
			Doc: "windows and lifetime totals of campaigns; a later snapshot replaces an earlier one"},
		{Name: TopicTriggers, Key: "recipient_id; tenant/campaign of rules of campaigns", Value: "Trigger", Retention: 30 * day,
			Doc: "rules that fired"},
		{Name: TopicDeliveries, Key: "trigger id", Value: "Delivery", Retention: 30 * day,
			Doc: "every attempt of a callback and its outcome"},
		{Name: TopicDeadLetters, Key: "as it was", Value: "the record as it was", Retention: 30 * day,
			Doc: "records that a stage could not process; headers posthorn-stage, -cause, -topic, -partition and -offset tell why and where"},
		{Name: TopicGenerations, Key: "live", Value: "JSON", Compacted: true,
			Doc: "which generation is live, and what its topics and tables are called"},
		{Name: TopicSuppressions, Key: "tenant/recipient_id/scope", Value: "Suppression", Compacted: true,
			Doc: "who must not be mailed, and why"},
		{Name: TopicControls, Key: "what it is about", Value: "JSON", Compacted: true,
			Doc: "what people ask of running stages: rules paused, calls to be made again"},
		{Name: TopicGateways, Key: "gateway", Value: "JSON", Compacted: true, Retention: 7 * day, Internal: true,
			Doc: "up to when each gateway has nothing in its spool"},
	}
}

// changelogs are the stores of the stages, each with its changelog. A stage with
// stores also has one of the engine's own.
var changelogs = [...]struct{ stage, store, value, doc string }{
	{"engagement", "messages", "state of engagement", "the distinct events of every message"},
	{"engagement", "rules", "state of engagement", "what has fired for whom"},
	{"engagement", "counts", "state of engagement", "what counting rules have counted, by once-per key"},
	{"engagement", "suppressions", "state of engagement", "what suppresses whom"},
	{"engagement", "engine", "timers", "the engine's own state of engagement"},
	{"campaign", "windows", "state of campaign", "the counters of every window"},
	{"campaign", "rules", "state of campaign", "what rules of campaigns have counted and said"},
	{"campaign", "engine", "timers", "the engine's own state of campaign"},
	{"delivery", "pending", "state of delivery", "callbacks that are not done"},
	{"delivery", "done", "state of delivery", "triggers whose callback is done"},
	{"delivery", "engine", "timers", "the engine's own state of delivery"},
}

// config is the topic's configuration. What is Kafka's default but matters is
// set all the same: a cluster may have other defaults.
func (t *Topic) config() map[string]string {
	c := map[string]string{
		"max.message.bytes": strconv.Itoa(maxMessageBytes),
		"retention.bytes":   "-1", // never by size: what is not read yet must not vanish
		// Records expire by the time of writing, not by event time. Only the
		// broker's own clock is the arrival time of a webhook.
		"message.timestamp.type": "CreateTime",
	}
	switch t.Name {
	case TopicWebhooks, TopicEventsByRecipient: // the latter shows its frontier markers' writer the brokers' time
		c["message.timestamp.type"] = "LogAppendTime"
	}
	if t.Replication >= 3 {
		c["min.insync.replicas"] = "2" // an acknowledged record survives the loss of a broker
	}
	if !t.Compacted {
		c["cleanup.policy"] = "delete"
		c["retention.ms"] = ms(t.Retention)
		return c
	}
	c["cleanup.policy"], c["retention.ms"] = "compact", "-1"
	if t.Retention > 0 {
		c["cleanup.policy"], c["retention.ms"] = "compact,delete", ms(t.Retention)
	}
	c["delete.retention.ms"] = ms(tombstoneRetention)
	// The active segment is never compacted and is read in full on a restore:
	// small segments, and cleaning once a third is out of date.
	c["min.cleanable.dirty.ratio"] = "0.3"
	c["segment.bytes"] = strconv.Itoa(64 << 20)
	c["segment.ms"] = ms(day)
	return c
}

func ms(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
