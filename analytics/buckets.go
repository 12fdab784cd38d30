package analytics

import (
	"time"
	_ "time/tzdata" // time zones on machines that have none
)

// Resolutions of a series over time.
const (
	ResolutionLifetime = "lifetime"
	ResolutionDay      = "day"
	ResolutionHour     = "hour"
	Resolution5m       = "5m"
)

// windowSeconds is the length of the windows that are counted.
const windowSeconds = 300

// grid cuts time into the buckets of a resolution by the clock of a time zone:
//
//	5m    the windows that are counted, which begin at multiples of five minutes
//	hour  from each full hour of the local clock, and from each change of it, to
//	      the next of these: where the clock is set by half an hour there is an
//	      hour of 30 minutes
//	day   from the first moment at which the local clock shows the date or a
//	      later one: 23, 24 or 25 hours where the clock is set by one
type grid struct {
	resolution string
	loc        *time.Location
}

// next returns where the bucket ends that begins at start, in Unix seconds.
func (g grid) next(start int64) int64 {
	switch g.resolution {
	case ResolutionDay:
		y, m, d := g.local(start).Date()
		// A date that was skipped has no length: the next one with any counts.
		for after := 1; ; after++ {
			if end := g.dayStart(y, m, d+after); end > start {
				return end
			}
		}
	case ResolutionHour:
		offset := g.offset(start)
		local := start + offset
		end := local - mod(local, 3600) + 3600 - offset
		if change, ok := g.change(start); ok && change < end {
			return change
		}
		return end
	default:
		return start - mod(start, windowSeconds) + windowSeconds
	}
}

// floor returns where the bucket begins that t, in Unix seconds, lies in.
func (g grid) floor(t int64) int64 {
	switch g.resolution {
	case ResolutionDay:
		y, m, d := g.local(t).Date()
		start := g.dayStart(y, m, d)
		// Where the clock goes back over midnight a date is shown again after the
		// next one has begun.
		for end := g.next(start); end <= t; end = g.next(start) {
			start = end
		}
		return start
	case ResolutionHour:
		offset := g.offset(t)
		start := t - mod(t+offset, 3600)
		if began, _ := g.local(t).ZoneBounds(); !began.IsZero() && began.Unix() > start && g.offset(began.Unix()-1) != offset {
			return began.Unix()
		}
		return start
	default:
		return t - mod(t, windowSeconds)
	}
}

// ceil returns the first start of a bucket that is not before t.
func (g grid) ceil(t int64) int64 {
	if start := g.floor(t); start < t {
		return g.next(start)
	}
	return t
}

// edges returns the starts of the buckets from the one that begins at from until
// to, and behind them where the last one ends; ok is false where there are more
// than most buckets.
func (g grid) edges(from, to int64, most int) (edges []int64, ok bool) {
	edges = append(edges, from)
	for from < to {
		if len(edges) > most {
			return nil, false
		}
		from = g.next(from)
		edges = append(edges, from)
	}
	return edges, true
}

// dayStart returns the first moment at which the local clock shows midnight of a
// date or later. time.Date does not promise the first one.
func (g grid) dayStart(y int, m time.Month, d int) int64 {
	midnight := time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix()
	// No clock is more than 15 hours from UTC, so it is certainly earlier then.
	for t := midnight - 26*3600; ; {
		first := max(t, midnight-g.offset(t))
		_, end := g.local(t).ZoneBounds()
		if end.IsZero() || first < end.Unix() {
			return first
		}
		t = end.Unix()
	}
}

// change returns the next moment after t at which the offset from UTC changes.
// Changes of the zone's name alone are none.
func (g grid) change(t int64) (at int64, ok bool) {
	_, end := g.local(t).ZoneBounds()
	if end.IsZero() || g.offset(end.Unix()) == g.offset(t) {
		return 0, false
	}
	return end.Unix(), true
}

func (g grid) local(t int64) time.Time { return time.Unix(t, 0).In(g.loc) }

func (g grid) offset(t int64) int64 {
	_, offset := g.local(t).Zone()
	return int64(offset)
}

// mod is the remainder of the division that rounds down.
func mod(a, b int64) int64 { return (a%b + b) % b }
