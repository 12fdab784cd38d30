// Package engagement derives what is known of each message from the events of
// its recipient.
//
// The state of a message is the set of its distinct events. Everything else is
// a pure function of that set: the Message record, what the message contributes
// to its campaign, and which rules it satisfies. So neither the order of events
// nor the cut of transactions matters. Once per commit each touched message is
// derived anew; a campaign gets what the message contributes now minus what it
// contributed before.
//
// # The set
//
//   - Events are one by event_id. Of versions that differ, the one that arrived
//     first counts, at a tie the one that occurred first, then that of the lesser
//     source.
//   - Events without a message id belong to the message "~" + campaign_id of
//     their recipient.
//   - A fact that events carry of their message (campaign, its name, custom id,
//     domain, ...) is the first one that is not empty, each field for itself, in
//     order of (occurred_at, event_id).
//
// # The message
//
//   - sent_at is the earliest of queued, sent and delivered; at a tie in this
//     order.
//   - Outcome: a bounce at or after the first delivery wins and is a late
//     bounce; else delivered; else bounced, failed, rejected, deferred, queued
//     (also for sent), the first that occurred. It is dated by its earliest
//     event; of the bounces that may decide, hard ones come first. bounce_class
//     and reject_reason are of the event that decided.
//   - Human means not known to be a machine, neither by the event itself nor by
//     the other events of its message: a click before the delivery, within 3 s of
//     it, or among 3 different links clicked within 2 s; an open more than a
//     minute before the delivery. machine_reasons names what only the others told.
//     Folded events count by themselves. Rules that settle see the same, as far as
//     it had arrived by the time at which they decide.
//   - Delays are never negative: a click before its open has delay zero.
//
// # The campaign
//
// A message counts under its campaign, or "-". In event time, messages counts
// at first_event_at, an outcome (and late_bounces) at outcome_at, opened at
// first_opened_at, each open at its own time, and so on; delays at
// first_opened_at and first_clicked_at. In send time everything counts at
// sent_at, and nothing while that is unknown.
//
// # Closed windows
//
// A window is closed once arrival time is its retention past its end, and then
// never changes. What a message counts in a window is what those of its events
// make that had arrived by then; the rest is late: it counts in the lifetime, as
// ever, and in one total of the campaign for event time and one for send time.
// So windows and late total together are what all events make. Late counts may
// be negative: a message that turns out to belong to another campaign stays in
// closed windows of the one it was in.
//
// # Breakdowns
//
// What a message contributes is broken down as well: above campaigns by tenant,
// account, source and list, in the windows of campaigns (grain.go), and by day of
// the send by what the dimensions of schemas.BreakdownDelta say (breakdown.go).
// These deltas, too, are what it contributes now minus what it contributed before;
// nothing is kept of them. Source and list of a message are those of the first of
// its events that has one, of versions of an event the one that counts. Machines
// are as judged with the message. Folded events count without country, client,
// device, and link. A recipient is counted where its address is known.
//
// # Rules
//
// Rules of a message (package trigger) are judged on its set whenever it has
// changed, once per commit, and whenever one that waits is due: each message has
// one timer, for the earliest moment that a rule has asked for, of all rules and
// lives. Rules are told of the arrival frontier, and decide by when events
// arrived: so it does not matter how far ahead of the frontier events are
// processed. Counts per message and recipient are kept in a store of their own,
// by rule and what it counts in, as the events that may still be part of a firing.
// What an occurrence fired for is remembered: of a rule once per message in the
// message's state, else in the store of rules.
//
// Rules may be replaced while the stage runs. A transaction is judged by those in
// force when it begins; messages that neither change nor have a timer are not
// judged by the new ones, and counts begin with the rule.
//
// # Lives
//
// A message is kept until it was silent for the horizon. Events whose arrivals
// lie that far apart, with none between, belong to different lives of their
// message, each with a set of its own: events of an earlier life are not known,
// so their repetitions count again. What an earlier life contributed stays; its
// record is replaced. As long as a message is kept, repetitions of its events
// are recognised, and they prolong its life. A rule that is due only when the life
// is over does not fire.
//
// Both are decided by when events arrived, never by when they are processed.
// State is deleted when the arrival frontier says that it can't change again.
package engagement

import (
	"time"

	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// Name is the stage's name.
const Name = "engagement"

// WindowSeconds is the length of a campaign's windows. They are aligned to the
// epoch, so that the days of every time zone are whole windows.
const WindowSeconds = 300

// What Config has by default.
const (
	DefaultHorizon   = 400 * 24 * time.Hour
	DefaultRetention = 90 * 24 * time.Hour
)

// NoCampaign stands for the campaign of messages without one.
const NoCampaign = "-"

// The stage's stores.
const (
	storeMessages = "messages" // state of each message, and ids of folded events
	storeRules    = "rules"    // keys that rules have fired for
	storeCounts   = "counts"   // what counting rules have counted
	storeSuppress = "suppressions"
)

// Config configures the stage.
type Config struct {
	Serde *schemas.Serde
	// Rules may be nil, and may get other rules while the stage runs: a transaction
	// that begins then is judged by those.
	Rules *trigger.Live
	// Generation is the one to derive.
	Generation schemas.Generation
	// Horizon is the silence after which a message is forgotten. 0: DefaultHorizon.
	Horizon time.Duration
	// Retention is how long after its end a window is closed, a multiple of the
	// windows' length. 0: DefaultRetention.
	Retention time.Duration

	cacheSize int // for tests; 0 means cacheSize
}

// Stage returns the stage. All its topics have as many partitions as its input.
func Stage(c Config) stream.Stage {
	return stream.Stage{
		Name:       c.Generation.Name(Name),
		Input:      c.Generation.Topic(schemas.TopicEventsByRecipient),
		Stores:     []string{storeMessages, storeRules, storeCounts, storeSuppress},
		FrontierTo: []string{c.Generation.Topic(schemas.TopicCampaignDeltas)},
		DeadLetter: schemas.TopicDeadLetters,
		NewTask:    func(int32) (stream.Task, error) { return newTask(c), nil },
	}
}
