package inference

import (
	"math"
	"slices"
)

// madScale makes the median absolute deviation of normal data their standard
// deviation: 1 / the third quartile of the standard normal distribution, 1.4826.
var madScale = 1 / (math.Sqrt2 * math.Erfinv(0.5))

// Median returns the middle of values, or of their middle two the mean. It sorts
// values. There must be any.
func Median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	if n%2 == 1 {
		return values[n/2]
	}
	return (values[n/2-1] + values[n/2]) / 2
}

// MAD returns the median of values and their median absolute deviation from it,
// scaled so that of normal data it is the standard deviation (P. J. Rousseeuw and
// C. Croux, JASA 88 (1993) 1273). Up to half of the values may be anything. It
// sorts values.
func MAD(values []float64) (median, deviation float64) {
	median = Median(values)
	deviations := make([]float64, len(values))
	for i, v := range values {
		deviations[i] = math.Abs(v - median)
	}
	return median, madScale * Median(deviations)
}
