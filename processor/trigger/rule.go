package trigger

import (
	"sync/atomic"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// Kind says what a rule waits for.
type Kind string

// The kinds of rules. The package comment says what each means.
const (
	KindImmediate Kind = "immediate"
	KindWithin    Kind = "within"
	KindAbsence   Kind = "absence"
	KindCount     Kind = "count"
	KindSequence  Kind = "sequence"
	KindRate      Kind = "rate"
)

// Once is what a rule fires once for, and what a count counts in.
type Once string

// The scopes of once_per and per. A campaign means one recipient in one
// campaign, but for rules of campaigns the campaign itself.
const (
	OncePerMessage   Once = "message"
	OncePerCampaign  Once = "campaign"
	OncePerRecipient Once = "recipient"
)

// Anchor is the A of a rule.
type Anchor string

// The anchors. A send is the earliest of queued, sent and delivered.
const (
	AnchorSend      Anchor = "send"
	AnchorDelivered Anchor = "delivered"
	AnchorOpened    Anchor = "opened"
	AnchorClicked   Anchor = "clicked"
)

// Step is one event of a sequence.
type Step struct {
	// Send is the earliest of queued, sent and delivered; Event is unknown then.
	Send bool
	// Event is the type.
	Event schemas.EventType
	// When is the text of the step's own condition; empty: none.
	When string

	condition *condition
}

// Million is a share of one in parts per million.
const Million = 1_000_000

// Rule is one checked rule. What the YAML leaves out has its default; fields of
// other kinds are zero.
type Rule struct {
	// Name identifies the rule for ever: it is part of its triggers' ids.
	Name string
	Kind Kind
	// Version is a hash of the rule's meaning.
	Version string
	// Position is the rule's place, as file:line.
	Position string

	// Event is B: immediate, within, absence.
	Event schemas.EventType
	// Of is A: within, absence.
	Of Anchor
	// Steps are a sequence's, 2 to 8.
	Steps []Step
	// Events are what a count or a rate counts, Base what a rate is a share of.
	Events, Base []schemas.EventType
	// Duration is D: all kinds but immediate.
	Duration time.Duration
	// Wait is how long an absence waits on for what comes late.
	Wait time.Duration
	// Every is the step of a campaign's rule.
	Every time.Duration
	// Times is how many events a count needs.
	Times int
	// Per is what a count counts in; of a rate, OncePerCampaign.
	Per Once
	// Above and ClearBelow are a rate's limits in parts per million.
	Above, ClearBelow int64
	// Minimum is the least base of a rate that raises.
	Minimum int64

	// When is the text of the condition; empty: none.
	When string
	// OncePer is the scope that the rule fires once for.
	OncePer Once
	// Cooldown is the length of the stretches in each of which the rule fires
	// once; zero: once for ever.
	Cooldown time.Duration
	// MaxAge is the longest time between the evidence and the arrival that
	// completes the rule; older firings are expired. Older events are not counted.
	MaxAge time.Duration
	// Settle is how long a firing waits for what tells that a machine acted.
	Settle time.Duration
	// HumanOnly ignores what machines do.
	HumanOnly bool
	// Shadow records firings and calls nobody.
	Shadow bool
	// Active are the hours of the rule; nil: always.
	Active *Active
	// Sample is the share of once-per keys that take part, in parts per million.
	Sample int64
	// Limit is how many calls the rule may make in an hour.
	Limit int
	// Call names the endpoint to call; empty: none.
	Call string

	condition *condition
	// needs are sets of types of each of which there must be an event; subjects are
	// the types of those that the condition is judged with.
	needs    []TypeSet
	subjects TypeSet
	index    int
	failures atomic.Uint64
}

// Failures is the number of evaluations of conditions that ended in an error,
// which counts as false.
func (r *Rule) Failures() uint64 { return r.failures.Load() }

// OfCampaign tells that the rule is judged on the counts of a campaign: a rate,
// or a count per campaign.
func (r *Rule) OfCampaign() bool {
	return r.Kind == KindRate || r.Kind == KindCount && r.Per == OncePerCampaign
}

// Counts tells that the rule counts events of a message or a recipient.
func (r *Rule) Counts() bool { return r.Kind == KindCount && r.Per != OncePerCampaign }

// micros is a duration in the unit of timestamps.
func micros(d time.Duration) schemas.Timestamp { return schemas.Timestamp(d.Microseconds()) }
