// Package reference defines every statistic that Posthorn gives, as the plainest
// function over the events that it follows from. Nothing here is fast, bounded in
// memory or incremental: it is what the stages, the sink and the queries are
// compared with, number by number, and what to read where the meaning of a number
// is in doubt.
//
//   - message.go: what the events of one message say;
//   - count.go: what a message counts, in all and in a stretch of time;
//   - series.go: courses over time, windows that are closed, what is late;
//   - breakdown.go: by link, place, client, machine, domain and reason;
//   - behaviour.go: delays, paths, funnels, heat maps, cohorts;
//   - compare.go: intervals and tests of rates; anomaly.go: what stands out;
//   - people.go: what a recipient was sent and did.
//
// Left out is what bounds state: messages of more than 512 events, and those that
// were silent for 400 days.
package reference
