package reference

import "math"

// Anomaly is what is said of it.
type Anomaly struct {
	Judged              bool
	Expected, Low, High float64
	Z                   float64
	Marked              bool
}

// AnomalyRule is how it is judged: by so many observations before it, of which so
// many must be of Least or more; marked where it is Z standard deviations away and
// differs by Messages.
type AnomalyRule struct {
	Window, Baseline int
	Least            int64
	Z, Messages      float64
}

// Anomalies judges a course. What is expected is the median of the rates before;
// their spread is the median distance from it, times 1.4826 as for normal data. To
// that comes what chance does to as many messages, at the greater of the median and
// the rate of all that is before and not marked (and half a message more).
func Anomalies(course []Share, rule AnomalyRule) []Anomaly {
	judged := make([]Anomaly, len(course))
	for i, now := range course {
		if now.All < rule.Least {
			continue
		}
		var rates, distances []float64
		sum := Share{}
		for j := max(0, i-rule.Window); j < i; j++ {
			if course[j].All < rule.Least {
				continue
			}
			rates = append(rates, course[j].value())
			if !judged[j].Marked {
				sum.N, sum.All = sum.N+course[j].N, sum.All+course[j].All
			}
		}
		if len(rates) < rule.Baseline {
			continue
		}
		expected := Median(rates)
		for _, r := range rates {
			distances = append(distances, math.Abs(r-expected))
		}
		p := expected
		if sum.All > 0 {
			p = max(p, (float64(max(0, sum.N))+0.5)/(float64(sum.All)+1))
		}
		spread, chance := 1.482602218505602*Median(distances), p*max(1-p, 0)/float64(now.All)
		deviation := math.Sqrt(spread*spread + chance)
		if deviation == 0 {
			continue
		}
		within := max(rule.Z*deviation, rule.Messages/float64(now.All))
		judged[i] = Anomaly{
			Judged: true, Expected: expected, Low: max(0, expected-within), High: expected + within,
			Z: (now.value() - expected) / deviation, Marked: math.Abs(now.value()-expected) >= within,
		}
	}
	return judged
}
