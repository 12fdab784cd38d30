package inference

import "math"

// Wilson returns the 95 % score interval of a proportion, without correction for
// continuity: E. B. Wilson, JASA 22 (1927) 209; method 3 in R. G. Newcombe,
// Statistics in Medicine 17 (1998) 857. Unlike p ± 1.96 s it is right for small
// counts and stays within 0 and 1.
func Wilson(p Proportion) Interval {
	n, share, z2 := float64(p.Trials), p.Value(), z95*z95
	middle := share + z2/(2*n)
	half := z95 * math.Sqrt(share*(1-share)/n+z2/(4*n*n))
	low, high := (middle-half)/(1+z2/n), (middle+half)/(1+z2/n)
	// Rounding must not leave a hair of a bound that is exact.
	if p.Successes == 0 {
		low = 0
	}
	if p.Successes == p.Trials {
		high = 1
	}
	return Interval{low, high}
}

// Newcombe returns the 95 % interval of a's share less b's, of independent samples:
// the hybrid score interval, method 10 in R. G. Newcombe, Statistics in Medicine 17
// (1998) 873.
func Newcombe(a, b Proportion) Interval {
	difference := a.Value() - b.Value()
	wa, wb := Wilson(a), Wilson(b)
	return Interval{
		difference - math.Hypot(a.Value()-wa.Low, wb.High-b.Value()),
		difference + math.Hypot(wa.High-a.Value(), b.Value()-wb.Low),
	}
}

// TwoProportionZ tests whether two shares are the same, with the pooled share for
// the variance. Its square is Pearson's chi-square of the table of two by two. ok
// is false where all or none are successes in both: there is nothing to test.
func TwoProportionZ(a, b Proportion) (z, p float64, ok bool) {
	na, nb := float64(a.Trials), float64(b.Trials)
	pooled := float64(a.Successes+b.Successes) / (na + nb)
	variance := pooled * (1 - pooled) * (1/na + 1/nb)
	if variance <= 0 {
		return 0, 1, false
	}
	z = (a.Value() - b.Value()) / math.Sqrt(variance)
	return z, upperTails(z), true
}

// minExpected is what each cell of a table of two by two must be expected to hold
// for the normal approximation: W. G. Cochran, Biometrics 10 (1954) 417.
const minExpected = 5

// NormalEnough tells whether TwoProportionZ may be used: whether each cell of the
// table, successes and others of both, is expected to hold 5 at least.
func NormalEnough(a, b Proportion) bool {
	successes := float64(a.Successes + b.Successes)
	others := float64(a.Trials+b.Trials) - successes
	smaller := float64(min(a.Trials, b.Trials)) / float64(a.Trials+b.Trials)
	return smaller*min(successes, others) >= minExpected
}

// Fisher returns the two-sided p value of Fisher's exact test that two shares are
// the same: the probability of all tables with the same margins that are not more
// likely than this one (R. A. Fisher, The Design of Experiments, 1935; two-sided as
// in R's fisher.test). It takes time in the lesser of successes and trials.
func Fisher(a, b Proportion) float64 {
	successes := a.Successes + b.Successes
	low, high := max(0, successes-b.Trials), min(a.Trials, successes)
	observed := logHypergeometric(a.Successes, a.Trials, b.Trials, successes)
	// Equally likely tables must not differ by rounding: as R does.
	const slack = 1e-7
	p := 0.0
	for k := low; k <= high; k++ {
		if l := logHypergeometric(k, a.Trials, b.Trials, successes); l <= observed+slack {
			p += math.Exp(l)
		}
	}
	return min(p, 1)
}

// logHypergeometric is the logarithm of the probability that k of the successes are
// among the first of two samples.
func logHypergeometric(k, first, second, successes int64) float64 {
	return logChoose(first, k) + logChoose(second, successes-k) - logChoose(first+second, successes)
}

func logChoose(n, k int64) float64 {
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(k + 1))
	c, _ := math.Lgamma(float64(n - k + 1))
	return a - b - c
}
