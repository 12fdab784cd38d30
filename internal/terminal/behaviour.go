package terminal

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/posthorn/posthorn/analytics"
)

// PrintDelays writes the percentiles of delays, and the distribution of all first
// opens as bars.
func PrintDelays(w io.Writer, d analytics.Delays) error {
	t := newTable()
	names := []string{"p5", "p25", "p50", "p75", "p90", "p95", "p99"}
	header := table.Row{"Delay", "Messages", "Mean"}
	for _, name := range names {
		header = append(header, name)
	}
	t.AppendHeader(header)
	for _, line := range []struct {
		name string
		of   *analytics.Delay
	}{{"to open", &d.Open}, {"to open, people", &d.HumanOpen}, {"to click", &d.Click}, {"to click, people", &d.HumanClick}} {
		row := table.Row{line.name, thousands(line.of.Messages), seconds(line.of.MeanSeconds)}
		for _, name := range names {
			row = append(row, seconds(line.of.Percentiles[name]))
		}
		t.AppendRow(row)
	}
	rightAlign(t, 2, 3, 4, 5, 6, 7, 8, 9, 10)
	text := fmt.Sprintf("\nPercentiles are known to %.1f %%. To open: from the delivery; to click: from the first open.\n", 100*d.Error)
	return write(w, seriesSubject(d.Campaigns), ": delays", sentPeriod(d.SentPeriod), "\n", t.Render(), text)
}

func seconds(v *float64) string {
	return showRate(analytics.Rate{Value: v, Unit: analytics.UnitSeconds})
}

// PrintFunnel writes the steps of a funnel with bars, and what became of messages.
func PrintFunnel(w io.Writer, f analytics.Funnel) error {
	t := newTable()
	t.AppendHeader(table.Row{"Step", "Messages", "Of the step before", "Of delivered", ""})
	for i, steps := range [][]analytics.FunnelStep{f.Steps, f.Human} {
		for _, s := range steps {
			name := words(s.Name)
			if i == 1 {
				name += ", people"
			}
			t.AppendRow(table.Row{name, thousands(s.Messages), showShare(s.OfPrevious), showShare(s.OfDelivered), bar(s.Messages, max(1, steps[0].Messages))})
		}
		if i == 0 {
			t.AppendSeparator()
		}
	}
	rightAlign(t, 2, 3, 4)
	paths := newTable()
	paths.AppendHeader(table.Row{"What became of messages", "Messages", "Share"})
	for _, p := range f.Paths[:min(len(f.Paths), 12)] {
		name := "none of it"
		if len(p.Path) > 0 {
			name = words(strings.Join(p.Path, ", "))
		}
		paths.AppendRow(table.Row{name, thousands(p.Messages), showShare(p.Share)})
	}
	rightAlign(paths, 2, 3)
	return write(w, seriesSubject(f.Campaigns), ": funnel", sentPeriod(f.SentPeriod), "\n", t.Render(), "\n\n", paths.Render(), "\n")
}

// PrintHeatMap writes the opens of each hour of the week by shades, and the best
// hours by the rate of people's opens.
func PrintHeatMap(w io.Writer, m analytics.HeatMap) error {
	shades, most := []rune(" ░▒▓█"), int64(0)
	for i := range m.Cells {
		most = max(most, m.Cells[i].Counters.HumanOpens)
	}
	grid := map[int][]string{}
	for i := range m.Cells {
		c := &m.Cells[i]
		if grid[c.Weekday] == nil {
			grid[c.Weekday] = make([]string, 24)
		}
		level := 0
		if n := c.Counters.HumanOpens; n > 0 {
			level = 1 + int((n*int64(len(shades)-1)-1)/most)
		}
		grid[c.Weekday][c.Hour] = strings.Repeat(string(shades[level]), 2)
	}
	var out strings.Builder
	by := "at the send"
	if m.Basis == "event" {
		by = "at the event"
	}
	fmt.Fprintf(&out, "%s: people's opens by hour of the week, counted %s (%s)\n\n     ", seriesSubject(m.Campaigns), by, m.TZ)
	for hour := range 24 {
		fmt.Fprintf(&out, "%02d", hour)
	}
	out.WriteString("\n")
	for day := 1; day <= 7; day++ {
		fmt.Fprintf(&out, "%s  %s\n", time.Weekday(day % 7).String()[:3], strings.Join(grid[day], ""))
	}
	fmt.Fprintf(&out, "\n█ is up to %s opens; %s in all, %s more came late.\n", thousands(most), thousands(m.Total.Counters.HumanOpens), thousands(m.Late.Counters.HumanOpens))
	return write(w, out.String())
}

