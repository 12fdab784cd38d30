package trigger

// guard is an equality that a condition demands.
type guard struct{}

func (g *guard) passes(m *Message, e *Event) bool { return true }
