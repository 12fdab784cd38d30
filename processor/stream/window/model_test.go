package window_test

import (
	"fmt"
	"maps"
	"slices"
)

// The model says, from the set of events alone and as plainly as can be, what
// the windows must end with.
type model struct {
	results map[place]result
	late    map[string]int
	closes  map[place]int64 // when each window does, in arrival time
}

type shape struct {
	kind                 string
	size, hop, retention int64 // size is the gap of sessions
}

func (s shape) model(events []event) model {
	m := model{map[place]result{}, map[string]int{}, map[place]int64{}}
	byKey := map[string][]event{}
	for _, e := range events {
		e.At = min(e.At, e.Arrived)
		byKey[e.Key] = append(byKey[e.Key], e)
	}
	for key, events := range byKey {
		switch s.kind {
		case "hopping":
			s.hopping(m, key, events)
		case "sliding":
			s.sliding(m, key, events)
		case "session":
			s.session(m, key, events)
		}
	}
	return m
}

func (m model) set(key string, start, end, closes int64, held []int) {
	slices.Sort(held)
	m.results[place{key, start}] = result{end, fmt.Sprint(held)}
	m.closes[place{key, start}] = closes
}

func (m model) tell(e event, counted bool) { m.late[lateName(e.ID, e.Key, e.At, counted)]++ }

func (s shape) hopping(m model, key string, events []event) {
	held := map[int64][]int{}
	for _, e := range events {
		late, counted := false, false
		for start := e.At - s.size + 1; start <= e.At; start++ {
			if start%s.hop != 0 {
				continue
			}
			if e.Arrived < start+s.size+s.retention {
				held[start] = append(held[start], e.ID)
				counted = true
			} else {
				late = true
			}
		}
		if late {
			m.tell(e, counted)
		}
	}
	for start, ids := range held {
		m.set(key, start, start+s.size, start+s.size+s.retention, ids)
	}
}

func (s shape) sliding(m model, key string, events []event) {
	for _, end := range events {
		if end.Arrived >= end.At+s.retention {
			m.tell(end, end.Arrived < end.At+s.size-1+s.retention)
			continue
		}
		var held []int
		for _, e := range events {
			if end.At-s.size < e.At && e.At <= end.At && e.Arrived < end.At+s.retention {
				held = append(held, e.ID)
			}
		}
		m.set(key, end.At-s.size, end.At, end.At+s.retention, held)
	}
}

func (s shape) session(m model, key string, events []event) {
	held := map[int64][]int{}
	for _, e := range events {
		if e.Arrived < e.At+s.size+s.retention {
			held[e.At] = append(held[e.At], e.ID)
		} else {
			m.tell(e, false)
		}
	}
	times := slices.Sorted(maps.Keys(held))
	for i := 0; i < len(times); {
		j := i
		ids := slices.Clone(held[times[i]])
		for j+1 < len(times) && times[j+1]-times[j] <= s.size {
			j++
			ids = append(ids, held[times[j]]...)
		}
		m.set(key, times[i], times[j], times[j]+2*s.size+s.retention, ids)
		i = j + 1
	}
}
