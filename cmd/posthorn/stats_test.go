package main

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"testing"
)

// Each statistic has the parameters that the API has, and no other.
func TestStatisticsHaveTheParametersOfTheAPI(t *testing.T) {
	text, err := os.ReadFile("../../analytics/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]struct {
			Parameters []struct{ Name string }
		}
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	for _, s := range statistics() {
		var want []string
		for _, p := range doc.Paths[s.path]["get"].Parameters {
			if p.Name != "format" {
				want = append(want, p.Name)
			}
		}
		slices.Sort(want)
		if got := slices.Sorted(maps.Keys(s.flags)); len(want) == 0 || !slices.Equal(got, want) {
			t.Errorf("stats %s has %v, %s has %v", s.use, got, s.path, want)
		}
		if s.answer() == nil || s.short == "" {
			t.Errorf("stats %s is not whole", s.use)
		}
	}
}
