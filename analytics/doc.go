// Package analytics brings what was derived into ClickHouse and answers
// questions about it.
//
// Read it in this order:
//
//   - migrate.go, layout.go and migrations/: the tables and views, on a single
//     node or in a cluster;
//   - tables.go and column.go: which topic goes into which table, and how a
//     record becomes columns;
//   - sink.go, lane.go: from Kafka into ClickHouse, exactly once; refused.go and
//     drift.go: rows and tables that are not as they should be;
//   - api.go, params.go, then a file for each resource (campaigns.go,
//     suppressions.go, triggers.go, ...): the HTTP API;
//   - dashboard: the same figures for people, in a browser.
//
// # Exactly once
//
// The partitions of a topic form lanes; each lane has one owner at a time. A
// batch is one vector of offset ranges over its lane. It is recorded in the
// lane's consumer group, by a commit that carries the group's generation,
// before it is inserted. After a crash exactly the recorded batch is read again
// and inserted under the same deduplication token, which ClickHouse drops if it
// has it already. The record of the next batch says that this one is done. Where a
// topic fills several tables, each has a block and a token of its own.
//
// Tables that keep only the latest version of a row (messages,
// campaign_statistics, suppressions) need less: inserting a row twice is the same as once, so
// their topics may be compacted between two readings.
package analytics