// PrintCohorts writes which share of each cohort people had opened by an age.
func PrintCohorts(w io.Writer, c analytics.Cohorts) error {
	t := newTable()
	header := table.Row{"Sent in the " + c.By + " of", "Messages", "Delivered"}
	for _, age := range c.Ages {
		header = append(header, ageText(age))
	}
	t.AppendHeader(header)
	row := func(name string, cohort *analytics.Cohort) {
		cells := table.Row{name, thousands(cohort.Sent["messages"]), thousands(cohort.Sent["delivered"])}
		for _, age := range cohort.Ages {
			text := ""
			if age.Cumulative != nil {
				text = showShare(age.Cumulative["human_opened"])
			}
			if age.State == "partial" {
				text += "…"
			}
			cells = append(cells, text)
		}
		t.AppendRow(cells)
	}
	for i := range c.Cohorts {
		row(*c.Cohorts[i].Start, &c.Cohorts[i])
	}
	t.AppendSeparator()
	row("all", &c.All)
	var right []int
	for i := range len(c.Ages) + 2 {
		right = append(right, i+2)
	}
	rightAlign(t, right...)
	return write(w, seriesSubject(c.Campaigns), ": share of the delivered that people had opened by an age", sentPeriod(c.SentPeriod), "\n", t.Render(),
		"\n… is not over yet. The heads say until when after the send.\n")
}

func ageText(a analytics.Age) string {
	switch {
	case a.ToHours == nil:
		return "later"
	case *a.ToHours%24 == 0:
		return strconv.FormatInt(*a.ToHours/24, 10) + "d"
	}
	return strconv.FormatInt(*a.ToHours, 10) + "h"
}

// PrintComparison writes rates with their intervals, and the tests of all pairs.
func PrintComparison(w io.Writer, c analytics.Comparison) error {
	t := newTable()
	t.AppendHeader(table.Row{"Rate", "Campaign", "Value", "95 % interval", "Numbers"})
	pairs := newTable()
	pairs.AppendHeader(table.Row{"Rate", "Pair", "Difference", "95 % interval", "p", "adjusted", "Test", ""})
	for _, m := range c.Metrics {
		for _, r := range m.Campaigns {
			t.AppendRow(table.Row{words(m.Name), r.ID, showShare(r.Rate), interval(r.Low, r.High), thousands(r.Numerator) + " / " + thousands(r.Denominator)})
		}
		t.AppendSeparator()
		for _, p := range m.Pairs {
			verdict := ""
			if p.Significant {
				verdict = "significant"
			}
			pairs.AppendRow(table.Row{words(m.Name), p.A + " - " + p.B, showShare(p.Difference), interval(p.Low, p.High), probability(p.P), probability(p.PAdjusted), p.Test, verdict})
		}
	}
	rightAlign(t, 3, 4, 5)
	rightAlign(pairs, 3, 4, 5, 6)
	text := ""
	for _, name := range slices.Sorted(maps.Keys(c.Method)) {
		text += words(name) + ": " + c.Method[name] + ".\n"
	}
	return write(w, t.Render(), "\n\n", pairs.Render(), "\n", strings.ReplaceAll(text, "..\n", ".\n"))
}

func interval(low, high *float64) string {
	if low == nil || high == nil {
		return "-"
	}
	return showShare(low) + " to " + showShare(high)
}

func probability(p *float64) string {
	switch {
	case p == nil:
		return "-"
	case *p < 0.0001:
		return "< 0.0001"
	}
	return strconv.FormatFloat(*p, 'f', 4, 64)
}

// PrintAnomalies writes the course of a rate, and what is out of line.
func PrintAnomalies(w io.Writer, a analytics.Anomalies) error {
	t := newTable()
	t.AppendHeader(table.Row{"Start", words(a.Metric.Name), "Expected", "In line", "z", "Why"})
	marked, values := 0, make([]int64, len(a.Points))
	for i, p := range a.Points {
		values[i] = int64(p.Rate * 1e6)
		if !p.Anomaly {
			continue
		}
		z := "-"
		if p.Z != nil {
			z = strconv.FormatFloat(*p.Z, 'f', 1, 64)
		}
		marked++
		t.AppendRow(table.Row{p.Start.Format("2006-01-02 15:04 -07:00"), showShare(&p.Rate), showShare(p.Expected), interval(p.Low, p.High), z, p.Why})
	}
	rightAlign(t, 2, 3, 4, 5)
	head := fmt.Sprintf("%s: %s by %s (%s)\n%s\n", seriesSubject(a.Campaigns), words(a.Metric.Name), a.Resolution, a.TZ, sparkline(values))
	if marked == 0 {
		return write(w, head, "Nothing is out of line.\n", a.Method.Text, "\n")
	}
	return write(w, head, t.Render(), "\n", a.Method.Text, "\n")
}
