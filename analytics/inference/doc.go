// Package inference has the statistics that figures of campaigns are compared with:
// intervals and tests of proportions, corrections for several of them, robust
// scale, and quantiles of what is counted in buckets. Each function names its
// source; tests compare with published examples.
package inference

import "math"

// z95 is the quantile of the standard normal distribution that leaves 2.5 % above.
var z95 = math.Sqrt2 * math.Erfinv(0.95)

// upperTails returns the probability that a standard normal variable is further
// from 0 than z, on either side.
func upperTails(z float64) float64 { return math.Erfc(math.Abs(z) / math.Sqrt2) }

// Interval is from Low to High, both of it.
type Interval struct{ Low, High float64 }

// Proportion is a share: Successes of Trials. It must have 0 ≤ Successes ≤ Trials
// and Trials > 0, which Valid tells.
type Proportion struct{ Successes, Trials int64 }

// Valid tells whether it is a share at all.
func (p Proportion) Valid() bool { return p.Trials > 0 && 0 <= p.Successes && p.Successes <= p.Trials }

// Value is the share, from 0 to 1.
func (p Proportion) Value() float64 { return float64(p.Successes) / float64(p.Trials) }
