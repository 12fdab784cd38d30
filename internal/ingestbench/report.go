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

func spreadOf(v []float64) spread {
	if len(v) == 0 {
		return spread{math.NaN(), math.NaN(), math.NaN()}
	}
	v = slices.Sorted(slices.Values(v))
	return spread{v[len(v)/2], v[0], v[len(v)-1]}
}

func spreadIn(rounds []round, f func(round) float64) spread {
	var v []float64
	for _, r := range rounds {
		v = append(v, f(r))
	}
	return spreadOf(v)
}

func (s spread) text(format string) string {
	if math.IsNaN(s.median) {
		return "-"
	}
	return fmt.Sprintf(format+" ("+format+"-"+format+")", s.median, s.min, s.max)
}

func perCPU(r round) float64 { return r.perCPUSecond }
func p50(r round) float64    { return r.p50.Seconds() * 1e3 }
func p99(r round) float64    { return r.p99.Seconds() * 1e3 }

// ratios compares the rounds of two variants, each with the one next to it.
func ratios(a, b []round, f func(round) float64) (v []float64) {
	for i := range min(len(a), len(b)) {
		v = append(v, f(a[i])/f(b[i]))
	}
	return v
}

func (all results) print(out io.Writer) {
	fmt.Fprintln(out, "\nmedians of the rounds (least-most); CPU is that of the server alone, user and system;\na server that does not sustain the equal load, half of what the slower of gateway and floor does at most, has none")
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\t\tat saturation\t\t\t\tat equal load\t\t\t\t\t")
	fmt.Fprintln(w, "events, connections\tserver\trequests/s\t/CPU-s\tof the floor\tp99 ms\trequests/s\t/CPU-s of the floor\tp50 ms\tp99 ms\tp99 of the floor")
	for _, r := range all {
		for i, v := range r.variants {
			label := fmt.Sprintf("%s: %s", r.broker, r.load)
			if i > 0 {
				label = ""
			}
			c, f := r.cells[v], r.cells[floor]
			rate := fmt.Sprintf("%.0f", r.rate)
			if len(c.paced) == 0 {
				rate = "-"
			}
			fmt.Fprintf(w, "%s\t%s\t%.0f\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", label, v, c.rate(),
				spreadIn(c.saturated, perCPU).text("%.0f"), spreadOf(ratios(c.saturated, f.saturated, perCPU)).text("%.2f"),
				spreadIn(c.saturated, p99).text("%.1f"), rate, spreadOf(ratios(c.paced, f.paced, perCPU)).text("%.2f"),
				spreadIn(c.paced, p50).text("%.2f"), spreadIn(c.paced, p99).text("%.2f"), spreadOf(ratios(c.paced, f.paced, p99)).text("%.2f"))
		}
	}
	w.Flush()
	all.printResults(out)
}

// printResults prints the gateway beside the floor. Of the brokers the worse one
// counts; latencies vary by more than the gateway changes them, so all pairs of
// rounds make one median.
func (all results) printResults(out io.Writer) {
	fmt.Fprintf(out, "\nThe gateway beside the floor: requests per CPU-second at saturation, on the worse of the brokers (aim: %.2f), and p99 at equal load, of all loads (aim: %.1f)\n", aimPerCPU, aimP99)
	var p99s []float64
	for _, r := range all {
		if r.load.scheme == basic {
			p99s = append(p99s, ratios(r.cells[gateway].paced, r.cells[floor].paced, p99)...)
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
				worst = min(worst, spreadOf(ratios(r.cells[gateway].saturated, r.cells[floor].saturated, perCPU)).median)
			}
		}
		if !math.IsInf(worst, 1) {
			fmt.Fprintf(out, "RESULT %s %.2f x\n", result.name, worst)
		}
	}
	if len(p99s) > 0 {
		fmt.Fprintf(out, "RESULT ingest_p99_vs_floor %.2f x\n", spreadOf(p99s).median)
	}
}
