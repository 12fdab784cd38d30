package verify

import (
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// within tells whether a moment is in a rule's hours.
func within(a *trigger.Active, t schemas.Timestamp) bool {
	clock := t.Time().In(a.Zone)
	minute := clock.Hour()*60 + clock.Minute()
	today := a.Days[clock.Weekday()]
	yesterday := a.Days[(clock.Weekday()+6)%7]
	if a.From < a.To {
		return today && minute >= a.From && minute < a.To
	}
	return today && minute >= a.From || yesterday && minute < a.To
}

// opening is when a rule with hours may call for what came at t: zero where it
// may at once. Clocks are set on the minute, so the first moment is found by
// looking at every minute.
func opening(a *trigger.Active, t schemas.Timestamp) schemas.Timestamp {
	if a == nil || a.Skip || within(a, t) {
		return 0
	}
	const minute = 60_000_000
	for next, i := t-t%minute+minute, 0; i < 16*24*60; next, i = next+minute, i+1 {
		if within(a, next) {
			return next
		}
	}
	return 0
}

// skipped tells whether the rule takes no notice of what happens then.
func skipped(r *trigger.Rule, t schemas.Timestamp) bool {
	return r.Active != nil && r.Active.Skip && !within(r.Active, t)
}
