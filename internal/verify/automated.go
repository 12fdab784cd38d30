package verify

import (
	"strings"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// set is a set of events.
type set map[*schemas.Event]bool

// foldedOf returns the events of a message, given in order, that are not kept in
// detail; see considered.
func foldedOf(events []*schemas.Event) set {
	kept := considered(events)
	if len(kept) == len(events) {
		return nil
	}
	folded := set{}
	for _, e := range events {
		folded[e] = true
	}
	for _, e := range kept {
		delete(folded, e)
	}
	return folded
}

// proof is what other events of its message say against an event that looks
// human.
type proof struct{ beforeDelivery, fastClick, linkBurst bool }

func (p proof) any() bool { return p != proof{} }

// proofs are those of the opens and clicks of one message.
type proofs map[*schemas.Event]proof

// String names what speaks against events that look human by themselves.
func (ps proofs) String() string {
	var all proof
	for e, p := range ps {
		if e.Machine != schemas.MachineMachine {
			all = proof{all.beforeDelivery || p.beforeDelivery, all.fastClick || p.fastClick, all.linkBurst || p.linkBurst}
		}
	}
	var names []string
	for _, n := range []struct {
		is   bool
		name string
	}{{all.beforeDelivery, "before_delivery"}, {all.fastClick, "fast_click"}, {all.linkBurst, "link_burst"}} {
		if n.is {
			names = append(names, n.name)
		}
	}
	return strings.Join(names, ",")
}

// automatedOf weighs the events of a message, given in order, against each other:
// a click before the delivery or less than 3 s after it, an open more than a
// minute before it, and clicks on 3 links or more in less than 2 s are a
// machine's. Events that were folded, or whose times are suspect, say nothing.
func automatedOf(events []*schemas.Event, folded set) proofs {
	var delivery *schemas.Event
	var opens, clicks []*schemas.Event
	for _, e := range events {
		switch {
		case folded[e] || e.TimeSuspect:
		case e.Type == schemas.EventTypeDelivered && delivery == nil:
			delivery = e
		case e.Type == schemas.EventTypeOpened:
			opens = append(opens, e)
		case e.Type == schemas.EventTypeClicked:
			clicks = append(clicks, e)
		}
	}
	found := proofs{}
	if delivery != nil {
		for _, e := range opens {
			if gap(delivery, e) < -time.Minute {
				found[e] = proof{beforeDelivery: true}
			}
		}
		for _, e := range clicks {
			found[e] = proof{beforeDelivery: gap(delivery, e) < 0, fastClick: gap(delivery, e) >= 0 && gap(delivery, e) < 3*time.Second}
		}
	}
	// Every span of clicks that is short enough, from each click on.
	for i := range clicks {
		links, end := map[string]bool{}, i
		for ; end < len(clicks) && gap(clicks[i], clicks[end]) < 2*time.Second; end++ {
			if u := clicks[end].URL; u != "" {
				links[bounded(u)] = true
			}
		}
		if len(links) < 3 {
			continue
		}
		for _, e := range clicks[i:end] {
			p := found[e]
			p.linkBurst = true
			found[e] = p
		}
	}
	return found
}

func gap(from, to *schemas.Event) time.Duration {
	return time.Duration(to.OccurredAt-from.OccurredAt) * time.Microsecond
}
