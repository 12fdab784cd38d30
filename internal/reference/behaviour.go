package reference

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// Delays are delays in milliseconds, in order.
type Delays []int64

// OpenDelays are from delivery to first open, human: to the first that is not a
// machine's.
func OpenDelays(messages []*Message, human bool) (d Delays) {
	for _, m := range messages {
		to := m.Opened
		if human {
			to = m.HumanOpened
		}
		if ms, known := Delay(m.Delivered, to); known {
			d = append(d, ms)
		}
	}
	slices.Sort(d)
	return d
}

// ClickDelays are from first open to first click, human: both not a machine's.
func ClickDelays(messages []*Message, human bool) (d Delays) {
	for _, m := range messages {
		from, to := m.Opened, m.Clicked
		if human {
			from, to = m.HumanOpened, m.HumanClicked
		}
		if ms, known := Delay(from, to); known {
			d = append(d, ms)
		}
	}
	slices.Sort(d)
	return d
}

// Mean is the mean in seconds.
func (d Delays) Mean() float64 {
	sum := int64(0)
	for _, ms := range d {
		sum += ms
	}
	return float64(sum) / float64(len(d)) / 1000
}

// Percentile is the least delay, in seconds, that so many percent of all are not
// above.
func (d Delays) Percentile(p float64) float64 {
	rank := int(math.Ceil(p / 100 * float64(len(d))))
	return float64(d[max(1, rank)-1]) / 1000
}

// Path names what became of a message: all that is true of it, in this order.
func Path(m *Message) string {
	var parts []string
	for _, p := range []struct {
		at   schemas.Timestamp
		name string
	}{
		{m.Delivered, "delivered"}, {m.Opened, "opened"}, {m.HumanOpened, "human_opened"}, {m.Clicked, "clicked"},
		{m.HumanClicked, "human_clicked"}, {m.Unsubscribed, "unsubscribed"}, {m.Complained, "complained"},
	} {
		if p.at != 0 {
			parts = append(parts, p.name)
		}
	}
	return cmp.Or(strings.Join(parts, "+"), "none")
}

// Paths counts messages by what became of them.
func Paths(messages []*Message) map[string]int64 {
	paths := map[string]int64{}
	for _, m := range messages {
		paths[Path(m)]++
	}
	return paths
}

// Funnel counts messages that have come so far: each step has those of the one
// before that took it as well.
type Funnel struct{ Messages, Delivered, Opened, Clicked, Unsubscribed, Complained int64 }

// FunnelOf counts messages by step; human: only opens and clicks that are not a
// machine's.
func FunnelOf(messages []*Message, human bool) (f Funnel) {
	for _, m := range messages {
		opened, clicked := m.Opened != 0, m.Clicked != 0
		if human {
			opened, clicked = m.HumanOpened != 0, m.HumanClicked != 0
		}
		f.Messages++
		if m.Delivered == 0 {
			continue
		}
		f.Delivered++
		if !opened {
			continue
		}
		f.Opened++
		if clicked {
			f.Clicked++
		}
	}
	return f
}

// Hour of a week, by the clocks of a place: Monday is 1.
type WeekHour struct{ Weekday, Hour int }

// HeatMap sums windows by the hour of the week that they begin in.
func HeatMap(windows map[schemas.Timestamp]schemas.Counters, loc *time.Location) map[WeekHour]schemas.Counters {
	cells := map[WeekHour]schemas.Counters{}
	for start, c := range windows {
		at := start.Time().In(loc)
		day := int(at.Weekday())
		if day == 0 {
			day = 7
		}
		n := cells[WeekHour{day, at.Hour()}]
		Add(&n, c)
		cells[WeekHour{day, at.Hour()}] = n
	}
	return cells
}

// Cohort is what messages sent in one period did, by how long after.
type Cohort struct {
	Sent schemas.Counters // messages and outcomes
	Ages map[int64]schemas.Counters
}

// Cohorts groups messages by the day of their send and counts what was done with
// them by the hours since. A message whose send is unknown counts from its first
// event.
func Cohorts(messages []*Message, period func(day time.Time) time.Time) map[time.Time]*Cohort {
	all := map[time.Time]*Cohort{}
	for _, m := range messages {
		k := period(m.SentOn().Time().UTC())
		c := all[k]
		if c == nil {
			c = &Cohort{Ages: map[int64]schemas.Counters{}}
			all[k] = c
		}
		c.Sent.Messages++
		if n := outcomeOf(m, &c.Sent); n != nil {
			*n++
		}
		if m.LateBounce {
			c.Sent.LateBounces++
		}
		add := func(at schemas.Timestamp, count func(*schemas.Counters)) {
			if at != 0 {
				n := c.Ages[AgeBucket(at-m.Began())]
				count(&n)
				c.Ages[AgeBucket(at-m.Began())] = n
			}
		}
		for _, e := range m.Events {
			switch e.Type {
			case schemas.EventTypeOpened, schemas.EventTypeClicked, schemas.EventTypeUnsubscribed, schemas.EventTypeComplained:
				add(e.OccurredAt, func(n *schemas.Counters) { countEvent(n, e) })
			}
		}
		add(m.Opened, func(n *schemas.Counters) { n.Opened++ })
		add(m.HumanOpened, func(n *schemas.Counters) { n.HumanOpened++ })
		add(m.Clicked, func(n *schemas.Counters) { n.Clicked++ })
		add(m.HumanClicked, func(n *schemas.Counters) { n.HumanClicked++ })
		add(m.Unsubscribed, func(n *schemas.Counters) { n.Unsubscribed++ })
		add(m.Complained, func(n *schemas.Counters) { n.Complained++ })
	}
	return all
}

// DayOf, WeekOf and MonthOf are periods: a day of UTC, its ISO week from Monday on,
// its month.
func DayOf(day time.Time) time.Time { return day }

func WeekOf(day time.Time) time.Time {
	for day.Weekday() != time.Monday {
		day = day.AddDate(0, 0, -1)
	}
	return day
}

func MonthOf(day time.Time) time.Time {
	return time.Date(day.Year(), day.Month(), 1, 0, 0, 0, 0, time.UTC)
}
