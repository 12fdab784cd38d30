package main

import (
	"math"
	"slices"
)

// distribution is what measurements of one thing came to.
type distribution struct {
	N                  int
	P50, P95, P99, Max float64
}

func distributionOf(values []float64) distribution {
	if len(values) == 0 {
		return distribution{P50: math.NaN(), P95: math.NaN(), P99: math.NaN(), Max: math.NaN()}
	}
	v := slices.Sorted(slices.Values(values))
	// The nearest rank: a value that was measured.
	at := func(q float64) float64 { return v[max(0, int(math.Ceil(q*float64(len(v))))-1)] }
	return distribution{N: len(v), P50: at(.5), P95: at(.95), P99: at(.99), Max: v[len(v)-1]}
}
