package schemas

// Windowed tells whether counts of the basis lie in windows; each other basis
// has one total a campaign, with the start 0.
func (b Basis) Windowed() bool { return b == BasisEventTime || b == BasisSendTime }

// Late returns the basis of what came after the windows of b were closed.
func (b Basis) Late() Basis {
	if b == BasisSendTime {
		return BasisSendTimeLate
	}
	return BasisEventTimeLate
}
