// Package trigger holds the rules that make one action trigger another: their
// YAML, their conditions in CEL, and how they are judged. This comment is the
// reference of both.
//
// # A rule
//
//	rules:
//	  - name: discount-24h                 # 1 to 64 of a-z A-Z 0-9 . _ -; for ever
//	    within: {event: opened, of: send, duration: 24h}    # exactly one kind
//	    when: message.campaign_id == "spring" && event.country != "US"
//	    once_per: recipient                # message (default), recipient, campaign
//	    cooldown: 7d                       # default: once for ever
//	    active: {days: [mon, fri], from: "08:00", to: "20:00", time_zone: Europe/Paris, outside: wait}
//	    sample: 10%                        # default 100%
//	    human_only: true                   # default: where an open or a click counts
//	    max_age: 48h                       # default 48h
//	    settle: 5s                         # default: where a person's click counts; else 0s
//	    mode: live                         # live (default), shadow
//	    limit: 10000                       # calls an hour, default 10000
//	    call: shop                         # an endpoint; default: none
//
// Durations are Go's or whole days (90m, 24h, 7d). Shares are percentages or
// parts of one, exact to 0.0001%.
//
// # The kinds
//
//	immediate: {event: clicked}
//	within:    {event: opened, of: send, duration: 24h}
//	absence:   {event: opened, of: send, duration: 48h, wait: 10m}
//	sequence:  {events: [send, opened, {event: clicked, when: 'event.url.contains("/pay")'}], duration: 72h}
//	count:     {event: clicked, times: 3, duration: 10m, per: recipient}
//	count:     {event: complained, times: 100, duration: 1h, per: campaign, every: 1m}
//	rate:      {event: bounced, of: [delivered, bounced], above: 5%, clear_below: 3%, duration: 10m, every: 1m, minimum: 200}
//
// All are judged on sets of events with their arrival times, so that neither the
// order of processing nor the clock of a machine matters:
//
//   - The time of an event in conditions, At, is min(occurred_at, arrived_at): an
//     event from the future fires nothing. Ties are broken by event id.
//   - A send is the earliest of queued, sent and delivered of the message, by
//     occurred_at and id: an event is out as the send once one before it had
//     arrived by the time that the firing is decided.
//   - A firing has the event time At and the arrival ArrivedAt that complete it.
//
// immediate fires for every B. The evidence is B.
//
// within fires for a B and an A with At(A) <= At(B) <= At(A) + D that is not B;
// of several A it is the one with which B is complete first, and of those the
// earliest. The evidence is A and B; ArrivedAt is the later arrival.
//
// absence fires for an A that no B follows. It is decided when the arrival
// frontier reaches due = max(A.occurred_at + D, A.arrived_at) + wait. A B follows
// that is not A, with At(B) >= At(A) and occurred_at <= A.occurred_at + D, and had
// arrived by then; one that arrives later changes nothing. At is At(A) + D,
// ArrivedAt is due, the evidence and the event of conditions is A.
//
// sequence fires for distinct events e1 to en, one for each of 2 to 8 steps, with
// At(e1) <= ... <= At(en) <= At(e1) + D. A step is a type, send, or a type with a
// condition of its own. Of the chains that lead to an en it is the first that is
// complete, made of the earliest events. The evidence is the chain, B is en: the
// rule's condition is judged with it.
//
// count, per message (default) or recipient, fires for the event that is the
// last of times distinct ones with At within D. ArrivedAt is when the first such
// many had arrived. The evidence is that event; hits is times, and the window
// [At - D, At]. Where once_per is wider than per, what it needs (address, campaign)
// is that event's own.
//
// count per campaign and rate count events in arrival time, in steps of every
// (default D/10, at least 1s; D is a multiple of it, with at most 1440). An event
// counts in the campaign that it names itself. At each boundary H of steps that
// the frontier has reached the window is the steps from H - D to H. A count fires
// when hits >= times. A rate is raised when base >= minimum and hits exceed above
// of the base, and cleared when they are at most clear_below of it (default:
// above); each change is a trigger. At and ArrivedAt are H, there is no evidence.
//
// A counting rule sees of the message only the facts that the event itself
// carries, and counts an event only if it was no older than max_age when it
// arrived: so what arrives later cannot change what was counted.
//
// # Which firings count
//
//   - once_per: each message, recipient, or recipient in a campaign fires once,
//     or with cooldown once in each stretch of that length that At may lie in.
//     Stretches are counted from 1970 UTC. A message without a recipient address
//     joins no rule once per recipient or campaign; one without a campaign none
//     once per campaign. A count's once_per is its per (default) or wider: message
//     < campaign < recipient. Rules of campaigns fire for the campaign.
//   - Of the firings of one occurrence the first counts, by ArrivedAt, then At and
//     id. Nothing is revised or revoked.
//   - max_age: a firing with ArrivedAt - At > max_age is expired, and calls nobody.
//     A live firing is preferred to an expired one, and an expired one does not
//     keep a live one of the same occurrence from firing later; the two have the
//     same id. A count never has one.
//   - mode shadow calls nobody. A shadow firing uses its occurrence up as a live
//     one does, so that a rule that goes live does not call for the past.
//   - human_only ignores events that are machines' by themselves, as B, as step and,
//     where A is an open or a click, as A.
//   - settle (immediate, within, sequence) decides a firing only when the frontier
//     reaches ArrivedAt + settle, and ignores in it events that the other events of
//     the message, as far as they had arrived by then, make a machine's: clicks
//     too soon after the delivery, or on all links at once.
//   - sample: a once-per key takes part by its hash: the same ones for ever, and
//     others for another rule.
//   - active: with outside wait calls are made from the next moment on that lies in
//     the hours (not_before). With skip only a B counts whose At lies in them; of
//     an absence the moment due, of a campaign's rule the boundary. From is
//     inclusive, to exclusive; to before from is on the next day, and days are
//     those of the beginning. The clock on the wall counts: an hour that summer
//     time skips is none, one that it repeats counts twice.
//   - limit, as well as pausing a rule, concerns calls only.
//
// # Conditions
//
// A condition is a CEL expression over the facts event.* (of B, of A for an
// absence, of the event that a counting rule counts) and message.*. Only facts
// are in it that do not change once they are known. One that is not known yet is
// unknown, not empty: what depends on it waits. So message.campaign_id == ""
// never holds. An error counts as false.
//
// Comparisons of texts with constants (==, !=, in, startsWith, endsWith, contains),
// joined by &&, || and !, are judged without CEL, and where they settle the whole,
// nothing else is. Those that a condition demands, as message.campaign_id ==
// "spring" && ..., find the rules for an event: a rule costs nothing for other
// campaigns.
package trigger
