package verify

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// countKey is what a counting rule counts in: a message, a recipient, or a
// recipient in a campaign.
type countKey struct {
	rule    *trigger.Rule
	message messageKey // of a recipient: without account and message
}

// counts are the events that a rule counts in one key.
type counts struct {
	events []*schemas.Event // by (at, id)
	// versions are all that were delivered of events: one that did not arrive
	// first may have counted until the first one came.
	versions []*schemas.Event
	// again: an event is among them twice, in two lives of its message.
	again bool
}

// mostCounted is how many events of a key are kept.
const mostCounted = 1000

// expectCounts gathers what a rule counts, and expects what must come of it.
func (c *triggerCheck) expectCounts(r *trigger.Rule) {
	for k, g := range c.groups {
		for _, d := range g.lives {
			for _, e := range d.events {
				if n := c.counted(r, k, e); n != nil {
					n.events = append(n.events, e)
				}
			}
		}
		for _, e := range g.occurrences {
			if n := c.counted(r, k, e); n != nil {
				n.versions = append(n.versions, e)
			}
		}
	}
	for k, n := range c.counts {
		if k.rule != r {
			continue
		}
		slices.SortFunc(n.events, byCount)
		n.again = len(slices.CompactFunc(slices.Clone(n.events), func(a, b *schemas.Event) bool { return a.EventID == b.EventID })) < len(n.events)
		if n.again || len(n.events) > mostCounted || c.recipients[recipientKey{k.message.tenant, k.message.recipient}] {
			continue
		}
		for i, b := range n.events {
			if i+1 < r.Times || at(b)-at(n.events[i+1-r.Times]) > micros(r.Duration) || skipped(r, at(b)) {
				continue
			}
			m := ownFacts(b)
			if key, ok := onceKey(r, m); ok {
				c.expect(r, m, key, occurrence(r, at(b)), true, 1)
			}
		}
	}
}

func byCount(a, b *schemas.Event) int {
	return cmp.Or(cmp.Compare(at(a), at(b)), cmp.Compare(string(a.EventID[:]), string(b.EventID[:])))
}

// counted is where a rule counts an event; nil: nowhere.
func (c *triggerCheck) counted(r *trigger.Rule, k messageKey, e *schemas.Event) *counts {
	key, ok := countedIn(r, k, e)
	if !ok || !isCounted(r, r.Events, e) {
		return nil
	}
	if c.counts[key] == nil {
		c.counts[key] = &counts{}
	}
	return c.counts[key]
}

// countedIn is the key that an event counts in.
func countedIn(r *trigger.Rule, k messageKey, e *schemas.Event) (countKey, bool) {
	if r.Per == trigger.OncePerMessage {
		return countKey{r, k}, true
	}
	return countKey{r, messageKey{tenant: k.tenant, recipient: k.recipient}}, e.Recipient != ""
}

// isCounted tells whether a counting rule counts an event of these types: it must
// have come in time, be a person's if the rule wants that, and meet the condition
// with nothing but what it tells itself.
func isCounted(r *trigger.Rule, types []schemas.EventType, e *schemas.Event) bool {
	if !slices.Contains(types, e.Type) || e.ArrivedAt-at(e) > micros(r.MaxAge) || r.HumanOnly && e.Machine == schemas.MachineMachine {
		return false
	}
	x := ruleEvent(e)
	return r.Holds(ownFacts(e), &x)
}

// explainCount compares a trigger of a counting rule with the windows that end
// with its event. Which window it shows depends on what had come by then.
func (c *triggerCheck) explainCount(r *trigger.Rule, s *scene, t *schemas.Trigger, evidence []*schemas.Event) problem {
	if len(evidence) != 1 || !isCounted(r, r.Events, evidence[0]) {
		return problem{notOfKind, true}
	}
	b := evidence[0]
	if skipped(r, at(b)) {
		return problem{outsideHours, true}
	}
	key, _ := countedIn(r, keyOf(b), b)
	n := c.counts[key]
	if n == nil {
		return problem{notSatisfied, true}
	}
	window := map[schemas.ID]*schemas.Event{} // b and those before it, the version that arrived first
	for _, e := range n.versions {
		old := window[e.EventID]
		if byCount(e, b) <= 0 && at(b)-at(e) <= micros(r.Duration) && (old == nil || e.ArrivedAt < old.ArrivedAt) {
			window[e.EventID] = e
		}
	}
	if len(window) < r.Times {
		return problem{fmt.Sprintf("%d events of it are in a window, want %d", len(window), r.Times), true}
	}
	before := slices.Collect(maps.Values(window))
	want := s.want(r, t, evidence, at(b), c.completed(r, b, before, t.ArrivedAt), false)
	want.Hits, want.WindowStart, want.WindowEnd = int64(r.Times), at(b)-micros(r.Duration), at(b)
	return s.compare(r, ownFacts(b), want, t)
}

// completed is when a window was complete: said, if that is an arrival of one of
// its events by which enough of them had arrived, else the earliest that is.
func (c *triggerCheck) completed(r *trigger.Rule, b *schemas.Event, window []*schemas.Event, said schemas.Timestamp) schemas.Timestamp {
	arrived := byArrival(window)
	first := max(b.ArrivedAt, arrived[r.Times-1].ArrivedAt)
	if said >= first && c.arrives(window, said) {
		return said
	}
	return first
}

// arrives tells whether one of the events arrived just then, in some version.
func (c *triggerCheck) arrives(events []*schemas.Event, then schemas.Timestamp) bool {
	return slices.ContainsFunc(events, func(e *schemas.Event) bool {
		return slices.ContainsFunc(c.f.expected[e.EventID], func(v *schemas.Event) bool { return v.ArrivedAt == then })
	})
}
