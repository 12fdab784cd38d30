package engagement

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// counting is what a rule has counted for one message or recipient: the events
// that may still be part of a firing.
type counting struct {
	key     []byte // in the store of counts
	rule    *trigger.Rule
	message *message // the one whose event was counted last
	events  []countedEvent
	facts   []countedFacts // of messages, that events refer to
	changed bool
}

// countedEvent is an event with the place of what it told of its message.
type countedEvent struct {
	trigger.Counted
	facts int
}

// countedFacts are what a trigger's record needs to know of a message.
type countedFacts struct {
	account, messageID, recipient, campaignID, campaignName, customID string
}

func countedFactsOf(m *trigger.Message) countedFacts {
	return countedFacts{m.Account, m.MessageID, m.Recipient, m.CampaignID, m.CampaignName, m.CustomID}
}

// maxCounted is how many events are kept for one key: the latest. So many a
// robot makes; rules don't ask for more.
const maxCounted = 1000

// count counts the event that t.see has seen in, or out again with the sign -1.
func (t *task) count(ctx stream.Context, m *message, sign int) error {
	for _, r := range t.counting {
		if !r.Counts() {
			continue
		}
		key, ok := r.CountKey(&t.own)
		if !ok {
			continue
		}
		if hit, _ := r.CountsEvent(&t.own, &t.fact); !hit {
			continue
		}
		c, err := t.counted(ctx, r, ruleKey(m.tenant, r.Name, key))
		if err != nil {
			return err
		}
		c.message = m
		if sign > 0 {
			c.add(trigger.CountedOf(&t.fact), countedFactsOf(&t.own))
		} else {
			c.remove(t.fact.ID)
		}
	}
	return nil
}

// counted returns what was counted for a key.
func (t *task) counted(ctx stream.Context, r *trigger.Rule, key []byte) (*counting, error) {
	if c := t.counts[string(key)]; c != nil {
		return c, nil
	}
	value, err := ctx.Store(storeCounts).Get(key)
	if err != nil {
		return nil, fmt.Errorf("reading counted events: %w", err)
	}
	c := &counting{key: key, rule: r}
	if value != nil {
		if err := c.decode(value); err != nil {
			return nil, err
		}
	}
	if t.counts == nil {
		t.counts = map[string]*counting{}
	}
	t.counts[string(key)] = c
	t.touched = append(t.touched, c)
	return c, nil
}

func (c *counting) add(e trigger.Counted, f countedFacts) {
	c.remove(e.ID)
	at := slices.Index(c.facts, f)
	if at < 0 {
		at = len(c.facts)
		c.facts = append(c.facts, f)
	}
	i, _ := slices.BinarySearchFunc(c.events, e, func(a countedEvent, b trigger.Counted) int { return compareCounted(&a.Counted, &b) })
	c.events = slices.Insert(c.events, i, countedEvent{e, at})
	c.changed = true
}

func (c *counting) remove(id schemas.ID) {
	n := len(c.events)
	c.events = slices.DeleteFunc(c.events, func(e countedEvent) bool { return e.ID == id })
	c.changed = c.changed || len(c.events) < n
}

func compareCounted(a, b *trigger.Counted) int {
	return cmp.Or(cmp.Compare(a.At(), b.At()), bytes.Compare(a.ID[:], b.ID[:]))
}

// flushCounts judges what was counted, and writes it.
func (t *task) flushCounts(ctx stream.Context) error {
	frontier := schemas.FromTime(ctx.Frontier())
	for _, c := range t.touched {
		if !c.changed {
			continue
		}
		if err := t.fireCount(ctx, c); err != nil {
			return err
		}
		c.forget(frontier)
		if len(c.events) == 0 {
			ctx.Store(storeCounts).Delete(c.key)
		} else {
			ctx.Store(storeCounts).Put(c.key, c.append(nil))
		}
	}
	clear(t.counts)
	clear(t.touched)
	t.touched = t.touched[:0]
	return nil
}

func (t *task) fireCount(ctx stream.Context, c *counting) error {
	if len(c.events) < c.rule.Times {
		return nil
	}
	keys := make([]string, len(c.facts)) // empty: none
	for i := range c.facts {
		facts := c.message.withFacts(&c.facts[i])
		keys[i], _ = c.rule.OnceKey(&facts)
	}
	t.judged = t.judged[:0]
	for i := range c.events {
		e := c.events[i].Counted
		e.OnceKey = keys[c.events[i].facts]
		e.NoKey = e.OnceKey == ""
		t.judged = append(t.judged, e)
	}
	firings := c.rule.JudgeCount(t.judged)
	for i := range firings {
		f := &firings[i]
		at := c.event(f.Evidence[0].ID).facts
		facts := c.message.withFacts(&c.facts[at])
		if err := t.fire(ctx, c.message.lifeAt(f.ArrivedAt), &facts, f, keys[at]); err != nil {
			return err
		}
	}
	return nil
}

// event is the counted event of an id.
func (c *counting) event(id schemas.ID) *countedEvent {
	return &c.events[slices.IndexFunc(c.events, func(e countedEvent) bool { return e.ID == id })]
}

// withFacts are the facts of a message of the same recipient.
func (m *message) withFacts(k *countedFacts) trigger.Message {
	return trigger.Message{
		Tenant: m.tenant, RecipientID: m.recipientID, Account: k.account, MessageID: k.messageID,
		Recipient: k.recipient, CampaignID: k.campaignID, CampaignName: k.campaignName, CustomID: k.customID,
	}
}

// lifeAt is the life that what arrived at a time belongs to.
func (m *message) lifeAt(arrivedAt schemas.Timestamp) *state {
	for _, s := range m.earlier {
		if s.spans(arrivedAt) {
			return s
		}
	}
	return &m.state
}

// until is when, on the frontier, an event can be part of no further firing.
// What is counted arrives within the rule's age of when it occurred, and all of a
// firing occurs within the duration of each other.
func (c *counting) until(e *countedEvent) schemas.Timestamp {
	return e.At() + schemas.Timestamp((c.rule.Duration + c.rule.MaxAge).Microseconds())
}

// forget drops the events that can be part of no further firing, and the earliest
// where there are too many.
func (c *counting) forget(frontier schemas.Timestamp) {
	drop := max(0, len(c.events)-maxCounted)
	for frontier != 0 && drop < len(c.events) && c.until(&c.events[drop]) < frontier {
		drop++
	}
	c.events = slices.Delete(c.events, 0, drop)
}

// countsExpired tells whether nothing of a key of the store of counts can be part
// of a further firing.
func countsExpired(_, value []byte, frontier time.Time) (bool, error) {
	until, err := countedUntil(value)
	return err == nil && until < schemas.FromTime(frontier), err
}

func deleteCounts(ctx stream.Context, key []byte) error {
	ctx.Store(storeCounts).Delete(key)
	return nil
}
