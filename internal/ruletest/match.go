package ruletest

// matches tells whether what fired has every field that is expected.
func (x expected) matches(fired map[string]string) bool { return x.agreement(fired) == len(x.fields) }

// agreement is how many of the expected fields it has.
func (x expected) agreement(fired map[string]string) (n int) {
	for name, want := range x.fields {
		if fired[name] == want {
			n++
		}
	}
	return n
}

// pairing says for each that is expected which has fired, by index; -1: none.
// Whoever expects little may have what fits others as well, so pairs are changed
// along a path until as many as possible are there.
func pairing(want []expected, fired []map[string]string) []int {
	of := make([]int, len(fired)) // who has it
	for j := range of {
		of[j] = -1
	}
	var seen []bool
	var find func(i int) bool
	find = func(i int) bool {
		for j := range fired {
			if seen[j] || !want[i].matches(fired[j]) {
				continue
			}
			seen[j] = true
			if of[j] < 0 || find(of[j]) {
				of[j] = i
				return true
			}
		}
		return false
	}
	for i := range want {
		seen = make([]bool, len(fired))
		find(i)
	}
	pairs := make([]int, len(want))
	for i := range pairs {
		pairs[i] = -1
	}
	for j, i := range of {
		if i >= 0 {
			pairs[i] = j
		}
	}
	return pairs
}

// nearest finds for what was expected in vain that which the same rule has fired
// otherwise, and that agrees most; -1: none.
func nearest(x expected, fired []map[string]string, taken []bool) int {
	best, agreement := -1, 0
	for j, f := range fired {
		if taken[j] || f["rule"] != x.fields["rule"] {
			continue
		}
		if n := x.agreement(f); n > agreement {
			best, agreement = j, n
		}
	}
	return best
}
