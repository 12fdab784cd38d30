package reference

import (
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// Providers counts all of a message at the mailbox provider of its recipient's
// domain: other where none is known, unknown where the domain is not.
func Providers(messages []*Message, of map[string]string) Breakdown {
	b := Breakdown{}
	for _, m := range messages {
		b.add(Value{Value: Provider(m, of)}, Count(m, Ever))
	}
	return b
}

// Provider is the mailbox provider of a message.
func Provider(m *Message, of map[string]string) string {
	switch name := of[m.Domain]; {
	case m.Domain == "":
		return "unknown"
	case name == "":
		return "other"
	default:
		return name
	}
}

// Courses counts messages by what they are of and the period of their send, of
// their first event where the send is unknown.
func Courses(messages []*Message, of func(*Message) string, period func(time.Time) time.Time) map[string]map[time.Time]schemas.Counters {
	all := map[string]map[time.Time]schemas.Counters{}
	for _, m := range messages {
		if all[of(m)] == nil {
			all[of(m)] = map[time.Time]schemas.Counters{}
		}
		at := period(m.SentOn().Time().UTC())
		c := all[of(m)][at]
		Add(&c, Count(m, Ever))
		all[of(m)][at] = c
	}
	return all
}

// Hygiene counts recipients.
type Hygiene struct {
	Recipients, Delivered, Undelivered, Enough, NeverEngaged, Inactive, Active, HardBounced, Complained, Unsubscribed int64
}

// HygieneOf judges those to whom enough messages were delivered: those that never
// opened or clicked by themselves, and those that did, and of whom no open or click
// was seen since. Those are active of whom one was.
func HygieneOf(people map[schemas.ID]*Person, enough int64, since schemas.Timestamp) (h Hygiene) {
	for _, p := range people {
		c := p.Counters
		engaged := c.HumanOpened > 0 || c.HumanClicked > 0
		seen := max(p.LastOpened, p.LastClicked) >= since
		for _, of := range []struct {
			n  *int64
			is bool
		}{
			{&h.Recipients, c.Messages > 0},
			{&h.Delivered, c.Delivered > 0},
			{&h.Undelivered, c.Delivered == 0},
			{&h.Enough, c.Delivered >= enough},
			{&h.NeverEngaged, c.Delivered >= enough && !engaged},
			{&h.Inactive, c.Delivered >= enough && engaged && !seen},
			{&h.Active, engaged && seen},
			{&h.HardBounced, c.HardBounced > 0},
			{&h.Complained, c.Complained > 0},
			{&h.Unsubscribed, c.Unsubscribed > 0},
		} {
			if of.is {
				*of.n++
			}
		}
	}
	return h
}

// DeadDomains are domains at which nothing was delivered, opened or clicked and
// some bounced, with the number of their recipients.
func DeadDomains(people map[schemas.ID]*Person) map[string]int64 {
	recipients, alive, bounced := map[string]int64{}, map[string]bool{}, map[string]bool{}
	for _, p := range people {
		recipients[p.Domain]++
		c := p.Counters
		alive[p.Domain] = alive[p.Domain] || c.Delivered+c.Opened+c.Clicked > 0
		bounced[p.Domain] = bounced[p.Domain] || c.HardBounced+c.SoftBounced > 0
	}
	for domain := range recipients {
		if domain == "" || alive[domain] || !bounced[domain] {
			delete(recipients, domain)
		}
	}
	return recipients
}
