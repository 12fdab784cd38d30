package reference

import (
	"math"
	"math/big"
	"slices"
)

// Share is a rate: so many of all.
type Share struct{ N, All int64 }

func (s Share) value() float64 { return float64(s.N) / float64(s.All) }

// z95 leaves 2.5 % of the normal distribution above it.
const z95 = 1.959963984540054

// Wilson is the 95 % score interval of a share: all shares p that differ from the
// observed one by no more than 1.96 of their own standard deviations, that is the
// roots of (n + z²) p² - (2 n s + z²) p + n s² = 0.
func (s Share) Wilson() (low, high float64) {
	n, z2 := float64(s.All), z95*z95
	a, b, c := n+z2, -(2*n*s.value() + z2), n*s.value()*s.value()
	root := math.Sqrt(max(0, b*b-4*a*c))
	return max(0, (-b-root)/(2*a)), min(1, (-b+root)/(2*a))
}

// Newcombe is the 95 % interval of the difference of two shares: the distances of
// their Wilson intervals, added as squares.
func Newcombe(a, b Share) (low, high float64) {
	al, ah := a.Wilson()
	bl, bh := b.Wilson()
	d, square := a.value()-b.value(), func(x float64) float64 { return x * x }
	return d - math.Sqrt(square(a.value()-al)+square(bh-b.value())), d + math.Sqrt(square(ah-a.value())+square(b.value()-bl))
}

// Enough tells whether each of the four numbers, hits and misses of both, is
// expected to be 5 at least if both shares are the same.
func Enough(a, b Share) bool {
	hits, all := float64(a.N+b.N), float64(a.All+b.All)
	for _, n := range []int64{a.All, b.All} {
		if float64(n)*hits/all < 5 || float64(n)*(all-hits)/all < 5 {
			return false
		}
	}
	return true
}

// Z is how many standard deviations two shares differ, if both are samples of one,
// and how likely that is or more.
func Z(a, b Share) (z, p float64) {
	pooled := Share{a.N + b.N, a.All + b.All}.value()
	z = (a.value() - b.value()) / math.Sqrt(pooled*(1-pooled)*(1/float64(a.All)+1/float64(b.All)))
	return z, math.Erfc(math.Abs(z) / math.Sqrt2)
}

// Fisher is how likely a table of hits and misses as unlikely as this one, or more,
// is with the same sums: each counted exactly.
func Fisher(a, b Share) float64 {
	hits := a.N + b.N
	ways := func(k int64) *big.Int {
		n := new(big.Int).Binomial(a.All, k)
		return n.Mul(n, new(big.Int).Binomial(b.All, hits-k))
	}
	observed, unlikely := ways(a.N), new(big.Int)
	for k := max(0, hits-b.All); k <= min(a.All, hits); k++ {
		if n := ways(k); n.Cmp(observed) <= 0 {
			unlikely.Add(unlikely, n)
		}
	}
	p, _ := new(big.Rat).SetFrac(unlikely, new(big.Int).Binomial(a.All+b.All, hits)).Float64()
	return p
}

// Holm is what several probabilities are together: the least one counts as often as
// there are tests, the next one once less, and none less than the one before.
func Holm(ps []float64) []float64 {
	adjusted := make([]float64, len(ps))
	for i, p := range ps {
		for _, q := range ps {
			if q > p {
				continue
			}
			notLess := 0 // tests whose probability is q or more
			for _, r := range ps {
				if r >= q {
					notLess++
				}
			}
			adjusted[i] = max(adjusted[i], min(1, q*float64(notLess)))
		}
	}
	return adjusted
}

// Median is the middle of values, or the mean of the middle two.
func Median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
