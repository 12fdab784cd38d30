// Package trigger holds the rules that make one action trigger another: their
// YAML, their conditions in CEL, and how they are judged.
//
// A rule of kind within fires when B happens within D of A, for one message:
//
//	rules:
//	  - name: discount-24h
//	    within: {event: opened, of: send, duration: 24h}
//	    when: message.campaign_id == "spring" && event.country != "US"
//	    once_per: recipient
//	    call: shop
//
// The rules are judged on the set of a message's events, so that the order of
// their arrival does not matter:
//
//   - Event time counts as min(occurred_at, arrived_at): an event from the
//     future fires nothing.
//   - A, for send, is the event that gives Message.sent_at: the earliest of
//     queued, sent and delivered. Otherwise it is any event of that type.
//   - B happens within D of A when A <= B <= A + D and B is not A. The earliest
//     such B for which the condition holds is the evidence, with its earliest A.
//   - With human_only, machines are ignored as B and, where A is an open or a
//     click, as A.
//   - A firing whose evidence was older than max_age when the later of A and B
//     arrived is expired. A live pair is preferred to an expired one, and an
//     expired firing does not keep a live one, of the same key, from firing
//     later; the two have the same id. Otherwise a key fires once and is never
//     revised or revoked. A shadow firing uses its key up as a live one does, so
//     that a rule that goes live does not call for the past.
//   - A fact of the message that is not known yet is unknown in a condition, not
//     empty: what depends on it waits. So message.campaign_id == "" never holds.
//   - A message without a recipient address joins no rule that is once per
//     recipient or campaign; one without a campaign none once per campaign.
//
// Once per recipient, several messages may qualify: which of them is the
// evidence depends on arrival, the id and the existence of the trigger do not.
package trigger

import (
	"sync/atomic"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// Once is what a rule fires once for.
type Once string

// The scopes of once_per. A campaign means one recipient in one campaign.
const (
	OncePerMessage   Once = "message"
	OncePerRecipient Once = "recipient"
	OncePerCampaign  Once = "campaign"
)

// KindWithin is the kind of rules "B within D of A".
const KindWithin = "within"

// Anchor is the A of a rule.
type Anchor string

// The anchors. A send is the earliest of queued, sent and delivered.
const (
	AnchorSend      Anchor = "send"
	AnchorDelivered Anchor = "delivered"
	AnchorOpened    Anchor = "opened"
	AnchorClicked   Anchor = "clicked"
)

// Rule is one checked rule.
type Rule struct {
	// Name identifies the rule for ever: it is part of its triggers' ids.
	Name string
	// Kind is KindWithin.
	Kind string
	// Event is B, Of is A, Within is D.
	Event  schemas.EventType
	Of     Anchor
	Within time.Duration
	// When is the text of the condition; empty: none.
	When string
	// OncePer is the scope that the rule fires once for.
	OncePer Once
	// MaxAge is the longest time between the evidence and the arrival that
	// completes the rule; older firings are expired.
	MaxAge time.Duration
	// HumanOnly ignores what machines do.
	HumanOnly bool
	// Shadow records firings and calls nobody.
	Shadow bool
	// Call names the endpoint to call; empty: none.
	Call string
	// Version is a hash of the rule's meaning.
	Version string
	// Position is the rule's place, as file:line.
	Position string

	condition *condition
	failures  atomic.Uint64
}

// Failures is the number of evaluations of the condition that ended in an
// error, which counts as false.
func (r *Rule) Failures() uint64 { return r.failures.Load() }

// Set is a list of rules with distinct names. Its zero value and nil are empty.
// It is safe for concurrent use.
type Set struct{ rules []*Rule }

// Rules returns the rules in the order of their files. The slice must not be
// modified.
func (s *Set) Rules() []*Rule {
	if s == nil {
		return nil
	}
	return s.rules
}
