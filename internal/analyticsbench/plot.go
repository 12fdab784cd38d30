package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// curve is how one figure grows with the number of events.
type curve struct {
	name, colour string
	aim          float64
	values       []float64 // of each size; NaN: unknown
}

func curves(sizes []*measured) []curve {
	overview := curve{name: "campaign overview, p95", colour: "#1b6e9c", aim: aimOverview}
	slow := curve{name: "slowest request of a page, p95", colour: "#c0392b", aim: aimQuery}
	median := curve{name: "median request of all pages, p95", colour: "#4d8b3a"}
	for _, m := range sizes {
		overview.values = append(overview.values, m.overview.times.P95)
		var all []float64
		for _, x := range m.answers {
			if x.times.N > 0 {
				all = append(all, x.times.P95)
			}
		}
		d := distributionOf(all)
		slow.values, median.values = append(slow.values, d.Max), append(median.values, d.P50)
	}
	return []curve{slow, overview, median}
}

func bySize(all []*measured) []*measured {
	return slices.SortedFunc(slices.Values(all), func(a, b *measured) int { return int(a.Events - b.Events) })
}

// growthPlot draws milliseconds over events, both by powers of ten.
func growthPlot(all []*measured) string {
	const width, height, left, right, top, bottom = 720, 400, 64, 220, 24, 48
	sizes := bySize(all)
	least, most := math.Log10(float64(sizes[0].Events))-.15, math.Log10(float64(sizes[len(sizes)-1].Events))+.15
	const low, high = 0.0, 3.5 // 1 ms to 3.2 s
	x := func(events float64) float64 {
		return left + (math.Log10(events)-least)/(most-least)*(width-left-right)
	}
	y := func(ms float64) float64 {
		at := min(max(math.Log10(ms), low), high)
		return top + (high-at)/(high-low)*(height-top-bottom)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&b, `<title>p95 of requests by the number of events</title><rect width="%d" height="%d" fill="white"/>`+"\n", width, height)
	for _, ms := range []float64{1, 3, 10, 30, 100, 300, 1000, 3000} {
		fmt.Fprintf(&b, `<path d="M%d %.1fH%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end" fill="#444">%.0f ms</text>`+"\n", left, y(ms), width-right, left-8, y(ms)+4, ms)
	}
	for _, m := range sizes {
		at := x(float64(m.Events))
		fmt.Fprintf(&b, `<path d="M%.1f %dV%d" stroke="#eee"/><text x="%.1f" y="%d" text-anchor="middle" fill="#444">%s events</text>`+"\n", at, top, height-bottom, at, height-bottom+20, short(float64(m.Events)))
	}
	for _, c := range curves(sizes) {
		if c.aim > 0 {
			fmt.Fprintf(&b, `<path d="M%d %.1fH%d" stroke="%s" stroke-dasharray="5 4"/><text x="%d" y="%.1f" fill="%s">aim: %.0f ms</text>`+"\n", left, y(c.aim), width-right, c.colour, width-right+8, y(c.aim)+4, c.colour, c.aim)
		}
		var points []string
		end := math.NaN()
		for i, v := range c.values {
			if math.IsNaN(v) {
				continue
			}
			end = v
			points = append(points, fmt.Sprintf("%.1f,%.1f", x(float64(sizes[i].Events)), y(v)))
			fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="4" fill="%s"><title>%s: %s ms</title></circle>`+"\n", x(float64(sizes[i].Events)), y(v), c.colour, c.name, figure(v))
		}
		fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(points, " "), c.colour)
		if !math.IsNaN(end) {
			fmt.Fprintf(&b, `<text x="%d" y="%.1f" fill="%s">%s</text>`+"\n", width-right+8, y(end)-6, c.colour, c.name)
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// textPlot is the same for those who read text: a bar for each figure, as long as
// its power of ten.
func textPlot(all []*measured) string {
	var b strings.Builder
	sizes := bySize(all)
	for _, c := range curves(sizes) {
		fmt.Fprintln(&b, c.name)
		for i, v := range c.values {
			bar := 0
			if !math.IsNaN(v) {
				bar = int(math.Round(max(0, math.Log10(max(v, 1))) * 15))
			}
			fmt.Fprintf(&b, "  %8s  %-52s %s ms\n", short(float64(sizes[i].Events)), strings.Repeat("#", bar), figure(v))
		}
	}
	return b.String()
}
