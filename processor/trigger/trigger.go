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
