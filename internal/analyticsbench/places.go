package main

import "fmt"

// place is where an address is.
type place struct{ country, region, city string }

// countries with their share of recipients, in per mille, the most common first.
var countries = []struct {
	code  string
	share int
}{
	{"FR", 310}, {"DE", 170}, {"GB", 95}, {"ES", 80}, {"IT", 70}, {"NL", 45}, {"BE", 40}, {"CH", 30}, {"US", 30}, {"PT", 20},
	{"AT", 18}, {"PL", 16}, {"SE", 12}, {"DK", 9}, {"IE", 8}, {"LU", 6}, {"CA", 6}, {"NO", 5}, {"FI", 4}, {"CZ", 4},
	{"MA", 3}, {"GR", 3}, {"RO", 2}, {"HU", 2}, {"TN", 2}, {"BR", 2}, {"MX", 1}, {"AU", 1}, {"JP", 1}, {"SG", 1},
	{"RE", 1}, {"GP", 1}, {"SK", 1}, {"HR", 1}, {"TR", 1},
}

// maxPlaces is how many cities a country has at most.
const maxPlaces = 400

// newPlaces lists the cities of each country: more where more recipients are.
func newPlaces() (lists [][]place, shares []float64) {
	sum := 0
	for _, c := range countries {
		sum += c.share
		n := max(5, c.share*maxPlaces/countries[0].share)
		list := make([]place, n)
		for i := range list {
			list[i] = place{c.code, fmt.Sprintf("%s-%02d", c.code, i%13+1), fmt.Sprintf("%s Ville %d", c.code, i+1)}
		}
		lists = append(lists, list)
		shares = append(shares, float64(sum))
	}
	for i := range shares {
		shares[i] /= float64(sum)
	}
	return lists, shares
}
