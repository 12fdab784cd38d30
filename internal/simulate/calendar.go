package simulate

// calendar holds the events that are to be posted later, by position in the
// posting order. It is a ring: as many slots ahead as there are, no more, so
// that memory is bounded however many messages there are.
type calendar struct {
	slots []slot
	mask  int64
}

// slot holds the events posted at one position.
type slot struct {
	bytes []byte // one event after the other
	ends  []int32
	open  []bool
}

func newCalendar(messages int64) *calendar {
	n := int64(64)
	for n < 8192 && n*3 < messages {
		n *= 2
	}
	return &calendar{slots: make([]slot, n), mask: n - 1}
}

func (c *calendar) size() int64             { return int64(len(c.slots)) }
func (c *calendar) at(position int64) *slot { return &c.slots[position&c.mask] }

// add takes the buffer back with one more event.
func (s *slot) add(b []byte, open bool) {
	s.bytes = b
	s.ends = append(s.ends, int32(len(b)))
	s.open = append(s.open, open)
}

func (s *slot) event(i int) []byte {
	from := int32(0)
	if i > 0 {
		from = s.ends[i-1]
	}
	return s.bytes[from:s.ends[i]]
}

func (s *slot) clear() { s.bytes, s.ends, s.open = s.bytes[:0], s.ends[:0], s.open[:0] }
