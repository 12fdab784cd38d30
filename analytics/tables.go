package analytics

import "github.com/posthorn/posthorn/schemas"

// target says which topic goes into a table.
type target struct {
	topic string // of the generation
	name  string // as analysts know the table, and as tokens of inserts hold it
	table string // what it is written to; see physicalTable
	// replacing tables keep the latest version of a row: inserting one twice is
	// the same as once, and their topics are compacted.
	replacing bool
	rows      func(table string) rows
}

// tables lists what the sink fills with a generation.
func tables(g schemas.Generation) []target {
	list := []target{
		{schemas.TopicEvents, "events", "", false, eventRows},
		{schemas.TopicMessages, "messages", "", true, messageRows},
		{schemas.TopicStatistics, "campaign_statistics", "", true, func(table string) rows { return statisticsRows(table, g) }},
		{schemas.TopicTriggers, "triggers", "", false, triggerRows},
		{schemas.TopicRejected, "rejections", "", false, rejectionRows},
		{schemas.TopicSuppressions, "suppressions", "", true, suppressionRows},
		{schemas.TopicDeliveries, "deliveries", "", false, deliveryRows},
	}
	for i := range list {
		list[i].topic = g.Topic(list[i].topic)
	}
	return list
}

// derived tells whether the table is one of several generations.
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
