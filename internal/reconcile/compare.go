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
	l.Differs = c.differs(l.Difference, tolerance)
	return l
}

func (c *Counter) differs(difference, tolerance int64) bool {
	return difference < -tolerance || difference > tolerance && !c.AtLeast
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
	slices := make(map[time.Time]mailjetapi.StatCounters, len(theirs))
	for _, s := range theirs {
		slices[s.Timeslice.UTC()] = s
	}
	hours := make([]Hour, to.Sub(from)/time.Hour)
	for i := range hours {
		hours[i].Start = from.UTC().Add(time.Duration(i) * time.Hour)
	}
	for i := range counters {
		c := &counters[i]
		if !c.Hourly {
			continue
		}
		lines, rest := make([]Line, len(hours)), make([]int64, len(hours))
		for h := range hours {
			own, slice := ours[hours[h].Start], slices[hours[h].Start]
			lines[h] = line(c, &own, &slice, tolerance)
			rest[h] = lines[h].Difference
		}
		if c.State {
			settle(rest)
		}
		for h := range hours {
			lines[h].Differs = c.differs(rest[h], tolerance)
			hours[h].add(lines[h])
		}
	}
	return differing(hours)
}

func (h *Hour) add(l Line) {
	if l.Differs {
		h.Lines = append(h.Lines, l)
		h.Missing = h.Missing || l.Difference < 0
	}
}

func differing(hours []Hour) []Hour {
	found := []Hour{}
	for _, h := range hours {
		if len(h.Lines) > 0 {
			found = append(found, h)
		}
	}
	return found
}

// settle sets off what an hour lacks against what the next one has too many, and
// the other way round: a message's state may be dated on either side of an hour's
// end.
func settle(differences []int64) {
	for i := 1; i < len(differences); i++ {
		a, b := &differences[i-1], &differences[i]
		switch {
		case *a < 0 && *b > 0:
			n := min(-*a, *b)
			*a, *b = *a+n, *b-n
		case *a > 0 && *b < 0:
			n := min(*a, -*b)
			*a, *b = *a-n, *b+n
		}
	}
}
