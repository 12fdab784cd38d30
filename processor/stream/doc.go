// Package stream is an exactly-once stream engine on Kafka: keyed state with
// changelogs, durable timers, and consume-process-produce in transactions.
// Windows of event time are in its subpackage window, and a driver for tests in
// streamtest.
//
// # Stages and tasks
//
// A [Stage] reads one topic. Its partitions are spread over the members of a
// consumer group; each assigned partition is a [Task] with state of its own,
// which nobody else sees. So records that belong together must have the same
// key, and so the same partition. Stages form a chain: one writes the topic that
// the next reads, with the key that the next needs.
//
// A [Worker] runs one stage in one process:
//
//	w, err := stream.NewWorker(stream.WorkerConfig{
//		Stage:           stage,
//		Kafka:           stream.KafkaConfig{Brokers: brokers},
//		StateDir:        "/var/lib/orders",
//		TransactionalID: "orders-" + instance,
//		InstanceID:      instance,
//	})
//	...
//	err = w.Run(ctx) // until ctx ends
//
// A task's methods are called by one goroutine, one after the other. It should
// not start others, nor wait: whatever it waits for holds up the transaction of
// all tasks of the worker.
//
// # Transactions
//
// Everything that the tasks of a worker do between two commits belongs to one
// Kafka transaction: records produced, state written, timers set, and the
// offsets of the input. It becomes visible together or not at all. In order, a
// transaction is
//
//	Process, Tick         records and the wall clock, for about a commit interval
//	Timer                 those that are due, in order of time and key
//	Flush                 what was aggregated in memory
//	commit
//	AfterCommit           only now
//
// A transaction that fails is done again: its records are read again, by new
// tasks that [Stage].NewTask makes. A task may keep what it read from its
// stores in memory over commits, since that is found again; anything else must
// be in a store by Flush. A task that is not part of a transaction (no record,
// no timer, nothing written) gets no Flush.
//
// Exactly once holds for what goes through the [Context], and for readers of
// the outputs that read only what is committed (isolation.level
// read_committed). It does not hold for calls to other systems. Those belong
// into AfterCommit, which is lost when the process dies right after the commit,
// or behind a record that says they are due, made by a [Ticker] until another
// record says they are done: then they are made at least once. Two workers
// never own a partition at the same time: what one writes that was replaced
// meanwhile is refused by the broker.
//
// # State
//
// A [Store] is a sorted map of bytes, local to the task: a read costs no
// network. Reads see the open transaction. Every change is also a record in the
// store's changelog, a compacted topic, in the same transaction. State on this
// machine is written after the commit and so may be behind its changelog, never
// ahead. A worker that gets a partition reads what it lacks: a few records
// after a restart, the whole changelog on a new machine or where StateDir is
// empty. State that does not belong to the changelog, or is older than
// deletions are kept in it, is set aside and read anew.
//
// One changed key is one changelog record, once per transaction: aggregate in
// memory, and write at Flush.
//
// # Two clocks
//
// Event time is when something happened. It is in the values, and only the
// stage's own code reads it: it decides windows and conditions.
//
// Arrival time is when a record entered the first topic of the chain, its log
// append time. It decides when to stop waiting for more. The engine tracks the
// arrival frontier: the time up to which everything that arrived was processed
// by all tasks of all stages before, and by this one. The first stage (Root)
// knows it from its input; it tells the stages behind it by markers in the
// topics named in FrontierTo. Whoever reads these topics without the engine
// skips what [IsMarker] tells.
//
// A partition without records counts as processed up to now, less half a
// second. But the frontier is never the wall clock alone: it stands while the
// first stage is down or behind, and what waits for it waits too. It does not go
// back, but is unknown (zero) for a moment after a restart.
//
// For a result that does not depend on the order of records nor on when a
// transaction ended, decide from the two times in the data: an event counts if
// it happened within an hour and arrived before the timer's time, and not if it
// was processed before the timer fired. Take the earlier of the two times as the
// event's: one from the future then does nothing.
//
// # Timers
//
// [Context].SetTimer sets a durable timer of a key: Timer is called with it in
// the first transaction whose frontier has reached its time, wherever the task
// then runs. Everything that arrived before that time has been processed by
// then. A key has one timer; setting it again moves it. Timers set by Timer
// that are due fire in the same transaction, after the others. Where more than
// 20,000 are due, as after a standstill, the frontier moves in steps, one a
// transaction. Timers are kept in a store of the engine, which a stage has if it
// declares any of its own.
//
// # Errors
//
// An error is taken as transient: the transaction is aborted and done again
// after a pause that grows to half a minute, and the worker is not ready
// meanwhile ([Worker].Status). Process may say that a record can never be
// processed, with an error that is [Permanent]. Then the transaction is done
// again at once without it; the record goes to the dead letter topic in the same
// transaction, key and value as they were, with headers
//
//	posthorn-stage      name of the stage
//	posthorn-cause      the error
//	posthorn-topic, posthorn-partition, posthorn-offset
//
// Say so only of what is wrong with the record itself, such as a value that
// can't be decoded. Errors of Timer, Flush and Tick are never permanent.
//
// # Topics
//
// The engine creates no topics. [Stage].Topics lists what a stage needs:
// changelogs have as many partitions as the input and are compacted, the input
// of a Root stage has the broker's own times. The number of partitions is the
// number of tasks and is fixed, since keys and state belong to them: choose it
// for the largest number of workers there will ever be. The cluster must be
// Kafka 4.0 or newer with transaction.version 2.
//
// # Scale and restarts
//
// Start more workers of a stage, each with a TransactionalID of its own, and the
// group moves tasks to them; a task goes on elsewhere once its state is
// restored there, the others meanwhile where they are. TransactionalID stays the
// same over restarts, so that a worker that comes back ends at once what it
// left open when it died. With an InstanceID it is a static member: away for
// less than the session timeout it keeps its tasks, and its state on disk is of
// use at once. Both are best the name of the machine or of the pod of a stateful
// set.
//
// # Tests
//
// Package streamtest runs a task in memory, step by step: see the examples. A
// property worth a test of every stage is that its outputs end the same
// whatever the order of its records, wherever transactions end, and whichever of
// them fail.
package stream
