package reference

import "github.com/posthorn/posthorn/schemas"

// Person is what a recipient was sent and did.
type Person struct {
	Domain                                                   string
	Counters                                                 schemas.Counters
	FirstEvent, LastEvent, LastSent, LastOpened, LastClicked schemas.Timestamp
}

// People sums messages up by their recipients. Those without an address are nobody's.
func People(messages []*Message) map[schemas.ID]*Person {
	all := map[schemas.ID]*Person{}
	for _, m := range messages {
		if !m.Addressed {
			continue
		}
		p := all[m.Recipient]
		if p == nil {
			p = &Person{FirstEvent: m.FirstEvent}
			all[m.Recipient] = p
		}
		p.Domain = max(p.Domain, m.Domain)
		Add(&p.Counters, Count(m, Ever))
		p.FirstEvent, p.LastEvent = min(p.FirstEvent, m.FirstEvent), max(p.LastEvent, m.LastEvent)
		p.LastSent = max(p.LastSent, m.Sent)
		for _, e := range m.Events {
			switch e.Type {
			case schemas.EventTypeOpened:
				p.LastOpened = max(p.LastOpened, e.OccurredAt)
			case schemas.EventTypeClicked:
				p.LastClicked = max(p.LastClicked, e.OccurredAt)
			}
		}
	}
	return all
}
