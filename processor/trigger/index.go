package trigger

import (
	"cmp"
	"slices"
)

// index finds the rules that events may satisfy: by the types of the events, and
// by a text that the rule's condition demands.
type index struct {
	rest []*Rule // that demand no text
	// byText are the other rules, by the text that tells most rules apart.
	byText []textIndex
}

// empty tells that there is no rule in the index.
func (x *index) empty() bool { return len(x.rest)+len(x.byText) == 0 }

type textIndex struct {
	text  text
	rules map[string][]*Rule
}

// newIndex arranges rules. Of several texts that a rule demands it takes the one
// for which the rules name the most values.
func newIndex(rules []*Rule) (x index) {
	values := map[text]map[string]bool{}
	for _, r := range rules {
		for _, g := range r.demands() {
			for _, v := range g.values {
				if values[g.text] == nil {
					values[g.text] = map[string]bool{}
				}
				values[g.text][v] = true
			}
		}
	}
	at := map[text]int{}
	for _, r := range rules {
		demands := r.demands()
		if len(demands) == 0 {
			x.rest = append(x.rest, r)
			continue
		}
		g := slices.MaxFunc(demands, func(a, b guard) int { return cmp.Compare(len(values[a.text]), len(values[b.text])) })
		i, ok := at[g.text]
		if !ok {
			i = len(x.byText)
			at[g.text] = i
			x.byText = append(x.byText, textIndex{g.text, map[string][]*Rule{}})
		}
		for _, v := range slices.Compact(slices.Sorted(slices.Values(g.values))) {
			x.byText[i].rules[v] = append(x.byText[i].rules[v], r)
		}
	}
	return x
}

// demands are the guards of the rule's condition that name what a text must be.
func (r *Rule) demands() (guards []guard) {
	if r.condition == nil {
		return nil
	}
	for _, g := range r.condition.guards {
		if g.equals() && len(g.values) > 0 {
			guards = append(guards, g)
		}
	}
	return guards
}

func (x *index) find(dst []*Rule, m *Message, types TypeSet, events []Event) []*Rule {
	start := len(dst)
	dst = appendPossible(dst, x.rest, types)
	first := len(dst)
	for i := range x.byText {
		t := &x.byText[i]
		if t.text.fact.event == nil {
			if v, known := t.text.of(m, nil); known {
				dst = appendPossible(dst, t.rules[v], types)
			}
			continue
		}
		last := ""
		for k := range events {
			v, _ := t.text.of(m, &events[k])
			if k == 0 || v != last {
				dst = appendPossible(dst, t.rules[v], types)
			}
			last = v
		}
	}
	if len(dst) == first {
		return dst
	}
	found := dst[start:]
	slices.SortFunc(found, func(a, b *Rule) int { return cmp.Compare(a.index, b.index) })
	return dst[:start+len(slices.Compact(found))]
}

func appendPossible(dst, rules []*Rule, types TypeSet) []*Rule {
	for _, r := range rules {
		if r.possible(types) {
			dst = append(dst, r)
		}
	}
	return dst
}

// possible tells whether events of these types may satisfy the rule.
func (r *Rule) possible(types TypeSet) bool {
	for _, n := range r.needs {
		if n&types == 0 {
			return false
		}
	}
	return true
}
