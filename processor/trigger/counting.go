package trigger

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/posthorn/posthorn/schemas"
)

// CountsEvent tells whether a count or a rate counts an event: as a hit, as part
// of the base. m holds the event's own facts.
func (r *Rule) CountsEvent(m *Message, e *Event) (hit, base bool) {
	hit, base = slices.Contains(r.Events, e.Type), slices.Contains(r.Base, e.Type)
	if !hit && !base || !r.acts(e) || e.ArrivedAt-e.At() > micros(r.MaxAge) || !r.Holds(m, e) {
		return false, false
	}
	return hit, base
}

// JudgeCount tells which occurrences of a count per message or recipient the
// counted events of one key satisfy, for each once-per key among them. They may
// come in any order, and are sorted by their time in conditions.
func (r *Rule) JudgeCount(counted []Counted) (firings []Firing) {
	slices.SortFunc(counted, func(a, b Counted) int {
		return cmp.Or(cmp.Compare(a.At(), b.At()), compareID(a.ID, b.ID))
	})
	from := 0
	var keys []string // once-per keys of the firings
	for i := range counted {
		b := &counted[i]
		for b.At()-counted[from].At() > micros(r.Duration) {
			from++
		}
		if i-from+1 < r.Times || !r.ActiveAt(b.At()) || b.NoKey {
			continue
		}
		arrived := completed(counted[from:i+1], r.Times)
		bucket := r.stretch(b.At())
		k := 0
		for k < len(firings) && (r.stretch(firings[k].At) != bucket || keys[k] != b.OnceKey) {
			k++
		}
		switch {
		case k == len(firings):
			firings = append(firings, r.countFiring(b, arrived))
			keys = append(keys, b.OnceKey)
		case arrived < firings[k].ArrivedAt:
			firings[k] = r.countFiring(b, arrived)
		}
	}
	return firings
}

// completed is the earliest arrival by which the last event of a window and so
// many in all had arrived.
func completed(window []Counted, times int) schemas.Timestamp {
	last := &window[len(window)-1]
	before := window[:len(window)-1]
	seen := 0
	for i := len(before) - 1; i >= 0 && seen < times-1; i-- {
		if before[i].ArrivedAt <= last.ArrivedAt {
			seen++
		}
	}
	if seen >= times-1 {
		return last.ArrivedAt
	}
	arrivals := make([]schemas.Timestamp, len(before))
	for i := range before {
		arrivals[i] = before[i].ArrivedAt
	}
	slices.Sort(arrivals)
	return max(last.ArrivedAt, arrivals[times-2])
}

func (r *Rule) countFiring(b *Counted, arrived schemas.Timestamp) Firing {
	at := b.At()
	return Firing{
		Rule: r, Occurrence: r.Bucket(at), Evidence: []*Event{b.event()}, At: at, ArrivedAt: arrived,
		NotBefore: r.notBefore(arrived), Status: r.status(0),
		Hits: int64(r.Times), WindowStart: at - micros(r.Duration), WindowEnd: at,
	}
}

// JudgeWindow judges a rule of a campaign on what the window before a boundary
// counted: whether it is raised now, and whether it fires. A count fires at
// every boundary at which it is raised; its occurrences tell which is the first.
func (r *Rule) JudgeWindow(raised bool, hits, base int64) (now, fires bool) {
	switch {
	case r.Kind == KindCount:
		now = hits >= int64(r.Times)
		return now, now
	case raised:
		now = hits*Million > r.ClearBelow*base
	default:
		now = base >= r.Minimum && hits*Million > r.Above*base
	}
	return now, now != raised
}

// WindowFiring is the firing of a rule of a campaign at a boundary, with what
// JudgeWindow said is raised now.
func (r *Rule) WindowFiring(boundary schemas.Timestamp, raised bool, hits, base int64) Firing {
	f := Firing{
		Rule: r, Occurrence: r.Bucket(boundary), At: boundary, ArrivedAt: boundary,
		NotBefore: r.notBefore(boundary), Status: r.status(0),
		Hits: hits, Base: base, WindowStart: boundary - micros(r.Duration), WindowEnd: boundary,
	}
	if r.Kind == KindRate {
		f.State = StateCleared
		if raised {
			f.State = StateRaised
		}
		f.Occurrence = f.State + "@" + strconv.FormatInt(int64(boundary), 10)
	}
	return f
}
