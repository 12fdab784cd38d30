package window

// slide sums a range of entries that moves forward. Each entry is merged a
// constant number of times, however many ranges it is in: sums from the right
// are kept for the older part of the range, and one running sum for the rest.
type slide[A any] struct {
	merge      func(acc, other *A)
	entries    []entry[A]
	head, tail int // the range is entries[head:tail]
	mid        int
	right      []A // right[i] is the sum of entries[i:mid], for head <= i < mid
	running    A   // the sum of entries[mid:tail]
}

// over returns the sum of the entries that start in [first, last]. Neither end
// may be smaller than in the call before.
func (s *slide[A]) over(first, last int64) A {
	for ; s.tail < len(s.entries) && s.entries[s.tail].start <= last; s.tail++ {
		s.merge(&s.running, &s.entries[s.tail].acc)
	}
	for s.head < s.tail && s.entries[s.head].start < first {
		s.head++
	}
	if s.head > s.mid {
		s.turn()
	}
	var sum A
	if s.head < s.mid {
		s.merge(&sum, &s.right[s.head])
	}
	if s.mid < s.tail {
		s.merge(&sum, &s.running)
	}
	return sum
}

// turn sums the whole range from the right.
func (s *slide[A]) turn() {
	if s.right == nil {
		s.right = make([]A, len(s.entries))
	}
	var zero A
	for i := s.tail - 1; i >= s.head; i-- {
		s.right[i] = zero
		s.merge(&s.right[i], &s.entries[i].acc)
		if i+1 < s.tail {
			s.merge(&s.right[i], &s.right[i+1])
		}
	}
	s.mid, s.running = s.tail, zero
}
