package analytics

import "github.com/posthorn/posthorn/schemas"

// target says which tables a topic goes into.
type target struct {
	topic string // of the generation
	// names are how analysts know the tables, and what tokens of inserts hold;
	// tables are what is written to, see PhysicalTable.
	names, tables []string
	// replacing tables keep the latest version of a row: inserting one twice is
	// the same as once, and their topics are compacted.
	replacing bool
	rows      func(tables []string) rows
}

// tables lists what the sink fills with a generation.
func tables(g schemas.Generation) []target {
	one := func(topic, table string, replacing bool, make func(table string) rows) target {
		return target{topic: g.Topic(topic), names: []string{table}, replacing: replacing,
			rows: func(tables []string) rows { return make(tables[0]) }}
	}
	return []target{
		one(schemas.TopicEvents, "events", false, eventRows),
		one(schemas.TopicMessages, "messages", true, messageRows),
		one(schemas.TopicStatistics, "campaign_statistics", true, func(table string) rows { return statisticsRows(table, g) }),
		one(schemas.TopicTriggers, "triggers", false, triggerRows),
		one(schemas.TopicRejected, "rejections", false, rejectionRows),
		one(schemas.TopicSuppressions, "suppressions", true, suppressionRows),
		{topic: g.Topic(schemas.TopicBreakdownDeltas), names: []string{"breakdowns", "recipients"},
			rows: func(tables []string) rows { return newBreakdownRows(tables[0], tables[1]) }},
		one(schemas.TopicDeliveries, "deliveries", false, deliveryRows),
	}
}

// derived tells whether the tables are those of one of several generations.
func (t *target) derived() bool { return t.topic != schemas.TopicDeliveries }

// SinkTopics lists the topics that the sink reads of the first generation.
func SinkTopics() []string { return GenerationTopics(schemas.FirstGeneration) }

// GenerationTopics lists the topics that the sink reads of a generation, with
// the deliveries, which all generations share, last.
func GenerationTopics(g schemas.Generation) []string {
	var topics []string
	for _, t := range tables(g) {
		topics = append(topics, t.topic)
	}
	return topics
}
