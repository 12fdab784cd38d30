package engagement

import (
	"fmt"

	"github.com/posthorn/posthorn/schemas"
	"github.com/posthorn/posthorn/schemas/avro"
)

// What was counted is written in Avro's primitives behind a version: until when
// it is of use, the facts of messages, and the events with times as differences.
const countsVersion = 1

// The least bytes that facts and an event take.
const (
	countedFactsMinSize = 6
	countedMinSize      = 21
)

func (c *counting) append(b []byte) []byte {
	last := c.until(&c.events[len(c.events)-1])
	b = avro.AppendLong(append(b, countsVersion), int64(last))
	used := c.usedFacts()
	b = avro.AppendLong(b, int64(len(used.order)))
	for _, i := range used.order {
		for _, s := range c.facts[i].texts() {
			b = avro.AppendString(b, *s)
		}
	}
	b = avro.AppendLong(b, int64(len(c.events)))
	for i := range c.events {
		e := &c.events[i]
		b = append(append(b, e.ID[:]...), byte(e.Type), byte(e.Machine))
		b = avro.AppendLong(b, int64(e.OccurredAt-last))
		b = avro.AppendLong(b, int64(e.ArrivedAt-e.OccurredAt))
		b = avro.AppendLong(b, int64(used.place[e.facts]))
		last = e.OccurredAt
	}
	return b
}

// usedFacts are the places of those facts that events refer to.
type usedFacts struct {
	order []int
	place map[int]int
}

func (c *counting) usedFacts() usedFacts {
	u := usedFacts{place: map[int]int{}}
	for i := range c.events {
		at := c.events[i].facts
		if _, ok := u.place[at]; !ok {
			u.place[at] = len(u.order)
			u.order = append(u.order, at)
		}
	}
	return u
}

func (f *countedFacts) texts() [6]*string {
	return [...]*string{&f.account, &f.messageID, &f.recipient, &f.campaignID, &f.campaignName, &f.customID}
}

func (c *counting) decode(b []byte) error {
	r, err := countsReader(b)
	if err != nil {
		return err
	}
	last := schemas.Timestamp(r.Long())
	c.facts = make([]countedFacts, r.count(countedFactsMinSize))
	for i := range c.facts {
		for _, s := range c.facts[i].texts() {
			*s = r.String()
		}
	}
	c.events = make([]countedEvent, r.count(countedMinSize))
	for i := range c.events {
		e := &c.events[i]
		r.Fixed(e.ID[:])
		e.Type = schemas.EventType(r.small(int32(schemas.EventTypeUnsuppressed) + 1))
		e.Machine = schemas.Machine(r.small(int32(schemas.MachineMachine) + 1))
		e.OccurredAt = last + schemas.Timestamp(r.Long())
		e.ArrivedAt = e.OccurredAt + schemas.Timestamp(r.Long())
		at := r.Long()
		if at < 0 || at >= int64(len(c.facts)) {
			r.tooLong = true
			break
		}
		e.facts, last = int(at), e.OccurredAt
	}
	if err := r.end(); err != nil {
		return fmt.Errorf("decoding counted events: %w", err)
	}
	return nil
}

func countsReader(b []byte) (*reader, error) {
	if len(b) == 0 || b[0] != countsVersion {
		return nil, fmt.Errorf("decoding counted events: unknown version in %x", b[:min(len(b), 8)])
	}
	return &reader{Reader: avro.NewReader(b[1:]), size: len(b)}, nil
}

// countedUntil reads no more than until when counted events are of use.
func countedUntil(b []byte) (schemas.Timestamp, error) {
	r, err := countsReader(b)
	if err != nil {
		return 0, err
	}
	return schemas.Timestamp(r.Long()), nil
}
