package analytics

import "github.com/posthorn/posthorn/schemas"

// target says which topic goes into a table.
type target struct {
	topic string
	name  string
	// replacing tables keep the latest version of a row: inserting one twice is
	// the same as once, and their topics are compacted.
	replacing bool
	rows      func() rows
}

// tables lists what the sink fills. generation is that of the derived topics.
func tables(generation uint64) []target {
	return []target{
		{schemas.TopicEvents, "events", false, eventRows},
		{schemas.TopicMessages, "messages", true, messageRows},
		{schemas.TopicStatistics, "campaign_statistics", true, func() rows { return statisticsRows(generation) }},
		{schemas.TopicTriggers, "triggers", false, triggerRows},
		{schemas.TopicDeliveries, "deliveries", false, deliveryRows},
		{schemas.TopicRejected, "rejections", false, rejectionRows},
	}
}

// SinkTopics lists the topics that the sink reads.
func SinkTopics() []string {
	var topics []string
	for _, t := range tables(0) {
		topics = append(topics, t.topic)
	}
	return topics
}
