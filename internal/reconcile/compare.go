package reconcile

import (
	"time"

	"github.com/posthorn/posthorn/internal/mailjetapi"
	"github.com/posthorn/posthorn/schemas"
)

// Line is one counter of a campaign or of an hour.
type Line struct {
	Counter    string `json:"counter"`
	Mailjet    string `json:"mailjet_counter"`
	Ours       int64  `json:"ours"`
	Theirs     int64  `json:"theirs"`
	Difference int64  `json:"difference"` // ours - theirs
	// Differs tells whether the difference counts as one.
	Differs bool `json:"differs"`
}

func line(c *Counter, ours *schemas.Counters, theirs *mailjetapi.StatCounters, tolerance int64) Line {
	l := Line{Counter: c.Name, Mailjet: c.Mailjet, Ours: c.ours(ours), Theirs: c.theirs(theirs)}
	l.Difference = l.Ours - l.Theirs
	l.Differs = l.Difference < -tolerance || l.Difference > tolerance && !c.AtLeast
	return l
}

// Compare compares the totals of a campaign, counter by counter; a difference of
// up to tolerance is none.
func Compare(ours *schemas.Counters, theirs *mailjetapi.StatCounters, tolerance int64) []Line {
	lines := make([]Line, len(counters))
	for i := range counters {
		lines[i] = line(&counters[i], ours, theirs, tolerance)
	}
	return lines
}

// Hour is an hour whose events the two sides count differently.
type Hour struct {
	Start time.Time `json:"start"`
	// Missing tells that we lack webhooks; otherwise we have only more.
	Missing bool `json:"missing"`
	// Lines are the counters that differ.
	Lines []Line `json:"counters"`
}

// CompareHours compares hour by hour from one up to another, and returns those that
// differ, in order. A slice that Mailjet leaves out has no events.
func CompareHours(ours map[time.Time]schemas.Counters, theirs []mailjetapi.StatCounters, from, to time.Time, tolerance int64) []Hour {
	slices := make(map[time.Time]*mailjetapi.StatCounters, len(theirs))
	for i := range theirs {
		slices[theirs[i].Timeslice.UTC()] = &theirs[i]
	}
	found := []Hour{}
	for at := from.UTC(); at.Before(to); at = at.Add(time.Hour) {
		own, slice := ours[at], slices[at]
		if slice == nil {
			slice = new(mailjetapi.StatCounters)
		}
		hour := Hour{Start: at}
		for i := range counters {
			if !counters[i].Hourly {
				continue
			}
			if l := line(&counters[i], &own, slice, tolerance); l.Differs {
				hour.Lines = append(hour.Lines, l)
				hour.Missing = hour.Missing || l.Difference < 0
			}
		}
		if len(hour.Lines) > 0 {
			found = append(found, hour)
		}
	}
	return found
}
