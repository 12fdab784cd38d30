package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"
)

// What the gateway aims at beside the floor.
const (
	aimPerCPU = 0.85
	aimP99    = 1.2
)

type results []row

// spread is a median with the least and the most.
type spread struct{ median, min, max float64 }

func spreadOf[T any](all []T, f func(T) float64) spread {
	var v []float64
	for _, x := range all {
		v = append(v, f(x))
	}
	if len(v) == 0 {
		return spread{math.NaN(), math.NaN(), math.NaN()}
	}
	slices.Sort(v)
	return spread{v[len(v)/2], v[0], v[len(v)-1]}
}

func (s spread) in(unit float64, format string) string {
	if math.IsNaN(s.median) {
		return "-"
	}
	return fmt.Sprintf(format+" ("+format+"-"+format+")", s.median/unit, s.min/unit, s.max/unit)
}

func perCPU(r round) float64 { return r.perCPUSecond }
func p50(r round) float64    { return r.p50.Seconds() * 1e3 }
func p99(r round) float64    { return r.p99.Seconds() * 1e3 }

// ratios compares the rounds of two variants, each with the one next to it.
func ratios(a, b []round, f func(round) float64) spread {
	type pair struct{ a, b round }
	var pairs []pair
	for i := range min(len(a), len(b)) {
		pairs = append(pairs, pair{a[i], b[i]})
	}
	return spreadOf(pairs, func(p pair) float64 { return f(p.a) / f(p.b) })
}

func (all results) print(out io.Writer) {
	fmt.Fprintln(out, "\nmedians of the rounds (least-most); CPU is that of the server alone, user and system")
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\t\tat saturation\t\t\t\tat equal load\t\t\t\t")
	fmt.Fprintln(w, "load\tserver\trequests/s\t/CPU-s\tof the floor\tp99 ms\trequests/s\t/CPU-s of the floor\tp50 ms\tp99 ms\tp99 of the floor")
	for _, r := range all {
		fmt.Fprintf(w, "%s: %s\n", r.broker, r.load)
		for _, v := range r.variants {
			c, f := r.cells[v], r.cells[floor]
			rate := fmt.Sprintf("%.0f", r.rate)
			if len(c.paced) == 0 {
				rate = "not sustained"
			}
			fmt.Fprintf(w, "\t%s\t%.0f\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", v, c.rate(),
				spreadOf(c.saturated, perCPU).in(1, "%.0f"), ratios(c.saturated, f.saturated, perCPU).in(1, "%.2f"),
				spreadOf(c.saturated, p99).in(1, "%.1f"), rate, ratios(c.paced, f.paced, perCPU).in(1, "%.2f"),
				spreadOf(c.paced, p50).in(1, "%.2f"), spreadOf(c.paced, p99).in(1, "%.2f"), ratios(c.paced, f.paced, p99).in(1, "%.2f"))
		}
	}
	w.Flush()
	all.printResults(out)
}

// printResults prints, of the brokers, what is worse for the gateway.
func (all results) printResults(out io.Writer) {
	fmt.Fprintf(out, "\nThe gateway beside the floor, requests per CPU-second at saturation (aim: %.2f) and p99 at equal load (aim: %.1f); of the brokers, and for p99 of the loads, the worst:\n", aimPerCPU, aimP99)
	worstP99 := 0.0
	for _, r := range all {
		if r.load.scheme == basic {
			worstP99 = max(worstP99, ratios(r.cells[gateway].paced, r.cells[floor].paced, p99).median)
		}
	}
	for _, result := range []struct {
		name string
		load load
	}{
		{"ingest_1event_64_vs_floor", load{1, 64, basic}},
		{"ingest_1event_256_vs_floor", load{1, 256, basic}},
		{"ingest_100events_64_vs_floor", load{100, 64, basic}},
	} {
		worst := math.Inf(1)
		for _, r := range all {
			if r.load == result.load {
				worst = min(worst, ratios(r.cells[gateway].saturated, r.cells[floor].saturated, perCPU).median)
			}
		}
		if !math.IsInf(worst, 1) {
			fmt.Fprintf(out, "RESULT %s %.2f x\n", result.name, worst)
		}
	}
	if worstP99 > 0 {
		fmt.Fprintf(out, "RESULT ingest_p99_vs_floor %.2f x\n", worstP99)
	}
}
