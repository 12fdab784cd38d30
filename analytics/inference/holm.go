package inference

import "slices"

// Holm corrects p values of several tests so that the probability of any false
// alarm stays what it is for one: S. Holm, Scandinavian Journal of Statistics 6
// (1979) 65. The result is in the order of ps.
func Holm(ps []float64) []float64 {
	order := make([]int, len(ps))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case ps[a] < ps[b]:
			return -1
		case ps[a] > ps[b]:
			return 1
		}
		return 0
	})
	adjusted := make([]float64, len(ps))
	greatest := 0.0
	for rank, i := range order {
		greatest = max(greatest, min(1, ps[i]*float64(len(ps)-rank)))
		adjusted[i] = greatest
	}
	return adjusted
}
