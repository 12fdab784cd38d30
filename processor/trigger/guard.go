package trigger

// guard is an equality that a condition demands.
type guard struct{}
