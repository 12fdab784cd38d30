package trigger

import (
	"time"
	_ "time/tzdata" // time zones of active hours on machines that have none

	"github.com/posthorn/posthorn/schemas"
)

// Active are the hours in which a rule works, by a clock on the wall.
type Active struct {
	// Days are those on which the hours begin, by time.Weekday.
	Days [7]bool
	// From and To are minutes of the day, To exclusive. To before From is on the
	// next day.
	From, To int
	Zone     *time.Location
	// Skip ignores what happens outside; else calls wait until the next hours.
	Skip bool
}

// Contains tells whether a moment lies within the hours.
func (a *Active) Contains(t schemas.Timestamp) bool {
	local := t.Time().In(a.Zone)
	minute, day := local.Hour()*60+local.Minute(), local.Weekday()
	if a.From < a.To {
		return a.Days[day] && a.From <= minute && minute < a.To
	}
	return a.Days[day] && minute >= a.From || a.Days[(day+6)%7] && minute < a.To
}

// Next returns the first moment within the hours that is not before t; false
// where none is within a fortnight.
func (a *Active) Next(t schemas.Timestamp) (schemas.Timestamp, bool) {
	if a.Contains(t) {
		return t, true
	}
	first, found := schemas.Timestamp(0), false
	for _, o := range a.openings(t.Time()) {
		at := schemas.FromTime(o)
		if at >= t && (!found || at < first) && a.Contains(at) {
			first, found = at, true
		}
	}
	return first, found
}

// openings are the moments around and after t at which the hours may begin: when
// the clock shows From, twice where it is set back over it, and when the clock
// is set.
func (a *Active) openings(t time.Time) (all []time.Time) {
	year, month, day := t.In(a.Zone).Date()
	for d := -1; d <= 15; d++ {
		wall := time.Date(year, month, day+d, a.From/60, a.From%60, 0, 0, time.UTC)
		for _, around := range [...]time.Duration{-24 * time.Hour, 24 * time.Hour} {
			_, offset := wall.Add(around).In(a.Zone).Zone()
			all = append(all, wall.Add(-time.Duration(offset)*time.Second))
		}
	}
	for set := t.In(a.Zone); ; {
		_, end := set.ZoneBounds()
		if end.IsZero() || end.Sub(t) > 16*24*time.Hour {
			return all
		}
		all = append(all, end)
		set = end
	}
}
