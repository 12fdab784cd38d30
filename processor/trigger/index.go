package trigger

// index finds the rules that some events may satisfy.
type index struct{ rest []*Rule }

func (x *index) add(r *Rule) { x.rest = append(x.rest, r) }

func (x *index) find(dst []*Rule, m *Message, types TypeSet, events []Event) []*Rule {
	for _, r := range x.rest {
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
